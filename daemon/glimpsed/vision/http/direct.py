"""Straight to the server, on connections that are kept for the next request.

httpx's own transport and its pool ask the kernel for the peer's address, the selector to stop and go on listening,
and half a dozen layers for their part several times a request: most of the CPU that a request of 400 KB costs (see
``python tests/benchmarks/bench_client.py``). Here a request is two writes, and h11 reads the reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Iterator

import h11
import httpx

from glimpsed.vision.http.connecting import Connecting
from glimpsed.vision.http.connection import Connection

_NEXT_ADDRESS = 0.25  # seconds, before a host's next address is tried as well (RFC 8305)


class Direct(httpx.AsyncBaseTransport):
    """Requests to one server, as many at a time as there are callers. A request's stream must be one that can be sent again."""

    def __init__(self, base: httpx.URL, tls: ssl.SSLContext | None, *, keepalive: float) -> None:
        self._base = base
        self._tls = tls
        self._keepalive = keepalive  # seconds that a connection may have been idle
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._tidy = True  # the server has never said anything beyond its replies
        self._connecting = Connecting()
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and give the reply as soon as its head is there."""
        with _translated():
            head = h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
        lost: httpx.TransportError | None = None
        if (kept := self._kept()) is not None:
            try:
                return await self._exchange(kept, head, request)
            except httpx.TransportError as e:
                if kept.heard or self._closed:
                    raise
                lost = e  # the server had closed it meanwhile, or said something else; or it broke on this request
        try:
            connection = await self._connect(request)
        except httpx.TransportError as e:
            if lost is None or self._connecting.ended or isinstance(e.__cause__, ssl.SSLError):
                raise
            raise lost from e  # nobody is there any more: the request may be why
        return await self._exchange(connection, head, request)

    def send_no_more(self) -> None:
        """What has no connection yet gets none: `httpx.ConnectTimeout` at once."""
        self._connecting.end()

    async def aclose(self) -> None:
        """Close every connection; requests in flight fail."""
        self._closed = True
        for connection in list(self._open):
            connection.abort()

    async def _exchange(
        self, connection: Connection, head: h11.Request, request: httpx.Request
    ) -> httpx.Response:
        try:
            with _translated():
                assert isinstance(request.stream, httpx.AsyncByteStream)
                await connection.send(head, request.stream)
                reply = await connection.head()
        except BaseException:
            connection.abort()
            raise
        return httpx.Response(reply.status_code, headers=list(reply.headers), stream=_Rest(self, connection))

    def _kept(self) -> Connection | None:
        """The one that was used last: its connection is warm."""
        while self._idle:
            connection = self._idle.pop()
            if time.monotonic() - connection.since <= self._keepalive and connection.quiet():
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection) -> None:
        """A reply was read, or nobody wants the rest of it: the connection is for the next request if it is clean."""
        if connection.finish() and self._tidy:
            self._idle.append(connection)
        else:
            connection.abort()

    def _gone(self, connection: Connection) -> None:
        self._tidy &= connection.tidy
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _connect(self, request: httpx.Request) -> Connection:
        url = self._base
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"no such protocol: {url.scheme or 'none'}")
        secure = url.scheme == "https"
        limit = request.extensions.get("timeout", {}).get("connect")
        try:
            async with self._connecting.limit(limit):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._gone),
                    url.raw_host.decode("ascii"),
                    url.port or (443 if secure else 80),
                    ssl=self._tls if secure else None,
                    # One address is no race, and a race that is called off may leave a socket open.
                    happy_eyeballs_delay=None if _is_address(url.host) else _NEXT_ADDRESS,
                )
        except OSError as e:  # ssl.SSLError is one
            raise httpx.ConnectError(str(e)) from e
        self._open.add(connection)
        if self._closed:  # meanwhile
            connection.abort()
        return connection


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Rest(httpx.AsyncByteStream):
    """The reply's body."""

    def __init__(self, owner: Direct, connection: Connection) -> None:
        self._owner = owner
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            while isinstance(event := await self._connection.event(), h11.Data):
                yield bytes(event.data)

    async def aclose(self) -> None:
        """No more is wanted."""
        self._owner.keep(self._connection)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except h11.RemoteProtocolError as e:
        gone = "ConnectionClosed" in str(e)
        raise httpx.RemoteProtocolError("the server closed the connection" if gone else str(e)) from e
    except h11.LocalProtocolError as e:
        raise httpx.LocalProtocolError(str(e)) from e
    except OSError as e:
        raise httpx.ReadError(str(e)) from e
