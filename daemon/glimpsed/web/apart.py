"""The page beside the daemon's own work: in a process of its own, on a socket that the daemon opened.

However many read it, whatever they search for: they share no interpreter with the daemon, whose loop goes on at its own
pace, and a page that dies takes nothing with it but itself, and is started again. The daemon tells it the config, now
and after each reload, on a socket that ends the page when it is closed; the page says there, again and again, that it
serves, and one that no longer does is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from glimpsed.clock import elapsed
from glimpsed.config.schema import Config, Web
from glimpsed.config.units import host_port
from glimpsed.httpd import STOP_SECONDS
from glimpsed.journal import get_logger
from glimpsed.service import Service
from glimpsed.web import listening

log = get_logger()

SERVES = b"\0"  # what the process says while it does; anything else is why it does not
PATIENCE, PATIENCE_AT_START = 120.0, 600.0  # seconds that it may say nothing: under load, and on a slow disk
LOOKS = 12  # in that time
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before another one is started
_NOT_THEIRS = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}  # systemd's, and the daemon's alone


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the process knows of the daemon."""

    config: Config
    web: Web
    metrics: bytes  # the local socket that answers what is asked about metrics; empty where the page does not
    beat: float  # seconds after which it says once more that it serves


@contextlib.asynccontextmanager
async def beside(service: Service, web: Web) -> AsyncIterator[None]:
    """In the daemon. Raises `ConfigError` when the address is not to be had."""
    sockets = listening.sockets(service.httpd, web)
    page = PageProcess(service.config, web, _metrics(service, web), sockets)
    service.reloaded.append(page.tell)
    try:
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(page.keep())
            yield
            keeping.cancel()
    finally:
        for one in sockets:
            one.close()


def _metrics(service: Service, web: Web) -> bytes:
    config = service.config
    if config.metrics is None or host_port(config.metrics) != host_port(web.listen):
        return b""
    name: bytes = service.httpd.ports["metrics"].addresses[0]
    return name


@dataclass(slots=True)
class PageProcess:
    """The process that serves the page, whichever that is at the moment."""

    config: Config
    web: Web
    metrics: bytes
    sockets: Sequence[socket.socket]
    patience: float = PATIENCE  # with one that serves
    _to: asyncio.StreamWriter | None = field(default=None, init=False)

    def tell(self, config: Config) -> None:
        """What counts from now on."""
        self.config = config
        if self._to is not None:
            told = PageSettings(config, self.web, self.metrics, self.patience / LOOKS)
            self._to.write(pickle.dumps(told))

    async def keep(self) -> None:
        """Have one, for ever."""
        wait = FIRST_WAIT
        while True:
            began = elapsed()
            why = await self._one()
            if elapsed() - began > LONGEST_WAIT:
                wait = FIRST_WAIT
            log.error("page ended", reason=f"{why}; another one is started in {wait:g} s")
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _one(self) -> str:
        """From its start to its end; why it ended."""
        try:
            process, ours = _start(self.sockets)
        except OSError as e:
            return f"no process can be started: {e.strerror}"
        try:
            reader, self._to = await asyncio.open_unix_connection(sock=ours)
            self.tell(self.config)
            said = await said_next(reader, PATIENCE_AT_START)
            if said.startswith(SERVES):
                log.info("page served", reason=listening.address(self.web))
            while said.startswith(SERVES):
                said = await said_next(reader, self.patience)
        except TimeoutError:
            process.kill()
            said = b"its process hung, and was ended"
        finally:
            if self._to is not None:
                self._to.transport.abort()
                self._to = None
            await asyncio.to_thread(_ended, process)
        return said.decode("utf-8", "replace") or _how(process.returncode)


async def said_next(reader: asyncio.StreamReader, patience: float) -> bytes:
    """What the process says next; nothing once it has ended. Raises TimeoutError when it says nothing for so many seconds.

    They are counted in looks: where the machine slept, or the daemon itself was stopped, one of them was late, however
    far the clocks went on, and the process has its turn before the next.
    """
    for _ in range(LOOKS):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience / LOOKS):
                return await _read(reader)
    raise TimeoutError


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(2000)
    except ConnectionError:  # it died with what it was told unread
        return b""


def _start(sockets: Sequence[socket.socket]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Our own program, with all that the daemon itself has: its keys are the workbench's. Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        numbers = [one.fileno() for one in (theirs, *sockets)]
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", "glimpsed.web.process", *map(str, numbers)],
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name not in _NOT_THEIRS},
            )
        except OSError:
            ours.close()
            raise
    return process, ours


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Its time to end is over soon."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        # One that a disk holds stays; the next one needs nothing of it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def _how(status: int | None) -> str:
    if status is None:
        return "its process cannot be ended"
    return f"its process was ended by signal {-status}" if status < 0 else f"its process ended with {status}"
