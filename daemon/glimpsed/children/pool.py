"""Some children of one program: each has its own socket, its own limits, and dies alone.

Started when there is work, let go after a while without any. No polling, no semaphores and no files: a stop, a crash
or a kill of either side leaves nothing behind.

Measured against pebble 5.2's ProcessPool of two workers: that takes 0.23 % of a core while it idles (its
threads wake twenty times a second; the whole idle daemon may take 0.1 %), fails every later job once a worker
dies while none is at work, measures time limits by the wall clock, which jumps, and has the daemon unpickle
what comes back from a process that decoded hostile bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from glimpsed.children.child import Child, Died, Late, Program, Unavailable
from glimpsed.errors import FileError

IDLE = 60.0  # s
ASKED = 1000  # questions, then a fresh process: decoders leak
_STARTS = 2  # one that is killed before it is ready says nothing about the next one
_PIECE = 4_000_000  # bytes that are copied at once: the event loop waits for them

T = TypeVar("T")


class Pool:
    """At most `count` children; a question takes an idle one or starts one.

    One death is no proof: the machine ran out of memory, somebody killed it. So what was asked is asked again alone,
    with no other child at work, and only a second death is put down to the question.
    """

    def __init__(
        self,
        program: Program,
        count: int = 1,
        *,
        idle: float | None = None,
        died: Callable[[], None] = lambda: None,
    ) -> None:
        self.program = program
        self.deaths = 0
        self._count = count
        self._idle_for = idle
        self._died = died
        self._closed = False
        self._room = asyncio.Semaphore(count)
        self._alone = asyncio.Lock()
        self._idle: list[tuple[Child, asyncio.TimerHandle]] = []
        self._busy: set[Child] = set()

    async def start(self) -> None:
        """Have one child ready. Raises `Unavailable` when none can be started."""
        async with self._room, self._child():
            pass

    async def ask(self, question: object, data: bytes, read: Callable[[dict[str, Any], bytes], T]) -> T:
        """The answer about these bytes, as `read` makes it of its JSON and its bytes.

        Raises `FileError` when that is the answer; `Died` or `Late` when the question is to blame for it;
        `Unavailable` when it is not, but nobody can answer.
        """
        try:
            async with self._room:
                return await self._asked(question, data, read)
        except (Died, Late) as e:
            if not _may_be_chance(e, self.program):
                raise
        async with self._alone, contextlib.AsyncExitStack() as all_room:
            for _ in range(self._count):
                await all_room.enter_async_context(self._room)
            return await self._asked(question, data, read)

    async def _asked(self, question: object, data: bytes, read: Callable[[dict[str, Any], bytes], T]) -> T:
        async with _memory_file(data) as file, self._child() as child:
            try:
                answer = await child.ask(question, file)
                try:
                    return read(*answer)
                except (KeyError, ValueError, TypeError, IndexError):
                    raise Died from None
            except (Died, Late) as e:
                if self._closed:
                    raise Unavailable(f"the {self.program.name}s were stopped") from None
                self.deaths += 1
                self._died()
                raise (Died(await child.signum()) if isinstance(e, Died) else e) from None

    async def healthy(self) -> bool:
        """Whether a child can be had: one answers, or all are busy within their time limit."""
        if self._room.locked():
            return True
        try:
            await self.start()
        except Unavailable:
            return False
        return True

    def processes(self) -> list[int]:
        """The process ids of all children."""
        return [child.pid for child in (*self._busy, *(idle for idle, _ in self._idle))]

    async def close(self) -> None:
        """End all children. Questions in flight raise `Unavailable`: it is not their file that failed."""
        self._closed = True
        while self._idle:
            child, timer = self._idle.pop()
            timer.cancel()
            child.end()
        for child in self._busy:
            child.kill()

    @contextlib.asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        """A child for one question: back to the idle ones if all went well, else ended."""
        child = self._taken() or await self._started()
        self._busy.add(child)
        fine = False
        try:
            try:
                yield child
            except FileError:  # an answer as well
                fine = True
                raise
            fine = True
        finally:
            self._busy.discard(child)
            if not fine or child.asked >= ASKED or self._closed:
                child.end()
            else:
                idle = IDLE if self._idle_for is None else self._idle_for
                self._idle.append((child, asyncio.get_running_loop().call_later(idle, self._let_go, child)))

    def _taken(self) -> Child | None:
        while self._idle:
            child, timer = self._idle.pop()
            timer.cancel()
            if child.alive():
                return child
            child.end()  # something killed it while it was idle
        return None

    async def _started(self) -> Child:
        for _ in range(_STARTS):
            if self._closed:
                raise Unavailable(f"the {self.program.name}s were stopped")
            child = Child(self.program)
            self._busy.add(child)  # a stop must find it
            try:
                await child.ready()
            except (Died, Late):
                child.end()
            except BaseException:
                child.end()
                raise
            else:
                return child
            finally:
                self._busy.discard(child)
        raise Unavailable(f"no {self.program.name} can be started: it ends before it is ready")

    def _let_go(self, child: Child) -> None:
        self._idle = [(idle, timer) for idle, timer in self._idle if idle is not child]
        child.end()


def _may_be_chance(error: Died | Late, program: Program) -> bool:
    """Whether the same question may well be answered: it was killed, or stood still while it should have computed."""
    if isinstance(error, Late):
        return program.limits.seconds is not None
    return not error.used_up


@contextlib.asynccontextmanager
async def _memory_file(data: bytes) -> AsyncIterator[int]:
    """The data in a file without a name, which is gone when the last descriptor of it is closed.

    Raises `Unavailable` when there cannot be one more.
    """
    try:
        file = os.memfd_create("glimpsed-in", os.MFD_CLOEXEC)
    except OSError as e:
        raise _no_memory_file(e) from None
    try:
        for start in range(0, len(data), _PIECE):
            if start:
                await asyncio.sleep(0)  # everybody else's turn
            try:
                _write(file, memoryview(data)[start : start + _PIECE], start)
            except OSError as e:
                raise _no_memory_file(e) from None
        yield file
    finally:
        os.close(file)


def _no_memory_file(error: OSError) -> Unavailable:
    return Unavailable(f"no memory file can be made for an image: {error.strerror}")


def _write(file: int, data: memoryview, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written
