"""The ledger at the start: a database that is away is waited for."""

from __future__ import annotations

import asyncio

from glimpsed.blocking import wait
from glimpsed.clock import elapsed
from glimpsed.config import state_url
from glimpsed.config.schema import Config
from glimpsed.errors import LedgerUnavailable
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books

log = get_logger()

AGAIN = 5.0  # seconds between two tries


async def open_books(config: Config, *, patience: float | None, stop: asyncio.Event) -> Books | None:
    """None when told to stop before the database answered.

    Raises `LedgerUnavailable` when that took longer than `patience`; None: it may take for ever.
    """
    url, began = state_url(config), elapsed()
    while True:
        try:
            return await Books.open(url, search=config.search, keep=config.keep_answers)
        except LedgerUnavailable as e:
            if patience is not None and elapsed() - began > patience:
                raise
            log.warning(events.LEDGER_UNAVAILABLE, reason=str(e))
            await wait(stop, AGAIN)
            if stop.is_set():
                return None
