"""What passes between a model's pace and whoever asks it: a pause, and a ticket for each request in flight."""

from __future__ import annotations

from dataclasses import dataclass

from glimpsed.errors import Verdict

FIRST_PROBE, LAST_PROBE = 60.0, 900.0  # seconds


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

    @property
    def probed(self) -> bool:
        """Whether it was probed, in vain."""
        return self.wait > FIRST_PROBE

    @property
    def next_probe(self) -> float | None:
        """When the model is asked again to see."""
        return self.until if self.probe else None


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
