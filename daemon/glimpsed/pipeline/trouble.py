"""Files out of reach for now, and directories that cannot be written: told once, tried ever more rarely.

A directory that is read-only says nothing about its neighbours, and a file that is locked nothing about its
directory. What an error says of more than its file is kept apart: as long as a directory or a disk is known to
take nothing, what waits there is put off without being looked at, let alone asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from glimpsed.errors import Reach
from glimpsed.model import FileKey, shown
from glimpsed.pipeline import backoff

MOST = 10_000  # files of one directory that are remembered
NAMED = 3  # directories that are named, of those that take no sidecars
APART = 0.02  # seconds between two files that wait for a directory: a million must not all come back at once


@dataclass(frozen=True, slots=True)
class Met:
    """What follows from trouble: how long to wait, and whether anybody has to be told."""

    pause: float  # seconds
    first: bool


@dataclass(slots=True)
class _Standing:
    """Trouble of one directory that is not over yet."""

    files: set[str] = field(default_factory=set)  # that met it and have not got through since
    times: int = 0  # in a row
    until: float = 0.0  # epoch: before that it is not tried again
    closed: str | None = None  # why nothing at all can be written there
    waiting: int = 0  # files put off since it was tried last


# Of a folder: a directory, or None for its disk.
_Where = tuple[str, str | None]


class Troubles:
    """One kind of trouble, reading or writing, of all folders. All is decided at once: nothing here waits."""

    def __init__(self, changed: Callable[[str, str | None], None] = lambda _folder, _reason: None) -> None:
        self._changed = changed  # told of each folder's reason, None once there is none
        self._standing: dict[_Where, _Standing] = {}
        # By folder: where nothing can be written, and why.
        self._closed: dict[str, dict[str | None, str]] = {}

    def met(self, key: FileKey, reason: str, now: float, reach: Reach = "file") -> Met:
        """One more file has met it. `reason`: without a name."""
        where = key.folder, None if reach == "disk" else key.directory
        standing = self._standing.get(where)
        first = standing is None
        if standing is None:
            standing = self._standing[where] = _Standing()
        if now >= standing.until:  # else it is still the same try, of one that was in flight beside
            standing.times += 1
            standing.until = now + backoff.share_pause(standing.times)
            standing.waiting = 0
        if len(standing.files) < MOST:
            standing.files.add(key.path)
        if reach != "file":
            self._close(where, standing, reason)
            self._changed(key.folder, self._reason(key.folder))
        return Met(standing.until - now, first)

    def closed(self, key: FileKey) -> bool:
        """Whether nothing could be written where the sidecars of this file belong, when it was tried last."""
        return any(standing.closed is not None for _, standing in self._around(key))

    def wait(self, key: FileKey, now: float) -> tuple[float, str] | None:
        """Until when this file waits unasked, and why; None: it may be tried. One is tried first, and tells."""
        for (_, directory), standing in self._around(key):
            if standing.closed is not None and now < standing.until:
                standing.waiting += 1
                if len(standing.files) < MOST:
                    standing.files.add(key.path)
                where = "" if directory is None else f"{_named(directory)}: "
                return standing.until + standing.waiting * APART, f"{where}{standing.closed}"
        return None

    def over(self, key: FileKey) -> None:
        """One file got through, so its directory and its disk are well."""
        for where, standing in self._around(key):
            standing.files.discard(key.path)
            was_closed, standing.times, standing.until = standing.closed is not None, 0, 0.0
            self._close(where, standing, None)
            self._end(where, standing, told=was_closed)

    def forget(self, key: FileKey) -> None:
        """One file needs nothing any more. Once none does, nobody waits: the next one finds out anew."""
        for where, standing in self._around(key):
            standing.files.discard(key.path)
            self._end(where, standing)

    def _end(self, where: _Where, standing: _Standing, *, told: bool = False) -> None:
        if not standing.files:
            del self._standing[where]
            told = told or standing.closed is not None
            self._close(where, standing, None)
        if told:
            self._changed(where[0], self._reason(where[0]))

    def _close(self, where: _Where, standing: _Standing, why: str | None) -> None:
        folder, directory = where
        standing.closed = why
        if why is not None:
            self._closed.setdefault(folder, {})[directory] = why
        elif folder in self._closed:
            self._closed[folder].pop(directory, None)

    def _around(self, key: FileKey) -> list[tuple[_Where, _Standing]]:
        if not self._standing:  # nearly always
            return []
        places: tuple[_Where, _Where] = (key.folder, None), (key.folder, key.directory)
        return [(where, self._standing[where]) for where in places if where in self._standing]

    def _reason(self, folder: str) -> str | None:
        """Where nothing can be written, and why."""
        closed = self._closed.get(folder)
        if not closed:
            return None
        if None in closed:
            return f"no sidecars can be written: {closed[None]}"
        first = {name: why for name, why in islice(closed.items(), NAMED) if name is not None}
        more = len(closed) - len(first)
        places = [_named(name) for name in first] + ([f"{more:,} more of its directories"] if more else [])
        listed = " and ".join(part for part in (", ".join(places[:-1]), places[-1]) if part)
        return f"no sidecars can be written in {listed}: {', '.join(dict.fromkeys(first.values()))}"


def _named(directory: str) -> str:
    return shown(directory) or "the folder itself"
