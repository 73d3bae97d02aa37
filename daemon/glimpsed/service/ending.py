"""When a run of `once` is over, and what it leaves undone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from glimpsed.ledger import Books, Ledger
from glimpsed.model import State
from glimpsed.service.budget import Reached
from glimpsed.service.dispatch import Dispatcher, Lane
from glimpsed.service.folders import ONCE_LIMIT, Folders
from glimpsed.service.models import Models
from glimpsed.service.tally import Tally
from glimpsed.service.verifying import Verifying

LOOK = 0.1  # seconds between two looks
PROBED = 3.0  # seconds that another file has to come and probe a model that pauses
WAITING: tuple[State, ...] = ("queued", "running", "answered", "handing")


class Ending:
    """Looks for the end; afterwards tells what was left, and why."""

    def __init__(
        self,
        books: Books,
        folders: Folders,
        models: Models,
        dispatcher: Dispatcher,
        tally: Tally,
        verifying: Verifying,
        *,
        lanes: Callable[[], Awaitable[Sequence[Lane]]],
        budgets: Callable[[], Awaitable[Sequence[Reached]]],
        known: Callable[[], Awaitable[bool]],
    ) -> None:
        self.left = 0  # files: nobody can be asked about them now, they are stuck, or it was stopped
        self.older_failures = 0
        self._books = books
        self._folders = folders
        self._models = models
        self._dispatcher = dispatcher
        self._tally = tally
        self._verifying = verifying
        self._lanes = lanes
        self._budgets = budgets
        self._known = known
        self._because: list[str] = []  # why folders wait whose models could be asked

    async def waiting(self) -> int:
        """Files that are queued, running, or answered without a sidecar."""
        return _waiting(await self._counts())

    def why_left(self) -> str:
        """Why files were left undone."""
        pauses = [f"{m.entry.name}: {m.pacing.paused.reason}" for m in self._models if m.pacing.paused]
        blocked = [
            f"a sidecar cannot be written: {reason}" for reason in list(self._tally.blocked.values())[:1]
        ]
        stuck = ["still being written, or not to be read"] if self._folders.stuck else []
        reasons = pauses + self._because + self._folders.missing + blocked + stuck
        return "; ".join(reasons) or "stopped before they were done"

    async def come(self) -> None:
        """Return when every folder is listed, nothing settles and nothing waits.

        What may never come to an end is left: files that cannot be read, answers that cannot be written.
        A folder that is not there is not waited for, nor one whose model is paused, whose budget is used up or
        whose backlog is not approved: who runs `once` wants to hear of it now.
        """
        active = time.monotonic()
        while True:
            if self._dispatcher.in_hand or self._verifying.in_hand:
                active = time.monotonic()
            elif (
                self._folders.looked
                and self._folders.settling <= self._folders.stuck
                and await self._books.attempt(self._nothing_to_do(time.monotonic() - active))
            ):
                break
            await asyncio.sleep(LOOK)
        counts = await self._counts()
        failed = sum(by_state.get("failed", 0) for by_state in counts.values())
        # A file may have failed several times in this run, and then have come right.
        self.older_failures = max(0, failed - len({key for key, _ in self._tally.failed}))

    async def _nothing_to_do(self, idle: float) -> bool:
        """Whether nothing waits that can be seen to now; nothing has been in hand for `idle` seconds."""
        lanes = await self._lanes()
        if await self._known():  # nobody need be asked about these
            return False
        served = {
            place.folder.name
            for lane in lanes
            # One that pauses may be probed, but if nobody came to do it, there is nobody.
            if not lane.answered and (lane.pacing.paused is None or idle <= PROBED)
            for place in lane.places
        }
        held = await self._books(Ledger.held_back, self._folders.names)
        counts = await self._books(Ledger.counts, self._folders.names)
        self.left = _waiting(counts) + self._folders.stuck
        mine = {name: by_state for name, by_state in counts.items() if name in served}
        paused = sum(key.folder in served for key in self._tally.waiting)
        waiting = _waiting(mine) - paused - sum(held.get(name, 0) for name in mine)
        if waiting > 0:
            blocked = sum(key.folder in served for key in self._tally.blocked)
            if waiting > blocked or idle <= ONCE_LIMIT:
                return False
        if await self._verifying.left(idle):
            return False
        self._because = [*await self._used_up(counts), *_to_approve(held)]
        return True

    async def _used_up(self, counts: Mapping[str, Mapping[State, int]]) -> list[str]:
        """The folders' own budgets for which something waits; those of models are pauses."""
        wait = {f"folder {name}" for name, by_state in counts.items() if _waiting({name: by_state})}
        return [one.reason for one in await self._budgets() if one.of in wait]

    async def cut_short(self) -> None:
        """It was stopped: count what is left."""
        if (counts := await self._books.maybe(Ledger.counts, self._folders.names)) is not None:
            self.left = _waiting(counts)

    async def _counts(self) -> dict[str, dict[State, int]]:
        return await self._books.patient(Ledger.counts, self._folders.names)


def _to_approve(held: Mapping[str, int]) -> list[str]:
    return [f"{name}: its backlog waits to be approved, 'glimpsed approve' releases it" for name in held]


def _waiting(counts: Mapping[str, Mapping[State, int]]) -> int:
    return sum(c.get(s, 0) for c in counts.values() for s in WAITING)
