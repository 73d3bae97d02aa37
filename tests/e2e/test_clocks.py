"""The clock on the wall is set, an hour or a year, either way, under the real daemon: nothing waits longer for it, nothing is asked twice.

By libfaketime, which moves the wall clock alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, settle: 20ms}}
log: {{target: json, level: debug}}
"""
JUMPS = {
    "an hour ahead": 3600,
    "an hour back": -3600,
    "a year ahead": 365 * 86400,
    "a year back": -365 * 86400,
}
LATE = 30.0  # seconds that a busy machine may take beyond what was to be waited for


class Wall:
    """The wall clock of the programs that have `env`."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds until a jump is noticed
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """So many seconds off the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, self._file)  # never read half written


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[Wall]:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("needs libfaketime: apt install faketime")
    yield Wall(found[0], tmp_path / "wall")
    for left in Path("/dev/shm").glob("*faketime_s*"):  # the library leaves them behind
        if not Path("/proc", left.name.rpartition("_")[2]).exists():
            left.unlink(missing_ok=True)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False) as gateway:
        yield gateway


@pytest.fixture
def daemon(gateway: Gateway, tmp_path: Path, wall: Wall) -> Daemon:
    (tmp_path / "inbox").mkdir()
    config = CONFIG.format(url=gateway.base_url, inbox=tmp_path / "inbox")
    return Daemon(config, tmp_path, env=wall.env)


each_jump = pytest.mark.parametrize("seconds", JUMPS.values(), ids=JUMPS)


def waited(gateway: Gateway) -> float:
    """Seconds between the first request and the second."""
    return gateway.requests[1].at - gateway.requests[0].at


@each_jump
def test_what_is_tried_again_is_tried_after_what_it_was_to_wait(
    daemon: Daemon, gateway: Gateway, wall: Wall, seconds: int
) -> None:
    gateway.script(Scripted(status=503, headers={"retry-after": "3"}))
    with daemon:
        image = drop(daemon.home / "inbox", "scan.png", picture())
        daemon.wait_event("file.retry")
        wall.jump(seconds)
        daemon.wait_event("file.done", seconds=3 + LATE)
        shot = json.loads(glimpsed("status", "--json", "-c", daemon.config, home=daemon.home).stdout)
        assert shot["daemon"]["running"] is True  # as a command sees it whose wall clock shows the true time
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2
    assert 2.9 <= waited(gateway) <= 3 + LATE
    assert image.with_name("scan.png.txt").exists()


@each_jump
def test_a_restart_goes_on_waiting_for_what_is_left(
    daemon: Daemon, gateway: Gateway, wall: Wall, seconds: int
) -> None:
    gateway.script(Scripted(status=503, headers={"retry-after": "8"}))
    with daemon:
        drop(daemon.home / "inbox", "scan.png", picture())
        daemon.wait_event("file.retry")
        daemon.stop()
        wall.jump(seconds)
        daemon.start()
        daemon.wait_event("file.done", seconds=8 + LATE)
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2
    assert 7.9 <= waited(gateway) <= 8 + LATE


@pytest.mark.parametrize("seconds", [JUMPS["an hour back"], JUMPS["a year ahead"]])
def test_seconds_are_what_an_answer_took(daemon: Daemon, gateway: Gateway, wall: Wall, seconds: int) -> None:
    gateway.script(Scripted(delay=1.5))
    with daemon:
        image = drop(daemon.home / "inbox", "scan.png", picture())
        gateway.wait_for(1, LATE)
        wall.jump(seconds)
        daemon.wait_event("file.done")
        assert daemon.stop() == 0
    told = json.loads(image.with_name("scan.png.json").read_text())
    assert 1.4 <= told["seconds"] <= LATE
    assert told["started"] < told["finished"]
    assert len(gateway.requests) == 1
