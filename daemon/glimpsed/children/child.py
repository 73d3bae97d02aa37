"""The daemon's side of one child: a question in, its answer out, and what is known of how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from glimpsed.children.program import MESSAGE, Limits
from glimpsed.children.start import start
from glimpsed.errors import FileError

_MOST_OUT = 512_000_000  # bytes that a child may hand back
_COMPUTES = 0.01  # of the time: a process that gets less of a core than this does not get on


class Unavailable(Exception):
    """No child is to be had, or its answer was lost, by trouble of the machine: the question is as good as before."""


class Broken(Unavailable):
    """The program itself says that it cannot work here."""


class Died(Exception):
    """A child ended in the middle of a question, or answered nonsense, which is as good as dead."""

    def __init__(self, signum: int = 0) -> None:
        super().__init__(signum)
        self.signum = signum  # which signal ended it; 0: none

    @property
    def used_up(self) -> bool:
        """Whether it had all the CPU time that a question may have. That is proof; any other death may be chance."""
        return self.signum == signal.SIGXCPU


class Late(Exception):
    """A child gave no answer in time."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is run in a child."""

    name: str  # "image worker"
    module: str  # or the path of a script
    limits: Limits
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)  # beside what all children get
    startup: float = 60.0  # s, on a machine that is busy with other things


class Child:
    """One process and the socket to it; at most one question at a time."""

    def __init__(self, program: Program) -> None:
        self.asked = 0
        self._program = program
        try:
            self._process = start(
                program.module,
                json.dumps(asdict(program.limits)),
                json.dumps(program.settings),
                environment=program.environment,
            )
        except OSError as e:
            raise Unavailable(f"no {program.name} can be started: {e.strerror}") from None
        self._socket = self._process.socket

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.process.poll() is None

    async def ready(self) -> None:
        """Wait until it can be asked. Raises `Died` or `Late` when it never gets that far, `Broken`."""
        try:
            async with asyncio.timeout(self._program.startup):
                hello, _ = _received(*await self._receive())
        except TimeoutError:
            raise Late from None
        if "broken" in hello:
            raise Broken(str(hello["broken"])[:1000])

    async def ask(self, question: object, file: int) -> tuple[dict[str, Any], bytes]:
        """Its answer about the file of that descriptor. Raises `Died`, `Late`, `Unavailable`, `FileError`."""
        self.asked += 1
        try:
            socket.send_fds(self._socket, [pickle.dumps(question)], [file])
        except OSError:
            raise Died from None
        answer, data = _received(*await self._in_time())
        if "trouble" in answer:
            raise Unavailable(f"{self._program.name}: {answer['trouble']!s:.100}")
        if "reason" in answer:
            raise FileError(str(answer["reason"])[:1000], str(answer.get("advice", ""))[:1000])
        return answer, data

    async def _in_time(self) -> tuple[bytes, list[int]]:
        limits, computed = self._program.limits, self._cpu()
        while True:
            try:
                async with asyncio.timeout(limits.clock):
                    return await self._receive()
            except TimeoutError:
                before, computed = computed, self._cpu()
                if limits.seconds is None or computed - before < _COMPUTES * limits.clock:
                    raise Late from None

    def _cpu(self) -> float:
        """Seconds of CPU that it has used so far."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return 0.0

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
            raise Died from None
        if flags & socket.MSG_CTRUNC and not descriptors:
            raise Unavailable(f"too many open files: an answer of the {self._program.name} was lost")
        if not message:
            raise Died
        return message, descriptors

    def end(self) -> None:
        """Kill it."""
        self._process.end()

    def kill(self) -> None:
        """Have whoever waits for its answer see it die."""
        self._process.process.kill()

    async def signum(self) -> int:
        """Which signal ended it, 0 for none. For one that is dying."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.process.wait, 1.0)
        return max(0, -(self._process.process.returncode or 0))


def _received(message: bytes, descriptors: list[int]) -> tuple[dict[str, Any], bytes]:
    """What a message says, and the bytes that came with it. Raises `Died` when it makes no sense."""
    try:
        answer = json.loads(message)
        if not isinstance(answer, dict):
            raise Died
        if not descriptors:
            return answer, b""
        size = os.fstat(descriptors[0]).st_size
        if size > _MOST_OUT:
            raise Died
        return answer, os.pread(descriptors[0], size, 0)
    except (ValueError, RecursionError, OSError):
        raise Died from None  # taken over by what it read
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
