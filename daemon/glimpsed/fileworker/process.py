"""The daemon's side: starts the process when it is worth it, hands calls to it, does without it when it must."""

from __future__ import annotations

import asyncio
import mmap
import os
import pickle
import resource
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from glimpsed.children.program import MESSAGE
from glimpsed.children.start import Process, start
from glimpsed.files import Root
from glimpsed.journal import get_logger
from glimpsed.model import Bytes, Content, Version, Written
from glimpsed.temporary import Owner

log = get_logger()

BUSY = 100  # calls …
WITHIN = 2.0  # … in so many seconds are worth a process
IDLE = 60.0  # s without that, and it is let go
MOST = 64  # calls waiting for it …
QUEUE = 0.05  # … and seconds that they may take together: where `fsync` takes long, the threads help
LARGEST = 8_000_000  # bytes of an image: one that is larger would keep the others waiting
PATIENCE = 20.0  # s without any answer; then the disk hangs, and the process with it
REST = 600.0  # s without one after that
# Descriptors in use, beyond which what was read is copied: a map holds one, and requests need theirs.
MAPPED = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4


class FileWorker:
    """At most one process, started when it is worth it, for all folders on local disks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=BUSY)  # when the last calls came
        self._busy = -IDLE  # when there were many last
        self._not_before = 0.0
        self._closed = False
        self._child: Process | None = None
        self._ready = False
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._since = 0.0  # loop time of the last answers, or of the first call after that
        self._pace = 0.0  # seconds that a call takes, lately

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one that takes calls."""
        return self._child.process.pid if self._child is not None and self._ready else None

    @property
    def running(self) -> bool:
        """Whether there is a process, taking calls or just starting."""
        return self._child is not None

    async def read(self, root: Root, path: str, version: Version, others: Sequence[str]) -> Content | None:
        """The image's content, if nothing stands beside it under these names. None: do it yourself."""
        if not self._takes_calls() or version.size > LARGEST:
            return None
        found: Content | None = await self._call("read", root, path, version, others)
        return found

    async def write(
        self,
        root: Root,
        path: str,
        version: Version,
        like: Owner,
        sidecars: Callable[[], Mapping[str, bytes]],
        error: str,
    ) -> tuple[Written, ...] | None:
        """New sidecars, durable when it returns, where none are yet nor an error sidecar. None: do it yourself.

        They are asked for if there is somebody to write them.
        """
        if not self._takes_calls():
            return None
        written: tuple[Written, ...] | None = await self._call(
            "write", root, path, version, like, sidecars(), error
        )
        return written

    def close(self) -> None:
        """End the process; calls that wait for it are to be done elsewhere."""
        self._closed = True
        self._end()

    def _takes_calls(self) -> bool:
        """Whether there is a process for another call. Counts the calls: many of them are worth one."""
        now = self._clock()
        self._recent.append(now)
        if len(self._recent) == BUSY and now - self._recent[0] <= WITHIN:
            self._busy = now
        wanted = self._left(now) > 0
        if wanted and self._child is None and not self._closed and now >= self._not_before:
            self._start()
        waiting = len(self._calls)
        return wanted and self._ready and waiting < MOST and waiting * self._pace < QUEUE

    async def _call(self, what: str, *arguments: object) -> Any:
        assert self._child is not None
        self._number = number = self._number + 1
        message = pickle.dumps((number, what, arguments))
        try:
            if len(message) > MESSAGE:
                return None
            self._child.socket.send(message)
        except BlockingIOError:
            return None
        except OSError:
            self._give_up("it died")
            return None
        loop = asyncio.get_running_loop()
        if not self._calls:
            self._since = loop.time()
        result = self._calls[number] = loop.create_future()
        return await result

    def _start(self) -> None:
        try:
            self._child = start("glimpsed.fileworker.worker")
        except OSError as e:
            self._not_before = self._clock() + REST
            log.debug("no file worker", reason=str(e))
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._child.socket, self._receive, self._child)
        loop.call_later(IDLE, self._let_go, self._child)
        loop.call_later(PATIENCE, self._watch, self._child)

    def _let_go(self, of: Process) -> None:
        left = self._left(self._clock())
        if self._child is of and left > 0:
            asyncio.get_running_loop().call_later(left, self._let_go, of)
        elif self._child is of:
            self._end()

    def _left(self, now: float) -> float:
        """Seconds until it is not worth a process any more."""
        return self._busy + IDLE - now

    def _watch(self, of: Process) -> None:
        """Give it up when it hangs."""
        if self._child is not of:
            return
        loop = asyncio.get_running_loop()
        left = self._since + PATIENCE - loop.time() if self._calls else PATIENCE
        if left > 0:
            loop.call_later(left, self._watch, of)
        else:
            self._give_up(f"no answer within {PATIENCE:g} s")

    def _receive(self, of: Process) -> None:
        answers = 0
        while answers < MOST:
            try:
                message, files, _, _ = socket.recv_fds(of.socket, MESSAGE, 1)
            except BlockingIOError:
                break
            except OSError:
                message, files = b"", []
            if not message:
                self._give_up("it died")
                return
            if self._ready:  # else it has just said that it is
                self._answered(message, files)
                answers += 1
            self._ready = True
        now = asyncio.get_running_loop().time()
        if answers:
            self._pace += ((now - self._since) / answers - self._pace) / 8
        self._since = now

    def _answered(self, message: bytes, files: list[int]) -> None:
        number, result = pickle.loads(message)  # noqa: S301 - from our own process, which reads no formats
        try:
            if isinstance(result, Content):
                result = replace(result, data=_mapped(files[0], result.version.size))
        except (OSError, MemoryError, IndexError):  # no descriptor is left, nor memory
            result = None
        finally:
            for file in files:
                os.close(file)
        waiting = self._calls.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _give_up(self, why: str) -> None:
        log.debug("file worker given up", reason=why)
        self._not_before = self._clock() + REST
        self._end()

    def _end(self) -> None:
        gone, self._child, self._ready, self._pace = self._child, None, False, 0.0
        calls, self._calls = self._calls, {}
        for waiting in calls.values():
            if not waiting.done():
                waiting.set_result(None)
        if gone is not None:
            asyncio.get_running_loop().remove_reader(gone.socket)
            gone.end()


def _mapped(file: int, size: int) -> Bytes:
    """The file's bytes where they are: at 400 KB, a copy would take longer than all the rest of a call.

    Python keeps a descriptor for each map (until 3.13), so when many are in use, and for nothing at all, it is a copy.
    """
    if not size or file >= MAPPED:
        return os.pread(file, size, 0)
    return mmap.mmap(file, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
