"""CPU and throughput of the HTTP client, against a raw asyncio loop and against one httpx pool.

    python tests/benchmarks/bench_client.py [REQUESTS]

400 KB images in base64 bodies to a server in another process. CPU is that of this process for a request, at
32 in flight and no delay; the share is that of the ideal (64 in flight, 200 ms).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pybase64

from glimpsed.config.schema import ModelEntry
from glimpsed.model import Image, Request
from glimpsed.vision import Memory
from glimpsed.vision.client import Client
from glimpsed.vision.remote import RemoteModel

REPLY = (
    b'{"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","role":"assistant",'
    b'"content":[{"type":"output_text","text":"The quick brown fox.","annotations":[]}]}],'
    b'"usage":{"input_tokens":1105,"output_tokens":21,"total_tokens":1126}}'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
IMAGE = os.urandom(400_000)


def serve(port: Any, delay: float) -> None:
    """Read requests, wait, answer."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                await asyncio.sleep(delay)
                writer.write(HEAD % len(REPLY) + REPLY)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(connection, "127.0.0.1", 0, limit=1 << 20, backlog=256)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def workers(one: Callable[[int], Awaitable[object]], count: int, in_flight: int) -> tuple[float, float]:
    """Seconds and CPU ms a request, with so many in flight."""
    left = iter(range(count))

    async def work(number: int) -> None:
        for _ in left:
            await one(number)

    await asyncio.gather(*(one(n) for n in range(in_flight)))  # connections are open
    cpu, start = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work(n) for n in range(in_flight)))
    return time.perf_counter() - start, (time.process_time() - cpu) / count * 1000


async def raw(port: int, count: int, in_flight: int) -> tuple[float, float]:
    """The least that asyncio can do: one socket each, bytes out, bytes in."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(in_flight)]

    async def one(number: int) -> None:
        reader, writer = streams[number]
        body = b'{"image":"' + pybase64.b64encode(IMAGE) + b'"}'
        writer.write(b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))

    found = await workers(one, count, in_flight)
    for _, writer in streams:
        writer.close()
    return found


def entry(port: int, in_flight: int) -> ModelEntry:
    return ModelEntry(base_url=f"http://127.0.0.1:{port}/v1", model="m", concurrency=in_flight)


async def slots(port: int, count: int, in_flight: int) -> tuple[float, float]:
    """`Client`: a connection of ours for each request in flight."""
    client = Client(entry(port, in_flight))

    async def one(_number: int) -> None:
        await client.post("/responses", [b'{"image":"', pybase64.b64encode(IMAGE), b'"}'], {})

    found = await workers(one, count, in_flight)
    await client.aclose()
    return found


async def whole(port: int, count: int, in_flight: int) -> tuple[float, float]:
    """`RemoteModel.ask`: pacing, body, request, reply, verdict."""
    model = RemoteModel(entry(port, in_flight), Memory())
    request = Request(
        "Read.", (Image(1, "image/jpeg", 2048, 1448, IMAGE),), temperature=0.1, idempotency_key="k"
    )
    found = await workers(lambda _n: model.ask(request), count, in_flight)
    await model.aclose()
    return found


async def pool(port: int, count: int, in_flight: int) -> tuple[float, float]:
    """One httpx client with a pool."""
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def one(_number: int) -> None:
            body = b'{"image":"' + pybase64.b64encode(IMAGE) + b'"}'
            await client.post(f"http://127.0.0.1:{port}/v1/responses", content=body)

        return await workers(one, count, in_flight)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for delay, in_flight in ((0.0, 32), (0.2, 64)):
        ports: Any = multiprocessing.Queue()
        server = multiprocessing.Process(target=serve, args=(ports, delay), daemon=True)
        server.start()
        port = ports.get()
        for way in (raw, slots, whole, pool):
            seconds, cpu = asyncio.run(way(port, count, in_flight))
            ideal = count * delay / in_flight
            share = f", {ideal / seconds:.3f} of the ideal" if delay else f", {count / seconds:.0f} a second"
            print(  # noqa: T201 - what it is for
                f"{way.__name__:6} {in_flight} in flight, {delay * 1000:.0f} ms: {cpu:.2f} CPU ms a request{share}"
            )
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
