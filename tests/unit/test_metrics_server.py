"""The port for strangers: what one of them does costs neither threads nor descriptors, and holds up nobody."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from textwrap import dedent

import httpx
import pytest

from glimpsed.metrics import server as module
from glimpsed.metrics.server import CLIENTS, LARGEST_REQUEST, Reply, Server

AT_ONCE = 3.0  # seconds, on a machine with other things to do


async def answer(path: str, accept: str) -> Reply:
    return Reply(200, f"{path} {accept}\n".encode())


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server(("127.0.0.1", 0), answer)
    yield started
    started.stop()


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., socket.socket]]:
    with contextlib.ExitStack() as stack:

        def connected(sent: bytes = b"") -> socket.socket:
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            opened.sendall(sent)
            return opened

        yield connected


def ask(server: Server, method: str = "GET", path: str = "/healthz", **given: object) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, f"http://127.0.0.1:{server.port}{path}", timeout=10, **given)  # type: ignore[arg-type]


def everything(client: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return b"".join(iter(lambda: client.recv(65536), b""))
    return b""


def test_get_and_head(server: Server) -> None:
    shown = ask(server, path="/metrics?x=1", headers={"Accept": "a/b"})
    assert (shown.status_code, shown.text) == (200, "/metrics a/b\n")
    assert (ask(server, "HEAD").status_code, ask(server, "HEAD").content) == (200, b"")
    assert ask(server, "POST", content=b"x" * 100_000).status_code == 501


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"GET"])
def test_silent_clients_cost_no_thread_and_hold_up_nobody(
    server: Server, connect: Callable[..., socket.socket], sent: bytes
) -> None:
    threads = threading.active_count()
    for _ in range(150):
        connect(sent)
    began = time.monotonic()
    assert ask(server).status_code == 200
    assert time.monotonic() - began < AT_ONCE
    assert threading.active_count() == threads
    assert len(server._clients) <= CLIENTS


def test_who_asks_and_never_reads_makes_room_as_well(
    connect: Callable[..., socket.socket], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def much(path: str, accept: str) -> Reply:
        return Reply(200, b"x" * 8_000_000 if path == "/metrics" else b"ok\n")

    monkeypatch.setattr(server, "_answer", much)
    for _ in range(2 * CLIENTS):
        connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(server).status_code == 200


def test_a_request_that_drips_is_cut_off_in_time(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.5)
    client = connect(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() - began < 20:  # a byte now and then is no reason to wait longer
            client.sendall(b"x")
            time.sleep(0.05)
    assert time.monotonic() - began < 10


def test_a_reply_that_nobody_takes_is_cut_off_in_time(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def much(path: str, accept: str) -> Reply:
        return Reply(200, b"x" * 8_000_000)

    monkeypatch.setattr(module, "REPLY_SECONDS", 0.5)
    monkeypatch.setattr(server, "_answer", much)
    client = connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    until = time.monotonic() + 20
    while not server._clients and time.monotonic() < until:
        time.sleep(0.01)
    while server._clients and time.monotonic() < until:
        time.sleep(0.01)
    assert not server._clients
    assert len(everything(client)) < 8_000_000


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 10 * LARGEST_REQUEST,
        b"GET /" + b"y" * 10 * LARGEST_REQUEST,
        b"".join(b"X%d: y\r\n" % n for n in range(LARGEST_REQUEST)),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"\r\n" * 100_000,
    ],
)
def test_what_is_no_request_or_a_huge_one_is_refused(
    server: Server, connect: Callable[..., socket.socket], sent: bytes
) -> None:
    client = connect()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        client.sendall(sent)
    reply = everything(client)
    assert reply == b"" or reply.startswith(b"HTTP/1.1 4")
    assert ask(server).status_code == 200


def test_a_slow_answer_does_not_keep_others_waiting(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    async def slow(path: str, accept: str) -> Reply:
        if path == "/metrics":
            await asyncio.sleep(3600)
        return Reply(200, b"ok\n")

    monkeypatch.setattr(server, "_answer", slow)
    connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(server).status_code == 200


def test_an_answer_that_fails_ends_its_own_connection_only(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wrong(path: str, accept: str) -> Reply:
        if path == "/metrics":
            raise OSError("no such luck")
        return Reply(200, b"ok\n")

    monkeypatch.setattr(server, "_answer", wrong)
    assert everything(connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")) == b""
    assert ask(server).status_code == 200


def test_without_descriptors_it_waits_and_comes_back() -> None:
    """In a process of its own: accept fails, the processor is left alone, and later it answers."""
    program = """
        import os, resource, socket, time
        from glimpsed.metrics.server import Reply, Server

        async def answer(path, accept):
            return Reply(200, b"ok")

        server = Server(("127.0.0.1", 0), answer)
        client = socket.socket()
        client.settimeout(30)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        before = time.process_time()
        time.sleep(1.5)
        print(time.process_time() - before)
        for one in held:
            os.close(one)
        print(client.recv(100).decode().split()[1])
        server.stop()
    """
    ended = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, timeout=180, check=True
    )
    used, status = ended.stdout.split()
    assert float(used) < 0.5
    assert status == "200"


def test_stopping_ends_whoever_is_connected() -> None:
    server = Server(("127.0.0.1", 0), answer)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        until = time.monotonic() + 20
        while not server._clients and time.monotonic() < until:
            time.sleep(0.01)
        descriptors = len(os.listdir("/proc/self/fd"))
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < AT_ONCE
        assert everything(client) == b""
        assert len(os.listdir("/proc/self/fd")) < descriptors
