"""The images of a file, through the models that its folder names, until one answers."""

from __future__ import annotations

import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from glimpsed import metrics
from glimpsed.config.schema import Folder
from glimpsed.errors import FileError, Verdict, VisionError
from glimpsed.images import Document, Images, plan
from glimpsed.model import Content, Image, Job, PageRecord, Request, Usage
from glimpsed.pipeline import answers, question
from glimpsed.vision import Model

URL_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A record, and what it took to get it."""

    record: PageRecord
    model: Model
    request: Request
    requests: int


# Told of what a model's unusable answers cost: a refusal, a cut answer. (entry, usage)
Bill: TypeAlias = Callable[[str, Usage], Awaitable[None]]


async def ask(
    job: Job,
    folder: Folder,
    chain: Sequence[Model],
    images: Images,
    content: Content,
    document: Document,
    pages: Sequence[int],
    bill: Bill,
) -> Asked:
    """Ask about these pages in one request; a model that refuses is followed by the next of the chain.

    Raises `VisionError` with the last verdict; when every model refused, with the verdict 'fail'.
    """
    spent = 0
    refusals: list[str] = []
    raw = None
    for model in chain:
        if model.pacing.paused is not None and model is not chain[0]:
            # Waiting for it costs nothing; failing the file because of an outage would.
            verdict = Verdict("pause", f"{model.entry.name}: {model.pacing.paused.reason}")
            raise VisionError(verdict, requests=spent)
        try:
            asked = await _shrinking(job, folder, model, images, content, document, pages, bill)
        except VisionError as e:
            spent += e.requests
            if e.verdict.kind != "switch":
                raise VisionError(e.verdict, requests=spent, raw=e.raw) from e
            refusals.append(f"{model.entry.name}: {e.verdict.reason}")
            raw = e.raw or raw
        else:
            return replace(asked, requests=spent + asked.requests)
    raise VisionError(Verdict("fail", "; ".join(refusals)), requests=spent, raw=raw)


async def _shrinking(
    job: Job,
    folder: Folder,
    model: Model,
    images: Images,
    content: Content,
    document: Document,
    pages: Sequence[int],
    bill: Bill,
) -> Asked:
    """One model, with ever smaller images as long as it calls them too large."""
    spent = 0
    ceiling = model.ceiling()
    target: plan.Target | None = plan.target(
        model.entry, folder, pages=len(pages), max_edge=ceiling.edge, max_bytes=ceiling.bytes
    )
    last: VisionError | None = None
    while target is not None:
        with metrics.timed("prepare"):
            prepared = await _prepared(
                job, folder, images, content, document, pages, target, local=model.entry.local
            )
        asked = question.request(
            job,
            folder,
            model.entry,
            prepared,
            document.pages,
            question=question.fingerprint(folder, model.entry),
        )
        try:
            with metrics.timed("model"):
                reply = await model.ask(asked)
        except VisionError as e:
            spent += e.requests
            if e.input_tokens or e.output_tokens:
                currency = model.entry.currency if e.cost is not None else None
                await bill(
                    model.entry.name,
                    Usage(
                        input_tokens=e.input_tokens,
                        output_tokens=e.output_tokens,
                        cost=e.cost,
                        currency=currency,
                    ),
                )
            if e.verdict.kind != "shrink":
                raise VisionError(e.verdict, requests=spent, raw=e.raw) from e
            last, target = e, plan.shrunk(target)
        else:
            about = answers.source(job, content, document)
            record = answers.record(pages[0], reply, model.entry, prepared, about)
            return Asked(record, model, asked, spent + reply.requests)
    assert last is not None
    verdict = Verdict("switch", f"too large at every size: {last.verdict.reason}")
    raise VisionError(verdict, requests=spent, raw=last.raw) from last


async def _prepared(
    job: Job,
    folder: Folder,
    images: Images,
    content: Content,
    document: Document,
    pages: Sequence[int],
    target: plan.Target,
    *,
    local: bool,
) -> tuple[Image, ...]:
    if folder.image_url_base and not local and document.pages == 1 and document.media_type in URL_TYPES:
        return (_by_url(job, folder.image_url_base, document),)
    prepared: list[Image] = []
    for page in pages:  # one after the other: a few pages in memory, whatever the document
        prepared += await images.prepare(content, page, target)
    return tuple(prepared)


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
        url=f"{base.rstrip('/')}/{path}",
    )


def chain_of(folder: Folder, models: Mapping[str, Model]) -> tuple[Model, ...]:
    """The folder's model and its fallbacks, in order."""
    return tuple(models[name] for name in (folder.model, *folder.fallbacks))
