"""File and database work off the event loop, where a call that never returns costs one thread.

`concurrent.futures` joins its threads when the interpreter ends, so one `stat` on a dead NFS server
would hold up the stop of the daemon for ever. These are daemon threads: what hangs is left behind.
`Threads` are shared by everything that may hang apart from everything else: each has a lane (`Blocking`) of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

from glimpsed.errors import ShareTrouble

P = ParamSpec("P")
T = TypeVar("T")

MOST_HANGING = 64  # calls outside of an event loop
SLOW = 0.25  # s after which a call may be hanging, and another thread does the work


class Returns:
    """The way of results back into the event loop: many that come at once wake it once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ended: deque[tuple[Call, Any, BaseException | None]] = deque()
        self._woken = False

    def give(self, task: Call, result: object, error: BaseException | None) -> None:
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
class Call:
    """A call on its way through a lane and a thread."""

    lane: Blocking
    returns: Returns
    future: asyncio.Future[Any]
    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    began: float | None = None  # time.monotonic() when a thread took it
    given_up: bool = False  # nobody waits for it any more
    lost: bool = False  # with the thread that it hangs in
    timer: asyncio.TimerHandle | None = None


def within(seconds: float, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """A call that may hang, outside of any event loop: `ShareTrouble` after so many seconds.

    At once, while `MOST_HANGING` of these hang: each costs a thread, and whoever looks again and again would use them up.
    """
    if sum(thread.name == "within" for thread in threading.enumerate()) >= MOST_HANGING:
        raise ShareTrouble(f"{MOST_HANGING} calls hang in the file system")
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


class Threads:
    """Daemon threads that many lanes share: a folder costs none, a call that hangs costs one for as long as it hangs.

    So many work at a time. A call that takes longer than `SLOW` may be hanging and does not count among them: another
    thread is started for those that wait, up to `most` in all, after which calls fail at once, saying so. Before that,
    a lane that hangs gets no more of the last half of them, so that those that have not been tried still can be.
    """

    def __init__(self, name: str, *, working: int, most: int) -> None:
        self.lock = threading.Lock()  # also of what its lanes count
        self._name = name
        self._working = working
        self._most = most
        self._queue: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._waiting = 0  # tasks in the queue
        self._alive = 0
        self._running: dict[Call, None] = {}
        self._lost = 0
        self._closed = False
        self._look: asyncio.TimerHandle | None = None  # whether another thread is needed
        self._loop: asyncio.AbstractEventLoop | None = None

    def close(self) -> None:
        """Let the threads end once they are idle; one that hangs is left to the end of the process.

        Whoever still calls gets a thread again.
        """
        with self.lock:
            self._closed = True
            for _ in range(self._alive):
                self._queue.put(None)

    # -- for the lanes, which hold the lock

    def refuse(self, *, hanging: int) -> str | None:
        """Why there is no thread for a lane that has so many calls hanging."""
        used_up = self._lost >= self._most or (hanging and self._lost > self._most // 2)
        return f"{self._lost} calls hang in the file system" if used_up else None

    def put(self, task: Call) -> None:
        """To a thread, at once or when one is free. Raises `ShareTrouble` when the machine has none left."""
        self._waiting += 1
        try:
            self._grow()
        except (RuntimeError, MemoryError) as e:
            if not self._alive:
                self._waiting -= 1
                raise ShareTrouble(f"{task.lane.name}: {e}") from e
        self._queue.put(task)

    def lose(self, task: Call) -> bool:
        """Nobody waits for it any more. Whether it holds a thread for as long as it hangs."""
        if task.began is None or task not in self._running:
            return False
        self._lost += not task.lost
        return True

    def serves(self, lane: Blocking) -> bool:
        """Whether calls of this lane are in a thread now."""
        return any(task.lane is lane for task in self._running)

    def look_later(self) -> None:
        """Ask once more whether those that wait need a thread, when the calls that are running may be slow."""
        loop = asyncio.get_running_loop()
        # A thread that ends a call begins the next by itself: only the event loop has to ask.
        if self._waiting > self._alive - len(self._running) and (
            self._look is None or self._loop is not loop
        ):
            self._loop, self._look = loop, loop.call_later(SLOW, self._look_now)

    # -- growing

    def _grow(self) -> None:
        """One more thread, if one is needed and may be. Raises what the machine says when it has none left."""
        if self._waiting <= self._alive - len(self._running) or self._alive >= self._most:
            return
        if self._alive - self._slow() < self._working:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
            self._alive += 1  # under the lock, which the thread needs to end

    def _slow(self) -> int:
        late = time.monotonic() - SLOW
        return sum(task.lost or (task.began or 0.0) < late for task in self._running)

    def _look_now(self) -> None:
        with self.lock:
            self._look = None
            with contextlib.suppress(RuntimeError, MemoryError):
                for _ in range(self._waiting):
                    self._grow()
            self.look_later()

    # -- in a thread

    def _work(self) -> None:
        while True:
            task = self._queue.get()
            if task is not None and self._begin(task):
                try:
                    result, error = task.call(*task.args, **task.kwargs), None
                except BaseException as e:  # noqa: BLE001 - handed to whoever waits
                    result, error = None, e
                ends = self._end(task)
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    task.returns.give(task, result, error)
                del result, error
            else:
                ends = self._may_end()
            del task
            if ends:
                return

    def _begin(self, task: Call) -> bool:
        with self.lock:
            self._waiting -= 1
            if task.given_up or task.future.cancelled():
                task.lane.ended(task)
                return False
            task.began = time.monotonic()
            self._running[task] = None
            return True

    def _end(self, task: Call) -> bool:
        """The call returned. Whether its thread ends as well."""
        with self.lock:
            del self._running[task]
            self._lost -= task.lost
            task.lane.ended(task)
            return self._one_less()

    def _may_end(self) -> bool:
        """Asked to look whether it is needed, instead of given a task."""
        with self.lock:
            return self._one_less()

    def _one_less(self) -> bool:
        surplus = self._alive - self._slow() - self._working
        if self._waiting or not (surplus > 0 or self._closed):
            return False
        self._alive -= 1
        if surplus > 1 and not self._closed:
            # Those that ended while something was waiting stayed for it, and one of them got it: the others are idle.
            self._queue.put(None)
        return True


class Blocking:
    """A lane: so many blocking calls at a time, in threads of `pool`, or else of its own.

    A call that outlives its `timeout` raises `ShareTrouble`; its thread is replaced, at most `spare`
    times, after which every call fails at once until one of the lost threads comes back.
    """

    def __init__(self, name: str, *, threads: int = 1, spare: int = 4, pool: Threads | None = None) -> None:
        self.name = name
        self._pool = pool or Threads(name, working=threads, most=threads + spare)
        self._shared = pool is not None
        self._width = threads
        self._most = threads + spare
        self._waiting: deque[Call] = deque()
        self._active = 0  # calls that have a thread or wait for one, but for those that hang
        self._lost = 0
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
        task.timer = task.returns.loop.call_later(seconds, self._too_late, task, seconds)
        try:
            result: T = await task.future
        except asyncio.CancelledError:
            self._give_up(task)
            raise
        finally:
            task.timer.cancel()  # which may be another one by now
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
                if not task.future.done() and self._waits_for_others(task):
                    seen = task
        except BaseException:
            self._give_up(task)
            raise
        if not task.future.done():
            self._expire(task, seconds)
        result: T = task.future.result()
        return result

    def close(self) -> None:
        """Let threads of its own end; those that it shares are not its to end."""
        if not self._shared:
            self._pool.close()

    def _submit(self, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        loop = asyncio.get_running_loop()
        if self._returns is None or self._returns.loop is not loop:
            self._returns = Returns(loop)
        task = Call(self, self._returns, loop.create_future(), call, args, kwargs)
        with self._pool.lock:
            if self._lost >= self._most:
                raise ShareTrouble(f"{self.name}: {self._lost} calls hang in the file system")
            if (why := self._pool.refuse(hanging=self._lost)) is not None:
                raise ShareTrouble(f"{self.name}: {why}")
            if self._has_room():
                self._admit(task)
            else:
                self._waiting.append(task)
            self._pool.look_later()
        return task

    def _too_late(self, task: Call, seconds: float) -> None:
        if self._waits_for_others(task):
            task.timer = task.returns.loop.call_later(seconds, self._too_late, task, seconds)
        elif not task.future.done():
            self._expire(task, seconds)

    def _expire(self, task: Call, seconds: float) -> None:
        self._give_up(task)
        task.future.set_exception(
            ShareTrouble(f"{self.name}: no answer from the file system within {seconds:g} s")
        )

    def _waits_for_others(self, task: Call) -> bool:
        """Whether it has no thread because of other lanes: that says nothing about this one's file system."""
        with self._pool.lock:
            mine = task.began is not None or self._lost or self._pool.serves(self)
            return not mine and self._pool.refuse(hanging=self._lost) is None

    def _give_up(self, task: Call) -> None:
        """A call that has begun costs its thread for as long as it hangs; one that waits costs nothing."""
        with self._pool.lock:
            task.given_up = True
            if not task.lost and self._pool.lose(task):
                task.lost = True
                self._active -= 1
                self._lost += 1
                self._go_on()
            self._pool.look_later()

    def _has_room(self) -> bool:
        return self._active < min(self._width, self._most - self._lost)

    def _admit(self, task: Call) -> None:
        self._pool.put(task)
        self._active += 1

    def ended(self, task: Call) -> None:
        """A thread has done with it. For the threads, which hold the lock."""
        if task.lost:
            self._lost -= 1
        else:
            self._active -= 1
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._has_room():
            task = self._waiting.popleft()
            if not task.given_up and not task.future.cancelled():
                self._admit(task)


class Lanes:
    """The ways to one folder's file system: a hang in one holds up neither the others nor another folder."""

    def __init__(self, folder: str, threads: Threads | None) -> None:
        self.root = Blocking(f"root of {folder}", threads=1, spare=1, pool=threads)
        self.listing = Blocking(f"discovery of {folder}", threads=2, pool=threads)
        self.files = Blocking(f"folder {folder}", threads=4, pool=threads)

    def close(self) -> None:
        """Let threads of their own end."""
        for lane in (self.root, self.listing, self.files):
            lane.close()


async def wait(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event is set, or so many seconds have passed.

    Not by `asyncio.wait_for`: before Python 3.12 it loses a cancellation that arrives together with the event,
    and then the watch would never end.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
