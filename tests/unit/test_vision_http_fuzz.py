"""Whatever bytes a server sends, cut anywhere: a reply or a failure, and the same one."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.config.schema import ModelEntry
from glimpsed.vision.client import Client, Failure, Response
from glimpsed.vision.http.encoding import STEP, decoder
from wires import Steps, Wires

PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 500 No\r\n", b"\r\n", b"\n", b"\x00", b" ",
        b"content-length: 2\r\n", b"content-length: -1\r\n", b"content-length: 2\r\ncontent-length: 3\r\n",
        b"transfer-encoding: chunked\r\n", b"transfer-encoding: gzip, chunked\r\n", b"connection: close\r\n",
        b"content-encoding: gzip\r\n", b"content-type: text/event-stream\r\n", b"x: \xff\xfe\r\n", b": \r\n",
        b"2\r\n{}\r\n", b"0\r\n\r\n", b"ffffffffffffffffffff\r\n", b"{}", b"data: {}\n\n", b"data: [DONE]\n\n", b"\x1f\x8b\x08",
        b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n', b"HTTP/1.1 101 Switching\r\n\r\n",
    ]
)  # fmt: skip


class Server(Wires):
    """Says what the test says next, to every request."""

    def __init__(self) -> None:
        self.steps: list[bytes | float | str] = []
        super().__init__({"fuzz": self._next})

    def _next(self, _number: int, _body: bytes) -> Steps:
        return self.steps


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as there:
        yield there


async def asked(base_url: str) -> list[Response | Failure]:
    """Twice, so that a connection that was kept is used again."""
    who = Client(ModelEntry(base_url=base_url, model="m", timeout=20))
    found: list[Response | Failure] = []
    for _ in range(2):
        try:
            found.append(await who.post("/responses", [b"{}"], {}))
        except Failure as e:
            found.append(e)
    await who.aclose()
    return found


@settings(max_examples=60)
@given(st.lists(PIECES | st.binary(max_size=20), max_size=8), st.booleans())
def test_any_bytes_are_a_reply_or_a_failure(server: Server, pieces: list[bytes], reset: bool) -> None:
    server.steps = [b"".join(pieces), "reset" if reset else "close"]
    for found in asyncio.run(asked(server.base_url("fuzz"))):
        if isinstance(found, Failure):
            assert found.verdict.kind in ("retry", "fail", "pause")
        else:
            assert isinstance(found.body, bytes)


@settings(max_examples=40)
@given(
    st.text(max_size=100),
    st.lists(st.integers(1, 40), max_size=20),
    st.sampled_from(["length", "chunked", "close"]),
)
def test_however_a_reply_is_cut_it_is_the_same(
    server: Server, text: str, cuts: list[int], framing: str
) -> None:
    body = json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "replace")
    framed = {
        "length": b"content-length: %d\r\n\r\n%b" % (len(body), body),
        "chunked": b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "close": b"connection: close\r\n\r\n" + body,
    }
    data = b"HTTP/1.1 200 OK\r\n" + framed[framing]
    server.steps = []
    for cut in cuts:
        server.steps.append(data[:cut])
        data = data[cut:]
    server.steps += [data, "close"]
    found = asyncio.run(asked(server.base_url("fuzz")))
    assert [f.body for f in found] == [body, body]


@given(
    st.binary(max_size=300) | st.integers(0, 300_000).map(bytes),
    st.lists(st.integers(1, 50), max_size=20),
    st.booleans(),
)
def test_what_was_compressed_comes_out_in_bounded_pieces_however_it_is_cut(
    data: bytes, cuts: list[int], deflate: bool
) -> None:
    packed = zlib.compress(data) if deflate else gzip.compress(data)
    undo = decoder(httpx.Headers({"content-encoding": "deflate" if deflate else "gzip"}))
    pieces: list[bytes] = []
    for cut in [*cuts, len(packed)]:
        pieces += undo(packed[:cut])
        packed = packed[cut:]
    assert b"".join(pieces) == data
    assert all(len(piece) <= STEP for piece in pieces)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_undone_or_refused(chunks: list[bytes]) -> None:
    undo = decoder(httpx.Headers({"content-encoding": "gzip"}))
    try:
        for chunk in [b"\x1f\x8b\x08", *chunks]:
            list(undo(chunk))
    except httpx.DecodingError:
        pass
