"""Which files are complete: a state machine that is told what was seen, and when.

    hint ──> look ──same version after `settle`──> whole? ──yes──> offered
              ^  │ changed, empty, busy              │ no: again, until `settle_limit`, then offered as a problem
              └──┘                                    └──> again

It does no I/O and reads no clock: `now` is any clock that only goes forward, in seconds.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal, TypeAlias

from glimpsed.model import Version

UNCLOSED = 1.0  # s of quiet for a file with ``settle: 0`` that nobody said was closed
GLANCE = 0.25  # s after which a file that was only created is looked at: its close mostly comes first
BACKOFF = 1.0  # s, doubled up to `BACKOFF_MOST` while a file is busy, or quiet but not whole
BACKOFF_MOST = 30.0
EMPTY = "The file is empty."

Kind: TypeAlias = Literal["wait", "complete", "problem", "growing", "busy", "drop"]


@dataclass(frozen=True, slots=True)
class Check:
    """A path to look at. The file is asked to be whole when its version is `expected`, or `at_its_word`."""

    path: str
    expected: Version | None
    at_its_word: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a path showed: no version means that it is gone, or cannot be read for now."""

    version: Version | None = None
    not_whole: str | None = None  # why, when it was asked to be whole
    checked: bool = False  # it was asked to be whole
    not_yet: str | None = None  # busy, locked, unreadable for now


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a look."""

    kind: Kind
    version: Version | None = None
    fresh: bool = False
    reason: str | None = None
    took: float = 0.0  # seconds since it was noticed, of what is complete


@dataclass(slots=True)
class _Candidate:
    first: float  # when it was noticed
    since: float  # quiet since
    due: float | None  # when to look; None: a look is under way
    closed: bool
    fresh: bool
    version: Version | None = None
    delay: float = BACKOFF
    told: bool = False  # that it is still growing, or cannot be read
    busy: bool = False


class Settling:
    """The files of one folder that are not known to be complete yet."""

    def __init__(self, settle: float, limit: float) -> None:
        self._settle = settle
        self._limit = limit
        self._files: dict[str, _Candidate] = {}
        self._heap: list[tuple[float, str]] = []
        self.troubled: dict[str, str] = {}  # why those that were looked at are not complete

    def __len__(self) -> int:
        return len(self._files)

    @property
    def busy(self) -> int:
        """How many of them somebody keeps from being read."""
        return sum(c.busy for c in self._files.values())

    @property
    def stuck(self) -> int:
        """How many of them still grow, or cannot be read, after the limit."""
        return sum(c.told for c in self._files.values())

    def hint(self, path: str, now: float, *, closed: bool, fresh: bool) -> None:
        """Something happened to this path; `closed` when a writer closed it or moved it into place."""
        due = now if closed else now + GLANCE
        candidate = self._files.get(path)
        if candidate is None:
            candidate = self._files[path] = _Candidate(now, now, due, closed, fresh)
        else:
            candidate.since = now
            candidate.closed |= closed
            candidate.delay = BACKOFF
            if candidate.due is not None and candidate.due <= due:
                return
            candidate.due = due
        heapq.heappush(self._heap, (due, path))

    def found(self, path: str, version: Version, now: float, *, quiet: float, fresh: bool) -> None:
        """A listing showed this version, untouched for `quiet` seconds as far as its file system tells."""
        if path in self._files:
            return
        since = now - max(0.0, quiet)
        due = max(now, since + self._quiet(closed=False))
        self._files[path] = _Candidate(now, since, due, closed=False, fresh=fresh, version=version)
        heapq.heappush(self._heap, (due, path))

    def due(self, now: float, limit: int) -> list[Check]:
        """The paths to look at now, at most so many; each must be answered by `looked` or `put_back`."""
        checks: list[Check] = []
        while self._heap and self._heap[0][0] <= now and len(checks) < limit:
            at, path = heapq.heappop(self._heap)
            candidate = self._files.get(path)
            if candidate is None or candidate.due != at:
                continue  # moved in time since, or gone
            candidate.due = None
            quiet = now - candidate.since >= self._quiet(candidate.closed)
            at_its_word = candidate.closed and self._settle == 0
            checks.append(Check(path, candidate.version if quiet else None, at_its_word))
        return checks

    def next_due(self) -> float | None:
        """When `due` has something next; it may turn out to be nothing."""
        return self._heap[0][0] if self._heap else None

    def crowded(self, now: float, ready: int, most: int) -> bool:
        """Whether more files are due for a look than `ready`, or more wait for one, busy ones apart, than `most`."""
        if len(self._files) <= ready:
            return False
        due = sum(c.due is None or c.due <= now for c in self._files.values())
        return due > ready or len(self._files) - self.busy > most

    def put_back(self, path: str, now: float) -> None:
        """There was no time for this look."""
        candidate = self._files.get(path)
        if candidate is not None and candidate.due is None:
            self._again(path, candidate, now)

    def looked(self, path: str, look: Look, now: float) -> Decision:
        """What was seen there; the decision says what it means."""
        candidate = self._files.get(path)
        if candidate is None:
            return Decision("drop")
        if candidate.due is not None:  # something happened during the look: it decides nothing
            candidate.version = look.version
            return Decision("wait")
        candidate.busy = look.not_yet is not None
        self._note(path, look)
        if look.not_yet is not None:
            self._later(path, candidate, now)
            if candidate.told or now - candidate.first < self._limit:
                return Decision("wait")
            candidate.told = True
            return Decision("busy", reason=look.not_yet)
        if look.version is None:
            self.forget(path)
            return Decision("drop")
        return self._judge(path, candidate, look, now)

    def forget(self, path: str) -> None:
        """It is no longer of interest."""
        self._files.pop(path, None)
        self.troubled.pop(path, None)

    def clear(self) -> None:
        """Forget everything: the folder is lost, and a listing will find again what is there."""
        self._files.clear()
        self._heap.clear()
        self.troubled.clear()

    def _note(self, path: str, look: Look) -> None:
        empty = look.version is not None and not look.version.size
        reason = look.not_yet or look.not_whole or (EMPTY if empty else None)
        if reason is None:
            self.troubled.pop(path, None)
        else:
            self.troubled[path] = reason

    def _judge(self, path: str, c: _Candidate, look: Look, now: float) -> Decision:
        version = look.version
        assert version is not None
        if look.checked and look.not_whole is None and version.size:
            self.forget(path)
            return Decision("complete", version, c.fresh, took=now - c.first)
        if version != c.version:
            return self._changed(path, c, version, now)
        if not look.checked and version.size:
            self._again(path, c, max(now, c.since + self._quiet(c.closed)))
            return Decision("wait")
        if now - c.since >= self._limit:
            self.forget(path)
            reason = look.not_whole or EMPTY
            return Decision("problem", version, c.fresh, reason)
        return self._later(path, c, now)

    def _changed(self, path: str, c: _Candidate, version: Version, now: float) -> Decision:
        # The first look only records what the quiet time is measured with; an event said when it began.
        if c.version is not None:
            c.since = now
        c.version = version
        c.delay = BACKOFF
        self._again(path, c, max(c.since + self._quiet(c.closed), now))
        if not c.told and now - c.first >= self._limit:
            c.told = True
            return Decision("growing", version)
        return Decision("wait")

    def _later(self, path: str, c: _Candidate, now: float) -> Decision:
        self._again(path, c, now + c.delay)
        c.delay = min(2 * c.delay, BACKOFF_MOST)
        return Decision("wait")

    def _again(self, path: str, candidate: _Candidate, due: float) -> None:
        candidate.due = due
        heapq.heappush(self._heap, (due, path))

    def _quiet(self, closed: bool) -> float:
        return self._settle if self._settle or closed else UNCLOSED
