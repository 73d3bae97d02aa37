"""A folder full of old files must not become a bill overnight: its backlog waits for `glimpsed approve`.

Held from before its first listing, so that nothing of it slips through meanwhile; arrivals are served.
"""

from __future__ import annotations

from collections.abc import Callable

from glimpsed.config.schema import Config, Folder
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Ledger
from glimpsed.pipeline import Patient

log = get_logger()


class Backlogs:
    """Holds and releases what the first listings find."""

    def __init__(self, ledger: Ledger, db: Patient, config: Config, *, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._db = db
        self._clock = clock
        self.config = config

    async def before_listing(self, folder: Folder) -> None:
        """Hold the backlog of a folder that was never listed, if asking its model costs money."""
        entry = self.config.models[folder.model]
        if entry.local or entry.price is None:
            return
        if not await self._db.run(self._ledger.seen, folder.name):
            await self._db.run(self._ledger.hold, folder.name, self._clock())

    async def after_listing(self, folder: Folder, first_backlog: int | None) -> None:
        """Let a small backlog go; tell of a large one, also of one that waits since an earlier start."""
        if folder.name not in await self._db.run(self._ledger.held):
            return
        if first_backlog is not None and first_backlog <= self.config.backlog_confirm:
            await self._db.run(self._ledger.approve, folder.name)
            return
        waiting = first_backlog
        if waiting is None:
            counts = await self._db.run(self._ledger.counts, [folder.name])
            waiting = counts.get(folder.name, {}).get("queued", 0)
        log.warning(
            events.BACKLOG_WAITING,
            folder=folder.name,
            waiting=waiting,
            model=folder.model,
            reason="'glimpsed estimate' says what it will cost, 'glimpsed approve' releases it",
        )
