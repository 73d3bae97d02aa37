"""When a run of `once` is over, and what it leaves undone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping

from glimpsed.blocking import Blocking
from glimpsed.errors import LedgerUnavailable
from glimpsed.ledger import Ledger
from glimpsed.model import State
from glimpsed.pipeline import Patient
from glimpsed.service.dispatch import Dispatcher
from glimpsed.service.folders import ONCE_LIMIT, Folders
from glimpsed.service.models import Models
from glimpsed.service.tally import Tally

LOOK = 0.1  # seconds between two looks
WAITING: tuple[State, ...] = ("queued", "running", "answered")


class Ending:
    """Looks for the end; afterwards tells what was left, and why."""

    def __init__(
        self,
        ledger: Ledger,
        db: Blocking,
        patient: Patient,
        folders: Folders,
        models: Models,
        dispatcher: Dispatcher,
        tally: Tally,
    ) -> None:
        self.left = 0  # files, because their models are paused, they are stuck, or it was stopped
        self.older_failures = 0
        self._ledger = ledger
        self._db = db
        self._patient = patient
        self._folders = folders
        self._models = models
        self._dispatcher = dispatcher
        self._tally = tally
        self._blocked = ""  # why an answer could not be written that was left

    async def waiting(self) -> int:
        """Files that are queued, running, or answered without a sidecar."""
        return _waiting(await self._counts())

    def why_left(self) -> str:
        """Why files were left undone."""
        pauses = [f"{m.entry.name}: {m.pacing.paused.reason}" for m in self._models if m.pacing.paused]
        blocked = [f"answered, but a sidecar cannot be written: {self._blocked}"] if self._blocked else []
        stuck = ["still being written, or not to be read"] if self._folders.stuck else []
        return "; ".join(pauses + self._folders.missing + blocked + stuck) or "stopped before they were done"

    async def come(self) -> None:
        """Return when every folder is listed, nothing settles and nothing waits.

        What may never come to an end is left: files that cannot be read, answers that cannot be written.
        A folder that is not there is not waited for: who runs `once` wants to hear of it now.
        """
        active = time.monotonic()
        while True:
            stuck = self._folders.stuck
            if self._dispatcher.in_hand:
                active = time.monotonic()
            elif self._folders.looked and self._folders.settling <= stuck:
                counts = await self._counts()
                waiting = _waiting(counts)
                self.left = waiting + stuck
                served = any(self._models.serving(watch.folder) for watch in self._folders)
                if not served or waiting <= len(self._tally.waiting):
                    break
                blocked = sum(c.get("answered", 0) for c in counts.values())
                if waiting == blocked and time.monotonic() - active > ONCE_LIMIT:
                    self._blocked = await self._why_blocked()
                    break
            await asyncio.sleep(LOOK)
        counts = await self._counts()
        failed = sum(by_state.get("failed", 0) for by_state in counts.values())
        # A file may have failed several times in this run, and then have come right.
        self.older_failures = max(0, failed - len({key for key, _ in self._tally.failed}))

    async def cut_short(self) -> None:
        """It was stopped: count what is left."""
        with contextlib.suppress(LedgerUnavailable):
            self.left = _waiting(await self._db.run(self._ledger.counts, self._folders.names))

    async def _counts(self) -> dict[str, dict[State, int]]:
        return await self._patient.run(self._ledger.counts, self._folders.names)

    async def _why_blocked(self) -> str:
        for name in self._folders.names:
            for row in await self._patient.run(self._ledger.latest, name, "answered", 1):
                return row.reason or ""
        return ""


def _waiting(counts: Mapping[str, Mapping[State, int]]) -> int:
    return sum(c.get(s, 0) for c in counts.values() for s in WAITING)
