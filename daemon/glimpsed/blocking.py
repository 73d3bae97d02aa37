"""File and database work off the event loop, where a call that never returns costs one thread.

`concurrent.futures` joins its threads when the interpreter ends, so one `stat` on a dead NFS server
would hold up the stop of the daemon for ever. These are daemon threads: what hangs is left behind.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from glimpsed.errors import ShareTrouble

P = ParamSpec("P")
T = TypeVar("T")

Task = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


def within(seconds: float, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """A call that may hang, outside of any event loop: `ShareTrouble` after so many seconds."""
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put((call(*args, **kwargs), None))
        except BaseException as e:  # noqa: BLE001 - handed to whoever waits
            done.put((None, e))

    threading.Thread(target=work, name="within", daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        raise ShareTrouble(f"no answer from the file system within {seconds:g} s") from None
    if error is not None:
        raise error
    return cast("T", result)


class Blocking:
    """A few named daemon threads that run blocking calls one after the other.

    A call that outlives its `timeout` raises `ShareTrouble`; its thread is replaced, at most `spare`
    times, after which every call fails at once until one of the lost threads comes back.
    """

    def __init__(self, name: str, *, threads: int = 1, spare: int = 4) -> None:
        self._name = name
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._alive = 0
        self._wanted = threads
        self._most = threads + spare
        self._lost = 0

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the call in a thread and wait for it, however long it takes."""
        return await self._submit(call, args, kwargs)

    async def run_within(
        self, seconds: float, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`run`, but give up on it after so many seconds: `ShareTrouble`."""
        future = self._submit(call, args, kwargs)
        try:
            return await asyncio.wait_for(asyncio.shield(future), seconds)
        except TimeoutError:
            if future.done() and not future.cancelled():
                return future.result()
            self._lose(future)
            raise ShareTrouble(f"{self._name}: no answer from the file system within {seconds:g} s") from None

    def close(self) -> None:
        """Let idle threads end; one that hangs is left to the end of the process."""
        with self._lock:
            for _ in range(self._alive):
                self._tasks.put(None)
            self._wanted = 0

    def _submit(
        self, call: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            if self._alive - self._lost < self._wanted:
                if self._alive >= self._most:
                    raise ShareTrouble(f"{self._name}: {self._lost} calls hang in the file system")
                self._alive += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._tasks.put((loop, future, lambda: call(*args, **kwargs)))
        return future

    def _lose(self, future: asyncio.Future[Any]) -> None:
        with self._lock:
            self._lost += 1
        future.add_done_callback(self._found)

    def _found(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not report it as forgotten
        with self._lock:
            self._lost -= 1
            surplus = self._alive - self._lost > self._wanted
        if surplus:
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            loop, future, call = task
            if future.cancelled():
                continue
            try:
                result, error = call(), None
            except BaseException as e:  # noqa: BLE001: handed to whoever waits
                result, error = None, e
            try:
                loop.call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
            del task, future, call, result, error
        with self._lock:
            self._alive -= 1


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
