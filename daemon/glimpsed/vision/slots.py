"""Places in flight: how many requests a model is sent at once, a ticket for each, and who waits for one.

An overload (429, 503, 529) halves how many there are, time-outs bring that down to what was answered in that time,
answers win it back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from glimpsed.errors import Verdict

# Seconds that one Retry-After holds every request of the model back; asked for more, it pauses.
LONGEST_HOLD = 60.0
WARY = 16.0  # times as many answers win back what time-outs took
ANSWERS = 256  # whose times are remembered


@dataclass(slots=True)
class Ticket:
    """One request in flight."""

    started: float
    tokens: int
    file: str  # which job it is for
    probe: bool
    verdict: Verdict | None = None  # what came of it; None: an answer
    used: int | None = None  # tokens as reported
    heard: bool = False  # anything came of it at all (not cancelled)
    answers: int = 0  # that the model had given when it left
    proof: bool = True  # whether a reply that is no failure proves that the model can be asked again
    nothing: str = ""  # what is told of a reply that came whole and has no answer in it


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request that waits for its place."""

    tokens: int
    file: str
    clock: Callable[[], float]
    ticket: asyncio.Future[Ticket]


class Slots:
    """How many requests may be in flight now, and whether any may leave."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)  # in use at most, now
        self._hold = 0.0  # no request before
        self._halved = 0.0  # when the limit was halved last
        self._answered: deque[float] = deque(maxlen=ANSWERS)  # when the last answers came
        self._wary = 1.0

    def held(self, now: float) -> float:
        """Seconds that the hold goes on; one longer than there are is from before the clock was set back."""
        left = self._hold - now
        return left if 0 < left <= LONGEST_HOLD + 1 else 0.0

    def release(self) -> None:
        """Hold nothing back."""
        self._hold = 0.0

    def answered(self, now: float) -> None:
        """An answer wins back a little."""
        self._answered.append(now)
        self._wary = max(1.0, self._wary * 0.99)
        self.limit = min(float(self.most), self.limit + 1 / (self.limit * self._wary))

    def slow_down(self, started: float, verdict: Verdict, now: float) -> None:
        """An overload or a time-out, of a request that left then."""
        if verdict.slow:
            self._wary = WARY
        if (verdict.overload or verdict.slow) and started >= self._halved:
            # Once for all that were in flight together.
            self.limit = max(1.0, self.limit / 2)
            self._halved = now
            if verdict.slow:
                # As many at once as are answered in the time that one has are too many by far; with none, what was
                # given up is perhaps worked on still.
                answers = sum(1 for at in self._answered if at >= started)
                self.limit = max(1.0, min(self.limit, answers / 2))
                if not answers:
                    self._hold = max(self._hold, now + min(now - started, LONGEST_HOLD))
        if verdict.overload and verdict.retry_after:
            self._hold = max(self._hold, now + min(verdict.retry_after, LONGEST_HOLD))
