"""One asyncio connection and what h11 knows of the exchange on it."""

from __future__ import annotations

import asyncio
import fcntl
import select
import sys
import termios
import time
from collections.abc import AsyncIterable, Callable
from typing import Any

import h11

LARGEST_HEAD = 100 * 1024  # bytes of a reply's head, of its trailers, of the line before a chunk
LARGEST_WIRE = 64 << 20  # bytes of a reply with all that is around its body
MOST_INTERIM = 20  # replies like 100 Continue before the real one
_ENOUGH = 1 << 18  # bytes received and not asked for, after which the server has to wait


class Connection(asyncio.Protocol):
    """A socket, for one request after the other. `gone` is told when it is closed."""

    def __init__(self, gone: Callable[[Connection], None]) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self._gone = gone
        self._socket: asyncio.Transport
        self._poll = select.poll()
        self._waiter: asyncio.Future[None] | None = None
        self._full = False  # the socket takes no more for now
        self._unread = 0  # bytes received since somebody waited for them
        self._received = 0  # bytes of this reply
        self._early = False  # it began before the request had left
        self._ended = False  # nothing more will come
        self._error: Exception | None = None
        self._idle = False
        self._used = False  # for a request before this one
        self.since = 0.0  # monotonic seconds, when it became idle
        self.tidy = True  # nothing has come that is no part of a reply

    # --- asyncio's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._poll.register(self._descriptor, select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Part of a reply; without a request it is nothing that could be trusted."""
        if self._idle:
            self.tidy = False
            self.abort()
            return
        if self._used and not self._received:
            self._early = self._unsent()
        self._received += len(data)
        self._unread += len(data)
        if self._received > LARGEST_WIRE:
            self._error = h11.RemoteProtocolError(f"more than {LARGEST_WIRE >> 20} MB of a reply")
            self.abort()
            return
        self._h11.receive_data(data)
        if self._unread > _ENOUGH:
            self._socket.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The server said all it had to say."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whomever."""
        self._end(exc)
        self._gone(self)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._full = False
        self._wake()

    # --- one exchange ---

    def quiet(self) -> bool:
        """Whether the idle connection is still open, and nothing is in it that the loop has yet to hear of."""
        return self._idle and not self._socket.is_closing() and not self._poll.poll(0)

    @property
    def heard(self) -> bool:
        """Whether a reply to the last request has begun, as far as one can know."""
        return self._received > 0 and not self._early

    async def send(self, request: h11.Request, body: AsyncIterable[bytes]) -> None:
        """Write the request; a server that answers (or leaves) before it has all of it is listened to."""
        self._idle = self._early = False
        self._unread = self._received = 0
        head = self._h11.send(request) or b""
        async for part in body:  # the head goes with the first part: it would be a packet of its own
            self._write(head, *(self._h11.send_with_data_passthrough(h11.Data(data=part)) or ()))
            head = b""
            while self._full and not self._unread and not self._ended:
                await self._wait()
        self._write(head, self._h11.send(h11.EndOfMessage()))

    async def head(self) -> h11.Response:
        """The reply's status and headers."""
        for _ in range(MOST_INTERIM):
            event = await self.event()
            if isinstance(event, h11.Response):
                if self._early and event.status_code < 300:
                    # Nobody answers a question before it was asked: this was meant for an earlier one.
                    self.tidy = False
                    raise h11.RemoteProtocolError("a reply from before the request")
                return event
        raise h11.RemoteProtocolError(f"more than {MOST_INTERIM} interim replies")

    async def event(self) -> Any:
        """The next part of the reply."""
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._unread = 0
            self._socket.resume_reading()
            await self._wait()
        return event

    def finish(self) -> bool:
        """The exchange is over. Whether the connection can be used for another one."""
        extra = self._h11.trailing_data != (b"", False)  # more than the reply is no part of the next one
        done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        self.tidy &= not (done and self._h11.trailing_data[0])
        if not done or extra or self._full or self._ended or self._socket.is_closing():
            return False
        self._h11.start_next_cycle()
        self._idle = self._used = True
        self.since = time.monotonic()
        return True

    def abort(self) -> None:
        """Close at once; whoever waits for something gets an error."""
        self._idle = False
        self._socket.abort()

    def _unsent(self) -> bool:
        """Whether some of the request has not reached the server's side yet.

        Beneath TLS there is another transport, which tells nobody what it holds. While it is full, what is written next
        stays above it and is counted: a picture is followed by the end of its question.
        """
        if self._socket.get_write_buffer_size():
            return True
        unacknowledged = bytearray(4)
        fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, unacknowledged)
        return int.from_bytes(unacknowledged, sys.byteorder) > 0

    def _write(self, *parts: bytes | None) -> None:
        data = [part for part in parts if part]
        if data and not self._ended:
            self._socket.write(b"".join(data) if len(data) > 1 else data[0])

    def _end(self, error: Exception | None) -> None:
        self._idle = False
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
