"""HTTP as the client does it: no exception but its own, and the same by every road to the server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from gateway import Gateway, Scripted
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import VisionError
from glimpsed.vision import client as module
from glimpsed.vision import http
from glimpsed.vision.client import Client, Failure, Response
from proxy import Proxy
from wires import Steps, Wires

BODY = b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}'
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def client(base_url: str, **entry: Any) -> Client:
    return Client(ModelEntry(api="responses", base_url=base_url, model="m", **{"timeout": 10, **entry}))


async def post(who: Client, body: bytes = BODY) -> Response:
    return await who.post("/responses", [body], {})


async def failure(who: Client, body: bytes = BODY) -> Failure:
    with pytest.raises(Failure) as raised:
        await post(who, body)
    await who.aclose()
    return raised.value


@pytest.mark.anyio
async def test_what_gets_its_turn_at_the_very_stop_looks_for_no_connection() -> None:
    with Gateway() as gateway:
        who = client(gateway.base_url)
        who.stop()
        with pytest.raises(VisionError, match="stopping"):
            await post(who)
        await who.aclose()
        assert gateway.requests == []
        straight = http.Direct(httpx.URL(gateway.base_url), None, keepalive=1)
        straight.send_no_more()
        with pytest.raises(httpx.ConnectTimeout):
            await straight.handle_async_request(httpx.Request("POST", gateway.base_url, content=b"{}"))


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["straight", "proxy"])
async def test_what_looks_for_a_connection_at_the_stop_is_let_go(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_proxies(monkeypatch)
    heard, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        heard.set()
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()
        asyncio.get_running_loop().call_soon(gone.set)  # the loop closes it before

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    there = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    if way != "straight":
        monkeypatch.setenv("HTTPS_PROXY", f"http://{there}")
    who = client(f"https://{there if way == 'straight' else 'models.example'}/v1", timeout=600)
    asked = asyncio.create_task(post(who))
    await asyncio.wait_for(heard.wait(), 60)
    began = time.monotonic()
    who.stop()
    with pytest.raises(VisionError, match="stopping"):
        await asked
    assert time.monotonic() - began < 20  # 30 s are the limit of a connection
    await who.aclose()
    server.close()
    await asyncio.wait_for(gone.wait(), 60)


# --- roads: straight, and through proxies ---


def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@dataclass
class Road:
    """How requests get to a server here."""

    proxied: bool
    tls: ssl.SSLContext | None
    stack: ExitStack
    servers: list[asyncio.Server] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    connections: int = 0

    def gateway(self, *script: Scripted, **more: Any) -> Gateway:
        return self.stack.enter_context(Gateway(*script, tls=self.tls, **more))

    async def serve(self, handler: Handler) -> str:
        """The base URL of a server with this handler for a connection; `connections` counts them."""

        async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self.tasks.add(asyncio.current_task())  # type: ignore[arg-type]
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=self.tls)
        self.servers.append(server)
        return f"http{'s' if self.tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"

    async def close(self) -> None:
        for server in self.servers:
            server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks)
        await asyncio.sleep(0)  # what is aborted is closed by the loop


ROADS = ["direct", "direct, TLS", "proxy", "CONNECT", "proxy by TLS", "CONNECT by TLS"]


@pytest.fixture(params=ROADS)
async def road(
    request: pytest.FixtureRequest, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Road]:
    no_proxies(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    secure = request.param in ("direct, TLS", "CONNECT", "CONNECT by TLS")
    proxied = not request.param.startswith("direct")
    with ExitStack() as stack:
        if proxied:
            by_tls = tls(certificate) if request.param.endswith("by TLS") else None
            proxy = stack.enter_context(Proxy(tls=by_tls))
            monkeypatch.setenv("HTTPS_PROXY" if secure else "HTTP_PROXY", proxy.url)
        there = Road(proxied, tls(certificate) if secure else None, stack)
        yield there
        await there.close()
        assert not proxied or proxy.asked


def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def request(reader: asyncio.StreamReader) -> bytes:
    """The body of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))


def reply(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def reset(writer: asyncio.StreamWriter) -> None:
    """The connection ends with a reset."""
    there = writer.get_extra_info("socket")
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# --- a kept connection is clean, or not kept ---


@pytest.mark.anyio
async def test_a_connection_is_kept_for_the_next_request_but_not_through_a_proxy(road: Road) -> None:
    gateway = road.gateway()
    who = client(gateway.base_url)
    for _ in range(5):
        assert (await post(who)).status == 200
    assert gateway.connections == (5 if road.proxied else 1)
    await asyncio.gather(*(post(who) for _ in range(8)))
    assert gateway.connections <= (13 if road.proxied else 8)
    await who.aclose()


@pytest.mark.anyio
async def test_a_stream_leaves_its_connection_usable() -> None:
    with Gateway(default=Scripted(fault="sse")) as gateway:
        who = client(gateway.base_url)
        for _ in range(3):
            await post(who)
        assert gateway.connections == 1
        await who.aclose()


@pytest.mark.anyio
async def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "KEEPALIVE", -1.0)
    with Gateway() as gateway:
        who = client(gateway.base_url)
        for _ in range(3):
            assert (await post(who)).status == 200
        assert gateway.connections == 3
        await who.aclose()


@pytest.mark.anyio
async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(road: Road) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await writer.drain()
        writer.close()
        closed.release()

    closed = asyncio.Semaphore(0)
    who = client(await road.serve(once))
    for _ in range(3):
        assert (await post(who)).body == b"{}"
        await asyncio.wait_for(closed.acquire(), 5)
    await who.aclose()
    assert road.connections == 3


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["reset", "closed"])
async def test_a_kept_connection_that_is_dead_costs_nothing(road: Road, end: str) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await request(reader))
        writer.write(reply(asked[-1]))
        asked.append(await request(reader))  # and not a byte of a reply to it
        if end == "reset":
            reset(writer)

    asked: list[bytes] = []
    who = client(await road.serve(once))
    bodies = [b'{"n": %d}' % n for n in range(4)]
    assert [(await post(who, body)).body for body in bodies] == bodies
    await who.aclose()
    # Once more on a fresh connection where the kept one was dead, and not a third time.
    assert sorted(asked) == sorted(bodies if road.proxied else [*bodies, bodies[1], bodies[2], bodies[3]])


@pytest.mark.anyio
async def test_a_fresh_connection_that_dies_is_a_failure_and_nothing_is_sent_twice(road: Road) -> None:
    async def dead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        reset(writer)

    found = await failure(client(await road.serve(dead)))
    assert (found.verdict.kind, found.verdict.transport) == ("retry", True)
    assert road.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize("road", ["direct"], indirect=True)
async def test_a_kept_connection_that_dies_in_the_midst_of_a_reply_is_a_failure(road: Road) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await request(reader)
        writer.write(OK[:20])

    who = client(await road.serve(once))
    assert (await post(who)).body == b"{}"
    found = await failure(who)
    assert found.verdict.kind == "retry"
    assert road.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize("road", ["direct"], indirect=True)
@pytest.mark.parametrize("end", ["reset", "closed"])
async def test_a_server_that_is_gone_once_it_has_a_request_on_a_kept_connection_was_reached(
    road: Road, end: str
) -> None:
    """Else what crashes the server would never lose a try."""

    async def crashes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await request(reader)
        road.servers[0].close()
        if end == "reset":
            reset(writer)

    who = client(await road.serve(crashes))
    assert (await post(who)).body == b"{}"
    found = (await failure(who)).verdict
    assert (found.kind, found.transport, found.server, found.unreached) == ("retry", True, True, False)
    assert road.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize("road", ["direct"], indirect=True)
async def test_a_server_that_was_gone_before_a_request_was_not_reached(road: Road) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await writer.drain()
        road.servers[0].close()
        writer.close()
        await writer.wait_closed()
        closed.set()

    closed = asyncio.Event()
    who = client(await road.serve(once))
    assert (await post(who)).body == b"{}"
    await asyncio.wait_for(closed.wait(), 5)
    assert (await failure(who)).verdict.unreached


@pytest.mark.anyio
@pytest.mark.parametrize("pause", [None, 0.0, 0.02], ids=["in one packet", "at once", "later"])
async def test_bytes_beyond_a_reply_are_never_a_reply_to_the_next_request(
    road: Road, pause: float | None
) -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            own = reply(await request(reader))
            if pause is None:
                writer.write(own + reply(b"[STALE]"))
            else:
                writer.write(own)
                await writer.drain()
                await asyncio.sleep(pause)
                writer.write(reply(b"[STALE]"))
                said.release()

    said = asyncio.Semaphore(0)
    who = client(await road.serve(talkative))
    for n in range(4):
        assert (await post(who, b"[%d]" % n)).body == b"[%d]" % n
        if pause is not None:
            await asyncio.wait_for(said.acquire(), 5)
    assert road.connections == 4
    await who.aclose()


@pytest.mark.anyio
async def test_what_the_loop_has_yet_to_hear_of_is_heard_before_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def talkative(number: int, body: bytes) -> Steps:
        yield reply(body)
        yield 0.05
        yield reply(b"[STALE]")
        yield 0.02  # it is in the client's socket
        said.set()

    no_proxies(monkeypatch)
    said = threading.Event()
    with Wires({"talk": talkative}) as wires:
        who = client(wires.base_url("talk"))
        for n in range(4):
            # This blocks the loop, so that the reply's end and what came after it may be met by the next request.
            assert (await post(who, b"[%d]" % n)).body == b"[%d]" % n
            assert said.wait(10)
            said.clear()
        await who.aclose()


@pytest.mark.anyio
async def test_a_reply_that_comes_before_the_request_has_left_is_none_to_it(road: Road) -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await request(reader)
        writer.write(reply(body[:3]))
        await reader.readuntil(b"\r\n\r\n")  # the next request begins, and is far from being here
        writer.write(reply(b"[STALE]"))
        await reader.read()

    who = client(await road.serve(hasty))
    for n in range(3):
        # As questions are sent: what comes after the picture shows that TLS still has some of it.
        parts = [b"[%d]" % n, b" " * 20_000_000, b" "]
        assert (await who.post("/responses", parts, {})).body == b"[%d]" % n
    await who.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("road", ["direct"], indirect=True)
async def test_a_server_that_said_too_much_once_gets_no_second_request_on_a_connection(road: Road) -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await request(reader):
            asked += 1
            writer.write(OK + b"!" if asked == 1 else OK)

    asked = 0
    who = client(await road.serve(talkative))
    for _ in range(4):
        assert (await post(who)).body == b"{}"
    assert road.connections == 4
    await who.aclose()


# --- requests ---


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("slash", "query", "path"),
    [
        ("", {}, "/responses"),
        ("/", {}, "/responses"),
        ("", {"api-version": "2024-10-21"}, "/responses?api-version=2024-10-21"),
        ("/", {"x": "1", "b": "ü &"}, "/responses?x=1&b=%C3%BC+%26"),
    ],
)
async def test_the_path_follows_base_url_and_the_query_the_path(
    road: Road, slash: str, query: dict[str, str], path: str
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        writer.write(reply(line.split(b" ")[1]))
        await reader.read()

    who = client(await road.serve(echo) + slash, query=query)
    assert (await post(who)).body.decode() == "/v1" + path
    await who.aclose()


@pytest.mark.anyio
async def test_a_redirect_is_not_followed_so_the_key_stays_here(road: Road) -> None:
    other = road.gateway()
    gateway = road.gateway(Scripted(status=308, body="", headers={"location": other.base_url + "/responses"}))
    who = client(gateway.base_url, key="sk-1")
    assert (await post(who)).status == 308
    await who.aclose()
    assert not other.requests


@pytest.mark.anyio
@pytest.mark.parametrize(
    "road", ["direct", "direct, TLS", "proxy"], indirect=True
)  # others lose it on their way
async def test_a_big_body_refused_early_is_a_reply_and_no_broken_connection(road: Road) -> None:
    gateway = road.gateway(Scripted(status=413, body="<html>", fault="early"))
    who = client(gateway.base_url)
    assert (await post(who, b"x" * 8_000_000)).status == 413
    await who.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["ü\n", "日本", "a\r\nx: y"])
async def test_what_cannot_be_sent_pauses_instead_of_crashing(value: str) -> None:
    with Gateway() as gateway:
        found = await failure(client(gateway.base_url, headers={"x": value}))
        assert not gateway.connections
    assert found.verdict.kind == "pause"


# --- whatever a server says is bounded, in bytes and in time ---


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_without_end_is_cut_off(
    road: Road, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(module, "LARGEST_REPLY", 1 << 20)
    huge = Scripted(events=("x" * 3_000_000,)) if stream else Scripted(body="x" * 3_000_000)
    found = await failure(client(road.gateway(huge).base_url))
    assert found.verdict.kind == "fail"
    assert "larger than 1 MB" in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "identity, gzip"])
async def test_a_reply_that_is_compressed_although_nobody_asked_is_read(road: Road, encoding: str) -> None:
    text = b'{"text": "%s"}' % (b"The quick brown fox. " * 20_000)
    packed = zlib.compress(text) if encoding == "deflate" else gzip.compress(text)
    gateway = road.gateway(Scripted(body=packed, headers={"content-encoding": encoding}))
    who = client(gateway.base_url)
    assert (await post(who)).body == text
    await who.aclose()
    assert gateway.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.anyio
@pytest.mark.parametrize("padding", [b"", b"\0" * 20])
async def test_a_reply_that_was_packed_piece_by_piece_is_read_whole(road: Road, padding: bytes) -> None:
    text = b'{"a": "' + bytes(range(97, 123)) * 9000 + b'"}'
    packed = b"".join(gzip.compress(text[at : at + 70_000]) for at in range(0, len(text), 70_000)) + padding
    gateway = road.gateway(Scripted(body=packed, headers={"content-encoding": "gzip"}))
    who = client(gateway.base_url)
    assert (await post(who)).body == text
    await who.aclose()


@pytest.mark.anyio
async def test_a_compressed_stream_is_read_as_it_comes(road: Road) -> None:
    async def packed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"))
        pack = zlib.compressobj(wbits=31)
        data = pack.compress(b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n')
        data += pack.flush(zlib.Z_SYNC_FLUSH)
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await reader.read()  # and never ends

    who = client(await road.serve(packed))
    assert b'"content": "hi"' in (await post(who)).body
    await who.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("bare", [True, False])
async def test_deflate_is_read_in_both_of_its_meanings(road: Road, bare: bool) -> None:
    pack = zlib.compressobj(wbits=-15 if bare else 15)
    packed = pack.compress(b'{"a": 1}') + pack.flush()
    who = client(road.gateway(Scripted(body=packed, headers={"content-encoding": "deflate"})).base_url)
    assert (await post(who)).body == b'{"a": 1}'
    await who.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip, br"])
async def test_a_reply_that_is_not_compressed_is_read_whatever_its_header_says(
    road: Road, encoding: str
) -> None:
    who = client(road.gateway(Scripted(body=b' {"a": 1}', headers={"content-encoding": encoding})).base_url)
    assert (await post(who)).body == b'{"a": 1}'
    await who.aclose()


@pytest.mark.anyio
async def test_a_reply_that_is_compressed_is_read_though_no_header_says_so(road: Road) -> None:
    who = client(road.gateway(Scripted(body=gzip.compress(b'{"a": 1}'))).base_url)
    assert (await post(who)).body == b'{"a": 1}'
    await who.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "charset", ["ISO-8859-1", '"gb18030"', "utf-16", "utf-8", "latin1", "punycode", "none"]
)
async def test_a_reply_in_another_charset_is_read_where_it_says_which(road: Road, charset: str) -> None:
    text = '{"a": "Müller"}'
    codec = charset.strip('"') if charset not in ("latin1", "punycode", "none") else "utf-8"
    kind = {"content-type": f"application/json; charset={charset}"}
    who = client(road.gateway(Scripted(body=text.encode(codec), headers=kind)).base_url)
    assert (await post(who)).body.decode() == text
    await who.aclose()


@pytest.mark.anyio
async def test_a_refusal_whose_body_cannot_be_unpacked_is_a_refusal(road: Road) -> None:
    who = client(road.gateway(Scripted(status=402, body=b"x", headers={"content-encoding": "br"})).base_url)
    assert (await post(who)).status == 402
    await who.aclose()


@functools.cache
def bomb() -> bytes:
    return gzip.compress(b"\0" * (200 << 20), 9)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("made", "encoding", "kind"),
    [
        (bomb, "gzip", "fail"),
        (lambda: gzip.compress(bomb(), 9), "gzip, gzip", "retry"),
        (lambda: gzip.compress(bomb(), 9), "gzip, identity, deflate", "retry"),
        (lambda: b"\x0b\x00\x80{}\x03", "br", "retry"),
        (lambda: b"no gzip", "gzip", "retry"),
    ],
    ids=["one layer", "two", "two, of two kinds", "not ours", "broken"],
)
async def test_a_bomb_is_not_expanded(
    road: Road, made: Callable[[], bytes], encoding: str, kind: str
) -> None:
    gateway = road.gateway(Scripted(body=made(), headers={"content-encoding": encoding}))
    tracemalloc.start()
    try:
        found = await failure(client(gateway.base_url))
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    assert found.verdict.kind == kind


async def _for_ever(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece * (100_000 // len(piece))


ENDLESS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
    "a status line": (b"HTTP/1.1 200 ", b"y"),
    "a chunk's extension": (CHUNKED + b"2;", b"y"),
    "extensions": (CHUNKED, b"1;" + b"y" * 5_000 + b"\r\nx\r\n"),
    "trailers": (CHUNKED + b"0\r\n", b"x: y\r\n"),
    "interim replies": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "white space": (CHUNKED, b"1000\r\n" + b"\n" * 4096 + b"\r\n"),
    "comments": (CHUNKED, b"1000\r\n" + b": ping..\n" * 455 + b"\n\r\n"),
    "events": (CHUNKED, b"1000\r\n" + b"data: 1\n" * 512 + b"\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"y"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("road", ["direct", "proxy"], indirect=True)
@pytest.mark.parametrize("what", ENDLESS)
async def test_nothing_is_read_without_end(road: Road, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        first, more = ENDLESS[what]
        writer.write(first)
        async for piece in _for_ever(more):
            writer.write(piece)
            await writer.drain()

    monkeypatch.setattr(module, "LARGEST_STREAM", 4 << 20)
    monkeypatch.setattr("glimpsed.vision.http.connection.LARGEST_WIRE", 8 << 20)
    who = client(await road.serve(endless), timeout=1)
    start = time.monotonic()
    tracemalloc.start()
    try:
        found = await failure(who)
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
    assert found.verdict.kind in ("retry", "fail")
    assert time.monotonic() - start < 30


@pytest.mark.anyio
@pytest.mark.parametrize("road", ["direct"], indirect=True)
@pytest.mark.parametrize("what", ["extensions", "interim replies"])
async def test_what_is_around_a_body_is_bounded_before_the_time_is_over(
    road: Road, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        first, more = ENDLESS[what]
        writer.write(first)
        async for piece in _for_ever(more):
            writer.write(piece)
            await writer.drain()

    if what == "extensions":
        monkeypatch.setattr("glimpsed.vision.http.connection.LARGEST_WIRE", 1 << 20)
    found = await failure(client(await road.serve(endless), timeout=20))
    assert "no answer within" not in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["head", "body", "chunk size"])
async def test_a_reply_that_drips_ends_with_the_time_limit(road: Road, what: str) -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(
            {"head": b"HTTP/1.1 200 ", "body": reply(b"{" * 99)[:-98], "chunk size": CHUNKED + b"2;"}[what]
        )
        for _ in range(1000):
            writer.write(b"O")
            await writer.drain()
            await asyncio.sleep(0.05)

    found = await failure(client(await road.serve(dripping), timeout=0.5))
    assert found.verdict.kind == "retry"
    assert road.connections == 1


@pytest.mark.anyio
async def test_too_many_headers_are_no_reply(road: Road) -> None:
    headers = {f"x-{n}": "y" for n in range(2000)}
    gateway = road.gateway(Scripted(headers=headers))
    found = await failure(client(gateway.base_url))
    assert found.verdict.kind == "retry"


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["broken", "open", "too short"])
async def test_json_that_is_whole_is_a_reply_however_the_connection_ends(road: Road, end: str) -> None:
    async def sloppy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        if end == "too short":
            writer.write(b"HTTP/1.1 429 No\r\ncontent-length: 99\r\n\r\n{}")
        else:
            writer.write(CHUNKED.replace(b"200 OK", b"429 No") + b"2\r\n{}\r\n")
        await writer.drain()
        if end == "open":
            await reader.read()

    who = client(await road.serve(sloppy), timeout=1)
    found = await post(who)
    assert (found.status, found.body) == (429, b"{}")
    await who.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("text", [b'data: {"error": {"message": "bad key"}}\n\n', b"data: bad key\n\n"])
async def test_an_error_status_with_events_stays_that_status(road: Road, text: bytes) -> None:
    gateway = road.gateway(Scripted(status=401, body=text, headers={"content-type": "text/event-stream"}))
    who = client(gateway.base_url)
    found = await post(who)
    assert found.status == 401
    assert (b"bad key" in found.body) == (b"error" in text)
    await who.aclose()


# --- the end ---


@pytest.mark.anyio
async def test_close_ends_what_is_in_flight(road: Road) -> None:
    gateway = road.gateway(Scripted(fault="hang"), Scripted(fault="trickle", interval=5.0))
    who = client(gateway.base_url, timeout=60)
    flying = [asyncio.create_task(post(who)) for _ in range(2)]
    await asyncio.to_thread(gateway.wait_for, 2)
    await who.aclose()
    for task in flying:
        with pytest.raises(Failure):
            await asyncio.wait_for(task, 5)


def _until_closed(there: socket.socket) -> None:
    """Return when the other side has closed its end."""
    there.settimeout(10)
    with there, contextlib.suppress(ConnectionError):
        while there.recv(1 << 16):
            pass


@pytest.mark.anyio
async def test_close_ends_what_is_still_on_its_way_to_the_server(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_proxies(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and begins no TLS
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        for proxy in (None, f"http://{address}"):
            if proxy:
                monkeypatch.setenv("HTTPS_PROXY", proxy)
            who = client(f"https://{address}", timeout=60)
            flying = asyncio.create_task(post(who))
            there, _ = await asyncio.to_thread(silent.accept)
            await who.aclose()
            with pytest.raises(Failure):
                await asyncio.wait_for(flying, 5)
            await asyncio.to_thread(_until_closed, there)


@pytest.mark.anyio
async def test_cancelled_request_frees_its_client_for_the_next(road: Road) -> None:
    gateway = road.gateway(Scripted(fault="hang"))
    who = client(gateway.base_url)
    flying = asyncio.create_task(post(who))
    await asyncio.to_thread(gateway.wait_for, 1)
    flying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flying
    assert (await post(who)).status == 200
    await who.aclose()


# --- what is in the way ---


@pytest.mark.anyio
async def test_nobody_there_is_a_transport_failure() -> None:
    with Gateway() as gateway:
        gone = gateway.base_url
    found = await failure(client(gone))
    assert (found.verdict.kind, found.verdict.transport) == ("retry", True)
    assert "no connection" in found.verdict.reason
    assert "proxy" not in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:9", "gopher://x", "http://[::bad", "http://u:s3cr3t@[::bad"]
)
async def test_a_proxy_that_cannot_be_used_pauses(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    no_proxies(monkeypatch)
    monkeypatch.setenv("ALL_PROXY", proxy)
    found = await failure(client("http://models.example/v1"))
    assert found.verdict.kind == "pause"
    assert "s3cr3t" not in found.verdict.reason


@pytest.mark.anyio
async def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    no_proxies(monkeypatch)
    with Gateway() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "direct.invalid")
        who = client("http://models.invalid/v1")
        await post(who)
        await who.aclose()
        assert proxy.problems == ["Invalid URL (POST http://models.invalid/v1/responses)"]
        found = await failure(client("http://direct.invalid/v1"))
    assert "no connection" in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_dead_proxy_is_named_and_its_password_is_not(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    no_proxies(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as there:
        address = f"127.0.0.1:{there.getsockname()[1]}"
    monkeypatch.setenv("ALL_PROXY", f"http://user:s3cr3t@{address}")
    found = await failure(client(f"{scheme}://models.invalid/v1"))
    assert (found.verdict.kind, found.verdict.transport) == ("retry", True)
    assert f"http://{address}" in found.verdict.reason
    assert "s3cr3t" not in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_login_gets_the_one_it_was_given_or_pauses(
    road_of: Callable[[str], Road], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    there = road_of(scheme)
    gateway = there.gateway()
    with Proxy(login="user:s3cr3t") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        who = client(gateway.base_url)
        assert (await post(who)).status == 200
        await who.aclose()
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("s3cr3t", "wr0ng"))
        found = await failure(client(gateway.base_url))
    assert found.verdict.kind == "pause"
    assert f"http://127.0.0.1:{proxy.port}" in found.verdict.reason
    assert "wr0ng" not in found.verdict.reason


@pytest.fixture
def road_of(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Road]]:
    no_proxies(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with ExitStack() as stack:
        yield lambda scheme: Road(
            proxied=True, tls=tls(certificate) if scheme == "https" else None, stack=stack
        )


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "kind"), [(403, "pause"), (503, "retry"), (429, "retry")])
async def test_a_tunnel_that_is_refused_is_the_proxys_word(
    road_of: Callable[[str], Road], monkeypatch: pytest.MonkeyPatch, status: int, kind: str
) -> None:
    gateway = road_of("https").gateway()
    with Proxy(refuse=status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = await failure(client(gateway.base_url))
    assert found.verdict.kind == kind
    assert proxy.url in found.verdict.reason


# --- TLS ---


@pytest.mark.anyio
@pytest.mark.parametrize("through", [False, True])
async def test_a_certificate_that_nobody_vouches_for_pauses_with_advice(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, through: bool
) -> None:
    no_proxies(monkeypatch)
    with Gateway(tls=tls(certificate)) as gateway, Proxy() as proxy:
        if through:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = await failure(client(gateway.base_url, key="sk-1"))
        assert not gateway.requests
    assert found.verdict.kind == "pause"
    assert "SSL_CERT_FILE" in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize("through", [False, True])
async def test_a_certificate_of_another_name_is_not_mended_by_a_ca(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, through: bool
) -> None:
    no_proxies(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with Gateway(tls=tls(certificate)) as gateway, Proxy() as proxy:
        if through:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = await failure(client(gateway.base_url.replace("127.0.0.1", "localhost"), key="sk-1"))
        assert not gateway.requests
    assert found.verdict.kind == "pause"
    assert "base_url has to name" in found.verdict.reason
    assert "SSL_CERT_FILE" not in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_an_own_ca_is_trusted_through_the_usual_variables(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate[0]))
    with Gateway(tls=tls(certificate)) as gateway:
        who = client(gateway.base_url)
        assert (await post(who)).status == 200
        await who.aclose()


@pytest.mark.anyio
async def test_a_ca_file_that_is_not_there_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    found = await failure(client("https://127.0.0.1:9/v1"))
    assert found.verdict.kind == "pause"
    assert "/nowhere/ca.pem" in found.verdict.reason
