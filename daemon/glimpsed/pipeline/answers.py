"""Answers put together from replies: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.formats import pdf
from glimpsed.images.prepare import Document
from glimpsed.model import (
    Answer,
    Content,
    FileKey,
    Job,
    Line,
    ModelUsed,
    PageAnswer,
    PageRecord,
    PromptUsed,
    Reply,
    Request,
    Sent,
    Source,
    Usage,
    shown,
    utc,
    utc_ns,
)
from glimpsed.pipeline.question import prompt_sha256
from glimpsed.sidecar.render import PAGE_BREAK


def source(job: Job, content: Content, document: Document) -> Source:
    """What the answer is about."""
    return Source(
        name=shown(job.key.name),
        bytes=job.version.size,
        modified=utc_ns(job.version.mtime_ns),
        sha256=content.sha256,
        media_type=document.media_type,
        width=document.width,
        height=document.height,
        pages=document.pages,
        left_out=document.left_out or None,
        signed=True if document.media_type == "application/pdf" and pdf.is_signed(content.data) else None,
    )


def record(page: int, reply: Reply, entry: ModelEntry, asked: Request, about: Source) -> PageRecord:
    """One request's reply, for one page or for all of them."""
    return PageRecord(
        answer=PageAnswer(page=page, text=reply.text, data=reply.data),
        sent=_sent(asked, reply.turned),
        model=ModelUsed(entry=entry.name, api=reply.api, asked=entry.model, answered=reply.answered),
        usage=reply.usage,
        finish=reply.finish,
        request_id=reply.request_id,
        source=about,
        lines=reply.lines,
    )


def _sent(request: Request, turned: Mapping[int, int]) -> tuple[Sent, ...]:
    """Page by page, the picture before the text."""
    images = [
        Sent(
            page=i.page,
            media_type=i.media_type,
            width=i.width,
            height=i.height,
            bytes=len(i.data),
            turned=turned.get(i.page) or i.turned or None,
        )
        for i in request.images
    ]
    texts = [
        Sent(page=t.page, media_type="text/plain", bytes=len(t.text.encode()), characters=len(t.text))
        for t in request.texts
    ]
    return tuple(sorted([*images, *texts], key=lambda sent: sent.page))


def answer(
    job: Job, folder: Folder, records: Sequence[PageRecord], *, attempts: int, started: float, finished: float
) -> Answer:
    """The whole answer; with ``pages: each`` from one record a page, else from the only one."""
    last = records[-1]
    each = folder.pages == "each"
    data = [r.answer.data for r in records] if each else last.answer.data
    return Answer(
        folder=job.key.folder,
        source=last.source,
        prompt=PromptUsed(sha256=prompt_sha256(folder)),
        model=last.model,
        sent=tuple(sent for r in records for sent in r.sent),
        text=PAGE_BREAK.join(r.answer.text.rstrip("\r\n") for r in records) if each else last.answer.text,
        data=data if folder.schema_ is not None else None,
        pages=tuple(r.answer for r in records) if each else None,
        finish=last.finish,
        usage=total([r.usage for r in records]),
        attempts=attempts,
        request_id=last.request_id,
        started=utc(started),
        finished=utc(finished),
        seconds=round(finished - started, 3),
        lines=lines_of(records) if folder.lines else None,
    )


def lines_of(records: Sequence[PageRecord]) -> tuple[Line, ...] | None:
    """Those of all pages; None where they were not wanted."""
    if all(record.lines is None for record in records):
        return None
    return tuple(line for record in records for line in record.lines or ())


def reused(job: Job, found: Answer, origin: FileKey, *, now: float) -> Answer:
    """The answer of another file with the same content: nothing was sent, nothing is paid."""
    about = {"name": shown(job.key.name), "modified": utc_ns(job.version.mtime_ns)}
    return found.model_copy(
        update={
            "folder": job.key.folder,
            "source": found.source.model_copy(update=about),
            "usage": Usage(cost=0.0 if found.usage.currency else None, currency=found.usage.currency),
            "attempts": 0,
            "started": utc(now),
            "finished": utc(now),
            "seconds": 0.0,
            "reused_from": f"{origin.folder}/{shown(origin.path)}",
        }
    )


def of_text(about: Source, folder: Folder, entry: ModelEntry, texts: Sequence[str], *, now: float) -> Answer:
    """An answer of which only the text is left, page by page or whole."""
    pages = tuple(PageAnswer(page=number, text=text) for number, text in enumerate(texts, 1))
    return Answer(
        folder=folder.name,
        source=about,
        prompt=PromptUsed(sha256=prompt_sha256(folder)),
        model=ModelUsed(entry=entry.name, api=entry.api, asked=entry.model, answered=entry.model),
        sent=(),
        text=PAGE_BREAK.join(texts),
        pages=pages if len(pages) > 1 else None,
        finish="stop",
        usage=Usage(),
        attempts=0,
        started=utc(now),
        finished=utc(now),
        seconds=0.0,
    )


def total(usages: Sequence[Usage]) -> Usage:
    """The sum; estimated when any part of it is."""
    costs = [u.cost for u in usages if u.cost is not None]
    return Usage(
        input_tokens=sum(u.input_tokens for u in usages),
        output_tokens=sum(u.output_tokens for u in usages),
        cost=round(sum(costs), 6) if costs else None,
        currency=next((u.currency for u in usages if u.currency), None),
        estimated=any(u.estimated for u in usages),
    )
