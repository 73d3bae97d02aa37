"""An answer as its sidecar has it (DESIGN 7): what it was about, what was sent, what it cost, how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

Api: TypeAlias = Literal["responses", "chat", "local"]


class Frozen(BaseModel):
    """A value that is also written to disk, so its types are checked when it is read back."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)  # commands start sooner


class Word(Frozen):
    """A word of a `Line`, with its box as the line has it."""

    text: str
    box: tuple[int, int, int, int]


class Line(Frozen):
    """A piece of one line of text where a local model saw it: all of a line of print, or one cell of a table's row.

    `box` is left, top, right, bottom in px of the page as the file has it: the pixels that `Source` counts, before any
    EXIF orientation; of a PDF page, at the dpi at which its size is told. That holds however the page was turned, scaled
    or cut into bands to be read. The lines of a page come in reading order. A page that was read from its own text has none.
    """

    page: int  # from 1
    text: str
    box: tuple[int, int, int, int]
    confidence: float  # 0 to 1
    words: tuple[Word, ...] = ()  # not in the JSON sidecar; the ledger keeps them


class Usage(Frozen):
    """Tokens and money of one answer."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None  # in `currency`, None when the model has no price
    currency: str | None = None
    estimated: bool = False  # the API did not say


class Source(Frozen):
    """What the answer is about."""

    name: str
    bytes: int
    modified: str  # `utc_ns` of st_mtime_ns
    sha256: str
    media_type: str
    width: int
    height: int
    pages: int
    left_out: tuple[int, ...] | None = None  # pages that were not sent; None: all were
    signed: bool | None = None  # a PDF that somebody signed, and that is left as it is; None: it is not


class Sent(Frozen):
    """One picture as it was sent, or a page's own text: that has characters instead of pixels."""

    page: int
    media_type: str
    width: int | None = None
    height: int | None = None
    bytes: int
    characters: int | None = None
    turned: int | None = None  # degrees clockwise that it was turned to be read, beyond what the file says


class PageAnswer(Frozen):
    """The answer for one page, with ``pages: each``."""

    page: int
    text: str
    data: Any = None


class PromptUsed(Frozen):
    """Which prompt was asked, by hash: before anything is filled in."""

    sha256: str


class ModelUsed(Frozen):
    """Who was asked and who answered."""

    entry: str
    api: Api
    asked: str
    answered: str


class PageRecord(Frozen):
    """One page asked and answered: what the ledger keeps with ``pages: each`` until all pages are there."""

    answer: PageAnswer
    sent: tuple[Sent, ...]
    model: ModelUsed
    usage: Usage
    finish: str
    request_id: str | None = None
    source: Source
    lines: tuple[Line, ...] | None = None


class DoubtfulField(Frozen):
    """A value that two readers read differently."""

    path: str  # dotted, lists by index: ``items.1.price``
    value: Any = None
    other: Any = None  # None: the second reader does not have it


class DoubtfulWords(Frozen):
    """Words of a text that two readers read differently; either may be empty."""

    value: str
    other: str | None = None  # None: not found in what the second reader read


class Doubt(Frozen):
    """Where the second reading of an answer differs from it (DESIGN 15)."""

    by: str  # entry of the second reader
    agreement: float  # 0 to 1: what they agree on, of all that was compared
    fields: tuple[DoubtfulField, ...] = ()
    words: tuple[DoubtfulWords, ...] = ()


class Verified(Frozen):
    """Who read an answer's file a second time, and what that cost."""

    by: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Paid:
    """What an answer, or a second reading of it, has cost, as its JSON tells."""

    entry: str  # of the model
    usage: Usage
    at: float  # epoch seconds
    answered: int  # 1: an answer, 0: a second reading


class Review(Frozen):
    """Somebody looked at an answer, and corrected or confirmed it."""

    at: str  # UTC, as `utc` gives it
    by: str
    changed: tuple[str, ...] = ()  # paths of fields as in `DoubtfulField`, or ``text``; none: confirmed


class Answer(Frozen):
    """The JSON sidecar, field by field (DESIGN 7); the ledger keeps the same text until it is on disk."""

    glimpsed: Literal[1] = 1
    folder: str
    source: Source
    prompt: PromptUsed
    model: ModelUsed
    sent: tuple[Sent, ...]
    text: str
    data: Any = None
    pages: tuple[PageAnswer, ...] | None = None
    finish: str
    usage: Usage
    attempts: int
    request_id: str | None = None
    started: str
    finished: str
    seconds: float
    reused_from: str | None = None
    verified: Verified | None = None  # None: it was not read a second time, or not yet
    doubt: Doubt | None = None
    review: Review | None = None
    lines: tuple[Line, ...] | None = None  # of a local model, where the folder wants them


class _Entry(Frozen):
    entry: str


class _Agreement(Frozen):
    agreement: float


class Gist(Frozen):
    """What a table has of an `Answer`: read in a third of the time, where there are a million of them."""

    model: _Entry
    finished: str
    usage: Usage
    doubt: _Agreement | None = None
    text: str
    data: Any = None
    pages: tuple[PageAnswer, ...] | None = None
