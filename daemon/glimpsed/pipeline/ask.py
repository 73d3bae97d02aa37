"""The images of a file, through the models that its folder names, until one answers."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import httpx

from glimpsed import metrics
from glimpsed.clock import elapsed
from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.errors import FileError, TooMuch, Verdict, VerdictKind, VisionError
from glimpsed.images import plan
from glimpsed.images.pages import text_of
from glimpsed.images.prepare import Document, Images, OwnText
from glimpsed.journal import get_logger
from glimpsed.model import Content, Image, Job, PageRecord, PageText, Request, Usage, shown
from glimpsed.pipeline import answers, question
from glimpsed.vision import Model

log = get_logger()

LOOK_AGAIN = 60.0  # seconds at most until a file that waits for a fallback is looked at again
REMEMBERED = 10_000  # refusals
UNREACHABLE = ("retry", "pause")  # verdicts that waiting may mend
URL_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A record, and what it took to get it."""

    record: PageRecord
    model: Model
    request: Request
    requests: int


# Why this model may not be asked for the file's folder now: a budget is used up.
UsedUp: TypeAlias = Callable[[ModelEntry], Awaitable[str | None]]
# Told of what a model's unusable answers cost: a refusal, a cut answer. (entry, usage)
Bill: TypeAlias = Callable[[str, Usage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Allowance:
    """The money for models that were not reckoned with when the file was claimed."""

    used_up: UsedUp
    places: contextlib.AsyncExitStack  # held until what was paid is in the ledger: who is next sees it

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, used_up: UsedUp | None) -> AsyncIterator[Allowance | None]:
        """Until the answer is kept; None without budgets."""
        async with contextlib.AsyncExitStack() as places:
            yield None if used_up is None else cls(used_up, places)

    async def open_for(self, model: Model) -> str | None:
        """Wait for a place among those who may spend at once; why nothing may be spent any more."""
        await self.places.aclose()  # one at a time, so that nobody waits for somebody who waits for him
        if model.pacing.sparing:
            await self.places.enter_async_context(model.pacing.paying)
        return await self.used_up(model.entry)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a model gave no answer to a question."""

    reason: str
    raw: str | None  # what it said instead


class Refusals:
    """What was refused to files that then had to wait for a fallback: it is not asked, and paid for, again."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Refusal] = OrderedDict()

    def get(self, key: str) -> Refusal | None:
        """What was said to this question, by `question.idempotency_key`."""
        return self._known.get(key)

    def keep(self, refusals: Mapping[str, Refusal]) -> None:
        """Remember these, and forget the oldest."""
        self._known |= refusals
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Matter:
    """What models are asked about: a file as it was read, and what the questions are made of."""

    job: Job
    folder: Folder
    content: Content
    document: Document
    images: Images
    bill: Bill
    refusals: Refusals = field(default_factory=Refusals)
    clock: Callable[[], float] = elapsed
    turns: dict[int, int] = field(default_factory=dict)  # page -> degrees clockwise (``upright``)
    damaged: dict[int, FileError] = field(default_factory=dict)  # pages of several that nothing decodes
    # `try` does not wait for a model that cannot be reached, but asks the next: told of it, with the reason.
    passed_over: Callable[[ModelEntry, str], None] | None = None
    allowance: Allowance | None = None

    @property
    def told(self) -> Document:
        """The document as its answer tells of it, with the damaged pages among those that were not sent."""
        left_out = sorted({*self.document.left_out, *self.damaged})
        return replace(self.document, left_out=tuple(left_out))


async def ask(matter: Matter, chain: Sequence[Model], pages: Sequence[int], *, begun: bool = False) -> Asked:
    """Ask about these pages in one request; a model that refuses is followed by the next of the chain.

    `begun`: other pages were asked about, so that there may be no money left.

    Pages that turn out to be damaged are not sent (`Matter.damaged`); `FileError` when none is left.

    Raises `VisionError` with the last verdict; when every model refused, with the verdict 'fail'; when every
    one was passed over, 'retry'.
    """
    spent, passed = 0, 0
    refused: dict[str, Refusal] = {}
    alike: dict[str, frozenset[str]] = {}
    for model in chain:
        key = question.idempotency_key(matter.job, matter.folder, model.entry, pages)
        if (before := matter.refusals.get(key)) is not None:
            refused[key] = before
            continue
        try:
            if model is not chain[0] or begun:
                await _not_used_up(matter, model)
            if model is not chain[0]:
                _not_paused(model, matter.clock())
            asked = await _asked(matter, model, pages, key)
        except VisionError as e:
            spent += e.requests
            alike[model.entry.name] = e.verdict.alike
            if e.verdict.kind in UNREACHABLE and matter.passed_over and len(chain) > 1:
                passed += 1
                matter.passed_over(model.entry, e.verdict.reason)
            elif e.verdict.kind != "switch":
                # Waiting for a fallback costs nothing; failing the file because of an outage would.
                matter.refusals.keep(refused)
                due = _next_look(model, matter.clock()) or e.due if model is not chain[0] else None
                paid = {"input_tokens": e.input_tokens, "output_tokens": e.output_tokens}
                raise VisionError(e.verdict, requests=spent, raw=e.raw, due=due, alike=alike, **paid) from e
            refused[key] = Refusal(f"{model.entry.name}: {e.verdict.reason}", e.raw)
        else:
            return replace(asked, requests=spent + asked.requests)
    raw = next((refusal.raw for refusal in reversed(refused.values()) if refusal.raw), None)
    reasons = "; ".join(refusal.reason for refusal in refused.values())
    kind: VerdictKind = "retry" if passed == len(chain) else "fail"
    raise VisionError(Verdict(kind, reasons), requests=spent, raw=raw, alike=alike)


async def _not_used_up(matter: Matter, model: Model) -> None:
    """Raises `VisionError` where what the model would cost is more than a budget has."""
    reason = None if matter.allowance is None else await matter.allowance.open_for(model)
    if reason is not None:
        raise VisionError(Verdict("pause", reason), requests=0, due=matter.clock() + LOOK_AGAIN)


def _not_paused(model: Model, now: float) -> None:
    """Raises `VisionError` before images are prepared for a model that cannot be asked now, not even to probe."""
    pause = model.pacing.paused_at(now)
    if pause is not None and now < pause.until:
        raise VisionError(Verdict("pause", f"{model.entry.name}: {pause.reason}"), requests=0)


def _next_look(model: Model, now: float) -> float | None:
    """When a file that waits for this fallback is claimed again; None: at once."""
    pause = model.pacing.paused_at(now)
    return min(pause.until, now + LOOK_AGAIN) if pause is not None else None


@dataclass(slots=True)
class QuestionImages:
    """The pages of one question, as they are sent: at first as large as the model takes them, then smaller."""

    matter: Matter
    pages: Sequence[int]
    target: plan.Target
    local: bool
    sent: tuple[Image, ...] = ()

    async def first(self) -> tuple[tuple[Image, ...], tuple[PageText, ...]]:
        """As large as may be; with the pages' own text."""
        return await self._prepared(self.target)

    async def smaller(self, last: bool) -> tuple[Image, ...] | None:
        """By one rung, or at once as small as they are ever sent; None when they are that already."""
        if not self.sent or any(image.url is not None for image in self.sent):
            return None
        target = plan.shrunk(self.target)
        if not self.target.as_is:  # else it is encoded anew at least: that may be what was not taken
            longest = max(max(i.width, i.height) for i in self.sent)
            while target is not None and target.max_edge >= longest:
                target = plan.shrunk(target)
        while last and target is not None and (below := plan.shrunk(target)) is not None:
            target = below
        if target is None:
            return None
        self.target = target
        return (await self._prepared(target))[0]

    async def _prepared(self, target: plan.Target) -> tuple[tuple[Image, ...], tuple[PageText, ...]]:
        with metrics.timed("prepare"):
            self.sent, texts = await _prepared(self.matter, self.pages, target, local=self.local)
        return self.sent, texts


async def _asked(matter: Matter, model: Model, pages: Sequence[int], key: str) -> Asked:
    """One model, with ever smaller images as long as it calls them too large."""
    entry, ceiling = model.entry, model.ceiling()
    target = plan.target(
        entry, matter.folder, pages=len(pages), max_edge=ceiling.edge, max_bytes=ceiling.bytes
    )
    pictures = QuestionImages(matter, pages, target, entry.local)
    images, texts = await pictures.first()
    request = question.request(matter.job, matter.folder, images, texts, matter.document.pages, key)
    try:
        with metrics.timed("model"):
            reply = await model.ask(request, pictures.smaller)
    except VisionError as e:
        await _pay(matter, entry, e)
        raise
    request = replace(request, images=pictures.sent)
    about = answers.source(matter.job, matter.content, matter.told)
    record = answers.record(pages[0], reply, entry, request, about)
    return Asked(record, model, request, reply.requests)


async def _pay(matter: Matter, entry: ModelEntry, error: VisionError) -> None:
    if error.input_tokens or error.output_tokens:
        usage = Usage(
            input_tokens=error.input_tokens,
            output_tokens=error.output_tokens,
            cost=error.cost,
            currency=entry.currency if error.cost is not None else None,
        )
        await matter.bill(entry.name, usage)


async def _prepared(
    matter: Matter, pages: Sequence[int], target: plan.Target, *, local: bool
) -> tuple[tuple[Image, ...], tuple[PageText, ...]]:
    base, document = matter.folder.image_url_base, matter.document
    if base and not local and document.pages == 1 and document.media_type in URL_TYPES:
        return (_by_url(matter.job, base, document),), ()
    prepared: list[Image] = []
    texts: list[PageText] = []
    for page in pages:  # one after the other: a few pages in memory, whatever the document
        try:
            own, pictures = await _page(matter, page, target, local=local)
        except FileError as e:
            _leave_out(matter, page, e)
            continue
        if own is not None:
            texts.append(PageText(page, own.text))
        prepared += pictures
    if not prepared and not texts:
        raise matter.damaged[pages[0]]
    return tuple(prepared), tuple(texts)


def _leave_out(matter: Matter, page: int, error: FileError) -> None:
    """Have the other pages sent without this one, as of a PDF that has one with nothing to draw. Raises what is no page's own."""
    if matter.document.pages == 1:
        raise error
    reason = f"Page {page}: {error.reason}"
    if isinstance(error, TooMuch):  # there may be many of them, and each takes a worker for as long as it may
        raise TooMuch(reason, error.advice) from None
    if page not in matter.damaged:
        key = matter.job.key
        log.warning("page left out", folder=key.folder, file=shown(key.path), page=page, reason=error.reason)
    matter.damaged[page] = FileError(reason, error.advice)


async def _page(
    matter: Matter, page: int, target: plan.Target, *, local: bool
) -> tuple[OwnText | None, tuple[Image, ...]]:
    """Its own text, and its pictures where they are sent."""
    own = await text_of(matter.folder, matter.content, matter.images, page)
    if own is not None and _instead(matter.folder, own, local=local):
        return own, ()
    upright = matter.folder.upright and not local
    to = replace(target, turn=await _turn(matter, page)) if upright else target
    return own, await matter.images.prepare(matter.content, page, to)


async def _turn(matter: Matter, page: int) -> int:
    """By how much the page is turned for a remote model; looked at once, however often it is sent."""
    if page not in matter.turns:
        matter.turns[page] = await matter.images.turn(matter.content, page)
    return matter.turns[page]


def _instead(folder: Folder, own: OwnText, *, local: bool) -> bool:
    """Whether a page's text stands for its picture: an OCR engine can only do worse than the text itself."""
    return own.nature == "digital" and (local or folder.pdf_text == "instead")


def _by_url(job: Job, base: str, document: Document) -> Image:
    try:
        path = urllib.parse.quote(job.key.path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as e:
        raise FileError("The file's name cannot be put into a URL.", "Rename the file.") from e
    return Image(
        page=1,
        media_type=document.media_type,
        width=document.width,
        height=document.height,
        data=b"",
        url=f"{str(httpx.URL(base)).rstrip('/')}/{path}",  # which escapes what people type
    )
