"""A folder full of old files must not become a bill overnight: its backlog waits for `glimpsed approve`.

Held from before its first listing, so that nothing of it slips through meanwhile; arrivals are served, unless they are
more within a minute than `burst_confirm` allows. Of both only what costs something counts: a file whose answer is known
waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from glimpsed.blocking import wait
from glimpsed.clock import elapsed
from glimpsed.config.schema import Config, Folder
from glimpsed.discover.watch import FolderWatch
from glimpsed.disk.files import Root
from glimpsed.errors import ShareTrouble
from glimpsed.estimate import Estimate, of_folder
from glimpsed.estimate.survey import measured, of_rows, past
from glimpsed.images.prepare import Images
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, FileRow, Ledger
from glimpsed.model import counted
from glimpsed.pipeline.costless import Costless
from glimpsed.pipeline.question import fingerprint

log = get_logger()

SAMPLE = 200  # rows that an estimate rests on
_SETTLING = 5.0  # seconds beyond `settle` that those may take to be in the ledger
_TOGETHER = 2.0  # seconds that are waited for more to arrive
_LOOK = 0.25  # seconds between two looks
_UNTOLD = 10.0  # seconds after which people are told, while it is still looked for what costs nothing
APART = 60.0  # seconds between two lines about arrivals that wait to be approved


class Backlogs:
    """Holds and releases what the first listings find."""

    def __init__(
        self,
        books: Books,
        config: Config,
        images: Images,
        costless: Costless,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._books = books
        self._images = images
        self._costless = costless
        self._wake = wake
        self._clock = books.clock.wall
        self.config = config
        self.expected: dict[str, str] = {}  # folder -> what its backlog will take, for `status`

    async def before_listing(self, folder: Folder) -> None:
        """Hold the backlog of a folder that was never listed, if asking its models costs money."""
        if self._costs(folder) and await self._books.patient(Ledger.seen, folder.name) is None:
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

    async def after_listing(
        self,
        folder: Folder,
        first_backlog: int | None,
        root: Root | None,
        *,
        settling: Callable[[], int] = lambda: 0,
    ) -> None:
        """Let go a backlog of few that cost something; tell of a larger one, also of one from an earlier start.

        `settling`: how many files are not in the ledger yet.
        """
        name = folder.name
        if name not in await self._books.patient(Ledger.held) or await self.let_go_if_free(folder):
            return
        free = 0

        async def look() -> None:
            nonlocal free
            any_read = await self._books.patient(Ledger.any_read)
            # What waited before this start may be in the ledger under its old names alone: a directory was renamed.
            if first_backlog is None or (any_read and first_backlog > self.config.backlog_confirm):
                free = await self._let_settled_through(folder, settling)

        async def waiting() -> int:
            if first_backlog is not None:
                return first_backlog - free
            return (await self._books.patient(Ledger.held_back, [name])).get(name, 0)

        async def tell() -> None:
            await self._tell(folder, await waiting(), root)

        told = await _unless_soon(look(), tell)
        if await waiting() <= (0 if first_backlog is None else self.config.backlog_confirm):
            await self._books.patient(Ledger.approve, name, unlisted=True)
            self._wake()
        elif not told:
            await tell()

    async def let_go_if_free(self, folder: Folder) -> bool:
        """Release what was held while the folder's model cost something. Returns whether asking costs nothing now."""
        if self._costs(folder):
            return False
        if folder.name in await self._books.patient(Ledger.held):
            await self._books.patient(Ledger.approve, folder.name, unlisted=True)
            self._wake()
        return True

    async def _let_settled_through(self, folder: Folder, settling: Callable[[], int]) -> int:
        """Let through what costs nothing, until no more files come into the ledger. Returns how many that was."""
        seen, free, left, since = set[int](), 0, settling(), elapsed()
        while True:
            async for rows in self._costless.let_through(folder.name, seen):
                free += len(rows)
                self._wake()
            if left == 0 or elapsed() - since > folder.settle + _SETTLING:
                return free
            await asyncio.sleep(_LOOK)
            if settling() != left:
                left, since = settling(), elapsed()

    async def see_to_bursts(self, watch: FolderWatch) -> None:
        """Of many arrivals let go at once what costs nothing, and of the others tell, once a minute."""
        folder, seen, again, waiting = watch.folder, set[int](), 0.0, 0

        async def look() -> None:
            nonlocal waiting
            await asyncio.sleep(_TOGETHER)
            async for rows in self._costless.let_through(folder.name, seen):
                watch.burst.free({row.key for row in rows})
                self._wake()
            few = 0 if watch.burst.on else self.burst_confirm(folder.name) or 0
            if await self._books.patient(Ledger.release_few, folder.name, few):
                self._wake()
            waiting = (await self._books.patient(Ledger.held_back, [folder.name])).get(folder.name, 0)

        async def tell() -> None:
            nonlocal again, waiting
            if elapsed() < again:
                return
            waiting = (await self._books.patient(Ledger.held_back, [folder.name])).get(folder.name, 0)
            if waiting:
                await self._tell(folder, waiting, watch.root)
                again, waiting = elapsed() + APART, 0

        while True:
            await wait(watch.burst_waits, max(0.0, again - elapsed()) if waiting else None)
            if watch.burst_waits.is_set():
                watch.burst_waits.clear()
                await _unless_soon(look(), tell)
            if waiting:
                await tell()

    def burst_confirm(self, folder: str) -> int | None:
        """How many files may arrive in this folder within a minute without a question; None: any number."""
        if (there := self.config.folders.get(folder)) is None:  # a reload has taken it away
            return None
        return self.config.burst_confirm if self._costs(there) else None

    def _costs(self, folder: Folder) -> bool:
        """Whether a file costs money: the answer, or its second reading."""
        asked = {folder.model, folder.verify_with or folder.model}
        entries = [self.config.models[name] for name in asked]
        return any(entry.priced for entry in entries)

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
            rows = await self._books.patient(Ledger.browse, [folder.name], ["queued"], limit=SAMPLE)
            if len(rows) >= wanted:
                break
            await asyncio.sleep(_LOOK)
        return rows


async def _unless_soon(look: Coroutine[Any, Any, None], tell: Callable[[], Awaitable[None]]) -> bool:
    """Wait for an end that may take long: then people are told meanwhile. Returns whether they were."""
    task = asyncio.create_task(look)
    try:
        await asyncio.wait({task}, timeout=_UNTOLD)
        if slow := not task.done():
            await tell()
        await task
    finally:
        task.cancel()
    return slow


def _in_words(expected: Estimate) -> str:
    size = f"{counted(expected.pages, 'page')}, {expected.input_tokens:,} + {expected.output_tokens:,} tokens"
    if expected.cost is None or expected.currency is None:  # no price, or none to pay: the model is here
        return size
    return f"{size}, about {expected.cost:,.2f} {expected.currency}"


def _fields(expected: Estimate | None) -> dict[str, Any]:
    if expected is None:
        return {}
    return {
        "input_tokens": expected.input_tokens,
        "output_tokens": expected.output_tokens,
        "cost": expected.cost,
    }
