"""What is in hand: claimed from the ledger and being seen to, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K")  # what a claim is known by


class Hands(Generic[K]):
    """The tasks that see claims to their end. What one of them could not cope with ends the daemon, by `check`."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._tasks: dict[K, asyncio.Task[None]] = {}
        self._ended = ended
        self._broken: BaseException | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._tasks))

    def start(self, key: K, work: Coroutine[Any, Any, None], name: str) -> None:
        """See to one more; `ended` is called when it has come to its end, whichever."""
        task = self._tasks[key] = asyncio.create_task(work, name=name)
        task.add_done_callback(lambda _: self._end(key, task))

    def check(self) -> None:
        """Raises what a task could not cope with."""
        if self._broken is not None:
            raise self._broken

    def cancel(self, key: K) -> None:
        """It is not ours any more."""
        self._tasks[key].cancel()

    async def drain(self, seconds: float) -> None:
        """Let what is in hand finish for so long, then cancel it, which gives it back."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: K, task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
        self._ended()
