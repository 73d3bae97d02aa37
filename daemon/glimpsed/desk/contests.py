"""Models and prompts side by side, on files whose right answers are known: what they read, within a price."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from glimpsed.config.schema import Config, Folder
from glimpsed.desk.answers import answer_of
from glimpsed.desk.asking import ask_about_content, connected, content_of
from glimpsed.desk.desk import Desk
from glimpsed.disk.files import Root
from glimpsed.errors import FileError, GlimpsedError, VisionError
from glimpsed.estimate import Estimate, Group, Past, Sampled, estimate, total
from glimpsed.evaluate.known import KnownFile
from glimpsed.evaluate.score import Reading, Truth
from glimpsed.images.prepare import Images
from glimpsed.model import FileKey, Usage
from glimpsed.pipeline.ask import Asked
from glimpsed.vision import Model

SAMPLE = 50  # files that the estimate looks at
OVER = 2.0  # times the estimate: then nothing more is asked


@dataclass(slots=True)
class Contest:
    """One model with one prompt, and what it read in each file, in their order."""

    model: str
    prompt: str  # as it is named: the folder's, or the file's path
    folder: Folder  # with that prompt
    readings: list[Reading] = field(default_factory=list)


def reviewed(desk: Desk, folder: Folder, root: Root) -> list[KnownFile]:
    """The folder's files whose answer somebody corrected or confirmed: that is what is right for them."""
    found = []
    for row in desk.ledger.reviewed_files(folder.name):
        answer = answer_of(desk, root, folder, row)
        if answer is not None:
            data = [page.data for page in answer.pages] if answer.pages else answer.data
            known = Truth(data=data) if answer.data is not None else Truth(text=answer.text)
            path = Path(os.path.normpath(os.path.join(root.path, row.key.path)))
            found.append(KnownFile(path, known))
    return found


async def run(
    config: Config,
    contests: Sequence[Contest],
    files: Sequence[KnownFile],
    agreed: Callable[[Estimate], bool],
    progress: Callable[[int], AbstractContextManager[Callable[[], None]]],
) -> float | None:
    """Ask all of it, once its price is agreed to; what was spent, None when nothing was asked.

    `progress`, given how many readings there will be, is told of each.
    """
    async with connected(config, {c.model for c in contests}) as (images, models):
        await images.start()
        expected = await _expected(config, contests, files, images)
        if not agreed(expected):
            return None
        purse = Purse(None if expected.cost is None else OVER * expected.cost)
        with progress(len(contests) * len(files)) as advance:
            await asyncio.gather(
                *(_ask_all(c, models[c.model], files, images, purse, advance) for c in contests)
            )
        return purse.spent


async def _expected(
    config: Config, contests: Sequence[Contest], files: Sequence[KnownFile], images: Images
) -> Estimate:
    """What all contests together will take, from some of the files."""
    sample: list[Sampled | None] = []
    for file in files[:: max(1, len(files) // SAMPLE)]:
        try:
            document = await images.inspect(content_of(file.path))
            sample.append(Sampled(document.pages - len(document.left_out), document.width, document.height))
        except GlimpsedError:
            sample.append(None)
    group = Group(len(files), tuple(sample))
    cores = len(os.sched_getaffinity(0))
    every = [estimate([group], c.folder, config.models[c.model], Past(), cores=cores) for c in contests]
    return total(every)


@dataclass(slots=True)
class Purse:
    """What was spent, and what may be; None: nobody knows a price."""

    limit: float | None
    spent: float = 0.0

    @property
    def empty(self) -> bool:
        """Whether nothing more may be asked."""
        return bool(self.limit) and self.limit is not None and self.spent >= self.limit


async def _ask_all(
    contest: Contest,
    model: Model,
    files: Sequence[KnownFile],
    images: Images,
    purse: Purse,
    advance: Callable[[], None],
) -> None:
    places = asyncio.Semaphore(model.entry.concurrency)

    async def one(file: KnownFile) -> Reading:
        async with places:
            reading = (
                Reading(error="not asked: the estimate is spent twice over")
                if purse.empty
                else await _read(contest, model, file, images)
            )
        purse.spent += reading.cost or 0.0
        advance()
        return reading

    contest.readings = list(await asyncio.gather(*(one(file) for file in files)))


async def _read(contest: Contest, model: Model, file: KnownFile, images: Images) -> Reading:
    costs: list[float | None] = []  # of every reply, those that are no answer among them

    async def billed(_entry: str, usage: Usage) -> None:
        costs.append(usage.cost)

    async def answered(asked: Asked) -> None:
        costs.append(asked.record.usage.cost)

    def failed(reason: str, *, misfit: bool = False) -> Reading:
        return Reading(error=reason, schema_failed=misfit, cost=_sum(costs))

    folder = contest.folder
    key = FileKey(folder.name, file.path.name)
    try:
        answer = await ask_about_content(
            content_of(file.path), key, folder, [model], images, bill=billed, answered=answered
        )
    except VisionError as e:
        return failed(e.verdict.reason, misfit=folder.schema_ is not None and e.raw is not None)
    except FileError as e:
        return failed(e.reason)
    except GlimpsedError as e:
        return failed(str(e))
    data = [page.data for page in answer.pages] if answer.pages else answer.data
    return Reading(data=data, text=answer.text, seconds=answer.seconds, cost=_sum(costs))


def _sum(costs: Sequence[float | None]) -> float | None:
    """None where one of them has no price."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
