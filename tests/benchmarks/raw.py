"""The least that can be done: an asyncio loop that reads files, encodes them in base64 and posts them.

    python tests/benchmarks/raw.py PORT IN_FLIGHT FOLDER

Sockets of its own, one a request in flight, and no HTTP library. Prints its own CPU seconds.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import pybase64

BEFORE = (
    b'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url",'
    b'"image_url":{"url":"data:image/jpeg;base64,'
)
AFTER = b'"}},{"type":"text","text":"file:%s"}]}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


async def main() -> None:
    port, in_flight, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    names = iter(sorted(os.listdir(folder)))
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(in_flight)]
    cpu = time.process_time()
    await asyncio.gather(*(work(folder, names, *stream) for stream in streams))
    print(time.process_time() - cpu)  # noqa: T201 - whoever started it reads it
    for _, writer in streams:
        writer.close()


async def work(
    folder: str, names: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    for name in names:  # type: ignore[attr-defined]
        with open(f"{folder}/{name}", "rb") as file:  # noqa: ASYNC230 - as the least that can be done
            image = pybase64.b64encode(file.read())
        body = b"".join((BEFORE, image, AFTER % name.encode()))
        writer.write(HEAD % len(body))
        writer.write(body)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))


if __name__ == "__main__":
    asyncio.run(main())
