"""Files that are larger than any picture, which cost whoever plants them nothing: they are made of holes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, concurrency: 8}}
folders:
  inbox: {{path: {inbox}, settle: 20ms}}
log: {{target: json, level: debug}}
workers: 2
"""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False, default=Scripted(delay=0.3)) as gateway:
        yield gateway


def planted(inbox: Path, name: str, size: int, seed: int = 0) -> None:
    """A whole picture, and behind its end nothing, for so many bytes."""
    new = inbox / f".{name}"
    new.write_bytes(picture("JPEG", seed=seed))
    os.truncate(new, size)
    new.rename(inbox / name)


def peak(daemon: Daemon) -> int:
    """Bytes of memory that the daemon itself had at most."""
    told = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", told)
    assert found is not None
    return int(found[1]) * 1024


def test_what_is_too_large_to_be_read_fails_unread_and_costs_nothing(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    with Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        for number in range(8):
            planted(inbox, f"{number}.jpg", 50_000_000_000)
        drop(inbox, "good.png", picture())
        daemon.wait_event("file.done", file="good.png")
        told = daemon.wait_event("file.failed", count=8)
        assert told["reason"].startswith("It is 50.0 GB large")
        assert (inbox / "0.jpg.error.txt").read_text().startswith("It is 50.0 GB large")
        assert peak(daemon) < 300_000_000
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1


def test_many_large_ones_are_held_a_few_at_a_time(tmp_path: Path, inbox: Path, gateway: Gateway) -> None:
    with Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        for number in range(8):
            planted(inbox, f"{number}.jpg", 200_000_000, seed=number)
        wait_until(lambda: len(daemon.seen("file.done")) == 8, f"not done: {daemon.tail()}")
        assert peak(daemon) < 800_000_000
        assert daemon.stop() == 0
    assert len(gateway.requests) == 8
