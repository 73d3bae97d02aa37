"""What systemd hears, through real datagram sockets."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glimpsed import notify
from glimpsed.notify import Notifier


@pytest.fixture(params=["systemd-python", "plain"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra and without: what systemd hears is the same."""
    if request.param == "plain":
        monkeypatch.setattr(notify, "notify", None)
    elif notify.notify is None:
        pytest.skip("systemd-python is not installed")


@pytest.fixture
def under(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Notifier]:
    """A notifier as systemd would start it: systemd-python looks into the process's own environment."""

    def started(where: str) -> Notifier:
        monkeypatch.setenv("NOTIFY_SOCKET", where)
        return Notifier()

    return started


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@glimpsed-test-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name[1:] if name.startswith("@") else name)
        server.settimeout(5)
        yield server, name


def test_each_message_is_what_sd_notify_documents(
    heard: tuple[socket.socket, str], under: Callable[[str], Notifier]
) -> None:
    server, name = heard
    notifier = under(name)

    def said(taken: bool) -> list[str]:
        assert taken
        return server.recv(4096).decode().split("\n")

    assert said(notifier.ready("watching\n3 folders")) == ["READY=1", "STATUS=watching 3 folders"]
    assert said(notifier.ready()) == ["READY=1"]
    assert said(notifier.status("5 waiting, 日本")) == ["STATUS=5 waiting, 日本"]
    assert said(notifier.stopping("draining")) == ["STOPPING=1", "STATUS=draining"]
    assert said(notifier.watchdog()) == ["WATCHDOG=1"]
    assert said(notifier.extend(2.5)) == ["EXTEND_TIMEOUT_USEC=2500000"]
    reloading, when = said(notifier.reloading())
    assert reloading == "RELOADING=1"
    now = time.monotonic_ns() // 1000
    assert now - 5_000_000 < int(when.removeprefix("MONOTONIC_USEC=")) <= now
    notifier.close()
    assert not notifier.ready()


def test_how_a_reload_ended_is_in_the_runtime_directory(tmp_path: Path) -> None:
    word = tmp_path / "reload"
    notifier = Notifier({"RUNTIME_DIRECTORY": f"{tmp_path}:/run/another"})
    notifier.reloaded("a.yaml:1: \udcff is wrong")
    assert word.read_text() == "a.yaml:1: \\udcff is wrong\n"
    notifier.reloaded()
    assert word.read_text() == ""
    assert os.listdir(tmp_path) == ["reload"]
    Notifier({"RUNTIME_DIRECTORY": str(tmp_path / "gone")}).reloaded("no place, and no matter")


@pytest.mark.parametrize("where", ["", "@", "relative", "vsock:2:1234"])
def test_without_a_socket_nothing_happens(where: str, under: Callable[[str], Notifier]) -> None:
    notifier = under(where)
    assert not notifier.ready()
    assert not notifier.watchdog()
    notifier.close()


def test_a_socket_that_is_gone_or_full_neither_raises_nor_blocks(
    tmp_path: Path, under: Callable[[str], Notifier]
) -> None:
    gone = under(str(tmp_path / "nobody"))
    assert not gone.ready()
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "full"))
        full = under(str(tmp_path / "full"))
        began = time.monotonic()
        assert not all(full.status("x" * 1000) for _ in range(100_000))
        assert time.monotonic() - began < 30
        full.close()


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid())}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_interval_is_that_of_the_unit_when_it_is_for_us(
    env: dict[str, str], seconds: float | None
) -> None:
    assert Notifier(env).watchdog_seconds == seconds


def test_a_systemd_that_came_back_is_told_again(tmp_path: Path, under: Callable[[str], Notifier]) -> None:
    notifier = under(str(tmp_path / "socket"))
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(tmp_path / "socket"))
            assert notifier.watchdog() or notifier.watchdog()  # the first finds out
            assert server.recv(100) == b"WATCHDOG=1"
        (tmp_path / "socket").unlink()
        assert not notifier.watchdog()
    notifier.close()
