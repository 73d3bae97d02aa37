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
import itertools
import re
import socket
import ssl
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from serving import Serving

Steps: TypeAlias = Iterable[bytes | float | str]
Case: TypeAlias = Callable[[int, bytes], Steps]


def head(kind: str = "text/event-stream", status: str = "200 OK", length: int | None = None) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    content = f"content-type: {kind}\r\n" if kind else ""
    return f"HTTP/1.1 {status}\r\n{content}{framing}\r\n\r\n".encode()


def chunk(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return b"%x\r\n%b\r\n" % (len(data), data)


class Wires(Serving):
    """The server."""

    def __init__(
        self, cases: Mapping[str, Case], *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__("wires", host=host, tls=tls)
        self.asked: dict[str, list[tuple[str, bytes]]] = defaultdict(list)  # by case: (target, body)
        self._cases = cases

    def base_url(self, case: str) -> str:
        return f"{self.url}/{case}/v1"

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        for asked in itertools.count():
            target, body = await _request(reader)
            case = target.split("/")[1]
            self.asked[case].append((target, body))
            if not await _play(self._cases[case](asked, body), reader, writer):
                return


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
