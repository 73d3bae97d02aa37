"""Whose fault a refusal is: the model's, which then pauses, or one file's, which then fails. Pure.

Failures in a row are the model's. A file that is refused while others of its model are answered is at fault itself,
whatever the status. Files that are refused alike, or get replies with nothing in them, with no answer in between, are
not.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from glimpsed.errors import Verdict
from glimpsed.words import lasting

IN_A_ROW = 5  # failures that open the breaker
SILENT = 3  # files that get nothing, in a row, until that is the model's fault
# Refusals for a rate, one after the other, and seconds: whatever a minute allows is back by then.
LIMITED, RATE = 3, 65.0
REMEMBERED = 1000  # files that were refused
FORGOTTEN = 3600.0  # seconds after which a refusal says nothing of the next one
DOUBTED, CERTAIN = 2, 3  # refusals of one file, while others are answered, until it is at fault


@dataclass(slots=True)
class Accused:
    """A file that was refused in a way that may be the model's, or the account's, or its own."""

    since: float
    answers: int  # that others had got by then
    times: int = 0


@dataclass(slots=True)
class Limited:
    """Refusals for a rate (429), with no answer in between; those in flight together count once."""

    since: float = 0.0
    last: float = 0.0
    rounds: int = 0
    files: set[str] = field(default_factory=set)

    def add(self, file: str, started: float, now: float) -> None:
        """One more."""
        if not self.rounds:
            self.since = now
        if not self.rounds or started >= self.last:
            self.rounds, self.last = self.rounds + 1, now
        if len(self.files) < LIMITED:
            self.files.add(file)

    def endless(self, now: float) -> bool:
        """Whether that is no rate any more, but a model that answers nobody."""
        return self.rounds >= LIMITED and len(self.files) > 1 and now - self.since >= RATE


class Breaker:
    """What was refused in a row, and to whom."""

    def __init__(self) -> None:
        self.answers = 0  # that the model gave so far
        self._transport = 0  # failures in a row
        self._server: deque[str] = deque(maxlen=IN_A_ROW)  # files of the server errors in a row
        self._limited = Limited()
        self._timed_out = 0.0  # when a time-out was counted last
        self._answered = 0.0  # when the last answer came
        self._accused: OrderedDict[str, Accused] = OrderedDict()
        # Files that got nothing: since, answers by then.
        self._silent: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def clear(self) -> None:
        """A new start: nothing was refused in a row."""
        self._transport = 0
        self._server.clear()
        self._limited = Limited()

    def answered(self, file: str, now: float) -> None:
        """An answer."""
        self.clear()
        self.answers += 1
        self._answered = now
        self._accused.pop(file, None)
        self._silent.pop(file, None)

    def silent(self, file: str, now: float) -> int:
        """A reply with nothing in it. How many files got such a one with no answer to anybody since their first.

        A blank page gets one whenever it is asked about: once others were answered meanwhile, it tells nothing of the
        model.
        """
        self.clear()
        since, answers = self._silent.pop(file, (now, self.answers))
        self._silent[file] = (now, self.answers) if now - since > FORGOTTEN else (since, answers)
        while len(self._silent) > REMEMBERED:
            self._silent.popitem(last=False)
        return sum(answers == self.answers for _, answers in self._silent.values())

    def is_blank(self, file: str) -> bool:
        """Whether this file got nothing since before others were answered: that is its own matter."""
        since = self._silent.get(file)
        return since is not None and since[1] < self.answers

    @property
    def blank(self) -> tuple[str, ...]:
        """Every file that got nothing and no answer since: asked again, it tells nothing new. The last one asked is last."""
        return tuple(self._silent)

    def failed(self, file: str, verdict: Verdict, started: float, now: float) -> str | None:
        """No answer; a reason to pause, if these are too many in a row. `started`: when the request left."""
        if verdict.slow and (started < self._timed_out or self._answered > started):
            # All that were in flight together count once, and only if nobody was answered meanwhile.
            return None
        self._timed_out = now if verdict.slow else self._timed_out
        self._transport = self._transport + 1 if verdict.transport else 0
        if verdict.server:
            self._server.append(file)
        elif not verdict.transport:
            self._server.clear()
        if verdict.overload and not verdict.server:
            self._limited.add(file, started, now)
            if self._limited.endless(now):
                return (
                    f"nobody is answered for {lasting(now - self._limited.since)}; the last: {verdict.reason}"
                )
        if self._transport >= IN_A_ROW:
            return f"{IN_A_ROW} failures in a row; the last: {verdict.reason}"
        if len(self._server) >= IN_A_ROW and len(set(self._server)) > 1:
            return f"{IN_A_ROW} server errors in a row; the last: {verdict.reason}"
        return None

    def alone(self, file: str) -> bool:
        """Whether all that was refused in a row, for the server's sake or a rate's, was this file's."""
        return {*self._server, *self._limited.files} == {file}

    def at_fault(self, file: str, verdict: Verdict, answers: int, now: float) -> bool:
        """Whether this refusal is the file's own fault, by what others got since it was refused first.

        `answers`: how many the model had given when this request left.
        """
        alone = verdict.server and not verdict.transport
        if not file or not (alone or verdict.kind == "pause"):
            return False
        if alone:  # of a server in trouble, others get that too
            for other in [f for f in self._accused if f != file]:
                del self._accused[other]
        accused = self._accused.pop(file, None)
        if accused is None or now - accused.since > FORGOTTEN:
            accused = Accused(now, answers)
        self._accused[file] = accused
        while len(self._accused) > REMEMBERED:
            self._accused.popitem(last=False)
        accused.times += 1
        return self.answers > accused.answers and accused.times >= (DOUBTED if verdict.doubtful else CERTAIN)
