"""All of a document: one request for its pages together, or one for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from glimpsed.clock import Clock
from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.errors import FileError, VisionError
from glimpsed.images.pages import pages_of
from glimpsed.images.prepare import Images
from glimpsed.model import Answer, Content, Job, PageRecord
from glimpsed.pipeline import answers
from glimpsed.pipeline.ask import Allowance, Asked, Bill, Matter, Refusals, ask
from glimpsed.vision import Model


async def ask_about(
    job: Job,
    folder: Folder,
    content: Content,
    chain: Sequence[Model],
    *,
    images: Images,
    clock: Clock,
    bill: Bill,
    answered: Callable[[Asked], Awaitable[None]],
    refusals: Refusals | None = None,
    passed_over: Callable[[ModelEntry, str], None] | None = None,
    allowance: Allowance | None = None,
) -> Answer:
    """The answer to what the folder asks about this file; pages that the job has an answer to are not asked about.

    `answered` is told of each reply as it comes. The first model's money for the first page is the caller's business.
    Raises `VisionError` as `ask`, `FileError`.
    """
    started = clock()
    document, every = await pages_of(folder, content, images)
    known = refusals or Refusals()
    matter = Matter(
        job,
        folder,
        content,
        document,
        images,
        bill,
        known,
        clock,
        passed_over=passed_over,
        allowance=allowance,
    )
    each = folder.pages == "each"
    before = {record.answer.page: record for record in job.pages} if each else {}
    records: list[PageRecord] = []
    requests = 0
    for asked_pages in [[page] for page in every] if each else [every]:
        if (record := before.get(asked_pages[0])) is not None:
            records.append(record)
            continue
        try:
            asked = await ask(matter, chain, asked_pages, begun=bool(requests))
        except VisionError as e:
            e.requests += requests
            raise
        except FileError:
            if not each or asked_pages[0] not in matter.damaged:
                raise
            continue
        requests += asked.requests
        records.append(asked.record)
        await answered(asked)
    if not records:
        raise matter.damaged[every[0]]
    finished = clock.wall()
    return answers.answer(
        job,
        folder,
        [*records[:-1], records[-1].model_copy(update={"source": answers.source(job, content, matter.told)})],
        attempts=job.attempts + requests,
        started=finished - (clock() - started),
        finished=finished,
    )
