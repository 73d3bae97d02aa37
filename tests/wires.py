"""A server that writes bytes as a table says: replies and connections that no well-behaved server gives.

    with Wires({"broken": lambda n, body: [CHUNKED, b"data: …", "close"]}) as wires:
        ... point a model entry at wires.base_url("broken") ...
        assert wires.asked["broken"] == [...]

A case is a function of the request's number on its connection and of its body; what it gives is written step by
step: bytes as they are, seconds are waited, ``end`` ends a chunked body, ``open`` leaves the connection as it is until
the client goes, ``close`` and ``reset`` end it, ``pings`` writes a comment four times a second until the client goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Self, TypeAlias

Steps: TypeAlias = Iterable[bytes | float | str]
Case: TypeAlias = Callable[[int, bytes], Steps]


def head(kind: str = "text/event-stream", status: str = "200 OK", length: int | None = None) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    content = f"content-type: {kind}\r\n" if kind else ""
    return f"HTTP/1.1 {status}\r\n{content}{framing}\r\n\r\n".encode()


def chunk(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return b"%x\r\n%b\r\n" % (len(data), data)


class Wires:
    """The server, in a thread of its own; a context manager."""

    def __init__(
        self, cases: Mapping[str, Case], *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.asked: dict[str, list[tuple[str, bytes]]] = defaultdict(list)  # by case: (target, body)
        self.connections: dict[str, int] = defaultdict(int)
        self._cases = cases
        self._host = host
        self._tls = tls
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._main, name="wires", daemon=True)

    def base_url(self, case: str) -> str:
        return f"http{'s' if self._tls else ''}://{self._host}:{self._port}/{case}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accepted, self._host, 0, ssl=self._tls)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            number = 0
            while True:
                target, body = await _request(reader)
                case = target.split("/")[1]
                self.connections[case] += not number
                self.asked[case].append((target, body))
                if not await _play(self._cases[case](number, body), reader, writer):
                    break
                number += 1
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the server stops
        finally:
            self._tasks.discard(task)
            writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    start = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"content-length: *(\d+)", start, re.IGNORECASE)
    return start.split(" ")[1], await reader.readexactly(int(length[1]) if length else 0)


async def _play(steps: Steps, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection goes on."""
    for step in steps:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, float | int):
            await asyncio.sleep(step)
        elif step == "end":
            writer.write(b"0\r\n\r\n")
        elif step == "open":
            await reader.read()
        elif step == "pings":
            await _ping(reader, writer)
        else:
            if step == "reset":
                there = writer.get_extra_info("socket")
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            return False
    return True


async def _ping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not reader.at_eof():
        writer.write(chunk(": ping\n\n"))
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.25):
                await reader.read()
