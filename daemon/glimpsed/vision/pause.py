"""What passes between a model's pace and whoever asks it: a pause, a place in the queue, a ticket for each request in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from glimpsed.errors import Verdict

FIRST_PROBE, LAST_PROBE = 60.0, 900.0  # seconds
SOON = 2.0  # seconds until one that got nothing is asked again: a moment's trouble is over by then
RISING = 1.5  # times as long until the next that comes new is asked about, up to a minute: pages may be blank in runs
REMEMBERED = 100  # files that got nothing


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a model is not asked, and until when. `probe`: whether a request may find out that it is over."""

    reason: str
    since: float
    until: float  # the next probe, or the end
    probe: bool = True
    wait: float = FIRST_PROBE  # seconds between `until` and the probe before it
    file: str | None = None  # the last file that failed: another one probes
    alone: bool = False  # no other file's requests failed: it may be the file's fault
    own_probe: float = 0.0  # until then not even with nothing else to ask about
    doubtful: bool = False  # about that file, or about the account: an answer to another one tells
    rate: bool = False  # for a rate's sake: another refusal for that does not end it
    alike: frozenset[str] = frozenset()  # what files were refused for: the same again does not end the pause
    silent: tuple[str, ...] = ()  # files that got replies with nothing in them, the last one last
    soon: float = SOON / 2  # seconds after one of those until another that comes new
    probes: int = 0  # in vain, by files that came new …
    again: int = 0  # … and by those that had got nothing before

    @property
    def probed(self) -> bool:
        """Whether it was probed, in vain."""
        return self.wait > FIRST_PROBE

    @property
    def next_probe(self) -> float | None:
        """When the model is asked again to see."""
        return self.until if self.probe else None

    def told(self, now: float) -> float:
        """When it is asked again for certain, or the pause ends: one that comes new may be asked about before that."""
        return self.until if self.until > now else max(self.until, self.own_probe)

    def knows(self, file: str) -> bool:
        """Whether this file can tell nothing new: another one probes first."""
        return file == self.file or file in self.silent

    def concerns(self, folder: str) -> bool:
        """Whether one of the files that failed lies in this folder."""
        return any(file.startswith(f"{folder}/") for file in (self.file or "", *self.silent))

    def heard_nothing(self, file: str, now: float, *, probe: bool) -> Self:
        """One more reply with nothing in it.

        From a file that got none before that teaches nothing: one that comes new may probe as soon as before.
        """
        new = file not in self.silent
        silent = (*(f for f in self.silent if f != file), file)[-REMEMBERED:]
        if not probe:
            return replace(self, silent=silent)
        paused = replace(self, silent=silent, file=file)
        if new:
            soon = min(self.soon * (RISING if self.soon < FIRST_PROBE else 2), LAST_PROBE)
            return replace(paused, until=now + self.soon, soon=soon, probes=self.probes + 1)
        wait = min(self.wait * 2, LAST_PROBE)
        return replace(paused, own_probe=now + wait, wait=wait, again=self.again + 1)


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
