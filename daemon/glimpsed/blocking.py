"""File and database work off the event loop, where a call that never returns costs one thread.

`concurrent.futures` joins its threads when the interpreter ends, so one `stat` on a dead NFS server
would hold up the stop of the daemon for ever. These are daemon threads: what hangs is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

from glimpsed.errors import ShareTrouble

P = ParamSpec("P")
T = TypeVar("T")


class Returns:
    """The way of results back into the event loop: many that come at once wake it once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ended: deque[tuple[Task, Any, BaseException | None]] = deque()
        self._woken = False

    def give(self, task: Task, result: object, error: BaseException | None) -> None:
        """From a thread. Raises RuntimeError when the loop is closed."""
        self._ended.append((task, result, error))
        if not self._woken:
            self._woken = True
            self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._woken = False  # before looking: what comes from now on wakes the loop again
        while self._ended:
            task, result, error = self._ended.popleft()
            if task.given_up or task.future.done():  # nobody waits
                continue
            if error is None:
                task.future.set_result(result)
            else:
                task.future.set_exception(error)


@dataclass(slots=True, eq=False)
class Task:
    """A call on its way through the queue."""

    returns: Returns
    future: asyncio.Future[Any]
    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    running: bool = False  # in a thread now
    given_up: bool = False  # nobody waits for it any more
    lost: bool = False  # with the thread that it hangs in


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
        self._closed = False
        self._returns: Returns | None = None

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the call in a thread and wait for it, however long it takes."""
        task = self._submit(call, args, kwargs)
        result: T = await task.future
        return result

    async def run_within(
        self, seconds: float, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`run`, but give up on it after so many seconds: `ShareTrouble`."""
        task = self._submit(call, args, kwargs)
        timer = task.returns.loop.call_later(seconds, self._too_late, task, seconds)
        try:
            result: T = await task.future
        except asyncio.CancelledError:
            self._give_up(task)
            raise
        finally:
            timer.cancel()
        return result

    async def run_moving(
        self,
        seconds: float,
        progress: Callable[[], object],
        call: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`run`, but give up on it when `progress()` gave the same for so many seconds: `ShareTrouble`."""
        task = self._submit(call, args, kwargs)
        seen: object = task  # like nothing that `progress` gives
        try:
            while not task.future.done() and (now := progress()) != seen:
                seen = now
                await asyncio.wait([task.future], timeout=seconds)
        except BaseException:
            self._give_up(task)
            raise
        if not task.future.done():
            self._too_late(task, seconds)
        result: T = task.future.result()
        return result

    def close(self) -> None:
        """Let the threads end once they are idle; one that hangs is left to the end of the process.

        Jobs that began before a reload may still call: each such call gets a thread of its own.
        """
        with self._lock:
            for _ in range(self._alive):
                self._tasks.put(None)
            self._closed = True

    def _submit(self, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        loop = asyncio.get_running_loop()
        if self._returns is None or self._returns.loop is not loop:
            self._returns = Returns(loop)
        task = Task(self._returns, loop.create_future(), call, args, kwargs)
        with self._lock:
            if self._closed or self._alive - self._lost < self._wanted:
                # Once it is closed each call has a thread of its own: only those that hang count.
                if (self._lost if self._closed else self._alive) >= self._most:
                    raise ShareTrouble(f"{self._name}: {self._lost} calls hang in the file system")
                self._start()
            self._tasks.put(task)
            if self._closed:
                self._tasks.put(None)
        return task

    def _start(self) -> None:
        """One more thread. Raises `ShareTrouble` when the machine has none left."""
        try:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except (RuntimeError, MemoryError) as e:
            raise ShareTrouble(f"{self._name}: {e}") from e
        self._alive += 1  # under the lock, which the thread needs to end

    def _too_late(self, task: Task, seconds: float) -> None:
        self._give_up(task)
        if not task.future.done():
            late = ShareTrouble(f"{self._name}: no answer from the file system within {seconds:g} s")
            task.future.set_exception(late)

    def _give_up(self, task: Task) -> None:
        """A call that has begun costs its thread for as long as it hangs; one in the queue costs nothing."""
        with self._lock:
            task.given_up = True
            if task.running and not task.lost:
                task.lost = True
                self._lost += 1

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            with self._lock:
                if task.given_up or task.future.cancelled():
                    continue
                task.running = True
            try:
                result, error = task.call(*task.args, **task.kwargs), None
            except BaseException as e:  # noqa: BLE001 - handed to whoever waits
                result, error = None, e
            surplus = self._came_back(task)
            try:
                task.returns.give(task, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
            if surplus:
                break
            del task, result, error
        with self._lock:
            self._alive -= 1

    def _came_back(self, task: Task) -> bool:
        """The call returned. Whether its thread, given up for lost, was replaced meanwhile."""
        with self._lock:
            task.running = False
            if not task.lost:
                return False
            self._lost -= 1
            return not self._closed and self._alive - self._lost > self._wanted


async def wait(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event is set, or so many seconds have passed.

    Not by `asyncio.wait_for`: before Python 3.12 it loses a cancellation that arrives together with the event,
    and then the watch would never end.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
