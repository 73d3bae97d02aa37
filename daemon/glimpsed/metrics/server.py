"""A small HTTP port for strangers: one thread, and a bound on everything that a client may take.

Whoever reaches the port decides how many connections there are, how long they are silent and how slowly they
read. So neither threads nor descriptors grow with them, nothing is waited for without an end, and where the places
are taken, whoever has said nothing for longest makes room: a scraper says what it wants at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import h11

log = logging.getLogger(__name__)

CLIENTS = 32  # connections at once
REQUEST_SECONDS = 5.0  # for a request to arrive, all of it
REPLY_SECONDS = 15.0  # for the answer to be found and taken
LARGEST_REQUEST = 16 * 1024  # bytes of a request line with its headers
BACKLOG = 128  # connections that wait in the kernel
_SHORTAGE_SECONDS = 1.0  # until the next try where no connection can be taken
_LINGER_SECONDS = 1.0  # for the client to close, once it has its reply
_STOP_SECONDS = 5.0

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client gets."""

    status: int
    body: bytes
    media_type: str = TEXT


Answer: TypeAlias = Callable[[str, str], Awaitable[Reply]]  # the path and the Accept header, to a reply


class Server:
    """Answers GET and HEAD, one request a connection, from a thread of its own, until `stop`.

    Raises `OSError` when the address is not to be had.
    """

    def __init__(self, where: tuple[str, int], answer: Answer) -> None:
        self._answer = answer
        self._clients: dict[asyncio.Task[None], bool] = {}  # whether it has asked; the oldest first
        self._socket = bound(where)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let go of the address, and of whoever is connected."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        with self._socket, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            accepting = group.create_task(self._accept(group))
            await self._stopped.wait()
            for task in (accepting, *self._clients):
                task.cancel()

    async def _accept(self, group: asyncio.TaskGroup) -> None:
        """One connection after the other: none has a descriptor that is not counted."""
        while True:
            try:
                client, _ = await self._loop.sock_accept(self._socket)
            except OSError:  # out of descriptors or memory
                await asyncio.sleep(_SHORTAGE_SECONDS)
                continue
            if len(self._clients) >= CLIENTS:
                self._make_room()
            task = group.create_task(self._client(client))
            self._clients[task] = False
            task.add_done_callback(lambda task: self._clients.pop(task, None))
            await asyncio.sleep(0)  # those that were told to end do so

    def _make_room(self) -> None:
        """End the connection that has been silent for longest; where all have asked, the oldest."""
        oldest = min(self._clients, key=self._clients.__getitem__)
        del self._clients[oldest]
        oldest.cancel()

    async def _client(self, client: socket.socket) -> None:
        """One connection. What goes wrong with it is its own business."""
        with client:
            try:
                reader, writer = await asyncio.open_connection(sock=client)
                try:
                    await self._converse(reader, writer)
                finally:
                    writer.transport.abort()  # what was to be sent has been taken, or was not in time
            except (OSError, TimeoutError, h11.ProtocolError):
                pass
            except Exception:
                log.exception("a request was not answered")

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_REQUEST)
        writer.transport.set_write_buffer_limits(high=0)  # `drain` waits until all is taken
        async with asyncio.timeout(REQUEST_SECONDS):
            request = await _request(reader, http)
        if (task := asyncio.current_task()) in self._clients:
            self._clients[task] = True
        async with asyncio.timeout(REPLY_SECONDS):
            reply = await self._reply(request)
            writer.writelines(_encoded(http, request, reply))
            await writer.drain()
        # A socket closed over bytes that were not read would take the reply back.
        writer.write_eof()
        async with asyncio.timeout(_LINGER_SECONDS):
            while await reader.read(LARGEST_REQUEST):
                pass

    async def _reply(self, request: h11.Request | h11.RemoteProtocolError) -> Reply:
        if isinstance(request, h11.RemoteProtocolError):
            return Reply(request.error_status_hint, b"not a request that is understood here\n")
        if request.method not in {b"GET", b"HEAD"}:
            return Reply(501, b"GET and HEAD only\n")
        accept = next((value for name, value in request.headers if name == b"accept"), b"")
        path = request.target.partition(b"?")[0]
        return await self._answer(path.decode("latin-1"), accept.decode("latin-1"))


async def _request(
    reader: asyncio.StreamReader, http: h11.Connection
) -> h11.Request | h11.RemoteProtocolError:
    """What the client asks, or why it cannot be understood. Raises `ConnectionError` when it goes away before."""
    try:
        while (event := http.next_event()) is h11.NEED_DATA:
            data = await reader.read(LARGEST_REQUEST)
            if not data:
                raise ConnectionError
            http.receive_data(data)
    except h11.RemoteProtocolError as e:
        return e
    if not isinstance(event, h11.Request):
        raise ConnectionError
    return event


def _encoded(
    http: h11.Connection, request: h11.Request | h11.RemoteProtocolError, reply: Reply
) -> list[bytes]:
    headers = [
        ("Content-Type", reply.media_type),
        ("Content-Length", str(len(reply.body))),
        ("Connection", "close"),
    ]
    parts = [http.send(h11.Response(status_code=reply.status, headers=headers))]
    if not (isinstance(request, h11.Request) and request.method == b"HEAD"):
        parts.append(http.send(h11.Data(data=reply.body)))
    return [part for part in parts if part]


def bound(where: tuple[str, int]) -> socket.socket:
    """A socket that listens there. Without the host's name, which asyncio would look up with a thread."""
    family, _, _, _, address = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)[0]
    opened = socket.socket(family, socket.SOCK_STREAM)
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
