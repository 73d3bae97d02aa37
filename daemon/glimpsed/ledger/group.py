"""Calls that may share one transaction: many jobs end at once, and each transaction has its price.

A durable one waits for the disk, and every one for a thread and its turn with the interpreter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 32  # in one transaction: others want to write too
LINGER = 0.005  # seconds that the next one waits for more, while they come in numbers


class GroupCommit(Generic[T, R]):
    """What comes in while a call is under way goes together in the next one. What comes alone does not wait."""

    def __init__(self, call: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._call = call
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, one: T) -> R:
        """The call's result for this one. Raises what the call raises for it."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="group commit")
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    await self._settle([(one, future) for one, future in batch if not future.done()])
                except Exception as e:  # noqa: BLE001 - a bug: whoever waits sees it, and does not wait for ever
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(e)
                if 1 < len(batch) < MOST:
                    await asyncio.sleep(LINGER)
        finally:
            self._task = None

    async def _settle(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        """One call for all; if it fails, one for each, so that nobody fails for another's sake."""
        if not batch:
            return
        try:
            results = await self._call([one for one, _ in batch])
        except Exception as e:  # noqa: BLE001 - handed to whoever waits
            if len(batch) > 1:
                for single in batch:
                    await self._settle([single])
            elif not batch[0][1].done():
                batch[0][1].set_exception(e)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
