"""Why a model is not asked, and what each reply means for that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from glimpsed.errors import NO_ANSWER, Verdict
from glimpsed.vision import waits
from glimpsed.vision.slots import LONGEST_HOLD, Ticket
from glimpsed.words import lasting

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
    acquits: bool = False  # what was refused so far is no file's fault
    alike: frozenset[str] = frozenset()  # what files were refused for: the same again does not end the pause
    doubted: bool = False  # such files were at fault themselves lately: those that come new probe soon
    silent: tuple[str, ...] = ()  # files that got replies with nothing in them, the last one last
    soon: float = SOON / 2  # seconds after one that told nothing until another that comes new
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

    def heard_nothing(self, file: str, now: float, *, probe: bool) -> Pause:
        """One more reply with nothing in it.

        From a file that got none before that teaches nothing: one that comes new may probe as soon as before.
        """
        new = file not in self.silent
        silent = (*(f for f in self.silent if f != file), file)[-REMEMBERED:]
        if not probe:
            return replace(self, silent=silent)
        paused = replace(self, silent=silent, file=file)
        if new:
            return _after_new(paused, now)
        wait = min(self.wait * 2, LAST_PROBE)
        return replace(paused, own_probe=now + wait, wait=wait, again=self.again + 1)

    def failed_again(self, reason: str, ticket: Ticket, verdict: Verdict, now: float) -> Pause:
        """A reason to pause, which it does already."""
        file = ticket.file
        if self.doubtful and not ticket.probe and file != self.file:  # another one, which was on its way
            return replace(self, until=self.own_probe, wait=FIRST_PROBE, doubtful=False)
        if not (self.probe and ticket.probe):
            return self
        if self.doubted and file != self.file:
            return _after_new(replace(self, reason=reason, file=file), now)
        wait = min(self.wait * 2, LAST_PROBE)
        asked, others = _asked(verdict)
        alone = self.alone and self.file == file
        doubtful = self.doubtful and self.file == file
        until, own = now + max(wait, others), now + max(wait, asked)
        new = replace(self, reason=reason, until=until, wait=wait, file=file, probes=self.probes + 1)
        return replace(new, own_probe=own, alone=alone, doubtful=doubtful)


def begun(reason: str, ticket: Ticket, verdict: Verdict, now: float, *, alone: bool, answers: int) -> Pause:
    """A pause begins with this refusal.

    `alone`: all that was refused in a row was this file's. `answers`: what the model gave so far.
    """
    file, (asked, others) = ticket.file, _asked(verdict)
    # What one was asked to wait, another may not have to.
    until = now + (FIRST_PROBE if alone and verdict.kind != "pause" else max(FIRST_PROBE, others))
    own = now + max(FIRST_PROBE, asked)
    # Once anybody was answered, a file that breaks the server would win its tries back again and again.
    acquits = verdict.overload or (verdict.kind == "retry" and not alone and not answers)
    pause = Pause(
        reason, now, until, file=file, alone=alone, own_probe=own, rate=verdict.overload, acquits=acquits
    )
    if not verdict.doubtful or not file or asked:
        return pause
    # By others, meanwhile: the same once more tells.
    own = now if answers > ticket.answers else until
    return replace(pause, until=now, own_probe=own, wait=FIRST_PROBE / 2, doubtful=True)


def begun_silently(ticket: Ticket, silent: Sequence[str], in_a_row: int, now: float) -> Pause:
    """A pause begins with one more reply that has nothing in it; these got such replies, the last one last."""
    reason = f"{in_a_row} files in a row got no answer: {ticket.nothing}"
    pause = Pause(reason, now, now, file=ticket.file, own_probe=now + SOON, wait=FIRST_PROBE / 2)
    return replace(pause, silent=tuple(silent[-REMEMBERED:]), alike=frozenset({NO_ANSWER}))


def begun_alike(reason: str, file: str, alike: frozenset[str], now: float, *, doubted: bool) -> Pause:
    """A pause begins with a file that was refused as others before it. `doubted`: as `Pause.doubted`."""
    own = now + FIRST_PROBE
    pause = Pause(reason, now, own, file=file, own_probe=own, alike=alike)
    return replace(pause, until=now, doubted=True) if doubted else pause


def reason_to_pause(
    pause: Pause | None, ticket: Ticket, verdict: Verdict, in_a_row: str | None
) -> str | None:
    """The reason to pause that this refusal gives, alone or, `in_a_row`, with those before it."""
    again = pause is not None and (
        (pause.rate and verdict.overload) or not verdict.alike.isdisjoint(pause.alike)
    )
    if verdict.kind == "pause" or (ticket.probe and (verdict.transport or verdict.server or again)):
        return verdict.reason
    if verdict.kind == "retry" and (verdict.retry_after or 0.0) > LONGEST_HOLD:
        told = "asked to wait" in verdict.reason or waits.in_words(verdict.reason) is not None
        asks = "" if told else f" (asks to wait {lasting(verdict.retry_after or 0.0)})"
        return f"{verdict.reason}{asks}"
    return in_a_row


def _asked(verdict: Verdict) -> tuple[float, float]:
    """Seconds that this file was asked to wait, and those that others wait for it."""
    asked = verdict.retry_after or 0.0
    return asked, asked if verdict.kind == "pause" else min(asked, LAST_PROBE)


def _after_new(pause: Pause, now: float) -> Pause:
    """A file that came new told nothing: the next one soon, and later each time."""
    soon = min(pause.soon * (RISING if pause.soon < FIRST_PROBE else 2), LAST_PROBE)
    return replace(pause, until=now + pause.soon, soon=soon, probes=pause.probes + 1)
