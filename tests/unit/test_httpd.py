"""The port for strangers: what one of them does costs neither threads nor descriptors, and holds up nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest

from glimpsed import httpd
from glimpsed.httpd import Httpd, Port, protocol, reply

CLIENTS = 32
AT_ONCE = 3.0  # seconds, on a machine with other things to do


async def answer(scope: Any, receive: Any, send: Any) -> None:
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    await reply(send, 200, f"{scope['path']} {accept.decode()}\n".encode())


async def much(scope: Any, receive: Any, send: Any) -> None:
    await reply(send, 200, b"x" * 8_000_000 if scope["path"] == "/metrics" else b"ok\n")


@pytest.fixture
def server() -> Iterator[Httpd]:
    started = Httpd()
    started.open("metrics", ("127.0.0.1", 0), CLIENTS).rest = answer
    yield started
    started.stop()


@pytest.fixture
def port(server: Httpd) -> Port:
    return server.open("metrics", ("127.0.0.1", 0))


def number(port: Port) -> int:
    return port.addresses[0][1]


def connections(port: Port) -> int:
    """Descriptors of ours that hold a connection to it."""
    local = f":{number(port):04X}"
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(local) and row[3] != "0A" and row[9] != "0" for row in rows)


@pytest.fixture
def connect(port: Port) -> Iterator[Callable[..., socket.socket]]:
    with contextlib.ExitStack() as stack:

        def connected(sent: bytes = b"") -> socket.socket:
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", number(port)), timeout=10))
            opened.sendall(sent)
            return opened

        yield connected


def ask(port: Port, method: str = "GET", path: str = "/healthz", **given: object) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, f"http://127.0.0.1:{number(port)}{path}", timeout=10, **given)  # type: ignore[arg-type]


def everything(client: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return b"".join(iter(lambda: client.recv(65536), b""))
    return b""


def test_get_and_head(port: Port) -> None:
    shown = ask(port, path="/metrics?x=1", headers={"Accept": "a/b"})
    assert (shown.status_code, shown.text) == (200, "/metrics a/b\n")
    assert (ask(port, "HEAD").status_code, ask(port, "HEAD").content) == (200, b"")
    assert ask(port, "POST", content=b"x" * 100_000).status_code == 200


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"GET"])
def test_silent_clients_cost_no_thread_and_hold_up_nobody(
    port: Port, connect: Callable[..., socket.socket], sent: bytes
) -> None:
    threads = threading.active_count()
    for _ in range(150):
        connect(sent)
    began = time.monotonic()
    assert ask(port).status_code == 200
    assert time.monotonic() - began < AT_ONCE
    assert threading.active_count() == threads
    assert connections(port) <= CLIENTS


def test_who_asks_and_never_reads_makes_room_as_well(
    connect: Callable[..., socket.socket], port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    port.rest = much
    for _ in range(2 * CLIENTS):
        connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(port).status_code == 200


def test_a_request_that_drips_is_cut_off_in_time(
    port: Port, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.5)
    client = connect(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() - began < 20:  # a byte now and then is no reason to wait longer
            client.sendall(b"x")
            time.sleep(0.05)
    assert time.monotonic() - began < 10


def test_a_reply_that_nobody_takes_is_cut_off_in_time(
    port: Port, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REPLY_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.5)
    port.rest = much
    client = connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    until = time.monotonic() + 20
    while not connections(port) and time.monotonic() < until:
        time.sleep(0.01)
    while connections(port) and time.monotonic() < until:
        time.sleep(0.01)
    assert not connections(port)
    assert len(everything(client)) < 8_000_000


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 10 * protocol.LARGEST_HEADERS,
        b"GET /" + b"y" * 10 * protocol.LARGEST_HEADERS,
        b"".join(b"X%d: y\r\n" % n for n in range(protocol.LARGEST_HEADERS)),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"\r\n" * 100_000,
    ],
)
def test_what_is_no_request_or_a_huge_one_is_refused(
    port: Port, connect: Callable[..., socket.socket], sent: bytes
) -> None:
    client = connect()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        client.sendall(sent)
    got = everything(client)
    assert got == b"" or got.startswith(b"HTTP/1.1 4")
    assert ask(port).status_code == 200


def test_a_slow_answer_does_not_keep_others_waiting(
    port: Port, connect: Callable[..., socket.socket]
) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/metrics":
            await asyncio.sleep(3600)
        await reply(send, 200, b"ok\n")

    port.rest = slow
    connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(port).status_code == 200


def test_an_answer_that_fails_ends_its_own_connection_only(
    port: Port, connect: Callable[..., socket.socket]
) -> None:
    async def wrong(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/metrics":
            raise OSError("no such luck")
        await reply(send, 200, b"ok\n")

    port.rest = wrong
    assert b" 500 " in everything(connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).splitlines()[0]
    assert ask(port).status_code == 200


def test_paths_of_one_application_are_on_the_port_of_another(port: Port) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 200, b"the other\n")

    port.paths["/healthz"] = other
    assert ask(port).text == "the other\n"
    assert ask(port, path="/healthz/").text == "/healthz/ */*\n"


def test_without_descriptors_it_waits_and_comes_back() -> None:
    """In a process of its own: accept fails, the processor is left alone, and later it answers."""
    program = """
        import os, resource, socket, time
        from glimpsed.httpd import Httpd, reply

        async def answer(scope, receive, send):
            await reply(send, 200, b"ok")

        server = Httpd()
        port = server.open("metrics", ("127.0.0.1", 0))
        port.rest = answer
        client = socket.socket()
        client.settimeout(30)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        client.connect(port.addresses[0])
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


def test_who_asks_before_there_is_an_application_waits_for_it(server: Httpd) -> None:
    early = server.open("web", ("127.0.0.1", 0))
    early.paths["/healthz"] = answer
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, early, path="/files")
        assert ask(early, path="/healthz").status_code == 200
        late = pool.submit(ask, early, path="/metrics")
        assert not asked.done()
        early.paths["/metrics"] = much
        early.rest = answer
        assert asked.result(30).text == "/files */*\n"
        assert len(late.result(30).text) == 8_000_000


def test_nobody_who_comes_is_told_so(server: Httpd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpd, "PATIENCE", 0.1)
    assert ask(server.open("web", ("127.0.0.1", 0)), path="/files").status_code == 503


def test_stopping_ends_whoever_is_connected(server: Httpd, port: Port) -> None:
    with socket.create_connection(("127.0.0.1", number(port)), timeout=10) as client:
        until = time.monotonic() + 20
        while not connections(port) and time.monotonic() < until:
            time.sleep(0.01)
        descriptors = len(os.listdir("/proc/self/fd"))
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < AT_ONCE
        assert everything(client) == b""
        assert len(os.listdir("/proc/self/fd")) < descriptors


def test_sockets_that_are_handed_over_go_by_their_names() -> None:
    """As systemd hands them over (sd_listen_fds(3)), in a process of its own: one is the page's, one the metrics'."""
    program = """
        import os, socket, sys
        from glimpsed.httpd import Httpd, handed_over

        made = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        numbers = [one.getsockname()[1] for one in made]
        one, pair = socket.socketpair()
        for fd, given in enumerate([made[0], one, made[1]], 3):
            os.dup2(os.dup(given.fileno()), fd + 20)
        for fd in range(3, 6):
            os.dup2(fd + 20, fd)
        os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "metrics:page:unknown"}
        httpd = Httpd()
        for name, number in zip(("metrics", "web"), numbers):
            assert httpd.open(name, ("127.0.0.1", 1)).addresses == [("127.0.0.1", number)]
        assert handed_over() == {}
        httpd.stop()
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", dedent(program)], timeout=180, check=True)


def test_no_reply_waits_until_its_beginning_is_acknowledged(
    server: Httpd, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []
    begin = protocol.Bounded.connection_made

    def made(self: protocol.Bounded, transport: Any) -> None:
        begin(self, transport)
        at_once.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(protocol.Bounded, "connection_made", made)
    assert ask(port).status_code == 200
    assert at_once == [1]


def test_a_port_without_an_address_is_reached_by_this_machines_processes(server: Httpd) -> None:
    local = server.open("local", None)
    local.rest = answer
    (name,) = local.addresses
    transport = httpx.HTTPTransport(uds=name.decode())
    with httpx.Client(transport=transport, base_url="http://daemon") as client:
        assert client.get("/healthz").text.startswith("/healthz ")
