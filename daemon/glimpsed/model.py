"""The frozen values that flow between the stages. No behaviour beyond what a value knows of itself.

    Offer ──ledger──> Job ──pipeline──> Content ──images──> Image ──vision──> Reply ──> Answer ──> sidecar

Times are seconds since the epoch (float, UTC) unless a name ends in ``_ns``. Paths inside a folder are
``str`` with ``/``, decoded with surrogateescape, so that names that are not UTF-8 survive
(`os.fsencode` gives the bytes back); `shown` makes them safe to print.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from glimpsed.region import Region

Api: TypeAlias = Literal["responses", "chat", "local"]
State: TypeAlias = Literal["queued", "running", "answered", "handing", "done", "failed", "gone"]

# What could break or forge a line, or tell a terminal what to do: control characters, line and paragraph
# separators, and what turns the direction of all that follows (bidirectional embeddings, overrides, isolates).
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# What nobody sees on a terminal, and what changes how the rest is seen: marks of direction and of byte order, tags
# that spell a text of their own, annotations. Joiners and spaces of no width are parts of words and of emoji.
_UNSEEN = re.compile(
    r"[\u061c\u200e\u200f\u2061-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def shown(text: str, *, lines: bool = False) -> str:
    """A path, or any text from outside, as it may be printed or logged: valid UTF-8, on one line that runs one way.

    `lines`: as it may be printed in more than one: an answer's newlines and tabs stay.
    All else stays as it is (DESIGN 5): a wide or a narrow space, a joiner in an emoji are parts of names.
    """
    if text.isprintable():  # nearly all names are, and this is asked of every image several times
        return text
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair, which no file name has, but JSON may
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if lines:
        return _UNSAFE_IN_LINES.sub(_escaped, text.replace("\r\n", "\n"))
    return _UNSAFE.sub(_escaped, text)


def on_terminal(text: str) -> str:
    """Any text from outside as it may be printed on a terminal, in lines: `shown`, and nothing in it unseen.

    What goes into a file or another program is not for this: there, a mark of direction is part of a text.
    """
    return _UNSEEN.sub(_escaped, shown(text, lines=True))


def json_shown(text: str) -> str:
    """A JSON text with its control characters escaped as JSON does, so that it means the same and tells no terminal anything."""
    return _UNSEEN.sub(_as_json, _UNSAFE_IN_LINES.sub(_as_json, text))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _as_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]  # beyond U+FFFF as a pair


def counted(count: int, what: str) -> str:
    """``1 file``, ``1,234 files``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def utc(seconds: float) -> str:
    """Epoch seconds as ISO 8601 with microseconds and ``Z``, the form that sidecars use (DESIGN 7)."""
    return (
        dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


def utc_ns(nanoseconds: int) -> str:
    """`utc` for a file's ``st_mtime_ns``, cut (not rounded) to the microsecond."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    whole = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(microsecond=rest // 1000)
    return whole.isoformat(timespec="microseconds").replace("+00:00", "Z")


def local(seconds: float) -> str:
    """Epoch seconds as people read them, in this machine's zone, which is said: ``2026-11-22 11:00:00 +01:00``."""
    return (
        dt.datetime.fromtimestamp(seconds).astimezone().isoformat(" ", timespec="seconds").replace("+", " +")
    )


@dataclass(frozen=True, slots=True, order=True)
class FileKey:
    """One file, wherever its folder is mounted: the folder's name and the path in it."""

    folder: str
    path: str

    @property
    def one(self) -> str:
        """Folder and path in one, for whoever only tells files apart."""
        return f"{self.folder}/{self.path}"

    @property
    def directory(self) -> str:
        """The part before the last slash, empty for the folder itself."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The part after the last slash."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one version of a file from the next (DESIGN 8)."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Discovery to ledger: this version of this file is complete. The ledger knows whether it is new."""

    key: FileKey
    version: Version
    fresh: bool = False  # arrived while watched: served before the backlog
    priority: int = 0
    problem: str | None = None  # quiet but never whole: to be failed with this reason, not asked


@dataclass(frozen=True, slots=True)
class Handing:
    """How far a file is handed over, whose sidecars stand."""

    steps: tuple[str, ...] = ()  # done of it
    in_command: bool = False  # a command was under way, which may have written to the image


@dataclass(frozen=True, slots=True)
class Job:
    """Ledger to pipeline: a claimed file version, under a lease."""

    id: int
    key: FileKey
    version: Version
    attempts: int  # requests sent for it so far, less those that ended in a pause
    retries: int  # 'retry' verdicts so far (12 end it, DESIGN 9)
    cut_off: int  # 504 and 524 verdicts so far, which may have been billed (2 end it)
    fresh: bool
    round: int = 0  # which asking of this version it is: another after `redo` and `retry`, not after a crash
    problem: str | None = None
    advice: str | None = None  # what was said to do about it
    answer: Answer | None = None  # paid for before a crash: only the sidecars are missing
    pages: tuple[PageRecord, ...] = ()  # ``pages: each``: pages answered so far
    written: tuple[Written, ...] = ()  # sidecars that an earlier version of this file got
    since: float = 0.0  # when it was queued, or put back for later
    claim: int = 0  # which claim of the row this is: a lease that was lost and won again is another
    handing: Handing | None = None  # only to be handed over any more
    again: bool = False  # by `redo`: ask, do not use an answer again
    stem: str | None = None  # what the file was called before `rename_to`; None: what it is called now


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes, read once: these are hashed, decoded and sent."""

    data: bytes = field(repr=False)
    sha256: str
    version: Version


@dataclass(frozen=True, slots=True)
class Image:
    """One encoded picture, ready to send: a page, or one band of it."""

    page: int  # from 1
    media_type: str
    width: int  # px
    height: int
    data: bytes = field(repr=False)
    band: tuple[int, int] | None = None  # (number from 1, of how many)
    url: str | None = None  # sent instead of the data (``image_url_base``)
    turned: int = 0  # degrees clockwise, beyond what the file says of itself (``upright``)
    region: Region | None = None  # what it shows of its page, as far as that is known


@dataclass(frozen=True, slots=True)
class PageText:
    """The text that a page of a document has itself, sent with its picture or instead of it."""

    page: int  # from 1
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """Pipeline to vision: everything one question holds."""

    prompt: str
    images: tuple[Image, ...]
    texts: tuple[PageText, ...] = ()
    system: str | None = None
    schema: dict[str, Any] | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    detail: str = "high"
    user: str | None = None
    idempotency_key: str | None = None
    brief: bool = False  # whether there is an answer is all that is asked: one that is cut will do
    lines: bool = False  # a local model's lines are wanted, too
    file: str = ""  # what the question is about, as `FileKey.one`: tells one file's requests from another's


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


@dataclass(frozen=True, slots=True)
class Reply:
    """Vision to pipeline: a finished answer to one `Request`."""

    text: str
    finish: str
    answered: str  # the model name that the API gave back
    api: Api  # the API that answered, which a switch may have changed
    usage: Usage
    request_id: str | None
    data: Any = None  # parsed and valid, when the request had a schema
    requests: int = 1  # sent to get here (repair, parameter dropped, API switched)
    turned: Mapping[int, int] = field(
        default_factory=dict
    )  # page -> degrees clockwise that it was turned before
    lines: tuple[Line, ...] | None = None  # of a local model, where the request wants them


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


@dataclass(frozen=True, slots=True)
class Written:
    """A sidecar as it stands on disk, so that an edit by somebody else shows."""

    name: str
    size: int
    mtime_ns: int
    digest: str | None = field(default=None, compare=False)  # of its content, where that is known
