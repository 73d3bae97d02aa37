"""A name server that does not answer, for real: in a mount namespace whose resolv.conf names it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon
from gateway import Gateway
from pictures import drop, picture

SERVER = "127.77.77.77"


class Silence:
    """Takes every question, and answers none."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((SERVER, 53))
        except OSError:
            self.socket.close()
            raise
        self.asked = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while self.socket.recvfrom(512)[0] != b"stop":
            self.asked.set()

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"stop", (SERVER, 53))
        self._thread.join(10)
        self.socket.close()


@pytest.fixture
def silence() -> Iterator[Silence]:
    try:
        server = Silence()
    except OSError as e:
        pytest.skip(f"needs port 53: {e}")
    yield server
    server.stop()


@pytest.fixture
def surroundings(tmp_path: Path) -> list[str]:
    """A program's beginning: run in a mount namespace with that name server alone."""
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(f"nameserver {SERVER}\noptions timeout:30 attempts:5\n")
    before = ["unshare", "--mount", "sh", "-c", f'mount --bind {resolv} /etc/resolv.conf && exec "$@"', "sh"]
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare: apt install util-linux")
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to a mount namespace")
    return before


def test_a_name_server_that_does_not_answer_holds_up_neither_other_models_nor_the_stop(
    tmp_path: Path, silence: Silence, surroundings: list[str]
) -> None:
    lost = [f"lost{n}" for n in range(8)]
    with Gateway() as gateway:
        models = {name: {"base_url": f"https://{name}.example.org/v1"} for name in lost}
        models |= {"fine": {"base_url": gateway.base_url}}
        folders = {name: {"path": str(tmp_path / name), "model": name} for name in models}
        config = {
            "models": models,
            "defaults": {"settle": 0, "prompt": "Read {filename}", "reuse": False},
            "folders": folders,
            "drain": "60s",
            "log": {"target": "json"},
        }
        for name in lost:
            for n in range(8):
                drop(tmp_path / name, f"{n}.png", picture("PNG", seed=n))
        drop(tmp_path / "fine", "0.png", picture("PNG", seed=0))
        with Daemon(json.dumps(config), tmp_path, before=surroundings) as daemon:
            daemon.wait_event("file.done", folder="fine", file="0.png")
            assert silence.asked.wait(30)
            drop(tmp_path / "fine", "1.png", picture("PNG", seed=1))
            done = daemon.wait_event("file.done", folder="fine", file="1.png")
            assert done["seconds"] < 10
            assert not daemon.seen("file.done", folder="lost0")
            start = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - start < 15
