"""``glimpsed once``: the same service, until nothing is left to do. Somebody waits for the end, and hears why."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

from glimpsed.service import Service
from glimpsed.service.ending import Ending


class Once(Service):
    """What there is now is seen to; what may never come to an end is left, and told."""

    once: ClassVar[bool] = True
    start_patience: ClassVar[float | None] = 20.0
    outage_patience: ClassVar[float | None] = 120.0  # longer: what is paid for waits to be kept

    ending: Ending | None = None  # set once the ledger is open

    async def _open(self) -> bool:
        if not await super()._open():
            return False
        self.ending = Ending(
            self.books,
            self.folders,
            self.models,
            self.dispatcher,
            self.tally,
            self.verifying,
            lanes=self._serving.lanes,
            budgets=self._serving.over,
            known=self.known.look,
        )
        return True

    def _jobs(self) -> list[Coroutine[Any, Any, None]]:
        assert self.ending is not None
        return [*super()._jobs(), self._until_idle(self.ending)]

    async def _until_idle(self, ending: Ending) -> None:
        await ending.come()
        self._stop.set()

    async def _drain(self) -> None:
        await super()._drain()
        if self.ending is not None and self.stopped:
            await self.ending.cut_short()
