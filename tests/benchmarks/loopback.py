"""A chat completions API on loopback that costs next to nothing, in a process of its own.

    python tests/benchmarks/loopback.py DELAY [RAISE]

Prints its port, then serves until it is ended. It reads bodies without keeping or decoding them, looks for
``file:NAME`` near the end of each (the prompt stands there), waits DELAY seconds and gives one fixed answer.
RAISE is a probability of a fault instead: 429, 500, 503 or a closed connection, in turn. ``GET /stats`` says what
was seen: when requests began, when replies left, how often each file was asked about and answered, and the CPU
that all that took.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from typing import Any

TEXT = "Harbour Office, 14 Quay Street. Invoice number 20417. Twelve oak planks, planed on both sides. " * 3
REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1105, "completion_tokens": 80, "total_tokens": 1185},
    }
).encode()
_HEAD = "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_NAME = re.compile(rb"file:([\w./-]+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TAIL = 2048  # bytes at the end of a body in which the prompt stands
FAULTS = ("429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable", "")


class Api:
    """What is known of all requests."""

    def __init__(self, delay: float, faults: float) -> None:
        self.delay = delay
        self.faults = faults
        self.dice = random.Random(7)
        self.began: list[float] = []  # monotonic seconds, the same clock in all processes
        self.replied: list[float] = []
        self.first: dict[str, float] = {}  # when the first request about a file began
        self.bytes: dict[str, int] = {}  # of the last request about it
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.connections = 0
        self.before = 0.0  # CPU seconds until the first request

    def stats(self) -> bytes:
        return json.dumps(
            {
                "began": self.began,
                "replied": self.replied,
                "first": self.first,
                "bytes": self.bytes,
                "asked": self.asked,
                "answered": self.answered,
                "connections": self.connections,
                "cpu": time.process_time() - self.before,
            }
        ).encode()

    def fault(self) -> str | None:
        """A status line, empty to close the connection, None for an answer."""
        return self.dice.choice(FAULTS) if self.faults and self.dice.random() < self.faults else None


class Connection(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.buffer = bytearray(1 << 18)
        self.view = memoryview(self.buffer)
        self.filled = 0  # of a head that is not complete
        self.left = self.length = 0  # of a body
        self.began = 0.0
        self.tail = b""
        self.transport: Any

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.api.connections += 1

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.view[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if self.left:
            self.body(0, nbytes)
            return
        self.filled += nbytes
        end = self.buffer.find(b"\r\n\r\n", 0, self.filled)
        if end < 0:
            return
        head, rest, self.filled = bytes(self.buffer[:end]), self.filled, 0
        if head.startswith(b"GET"):
            self.send("200 OK", self.api.stats())
            return
        self.began = time.monotonic()
        self.api.before = self.api.before or time.process_time()
        self.api.began.append(self.began)
        length = _LENGTH.search(head)
        assert length is not None, head
        if b"100-continue" in head.lower():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.left = self.length = int(length[1])
        self.tail = b""
        self.body(end + 4, rest)

    def body(self, start: int, end: int) -> None:
        self.left -= end - start
        if self.left < TAIL:
            self.tail = (self.tail + self.buffer[max(start, end - TAIL) : end])[-TAIL:]
        if not self.left:
            found = _NAME.search(self.tail)
            name = found[1].decode() if found else "?"
            self.api.asked[name] += 1
            self.api.first.setdefault(name, self.began)
            self.api.bytes[name] = self.length
            asyncio.get_running_loop().call_later(self.api.delay, self.answer, name)

    def answer(self, name: str) -> None:
        if self.transport.is_closing():
            return
        fault = self.api.fault()
        if fault is None:
            self.api.replied.append(time.monotonic())
            self.api.answered[name] += 1
            self.send("200 OK", REPLY)
        elif fault:
            self.send(fault, b'{"error":{"message":"try again"}}')
        else:
            self.transport.abort()

    def send(self, status: str, body: bytes) -> None:
        self.transport.write((_HEAD % (status, len(body))).encode() + body)


async def main() -> None:
    api = Api(float(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - whoever started it reads it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
