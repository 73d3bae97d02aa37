"""The event loop of every command: what blocks outside of our own lanes runs in daemon threads.

asyncio looks names up, and runs what is given to `asyncio.to_thread`, in one small pool that all share and that is
waited for at the end: behind a name server that does not answer, calls of other models wait for their turn, and the
stop waits for all of them. The libraries beneath (httpx, anyio) ask the loop, so they come here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

THREADS = 64  # at once; more calls wait for one to end
LOOKUPS = 32  # names being looked up at once; more fail at once, so that other calls find a thread


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on such a loop."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


class Loop(asyncio.SelectorEventLoop):
    """A loop without a shared pool. Whoever waits sets the time limit; a call that nobody waits for any more is left to itself."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._lookups: dict[tuple[object, ...], asyncio.Future[Any]] = {}

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> Any:
        """The addresses of a host. Those who ask for the same at the same time wait for one answer."""
        asked = (host, port, *sorted(how.items()))
        answer = self._lookups.get(asked)
        if answer is None:
            if len(self._lookups) >= LOOKUPS:
                raise socket.gaierror(socket.EAI_AGAIN, f"{LOOKUPS} names are being looked up already")
            answer = self.run_in_executor(None, lambda: socket.getaddrinfo(host, port, **how))
            self._lookups[asked] = answer
            answer.add_done_callback(lambda done: self._looked_up(asked, done))
        return await asyncio.shield(answer)

    def run_in_executor(
        self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """In an executor of the caller's, or in a daemon thread."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[T] = self.create_future()
        self._waiting.append(lambda: self._call(future, lambda: func(*args)))
        self._next()
        return future

    def _looked_up(self, asked: tuple[object, ...], done: asyncio.Future[Any]) -> None:
        self._lookups.pop(asked, None)
        if not done.cancelled():
            done.exception()  # those who waited have been told, if there are any left

    def _next(self) -> None:
        while self._waiting and self._threads < THREADS:
            self._threads += 1
            threading.Thread(target=self._waiting.popleft(), name="blocking call", daemon=True).start()

    def _call(self, future: asyncio.Future[T], call: Callable[[], T]) -> None:
        """In a thread of its own."""
        result: T | None = None
        error: BaseException | None = None
        try:
            result = call()
        except BaseException as e:  # noqa: BLE001 - handed to whoever waits
            error = e
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.call_soon_threadsafe(self._ended, future, result, error)

    def _ended(self, future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
        self._threads -= 1
        if not future.done():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        self._next()
