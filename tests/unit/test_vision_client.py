"""HTTP as the client does it: connections, TLS, proxies, limits, and no exception but its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway import Gateway, Scripted
from glimpsed.config.schema import ModelEntry
from glimpsed.vision import client as module
from glimpsed.vision.client import Client, Failure, Response

BODY = b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}'


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
async def test_a_connection_is_kept_for_the_next_request() -> None:
    with Gateway() as gateway:
        who = client(gateway.base_url)
        for _ in range(5):
            assert (await post(who)).status == 200
        assert gateway.connections == 1
        await asyncio.gather(*(post(who) for _ in range(8)))
        assert gateway.connections <= 8
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
    monkeypatch.setattr(module, "KEEPALIVE", -1.0)
    with Gateway() as gateway:
        who = client(gateway.base_url)
        for _ in range(3):
            assert (await post(who)).status == 200
        assert gateway.connections == 3
        await who.aclose()


@pytest.mark.anyio
async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()
        closed.set()

    closed = asyncio.Event()
    server = await asyncio.start_server(once, "127.0.0.1", 0)
    who = client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    for _ in range(3):
        assert (await post(who)).body == b"{}"
        await asyncio.wait_for(closed.wait(), 5)
        closed.clear()
        await asyncio.sleep(0.05)  # the end of the stream is in the socket; this loop has yet to hear of it
    await who.aclose()
    server.close()


@pytest.mark.anyio
async def test_what_a_server_says_unasked_is_no_reply_to_the_next_request() -> None:
    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
        writer.write(reply + b"{}")
        await asyncio.sleep(0.05)
        writer.write(reply + b"[]")
        said.set()
        await reader.read()
        writer.close()

    said = asyncio.Event()
    server = await asyncio.start_server(chatty, "127.0.0.1", 0)
    who = client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    for _ in range(2):
        assert (await post(who)).body == b"{}"
        await asyncio.wait_for(said.wait(), 5)
        said.clear()
        await asyncio.sleep(0.05)
    await who.aclose()
    server.close()


@pytest.mark.anyio
async def test_what_comes_with_a_reply_and_is_no_part_of_it_is_no_reply_to_the_next_request() -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(BODY):
                one = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
                writer.write(one % 2 + b"{}" + one % 7 + b"[STALE]")  # in one packet
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.release()

    connections, ended = 0, asyncio.Semaphore(0)
    server = await asyncio.start_server(talkative, "127.0.0.1", 0)
    async with server:
        who = client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert [(await post(who)).body for _ in range(3)] == [b"{}"] * 3
        assert connections == 3
        await who.aclose()
        for _ in range(3):
            await asyncio.wait_for(ended.acquire(), 5)


@pytest.mark.anyio
async def test_base_url_may_end_in_a_slash() -> None:
    with Gateway() as gateway:
        who = client(gateway.base_url + "/")
        assert (await post(who)).status == 200
        await who.aclose()
    assert gateway.requests[0].path == "/responses"


@pytest.mark.anyio
async def test_a_redirect_is_not_followed_so_the_key_stays_here() -> None:
    with Gateway() as other, Gateway() as gateway:
        gateway.script(Scripted(status=308, body="", headers={"location": other.base_url + "/responses"}))
        who = client(gateway.base_url, key="sk-1")
        assert (await post(who)).status == 308
        await who.aclose()
        assert not other.requests


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    monkeypatch.setattr(module, "LARGEST_REPLY", 1 << 20)
    huge = Scripted(events=("x" * 3_000_000,)) if stream else Scripted(body="x" * 3_000_000)
    with Gateway(huge) as gateway:
        found = await failure(client(gateway.base_url))
    assert found.verdict.kind == "fail"
    assert "larger than 1 MB" in found.verdict.reason


@pytest.mark.anyio
async def test_a_big_body_refused_early_is_a_reply_and_no_broken_connection() -> None:
    with Gateway(Scripted(status=413, body="<html>", fault="early")) as gateway:
        who = client(gateway.base_url)
        reply = await post(who, b"x" * 8_000_000)
        await who.aclose()
    assert reply.status == 413


@pytest.mark.anyio
async def test_nobody_there_is_a_transport_failure() -> None:
    with Gateway() as gateway:
        gone = gateway.base_url
    found = await failure(client(gone))
    assert (found.verdict.kind, found.verdict.transport) == ("retry", True)
    assert "no connection" in found.verdict.reason


@pytest.mark.anyio
@pytest.mark.parametrize(
    "entry",
    [
        {"base_url": "http://127.0.0.1:9/v1", "headers": {"x": "ü\n"}},
        {"base_url": "http://127.0.0.1:9/v1", "headers": {"x": "日本"}},
    ],
)
async def test_what_cannot_be_sent_pauses_instead_of_crashing(entry: dict[str, Any]) -> None:
    found = await failure(client(**entry))
    assert found.verdict.kind in ("pause", "retry")


@pytest.mark.anyio
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://x", "http://[::bad"])
async def test_a_proxy_that_cannot_be_used_pauses(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    found = await failure(client("http://models.example/v1"))
    assert found.verdict.kind == "pause"


@pytest.mark.anyio
async def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
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
async def test_close_ends_what_is_in_flight() -> None:
    with Gateway(Scripted(fault="hang")) as gateway:
        who = client(gateway.base_url)
        flying = asyncio.create_task(post(who))
        await asyncio.to_thread(gateway.wait_for, 1)
        await who.aclose()
        with pytest.raises(Failure):
            await asyncio.wait_for(flying, 5)


@pytest.mark.anyio
async def test_cancelled_request_frees_its_client_for_the_next() -> None:
    with Gateway(Scripted(fault="hang")) as gateway:
        who = client(gateway.base_url)
        flying = asyncio.create_task(post(who))
        await asyncio.to_thread(gateway.wait_for, 1)
        flying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flying
        assert (await post(who)).status == 200
        await who.aclose()


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    where = tmp_path_factory.mktemp("tls")
    cert, key = where / "cert.pem", where / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(cert), "-keyout", str(key)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return cert, key


def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.mark.anyio
async def test_a_certificate_that_nobody_vouches_for_pauses_with_advice(
    certificate: tuple[Path, Path],
) -> None:
    with Gateway(tls=tls(certificate)) as gateway:
        found = await failure(client(gateway.base_url, key="sk-1"))
        assert not gateway.requests
    assert found.verdict.kind == "pause"
    assert "SSL_CERT_FILE" in found.verdict.reason


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
