"""What the ledger is told and what it tells: frozen values, beside those of `glimpsed.model`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from glimpsed.model import Answer, FileKey, Job, Paid, State, Version, Written


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of one name in a directory; the listing is compared with it."""

    version: Version
    state: State


@dataclass(frozen=True, slots=True)
class Adopted:
    """A file that was found with all its sidecars: done, without a request (DESIGN 8)."""

    key: FileKey
    version: Version
    written: tuple[Written, ...]
    sha256: str | None = None
    question: str | None = None
    answer: Answer | None = None  # as its JSON has it
    paid: tuple[Paid, ...] = ()  # to be counted, if it was before this ledger


@dataclass(frozen=True, slots=True)
class GoneRow:
    """A row whose file was deleted: what it was before, and the sidecars it had got."""

    key: FileKey
    was: State
    written: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file as the ledger has it, for commands that show or look up files."""

    key: FileKey
    version: Version
    state: State
    changed: float  # when the state last changed
    attempts: int
    reason: str | None
    advice: str | None
    due: float | None  # not before this, by the ledger's clock; None: nothing is to be done
    sha256: str | None
    question: str | None
    written: tuple[Written, ...]
    was: State | None = None  # a row that is gone: its state before
    id: int = 0  # its number in this ledger

    @property
    def unasked(self) -> bool:
        """Whether nothing was asked about it, nor anything written: it was to be ignored, or is a searchable PDF of ours."""
        return self.sha256 is None and self.question is None and not self.written


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that the ledger keeps, and the file that got it last, which need not be there any more."""

    origin: FileKey
    answer: Answer
    question: str | None  # None: it was adopted


@dataclass(frozen=True, slots=True)
class SecondReading:
    """A file that a second model is to read, under a lease."""

    job: Job  # as it would be claimed to be asked about for the first time
    row: FileRow
    tries: int  # 'retry' verdicts so far
    reading: str | None = None  # what came of it already, as JSON; the sidecar does not have it yet


@dataclass(frozen=True, slots=True)
class Hit:
    """One match of a search: the file, the page (from 1) and the line that matches."""

    key: FileKey
    page: int
    line: str
    id: int = 0  # the file's number in this ledger


@dataclass(frozen=True, slots=True)
class Among:
    """Which files a reader looks at."""

    folders: Sequence[str]
    states: Sequence[State]
    since: float = 0.0  # when their state changed last, epoch seconds
    until: float = 1e18
    name: str = ""  # a part of their paths
    doubtful: bool = False  # only those that a second reader read otherwise, and nobody has reviewed


@dataclass(frozen=True, slots=True)
class Matches:
    """A page of what was found, the answers that were kept last first."""

    hits: Sequence[Hit]  # one a file: the page that matches best
    on: tuple[int, int] | None  # where the next page begins; None: there is none
    count: int  # of files
    every: bool  # all that match are counted; else so many, and maybe more


@dataclass(frozen=True, slots=True)
class Other:
    """An answer that is kept about a content."""

    id: int
    question: str
    answer: Answer
    tried: bool = False  # by somebody who wanted to look at it
    second: bool = False  # read by a second reader, beside the answer that stands


@dataclass(frozen=True, slots=True)
class Reason:
    """Why files of a folder failed, and how many of them."""

    folder: str
    reason: str
    advice: str
    files: int
    last: float  # when the last of them did


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that works from this ledger, as its last heartbeat showed it."""

    owner: str
    host: str
    pid: int
    since: float  # by the ledger's clock, as `beat`
    beat: float
    report: dict[str, Any] = field(default_factory=dict)  # what it tells of its folders


@dataclass(frozen=True, slots=True)
class Paused:
    """A model that pauses, for every daemon on this ledger; times are the ledger's clock's."""

    model: str
    reason: str
    since: float
    until: float | None
    next_probe: float | None


@dataclass(frozen=True, slots=True)
class Spend:
    """What was paid on one local day (``2026-11-22``) for one folder and model, in one currency."""

    day: str
    folder: str
    model: str
    currency: str
    answers: int
    input_tokens: int
    output_tokens: int
    cost: float
