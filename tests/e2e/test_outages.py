"""What an outage of a model's server costs a file: nothing, however often the daemon is started meanwhile."""

from __future__ import annotations

import json
import socket
import sys
import threading
from pathlib import Path

import pytest

from daemon import Daemon
from gateway import Gateway, Scripted
from pictures import drop, picture

# Few tries, soon after each other.
HASTY = """
from glimpsed.pipeline import backoff
backoff.FIRST, backoff.LONGEST, backoff.MOST_RETRIES = 0.01, 0.1, {tries}
from glimpsed.cli import main
main()
"""
GONE = Scripted(fault="drop")
PROXY = Scripted(status=502, body={"error": {"message": "nobody behind it"}})


def config(url: str, inbox: Path) -> str:
    return f"""
models: {{m: {{api: chat, base_url: "{url}"}}}}
folders: {{in: {{path: {inbox}, settle: 0, reuse: false}}}}
log: {{target: json, level: debug}}
"""


def fill(inbox: Path, files: int) -> list[str]:
    names = [f"{n}.png" for n in range(files)]
    for seed, name in enumerate(names):
        drop(inbox, name, picture("PNG", seed=seed))
    return names


@pytest.mark.parametrize(
    ("files", "outage"), [(1, None), (3, GONE), (3, PROXY)], ids=["nobody there", "broken off", "502"]
)
def test_a_server_that_is_down_over_several_starts_costs_no_file_its_tries(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch, files: int, outage: Scripted | None
) -> None:
    monkeypatch.setattr("daemon.GLIMPSED", [sys.executable, "-c", HASTY.format(tries=4)])
    names = fill(inbox, files)
    with Gateway(default=outage or Scripted()) as gateway, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        down = gateway.base_url if outage else f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        for _ in range(4):
            with Daemon(config(down, inbox), tmp_path) as daemon:
                daemon.wait_event("model.paused", model="m")
                assert daemon.stop() == 0
                assert not daemon.seen("file.failed")
        gateway.default = Scripted()
        with Daemon(config(gateway.base_url, inbox), tmp_path) as daemon:
            for name in names:
                daemon.wait_event("file.done", file=name)
            assert daemon.stop() == 0


def cut_and_gone(listener: socket.socket) -> None:
    """An answer that was cut, and nobody there any more."""
    there, _ = listener.accept()
    listener.close()
    with there, there.makefile("rb") as request:
        length = 0
        while line := request.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        request.read(length)
        choice = {"message": {"content": "half of"}, "finish_reason": "length"}
        usage = {"prompt_tokens": 1000, "completion_tokens": 9}
        reply = json.dumps({"choices": [choice], "usage": usage}).encode()
        there.sendall(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(reply), reply)
        )


def test_a_try_that_was_paid_for_counts_though_nobody_is_there_at_its_end(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.GLIMPSED", [sys.executable, "-c", HASTY.format(tries=1)])
    fill(inbox, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server = threading.Thread(target=cut_and_gone, args=(listener,), daemon=True)
        server.start()
        with Daemon(config(url, inbox), tmp_path) as daemon:
            reason = daemon.wait_event("file.failed")["reason"]
            assert "no connection" in reason
            assert "given up after 1 tries" in reason
            assert daemon.stop() == 0
        server.join(10)


@pytest.mark.parametrize("fault", [GONE, PROXY], ids=["broken off", "502"])
def test_one_file_that_alone_brings_the_server_to_fail_has_its_tries_over_a_restart(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch, fault: Scripted
) -> None:
    monkeypatch.setattr("daemon.GLIMPSED", [sys.executable, "-c", HASTY.format(tries=6)])
    fill(inbox, 1)
    with Gateway(default=fault) as gateway:
        with Daemon(config(gateway.base_url, inbox), tmp_path) as daemon:
            daemon.wait_event("file.retry", count=4)
            assert daemon.stop() == 0
        with Daemon(config(gateway.base_url, inbox), tmp_path) as daemon:
            assert "given up after 6 tries" in daemon.wait_event("file.failed")["reason"]
            assert daemon.stop() == 0
        assert len(gateway.requests) == 6
