"""Who else writes to the ledger: commands beside the daemon, other daemons, one that died."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from glimpsed.errors import LedgerUnavailable
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.service.models import Models
from glimpsed.service.stir import Stir

log = get_logger()

LOOK_FOR_CHANGES = 0.8  # seconds; commands beside the daemon are acted on within one
LOOK_ANYWAY = 30.0  # seconds, a safety net: the log's file may have been replaced
LET_GO, LET_GO_AT_ONCE = 600.0, 10.0  # seconds between two looks for answers that are too old, with 'never' …
ANSWERS_AT_ONCE, BETWEEN_ANSWERS = 200, 0.5  # … and how many go at once, with seconds between
LOOK_FOR_OTHERS = 30.0  # seconds, half a lease


async def look_for_changes(books: Books, models: Models, wake: Callable[[], None]) -> None:
    """What a command beside us or another daemon wrote is noticed within a second."""
    seen = -1
    with contextlib.closing(Stir(books.log_file)) as stir:
        while True:
            stir.arm()
            try:
                counter = await books(Ledger.changes)
                if counter != seen:
                    await models.share_pauses()
                    await models.share_lessons()
                    seen = counter
                    wake()
            except LedgerUnavailable:
                wake()  # the dispatcher tells, and sees to what is in hand when the database is back
                await asyncio.sleep(LOOK_FOR_CHANGES)
                continue
            await asyncio.sleep(LOOK_FOR_CHANGES)
            await stir.wait(LOOK_ANYWAY)


async def watch_others(books: Books, wake: Callable[[], None]) -> None:
    """Say so when another daemon works from the same ledger; take over from one that died here."""
    others: frozenset[str] = frozenset()
    while True:
        if await books.maybe(Ledger.take_back, books.clock()):
            wake()
        if (found := await books.maybe(Ledger.other_daemons, books.clock())) is not None:
            for other in sorted(set(found) - others):
                log.warning(events.LEDGER_SHARED, reason=other)
            others = frozenset(found)
        await asyncio.sleep(LOOK_FOR_OTHERS)


async def let_answers_go(books: Books, keep: float | None) -> None:
    """Keep answers no longer than `keep_answers` allows: a few at a time, so that others can write meanwhile."""
    pause = LET_GO if keep != 0 else LET_GO_AT_ONCE
    while True:
        gone = await books.maybe(Ledger.let_go, books.clock(), ANSWERS_AT_ONCE)
        await asyncio.sleep(BETWEEN_ANSWERS if gone == ANSWERS_AT_ONCE else pause)
