"""What is in hand: claimed from the ledger and being seen to, each in a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K")  # what a claim is known by


class Hands(Generic[K]):
    """The tasks that see claims to their end. What one of them could not cope with ends the daemon, by `check`."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self.claiming = asyncio.Lock()  # held from a claim until what was claimed is started
        # By the task: a row's number may be another file's before the task of the file that had it is quite over.
        self._tasks: dict[asyncio.Task[None], K] = {}
        self._ended = ended
        self._broken: BaseException | None = None
        self._drained = False

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._tasks.values()))

    def start(self, key: K, work: Coroutine[Any, Any, None], name: str) -> None:
        """See to one more; `ended` is called when it has come to its end, whichever.

        After `drain` nothing is started any more: nobody would wait for it. Its lease is taken back at the next start.
        """
        if self._drained:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = key
        task.add_done_callback(self._end)

    def check(self) -> None:
        """Raises what a task could not cope with."""
        if self._broken is not None:
            raise self._broken

    def cancel(self, key: K) -> None:
        """It is not ours any more."""
        for task in [task for task, known_by in self._tasks.items() if known_by == key]:
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """Let what is in hand finish for so long, then cancel it, which gives it back.

        What is just being claimed is waited for as well: it would be in hand a moment later.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.claiming:
                while self._tasks:
                    await asyncio.wait(tuple(self._tasks))
        self._drained = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
        self._ended()
