"""Answers outlive files: what was paid for is used again wherever its image and its sidecars went."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {home}/inbox, settle: 100ms, watch: {mode}, poll: 200ms, {folder}}}
log: {{target: json, level: debug}}
{top}
"""


def what_it_shows(seen: Seen) -> Scripted:
    """Another text for each picture."""
    return Scripted(text=hashlib.sha256(seen.images[0].data).hexdigest())


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False) as gateway:
        gateway.default = what_it_shows
        yield gateway


@pytest.fixture(params=["inotify", "poll"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def daemon_for(
    home: Path, gateway: Gateway, mode: str = "inotify", folder: str = "", top: str = ""
) -> Daemon:
    (home / "inbox").mkdir()
    return Daemon(CONFIG.format(url=gateway.base_url, home=home, mode=mode, folder=folder, top=top), home)


def told(inbox: Path, name: str) -> str | None:
    """The text beside an image, if its sidecars are about that very content."""
    image, sidecar = inbox / name, inbox / f"{name}.json"
    try:
        about = json.loads(sidecar.read_text())
    except (OSError, ValueError):
        return None
    same = about["source"]["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    text = (inbox / f"{name}.txt").read_text().strip()
    return text if same and text == about["text"] else None


def test_pages_that_make_room_for_a_new_first_one_keep_their_answers(
    tmp_path: Path, gateway: Gateway, mode: str
) -> None:
    with daemon_for(tmp_path, gateway, mode) as daemon:
        inbox = tmp_path / "inbox"
        for number in range(1, 6):
            drop(inbox, f"foo-{number:03}.png", picture(seed=number))
        daemon.wait_event("file.done", count=5)
        before = {number: told(inbox, f"foo-{number:03}.png") for number in range(1, 6)}
        for number in range(5, 0, -1):
            (inbox / f"foo-{number:03}.png").rename(inbox / f"foo-{number + 1:03}.png")
        drop(inbox, "foo-001.png", picture(seed=77))
        wait_until(
            lambda: all(told(inbox, f"foo-{n:03}.png") for n in range(1, 7)), f"not told: {daemon.tail()}"
        )
        assert {n: told(inbox, f"foo-{n + 1:03}.png") for n in range(1, 6)} == before
        assert daemon.stop() == 0
    assert len(gateway.requests) == 6


def test_a_file_that_gave_its_name_to_another_keeps_its_answer(
    tmp_path: Path, gateway: Gateway, mode: str
) -> None:
    with daemon_for(tmp_path, gateway, mode) as daemon:
        inbox = tmp_path / "inbox"
        drop(inbox, "scan.png", picture(seed=1))
        daemon.wait_event("file.done")
        first = told(inbox, "scan.png")
        (inbox / "scan.png").rename(inbox / "invoice.png")
        drop(inbox, "scan.png", picture(seed=2))
        wait_until(lambda: bool(told(inbox, "scan.png") and told(inbox, "invoice.png")), daemon.tail())
        assert told(inbox, "invoice.png") == first
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2


def test_what_was_moved_away_or_lost_its_sidecars_is_not_paid_for_when_it_comes_again(
    tmp_path: Path, gateway: Gateway, mode: str
) -> None:
    with daemon_for(tmp_path, gateway, mode) as daemon:
        inbox = tmp_path / "inbox"
        image = drop(inbox, "scan.png", picture(seed=1))
        daemon.wait_event("file.done")
        first = told(inbox, "scan.png")
        for path in (image, inbox / "scan.png.txt", inbox / "scan.png.json"):
            path.unlink()
        wait_until(lambda: json.loads(status(daemon))["folders"]["inbox"]["gone"] == 1, "not gone")
        drop(inbox, "again.png", picture(seed=1))
        wait_until(lambda: told(inbox, "again.png") == first, daemon.tail())
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1


def status(daemon: Daemon) -> str:
    return glimpsed("status", "--json", "-c", daemon.config, home=daemon.home).stdout


def test_with_keep_answers_never_no_text_stays_in_the_ledger(tmp_path: Path, gateway: Gateway) -> None:
    gateway.default = Scripted(text="Zauberwort")
    with daemon_for(tmp_path, gateway, top="keep_answers: never") as daemon:
        inbox = tmp_path / "inbox"
        drop(inbox, "scan.png", picture(seed=1))
        daemon.wait_event("file.done")
        wait_until(lambda: b"Zauberwort" not in ledger_bytes(tmp_path), "it stays")
        drop(inbox, "copy.png", picture(seed=1))  # found by the JSON beside the other
        daemon.wait_event("file.reused", file="copy.png")
        assert daemon.stop() == 0
    assert b"Zauberwort" not in ledger_bytes(tmp_path)
    assert len(gateway.requests) == 1


def test_what_is_forgotten_is_asked_about_when_it_comes_again(tmp_path: Path, gateway: Gateway) -> None:
    gateway.default = Scripted(text="Zauberwort")
    daemon = daemon_for(tmp_path, gateway)
    inbox = tmp_path / "inbox"
    with daemon:
        image = drop(inbox, "scan.png", picture(seed=1))
        daemon.wait_event("file.done")
        shutil.move(image, tmp_path / "elsewhere.png")
        wait_until(lambda: json.loads(status(daemon))["folders"]["inbox"]["gone"] == 1, "not gone")
        for sidecar in inbox.iterdir():
            sidecar.unlink()
        ran = glimpsed("forget", "--gone", "-c", daemon.config, home=tmp_path)
        assert (ran.returncode, ran.stdout) == (0, "forgotten: 1 file\n")
        assert b"Zauberwort" not in ledger_bytes(tmp_path)
        shutil.move(tmp_path / "elsewhere.png", image)
        daemon.wait_event("file.done", count=2)
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2
    ran = glimpsed("forget", image, "-c", daemon.config, home=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "forgotten: 1 file\n")
    with daemon:  # what still stands there with its sidecars is adopted
        wait_until(lambda: json.loads(status(daemon))["folders"]["inbox"]["done"] == 1, "not adopted")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2
    assert glimpsed("forget", "-c", daemon.config, home=tmp_path).returncode == 2


def ledger_bytes(home: Path) -> bytes:
    """All that is in the ledger's files; kept answers are compressed, so the index and the queue would tell."""
    return b"".join(path.read_bytes() for path in (home / "state" / "glimpsed").iterdir())
