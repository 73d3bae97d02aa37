"""A process' HTTP server: every port that it has, in one thread with a loop of its own.

The daemon's loop never waits for who reads the metrics, the page's own work not for who reads the page. A port is an
address with its applications (ASGI): those that answer certain paths, and the one for all others. So the page's process
answers for the metrics as well where the config gives both one address: it asks the daemon, on a port that has none.
What a client may take is bounded by `protocol`, which alone imports uvicorn, an extra.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

from glimpsed import eventloop
from glimpsed.errors import AddressTaken, ConfigError, Problem

T = TypeVar("T")
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

CLIENTS = 128  # connections at once to a port
PATIENCE = 30.0  # seconds that a request waits for the page, while the daemon starts
BACKLOG = 128  # connections that wait in the kernel
TEXT = "text/plain; charset=utf-8"
_AT_ONCE = 8  # of which so many are accepted before the first of them is counted
STOP_SECONDS = 5.0
_FIRST_FD = 3  # sd_listen_fds(3)


class Port:
    """One address, and who answers there."""

    def __init__(self, sockets: list[socket.socket], clients: int) -> None:
        self.paths: dict[str, App] = {}
        self._rest: App = _not_yet
        self._there = asyncio.Event()  # the application for the rest
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sockets = sockets
        self._clients = clients
        self._closed = asyncio.Event()
        self.serving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        app = self.paths.get(scope["path"])
        if app is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._there.wait(), PATIENCE)
            app = self.paths.get(scope["path"], self._rest)
        await app(scope, receive, send)

    @property
    def rest(self) -> App:
        """Who answers all that is no one's of `paths`. Who asks before there is anybody waits. Set from any thread."""
        return self._rest

    @rest.setter
    def rest(self, app: App) -> None:
        self._rest = app
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._there.set)

    @property
    def addresses(self) -> list[Any]:
        """Of each socket: host and port, or the name of a local one."""
        return [addressed(one) for one in self._sockets]

    async def open(self) -> None:
        """Begin to serve, in the loop that calls."""
        self._loop, opened = asyncio.get_running_loop(), asyncio.Event()
        self.serving = asyncio.create_task(self._serve(opened))
        await opened.wait()

    async def close(self) -> None:
        """Let go of the address, and of whoever is connected."""
        self._closed.set()
        if self.serving is not None:
            await self.serving

    async def _serve(self, opened: asyncio.Event) -> None:
        from uvicorn.server import ServerState  # noqa: PLC0415 - an extra

        from glimpsed.httpd.protocol import speaking  # noqa: PLC0415 - needs it

        state, loop = ServerState(), asyncio.get_running_loop()
        connected = speaking(self, state, self._clients)
        servers = [await loop.create_server(connected, sock=one, backlog=_AT_ONCE) for one in self._sockets]
        for one in self._sockets:
            one.listen(BACKLOG)  # asyncio has one number for both
        opened.set()
        try:
            await self._closed.wait()
        finally:
            for server in servers:
                server.close()
            for connection in list(state.connections):
                connection.transport.abort()
            for task in list(state.tasks):
                task.cancel()
            await asyncio.gather(*state.tasks, return_exceptions=True)


class Httpd:
    """The ports by name, ``web`` and ``metrics``, and the thread that serves them, once there is one."""

    def __init__(self, given: dict[str, list[socket.socket]] | None = None) -> None:
        self.given = handed_over() if given is None else given  # by systemd, and not opened yet
        self.ports: dict[str, Port] = {}
        self._loop: eventloop.Loop | None = None
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def sockets(self, name: str, where: tuple[str, int]) -> list[socket.socket]:
        """What systemd hands over for the port of this name, else one that listens on this host and port.

        Raises `ConfigError` when the address is not to be had, `AddressTaken` when somebody has it.
        """
        try:
            return self.given.pop(name, None) or [bound(where)]
        except OSError as e:
            host = f"[{where[0]}]" if ":" in where[0] else where[0]
            listen = f"{host}:{where[1]}"
            kind = AddressTaken if e.errno == errno.EADDRINUSE else ConfigError
            raise kind(Problem(f"cannot listen on {listen}: {e.strerror}", key=name)) from e

    def open(self, name: str, where: tuple[str, int] | None, clients: int = CLIENTS) -> Port:
        """The port of this name, on its `sockets`; with no address one that only this machine's processes reach.

        Raises `ConfigError` when the address is not to be had.
        """
        if name not in self.ports:
            sockets = [bound_locally()] if where is None else self.sockets(name, where)
            port = self.ports[name] = Port(sockets, clients)
            self.call(port.open()).result(STOP_SECONDS)
        return self.ports[name]

    def call(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run this where the ports are served."""
        if self._loop is None:
            self._loop = eventloop.Loop()
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        """Close all ports. What hangs is left to the end of the process."""
        if self._loop is None or not self._thread.is_alive():
            return
        for port in self.ports.values():
            with contextlib.suppress(TimeoutError):
                self.call(port.close()).result(STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._stopped.wait())


async def reply(send: Any, status: int, body: bytes, media_type: str = TEXT) -> None:
    """All of an answer."""
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _not_yet(scope: Any, receive: Any, send: Any) -> None:
    """Nobody came."""
    del scope, receive
    await reply(send, 503, b"starting\n")


def addressed(one: socket.socket) -> Any:
    """Host and port of a socket, or its name, where it is a local one."""
    name = one.getsockname()
    return name[:2] if isinstance(name, tuple) else name


def bound_locally() -> socket.socket:
    """A socket under a name that the kernel makes up, and that is on no disk (unix(7), abstract)."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.bind("")
    opened.listen(BACKLOG)
    opened.setblocking(False)  # noqa: FBT003 -- positional only
    return opened


def bound(where: tuple[str, int]) -> socket.socket:
    """A socket that listens there. Without the host's name, which asyncio would look up with a thread."""
    # Its protocol as well: only of a socket that says TCP does asyncio know not to hold a reply's end back for 40 ms.
    family, kind, protocol, _, address = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and where[0] != "::":
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
        opened.setblocking(False)  # noqa: FBT003 -- positional only
    except OSError:
        opened.close()
        raise
    return opened


def handed_over() -> dict[str, list[socket.socket]]:
    """The TCP sockets of socket units (sd_listen_fds(3)), by `FileDescriptorName=`; any other name is the page's.

    Each only once. Not by systemd-python, an extra that has to be compiled: a unit that has its socket and nobody who
    takes it would be a port that never answers.
    """
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()):
        return {}
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for fd in range(_FIRST_FD, _FIRST_FD + count):
        os.set_inheritable(fd, False)  # noqa: FBT003 -- positional only
        one = socket.socket(fileno=fd)
        one.setblocking(False)  # noqa: FBT003
        if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
            name = "metrics" if names[fd - _FIRST_FD : fd - _FIRST_FD + 1] == ["metrics"] else "web"
            found.setdefault(name, []).append(one)
        else:
            one.detach()
    return found
