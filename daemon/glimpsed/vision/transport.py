"""HTTP/1.1 over one asyncio connection that is kept for the next request.

httpx and its pool ask the kernel for the peer's address, the selector to stop and go on listening, and half a
dozen layers for their part several times a request: most of the CPU that a request of 400 KB costs. Here a
request is two writes, and h11 reads the reply. It knows no proxies: `client` uses httpx where there is one, and
both raise the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import h11
import httpx

LARGEST_HEAD = 100 * 1024  # bytes of a reply's head
_ENOUGH = 1 << 18  # bytes received and not asked for, after which the server has to wait
_NEXT_ADDRESS = 0.25  # seconds, before a host's next address is tried as well (RFC 8305)


class Direct:
    """Requests to one server, one after the other. Whoever waits for one sets the time limit."""

    def __init__(
        self,
        base: httpx.URL,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        *,
        connect: float,
        keepalive: float,
    ) -> None:
        self._base = base
        self._path = base.raw_path.rstrip(b"/")
        self._headers = {"host": base.netloc.decode("ascii"), "accept-encoding": "identity", **headers}
        self._tls = tls
        self._connect_seconds = connect
        self._keepalive = keepalive
        self._connection: Connection | None = None
        self.is_closed = False

    async def send(self, path: str, body: Sequence[bytes], headers: Mapping[str, str]) -> Reply:
        """Post it, and give the reply as soon as its head is there. Raises what httpx raises."""
        connection = self._kept() or await self._connect()
        self._connection = connection
        if self.is_closed:  # meanwhile
            connection.abort()
            raise httpx.ReadError("closed")
        try:
            with _translated():
                request = h11.Request(
                    method="POST",
                    target=self._path + path.encode("ascii"),
                    headers=list(
                        {**self._headers, **headers, "content-length": str(sum(map(len, body)))}.items()
                    ),
                )
                await connection.send(request, body)
                return Reply(connection, await connection.head())
        except BaseException:
            connection.abort()
            raise

    async def aclose(self) -> None:
        """Close the connection; a request in flight fails."""
        self.is_closed = True
        if self._connection is not None:
            self._connection.abort()

    def _kept(self) -> Connection | None:
        connection, self._connection = self._connection, None
        if connection is None or not connection.idle:
            return None
        if time.monotonic() - connection.since > self._keepalive:
            connection.abort()
            return None
        return connection

    async def _connect(self) -> Connection:
        url = self._base
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"no such protocol: {url.scheme or 'none'}")
        secure = url.scheme == "https"
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection,
                    url.raw_host.decode("ascii"),
                    url.port or (443 if secure else 80),
                    ssl=self._tls if secure else None,
                    happy_eyeballs_delay=_NEXT_ADDRESS,
                )
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        except OSError as e:  # ssl.SSLError is one
            raise httpx.ConnectError(str(e)) from e
        return connection


class Connection(asyncio.Protocol):
    """A socket and what h11 knows of the exchange on it."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self._socket: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._full = False  # the socket takes no more for now
        self._unread = 0  # bytes received since somebody waited for them
        self._ended = False  # nothing more will come
        self._error: Exception | None = None
        self.idle = False
        self.since = 0.0  # monotonic seconds, when it became idle

    # --- asyncio's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport

    def data_received(self, data: bytes) -> None:
        """Part of a reply; without a request it is nothing that could be trusted."""
        if self.idle:
            self.abort()
            return
        self._h11.receive_data(data)
        self._unread += len(data)
        if self._unread > _ENOUGH:
            self._socket.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The server said all it had to say."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whomever."""
        self._end(exc)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._full = False
        self._wake()

    # --- one exchange ---

    async def send(self, request: h11.Request, body: Sequence[bytes]) -> None:
        """Write the request; a server that answers (or leaves) before it has all of it is listened to."""
        self.idle = False
        self._unread = 0
        head = self._h11.send(request) or b""
        for part in body:  # the head goes with the first part: it would be a packet of its own
            self._write(head, *(self._h11.send_with_data_passthrough(h11.Data(data=part)) or ()))
            head = b""
            while self._full and not self._unread and not self._ended:
                await self._wait()
        self._write(self._h11.send(h11.EndOfMessage()))

    async def head(self) -> h11.Response:
        """The reply's status and headers."""
        while not isinstance(event := await self.event(), h11.Response):
            pass  # 100 Continue and the like
        return event

    async def event(self) -> Any:
        """The next part of the reply."""
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._unread = 0
            self._socket.resume_reading()
            await self._wait()
        return event

    def finish(self) -> None:
        """The reply was read, or nobody wants the rest of it: keep the connection if it is clean."""
        if (
            self._h11.our_state is h11.DONE
            and self._h11.their_state is h11.DONE
            and self._h11.trailing_data == (b"", False)  # more than the reply is no part of the next one
            and not (self._full or self._ended)
        ):
            self._h11.start_next_cycle()
            self.idle, self.since = True, time.monotonic()
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once; whoever waits for something gets an error."""
        self.idle = False
        self._socket.abort()

    def _write(self, *parts: bytes | None) -> None:
        data = [part for part in parts if part]
        if data and not self._ended:
            self._socket.write(b"".join(data) if len(data) > 1 else data[0])

    def _end(self, error: Exception | None) -> None:
        self.idle = False
        self._error = self._error or error
        if not self._ended:
            self._ended = True
            self._h11.receive_data(b"")
        self._wake()

    async def _wait(self) -> None:
        """Until something changes."""
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Reply:
    """A reply whose body is still to be read: as much of `httpx.Response` as `client` needs."""

    def __init__(self, connection: Connection, head: h11.Response) -> None:
        self._connection = connection
        self.status_code = head.status_code
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body, as it comes in."""
        if "content-encoding" in self.headers:  # although it was told not to
            encoded = httpx.Response(self.status_code, headers=self.headers, stream=_Body(self._raw))
            async for chunk in encoded.aiter_bytes():
                yield chunk
        else:
            async for chunk in self._raw():
                yield chunk

    async def aclose(self) -> None:
        """No more is wanted."""
        self._connection.finish()

    async def _raw(self) -> AsyncIterator[bytes]:
        with _translated():
            while isinstance(event := await self._connection.event(), h11.Data):
                yield bytes(event.data)


class _Body(httpx.AsyncByteStream):
    """What httpx undoes the encoding of."""

    def __init__(self, raw: Callable[[], AsyncIterator[bytes]]) -> None:
        self._raw = raw

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._raw():
            yield chunk


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
