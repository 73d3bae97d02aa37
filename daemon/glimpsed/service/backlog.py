"""A folder full of old files must not become a bill overnight: its backlog waits for `glimpsed approve`.

Held from before its first listing, so that nothing of it slips through meanwhile; arrivals are served, unless they are
more within a minute than `burst_confirm` allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from glimpsed.config.schema import Config, Folder
from glimpsed.disk.files import Root
from glimpsed.errors import ShareTrouble
from glimpsed.estimate import Estimate, of_folder
from glimpsed.estimate.survey import measured, of_rows, past
from glimpsed.images import Images
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, FileRow, Ledger
from glimpsed.pipeline.question import fingerprint

log = get_logger()

SAMPLE = 200  # rows that an estimate rests on
_SETTLING = 5.0  # seconds beyond `settle` that those may take to be in the ledger
_TOGETHER = 2.0  # seconds that are waited for more to arrive
_LOOK = 0.25  # seconds between two looks


class Backlogs:
    """Holds and releases what the first listings find."""

    def __init__(self, books: Books, config: Config, images: Images, *, clock: Callable[[], float]) -> None:
        self._books = books
        self._images = images
        self._clock = clock
        self.config = config
        self.expected: dict[str, str] = {}  # folder -> what its backlog will take, for `status`

    async def before_listing(self, folder: Folder) -> None:
        """Hold the backlog of a folder that was never listed, if asking its models costs money."""
        if self._costs(folder) and not await self._books.patient(Ledger.seen, folder.name):
            await self._books.patient(Ledger.hold, folder.name, self._clock())

    async def ask_failed_again(self, folder: Folder) -> None:
        """What no model answered goes back into the queue, if the folder asks another question by now (DESIGN 9)."""
        asked = fingerprint(folder, self.config.models[folder.model])
        if files := await self._books.patient(
            Ledger.requeue_other_questions, folder.name, asked, now=self._clock()
        ):
            log.info(
                "failures asked again", folder=folder.name, files=files, reason="another prompt or model"
            )

    async def after_listing(self, folder: Folder, first_backlog: int | None, root: Root | None) -> None:
        """Let a small backlog go; tell of a large one, also of one that waits since an earlier start."""
        if folder.name not in await self._books.patient(Ledger.held):
            return
        if first_backlog is not None and first_backlog <= self.config.backlog_confirm:
            await self._books.patient(Ledger.approve, folder.name)
            return
        waiting = first_backlog
        if waiting is None:
            counts = await self._books.patient(Ledger.counts, [folder.name])
            waiting = counts.get(folder.name, {}).get("queued", 0)
        await self._tell(folder, waiting, root)

    def burst_confirm(self, folder: str) -> int | None:
        """How many files may arrive in this folder within a minute without a question; None: any number."""
        if (there := self.config.folders.get(folder)) is None:  # a reload has taken it away
            return None
        return self.config.burst_confirm if self._costs(there) else None

    def _costs(self, folder: Folder) -> bool:
        """Whether a file costs money: the answer, or its second reading."""
        asked = {folder.model, folder.verify_with or folder.model}
        entries = [self.config.models[name] for name in asked]
        return any(entry.price is not None and not entry.local for entry in entries)

    async def arrivals_wait(self, folder: Folder, root: Root | None) -> None:
        """Tell of arrivals that were too many at once, when those that come together have come."""
        await asyncio.sleep(_TOGETHER)
        waiting = (await self._books.patient(Ledger.held_back, [folder.name])).get(folder.name, 0)
        if waiting:
            await self._tell(folder, waiting, root)

    async def _tell(self, folder: Folder, waiting: int, root: Root | None) -> None:
        expected = await self._expected(folder, waiting, root) if waiting and root is not None else None
        hint = "'glimpsed estimate' says what it will cost, 'glimpsed approve' releases it"
        if expected is not None:
            self.expected[folder.name] = _in_words(expected)
            hint = f"{_in_words(expected)}; 'glimpsed approve' releases it"
        log.warning(
            events.BACKLOG_WAITING,
            folder=folder.name,
            waiting=waiting,
            model=folder.model,
            reason=hint,
            **_fields(expected),
        )

    async def _expected(self, folder: Folder, waiting: int, root: Root) -> Estimate | None:
        """What they will take, from some of those that the ledger has already; None: it cannot be told."""
        models = self.config.models  # now: a reload may come meanwhile
        rows = await self._some(folder, min(waiting, SAMPLE))
        try:
            groups = await measured(folder, of_rows(rows, waiting).values(), root, self._images)
        except ShareTrouble:
            return None
        if not any(seen for group in groups for seen in group.sample):
            return None
        so_far = await self._books.patient(past, folder, self._clock())
        return of_folder(groups, folder, models, so_far)

    async def _some(self, folder: Folder, wanted: int) -> list[FileRow]:
        """Rows of the backlog: after the first listing they may still be settling."""
        for _ in range(round((folder.settle + _SETTLING) / _LOOK)):
            rows = await self._books.patient(Ledger.latest, folder.name, "queued", SAMPLE)
            if len(rows) >= wanted:
                break
            await asyncio.sleep(_LOOK)
        return rows


def _in_words(expected: Estimate) -> str:
    if expected.cost is None:
        return f"{expected.pages:,} pages, {expected.input_tokens:,} + {expected.output_tokens:,} tokens"
    cost = f"{expected.cost:,.2f} {expected.currency}"
    return f"{expected.pages:,} pages, {expected.input_tokens:,} + {expected.output_tokens:,} tokens, about {cost}"


def _fields(expected: Estimate | None) -> dict[str, Any]:
    if expected is None:
        return {}
    return {
        "input_tokens": expected.input_tokens,
        "output_tokens": expected.output_tokens,
        "cost": expected.cost,
    }
