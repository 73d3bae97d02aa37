"""A pool of worker processes: each has its own socket, its own limits, and dies alone.

Started when there is work, let go after `IDLE` seconds without any. No threads, no polling, no semaphores and
no files: a stop, a crash or a kill of either side leaves nothing behind.

Measured against pebble 5.2's ProcessPool of two workers: that takes 0.23 % of a core while it idles (its
threads wake twenty times a second; the whole idle daemon may take 0.1 %), fails every later job once a worker
dies while none is at work, measures time limits by the wall clock, which jumps, and has the daemon unpickle
what comes back from a process that decoded hostile bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from glimpsed import metrics
from glimpsed.child import MESSAGE
from glimpsed.child.start import start
from glimpsed.errors import FileError, ShareTrouble
from glimpsed.images.worker import Limits, Task
from glimpsed.model import Bytes

IDLE = 60.0  # s
JOBS = 1000  # then a fresh process: decoders leak
STARTUP = 60.0  # s, on a machine that is busy with other things
_PIECE = 4_000_000  # bytes that are copied at once: the event loop waits for them
_MOST_OUT = 512_000_000  # bytes that a worker may hand back


class WorkerDied(Exception):
    """A worker ended in the middle of a job."""


class Worker:
    """One process and the socket to it; at most one job at a time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.jobs = 0
        self._child = start("glimpsed.images.worker", _json(limits))
        self._socket = self._child.socket

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.process.poll() is None

    async def ready(self) -> None:
        """Wait until it can take a job. Raises `WorkerDied` when it never gets that far."""
        async with asyncio.timeout(STARTUP):
            await self._receive()

    async def do(self, task: Task, file: int) -> tuple[dict[str, Any], bytes]:
        """Have it do one task on the file of that descriptor.

        Raises `WorkerDied`, `TimeoutError`; `ShareTrouble` when there is no descriptor left for the result.
        """
        self.jobs += 1
        try:
            socket.send_fds(self._socket, [pickle.dumps(task)], [file])
        except OSError:
            raise WorkerDied from None
        async with asyncio.timeout(self.limits.clock):
            message, descriptors = await self._receive()
        try:
            size = os.fstat(descriptors[0]).st_size
            if size > _MOST_OUT:
                raise WorkerDied
            return json.loads(message), os.pread(descriptors[0], size, 0)
        except (ValueError, IndexError, OSError):
            raise WorkerDied from None  # taken over by what it decoded: as good as dead
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    async def _receive(self) -> tuple[bytes, list[int]]:
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._socket, _settle, readable)
        try:
            await readable
        finally:
            loop.remove_reader(self._socket)
        try:
            message, descriptors, flags, _ = socket.recv_fds(self._socket, MESSAGE, 1)
        except OSError:
            raise WorkerDied from None
        if flags & socket.MSG_CTRUNC and not descriptors:
            raise ShareTrouble("too many open files: an image worker's result was lost")
        if not message:
            raise WorkerDied
        return message, descriptors

    def end(self) -> None:
        """Kill it."""
        self._child.end()

    def kill(self) -> None:
        """Have whoever waits for its answer see it die."""
        self._child.process.kill()

    async def signal(self) -> int:
        """Which signal ended it, 0 for none. For one that is dying."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._child.process.wait, 1.0)
        return max(0, -(self._child.process.returncode or 0))


class Workers:
    """At most `count` workers; a job takes an idle one or starts one."""

    def __init__(self, count: int, limits: Limits) -> None:
        self.limits = limits
        self.deaths = 0
        self._closed = False
        self._room = asyncio.Semaphore(count)
        self._idle: list[tuple[Worker, asyncio.TimerHandle]] = []
        self._busy: set[Worker] = set()

    async def start(self) -> None:
        """Have one worker ready. Raises `ShareTrouble` when none can be started."""
        async with self._room, self._worker():
            pass

    async def run(self, task: Task, data: Bytes) -> tuple[dict[str, Any], bytes]:
        """Do one task. Raises `FileError` when it ends its worker, `ShareTrouble` when none can be started."""
        async with self._room, self._worker() as worker, _memory_file(data) as file:
            try:
                return await worker.do(task, file)
            except TimeoutError:
                self._one_died()
                raise FileError(
                    f"Decoding took longer than {self.limits.clock:g} s.",
                    "Save or scan it again, smaller.",
                ) from None
            except WorkerDied:
                if self._closed:
                    raise ShareTrouble("the image workers were stopped") from None
                self._one_died()
                raise _died(await worker.signal(), self.limits) from None

    def _one_died(self) -> None:
        self.deaths += 1
        metrics.worker_death()

    async def healthy(self) -> bool:
        """Whether a worker can be had: one answers, or all are busy within their time limit."""
        if self._room.locked():
            return True
        try:
            async with self._room, self._worker():
                return True
        except ShareTrouble:
            return False

    def processes(self) -> list[int]:
        """The process ids of all workers."""
        return [worker.pid for worker in (*self._busy, *(idle for idle, _ in self._idle))]

    async def close(self) -> None:
        """End all workers. Jobs in flight raise `ShareTrouble`: it is not their file that failed."""
        self._closed = True
        while self._idle:
            worker, timer = self._idle.pop()
            timer.cancel()
            worker.end()
        for worker in self._busy:
            worker.kill()

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[Worker]:
        """A worker for one job: back to the idle ones if all went well, else ended."""
        worker = self._taken() or await self._started()
        self._busy.add(worker)
        try:
            yield worker
        except BaseException:
            worker.end()
            raise
        finally:
            self._busy.discard(worker)
        if worker.jobs >= JOBS or self._closed:
            worker.end()
        else:
            timer = asyncio.get_running_loop().call_later(IDLE, self._let_go, worker)
            self._idle.append((worker, timer))

    def _taken(self) -> Worker | None:
        while self._idle:
            worker, timer = self._idle.pop()
            timer.cancel()
            if worker.alive():
                return worker
            worker.end()  # something killed it while it was idle
        return None

    async def _started(self) -> Worker:
        if self._closed:
            raise ShareTrouble("the image workers were stopped")
        try:
            worker = Worker(self.limits)
        except OSError as e:
            raise ShareTrouble(f"no image worker can be started: {e.strerror}") from None
        try:
            await worker.ready()
        except (WorkerDied, TimeoutError):
            worker.end()
            raise ShareTrouble("no image worker can be started: it ends before it is ready") from None
        except BaseException:
            worker.end()
            raise
        return worker

    def _let_go(self, worker: Worker) -> None:
        self._idle = [(idle, timer) for idle, timer in self._idle if idle is not worker]
        worker.end()


@contextlib.asynccontextmanager
async def _memory_file(data: Bytes) -> AsyncIterator[int]:
    """The data in a file without a name, which is gone when the last descriptor of it is closed.

    Raises `ShareTrouble` when there cannot be one more.
    """
    try:
        file = os.memfd_create("glimpsed-in", os.MFD_CLOEXEC)
    except OSError as e:
        raise ShareTrouble(f"no memory file can be made for an image: {e.strerror}") from None
    try:
        for start in range(0, len(data), _PIECE):
            if start:
                await asyncio.sleep(0)  # everybody else's turn
            _write(file, memoryview(data)[start : start + _PIECE], start)
        yield file
    finally:
        os.close(file)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _write(file: int, data: memoryview, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written


def _died(signum: int, limits: Limits) -> FileError:
    if signum == signal.SIGXCPU:
        return FileError(
            f"Decoding took more than {limits.seconds:g} s of CPU.", "Save or scan it again, smaller."
        )
    how = f" ({signal.Signals(signum).name})" if signum in set(signal.Signals) else ""
    return FileError(
        f"The decoder crashed on it{how}, or ran out of memory.",
        "Save or scan it again; the file may be damaged or malicious.",
    )


def _json(limits: Limits) -> str:
    return json.dumps(asdict(limits))
