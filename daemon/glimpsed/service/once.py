"""``glimpsed once``: the same service, until nothing is left to do. Somebody waits for the end, and hears why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, ClassVar

from glimpsed.ledger import Ledger
from glimpsed.model import State
from glimpsed.service import Service
from glimpsed.service.folders import ONCE_LIMIT

LOOK = 0.1  # seconds between two looks
PROBED = 3.0  # seconds that another file has to come and probe a model that pauses
WAITING: tuple[State, ...] = ("queued", "running", "answered", "handing")


class Once(Service):
    """What there is now is seen to; what may never come to an end is left, and told."""

    once: ClassVar[bool] = True
    start_patience: ClassVar[float | None] = 20.0
    outage_patience: ClassVar[float | None] = 120.0  # longer: what is paid for waits to be kept

    opened = False  # not: stopped while the ledger's database was away
    left = 0  # files: nobody can be asked about them now, they are stuck, or it was stopped
    older_failures = 0
    _because: Sequence[str] = ()  # why folders wait whose models could be asked

    async def _open(self) -> bool:
        self.opened = await super()._open()
        return self.opened

    def _jobs(self) -> list[Coroutine[Any, Any, None]]:
        return [*super()._jobs(), self._until_done()]

    async def _drain(self) -> None:
        await super()._drain()
        if self.stopped and (counts := await self.books.maybe(Ledger.counts, self.folders.names)) is not None:
            self.left = _waiting(counts)

    async def waiting(self) -> int:
        """Files that are queued, running, or answered without a sidecar."""
        return _waiting(await self._counts())

    def why_left(self) -> str:
        """Why files were left undone."""
        pauses = [f"{m.entry.name}: {m.pacing.paused.reason}" for m in self.models if m.pacing.paused]
        blocked = [
            f"a sidecar cannot be written: {reason}" for reason in list(self.tally.blocked.values())[:1]
        ]
        stuck = ["still being written, or not to be read"] if self.folders.stuck else []
        reasons = pauses + list(self._because) + self.folders.missing + blocked + stuck
        return "; ".join(reasons) or "stopped before they were done"

    async def _until_done(self) -> None:
        """Stop when every folder is listed, nothing settles and nothing waits.

        What may never come to an end is left: files that cannot be read, answers that cannot be written.
        A folder that is not there is not waited for, nor one whose model is paused, whose budget is used up or
        whose backlog is not approved: who runs `once` wants to hear of it now.
        """
        active = time.monotonic()
        while True:
            if self.dispatcher.in_hand or self.verifying.in_hand:
                active = time.monotonic()
            elif (
                self.folders.looked
                and self.folders.settling <= self.folders.stuck
                and await self.books.attempt(self._nothing_to_do(time.monotonic() - active))
            ):
                break
            await asyncio.sleep(LOOK)
        counts = await self._counts()
        failed = sum(by_state.get("failed", 0) for by_state in counts.values())
        # A file may have failed several times in this run, and then have come right.
        self.older_failures = max(0, failed - len({key for key, _ in self.tally.failed}))
        self._stop.set()

    async def _nothing_to_do(self, idle: float) -> bool:
        """Whether nothing waits that can be seen to now; nothing has been in hand for `idle` seconds."""
        lanes = await self._serving.lanes()
        if await self.known.look():  # nobody need be asked about these
            return False
        served = {
            place.folder.name
            for lane in lanes
            # One that pauses may be probed, but if nobody came to do it, there is nobody.
            if not lane.answered and (lane.pacing.paused is None or idle <= PROBED)
            for place in lane.places
        }
        held = await self.books(Ledger.held_back, self.folders.names)
        counts = await self.books(Ledger.counts, self.folders.names)
        self.left = _waiting(counts) + self.folders.stuck
        mine = {name: by_state for name, by_state in counts.items() if name in served}
        paused = sum(key.folder in served for key in self.tally.waiting)
        waiting = _waiting(mine) - paused - sum(held.get(name, 0) for name in mine)
        if waiting > 0:
            blocked = sum(key.folder in served for key in self.tally.blocked)
            if waiting > blocked or idle <= ONCE_LIMIT:
                return False
        if await self.verifying.left(idle):
            return False
        self._because = [*await self._used_up(counts), *_to_approve(held)]
        return True

    async def _used_up(self, counts: Mapping[str, Mapping[State, int]]) -> list[str]:
        """The folders' own budgets for which something waits; those of models are pauses."""
        wait = {f"folder {name}" for name, by_state in counts.items() if _waiting({name: by_state})}
        return [one.reason for one in await self._serving.over() if one.of in wait]

    async def _counts(self) -> dict[str, dict[State, int]]:
        return await self.books.patient(Ledger.counts, self.folders.names)


def _to_approve(held: Mapping[str, int]) -> list[str]:
    return [f"{name}: its backlog waits to be approved, 'glimpsed approve' releases it" for name in held]


def _waiting(counts: Mapping[str, Mapping[State, int]]) -> int:
    return sum(c.get(s, 0) for c in counts.values() for s in WAITING)
