"""What can go wrong, sorted by what happens next.

    GlimpsedError
    ├── ConfigError        the configuration is wrong: every problem at once              exit 78
    │   └── AddressTaken   another process listens there
    ├── UsageError         the command line asks for what does not exist                  exit 2
    ├── NotPermitted       it takes other rights                                          exit 77
    ├── MissingExtra       an optional part is not installed; says how to get it          exit 78
    ├── LedgerError        the ledger is newer than the program, damaged, not ours        exit 78
    ├── LedgerReplaced     its file is another one now: end, and begin anew with that   exit 69
    ├── LedgerUnavailable  the database is away for now: wait, try again         exit 69
    ├── FileError          this file fails, with an error sidecar: reason and advice
    │   ├── ForeignSidecar a file of that name is not glimpsed's own
    │   └── TooMuch        decoding it takes more time or memory than is allowed
    ├── Vanished           the file is not there any more, or is another version: nothing to do
    ├── ShareTrouble       the folder's file system misbehaves: wait, no attempt is lost
    │   └── NotYet         busy, locked or unreadable for now: look again later
    ├── SidecarBlocked     no space, read-only, no permission: the answer waits in the ledger
    ├── NotHandedOver      command, webhook or move failed: tried again, or given up
    ├── LeaseLost          the job is another's by now: nothing more is to be done
    └── VisionError        a model did not answer; carries a `Verdict` (retry, shrink, switch, …)

Exceptions of libraries are translated into these once, at the border where they come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from glimpsed import extras

NO_ANSWER = "no answer"  # in `Verdict.alike`: a reply came whole, and says nothing
Reach: TypeAlias = Literal["file", "directory", "disk"]
VerdictKind: TypeAlias = Literal["retry", "shrink", "switch", "longer", "fail", "pause"]


class GlimpsedError(Exception):
    """Everything that glimpsed itself raises."""

    exit_code = 70


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration."""

    message: str
    key: str | None = None  # ``folders.invoices.settle``
    line: int | None = None  # from 1
    file: str | None = None
    hint: str | None = None  # ``did you mean 'settle'?``

    def __str__(self) -> str:
        place = ":".join(str(p) for p in (self.file, self.line) if p is not None)
        parts = [p for p in (place, self.key, self.message) if p]
        return ": ".join(parts) + (f" ({self.hint})" if self.hint else "")


class ConfigError(GlimpsedError):
    """The configuration is wrong; `problems` holds every reason."""

    exit_code = 78

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class AddressTaken(ConfigError):
    """Another process listens on the address that the configuration gives."""


class UsageError(GlimpsedError):
    """The command line asks for what does not exist."""

    exit_code = 2


class NotPermitted(GlimpsedError):
    """What was asked for takes other rights."""

    exit_code = 77


class MissingExtra(GlimpsedError):
    """A feature's optional dependency is not installed."""

    exit_code = 78

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra that is not installed: {extras.command(extra)}")
        self.extra = extra


class LedgerError(GlimpsedError):
    """The ledger cannot be used, and waiting will not help."""

    exit_code = 78


class LedgerUnavailable(GlimpsedError):
    """The ledger's database is away; it is asked again."""

    exit_code = 69  # of a command, which does not wait


class LedgerReplaced(GlimpsedError):
    """The ledger that is open is not the one any more that its name leads to."""

    exit_code = 69


class FileError(GlimpsedError):
    """The file fails for good: one sentence of what happened, one of what to do (DESIGN 7)."""

    exit_code = 1

    def __init__(self, reason: str, advice: str = "Replace the file, or run 'glimpsed retry' on it.") -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


class ForeignSidecar(FileError):
    """A file stands where a sidecar belongs, and it is not glimpsed's own."""


class TooMuch(FileError):
    """Decoding it, or one page of it, takes more time or memory than is allowed, or ends the process that does it."""


class Unanswered(FileError):
    """It failed before, under another name, as no model answered: it is not asked about again."""

    def __init__(self, reason: str, advice: str, *, attempts: int, question: str, content: str) -> None:
        super().__init__(reason, advice)
        self.attempts = attempts
        self.question = question
        self.content = content  # its SHA-256


class Vanished(GlimpsedError):
    """The file is gone, or is not the version any more that was queued."""


class ShareTrouble(GlimpsedError):
    """The folder's file system misbehaves: hung, stale, short read, another root than before."""


class NotYet(ShareTrouble):
    """The file cannot be read for now: busy, locked, no permission."""


class SidecarBlocked(GlimpsedError):
    """A sidecar cannot be written for now: no space, quota, read-only, no permission.

    `reach`: whether that holds for this one, for the whole directory, or for all of the disk; `why` is without a name.
    """

    def __init__(self, why: str, *, path: str | None = None, reach: Reach = "file") -> None:
        super().__init__(why if path is None else f"{path}: {why}")
        self.why = why
        self.reach = reach


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error of a model API means (DESIGN 9), and so what happens next."""

    kind: VerdictKind
    reason: str  # one line, no key in it
    retry_after: float | None = None  # seconds that the API asked for
    cut_off: bool = False  # 504, 524: upstream may have finished, and billed
    transport: bool = False  # never reached the API: counts for the breaker
    server: bool = False  # a 5xx: counts for the breaker over more than one file
    overload: bool = False  # 429, 503, 529: fewer requests at once
    slow: bool = False  # no answer in time: fewer requests at once
    doubtful: bool = False  # with 'pause': it may be about this very file
    alike: frozenset[str] = frozenset()  # what refusals, or replies that are no answers, have in common
    advice: str = ""  # what to do about it, where more is known of that than its kind

    @property
    def unreached(self) -> bool:
        """Whether nothing of the request got to the API: that says nothing of the file."""
        return self.transport and not self.server


class NotHandedOver(GlimpsedError):
    """The sidecars stand, but the hand-over failed; the verdict ('retry' or 'fail') says what to do."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class LeaseLost(GlimpsedError):
    """Another daemon has the job by now, or the file is another: whoever has it sees to the rest."""


class VisionError(GlimpsedError):
    """A model did not answer; the verdict says what to do."""

    exit_code = 69

    def __init__(
        self,
        verdict: Verdict,
        *,
        requests: int = 1,
        raw: str | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost: float | None = None,
        due: float | None = None,
        alike: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict
        self.content: str | None = None  # what was asked about, once somebody knows: its SHA-256
        self.due = due  # with 'pause': when the file is looked at again, by the ledger's clock; None: as soon as may be
        self.requests = requests  # sent to get here, less one that ended in a pause
        self.alike = alike or {}  # by model, `Verdict.alike` of each that was asked
        self.raw = raw  # text that the model gave, kept for the error sidecar
        self.input_tokens = input_tokens  # paid for all the same: a refusal, a cut answer
        self.output_tokens = output_tokens
        self.cost = cost  # in the model entry's currency
