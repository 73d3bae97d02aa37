"""A file on its way: offered, claimed, read, made into pictures, asked about, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from glimpsed.model.answer import Answer, Api, Line, PageRecord, Usage
from glimpsed.region import Region

State: TypeAlias = Literal["queued", "running", "answered", "handing", "done", "failed", "gone"]


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
    # Page -> degrees clockwise that it was turned before.
    turned: Mapping[int, int] = field(default_factory=dict)
    lines: tuple[Line, ...] | None = None  # of a local model, where the request wants them


@dataclass(frozen=True, slots=True)
class Written:
    """A sidecar as it stands on disk, so that an edit by somebody else shows."""

    name: str
    size: int
    mtime_ns: int
    digest: str | None = field(default=None, compare=False)  # of its content, where that is known
