"""The page's socket: uvicorn's HTTP protocol, with a bound on everything that a client may take.

Whoever reaches the port decides how many connections there are, how long they are silent and how slowly they read. So
each connection has an end from the moment that it is there, and where the places are taken, one that has asked for
nothing makes room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from glimpsed import eventloop
from glimpsed.config.units import host_port, loopback_host
from glimpsed.errors import ConfigError, Problem
from glimpsed.metrics.server import BACKLOG, bound

CLIENTS = 128  # connections at once
REQUEST_SECONDS = 10.0  # for a request to arrive, all of it
REPLY_SECONDS = 150.0  # for the answer to be made and taken
STREAM_SECONDS = 300.0  # that one connection hears of news; the browser asks again
KEEP_ALIVE = 5  # seconds
LARGEST_HEADERS = 16 * 1024  # bytes
_STOP_SECONDS = 5.0
_FIRST_FD = 3  # sd_listen_fds(3)

App = Callable[[Any, Any, Any], Awaitable[None]]


class Bounded(H11Protocol):
    """One connection, which ends in time whatever its client does."""

    _end: asyncio.TimerHandle | None = None
    since = 0.0
    asked = False  # a whole request is here, and its reply is not taken yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, and give it its time."""
        if len(self.connections) >= CLIENTS:
            _make_room(self.connections)
        super().connection_made(transport)
        self.since = self.loop.time()
        self._within(REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It needs no end any more."""
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a request. Once it is whole, the time for the reply begins."""
        super().data_received(data)
        if not self.asked and self.cycle is not None and not self.cycle.more_body:
            self.asked = not self.cycle.response_complete
            if self.asked:
                streams = str(self.scope["path"]).endswith("/live")
                self._within(STREAM_SECONDS + KEEP_ALIVE if streams else REPLY_SECONDS)

    def on_response_complete(self) -> None:
        """The reply is written; the client has to take it, and to ask the next one, in time."""
        self.asked = False
        self._within(REQUEST_SECONDS)
        super().on_response_complete()

    def _within(self, seconds: float) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = self.loop.call_later(seconds, self.transport.abort)


def _make_room(connections: set[Any]) -> None:
    """End the oldest that has not asked for anything; where all have, the oldest."""
    one = min(connections, key=lambda one: (one.asked, one.since))
    connections.discard(one)
    one.transport.abort()


async def serve(app: App, sockets: list[socket.socket], stop: asyncio.Event) -> None:
    """Answer until told to stop."""
    config = Config(
        app,
        http=Bounded,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        h11_max_incomplete_event_size=LARGEST_HEADERS,
    )
    config.load()
    # What strangers send is no news, and what a view raises is logged by `app`, without an answer's words.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
    state = ServerState()
    loop = asyncio.get_running_loop()

    def connected() -> Bounded:
        return Bounded(config, state, {}, loop)

    servers = [await loop.create_server(connected, sock=one, backlog=BACKLOG) for one in sockets]
    try:
        await stop.wait()
    finally:
        for server in servers:
            server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


class Thread:
    """Runs a coroutine in an event loop of its own, so that the daemon's never waits for a reader of the page."""

    def __init__(self, run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        self._run = run
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._main, name="page", daemon=True)
        self._thread.start()
        self._began.wait(_STOP_SECONDS)

    def stop(self) -> None:
        """End it; one that hangs is left to the end of the process."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_SECONDS)

    def _main(self) -> None:
        eventloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._began.set()
        await self._run(self._stop)


def sockets(listen: str, *, open_to_all: bool) -> list[socket.socket]:
    """What systemd hands over, else one that listens there.

    Raises `ConfigError` when the address is not to be had, and for a socket beyond loopback that is not `open_to_all`:
    nobody says who may come in.
    """
    given = _inherited()
    if not open_to_all and not all(loopback_host(one.getsockname()[0]) for one in given):
        why = (
            "the socket that systemd hands over is reached from other machines, and the page has no password"
        )
        raise ConfigError(Problem(why, key="web"))
    try:
        return given or [bound(host_port(listen))]
    except OSError as e:
        raise ConfigError(Problem(f"cannot listen on {listen}: {e.strerror}", key="web")) from e


def _inherited() -> list[socket.socket]:
    """The TCP sockets that a socket unit hands over (sd_listen_fds(3)); each only once."""
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()):
        return []
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    os.environ.pop("LISTEN_FDNAMES", None)
    found = []
    for fd in range(_FIRST_FD, _FIRST_FD + count):
        os.set_inheritable(fd, False)  # noqa: FBT003 -- positional only
        one = socket.socket(fileno=fd)
        one.setblocking(False)  # noqa: FBT003
        if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
            found.append(one)
        else:
            one.detach()
    return found
