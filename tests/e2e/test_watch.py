"""The real daemon on real files: every one asked about, once, whatever happens to the folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, watch: {watch}, settle: {settle}, settle_limit: 2s, poll: 200ms, prompt: Say., reuse: false}}
log: {{target: json, level: debug}}
"""


def config(gateway: Gateway, inbox: Path, watch: str, settle: str = "100ms") -> str:
    return CONFIG.format(url=gateway.base_url, inbox=inbox, watch=watch, settle=settle)


@pytest.fixture(params=["inotify", "poll"])
def watch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_is_there_and_what_comes_each_get_one_request_over_two_runs(
    tmp_path: Path, inbox: Path, watch: str
) -> None:
    drop(inbox, "there.png", picture(seed=1))
    drop(inbox, "deep/er/there.png", picture(seed=2))
    with Gateway() as gateway, Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
        assert daemon.wait_event("folder.watching")["mode"] == watch
        scan = daemon.wait_event("scan.finished")
        assert (scan["folder"], scan["files"], scan["level"]) == ("inbox", 2, "info")
        drop(inbox, "comes.PNG", picture(seed=3))
        drop(tmp_path / "made", "in/moved.png", picture(seed=4))
        (tmp_path / "made/in").rename(inbox / "in")
        daemon.wait_event("file.done", count=4)
        assert daemon.stop() == 0
        drop(inbox, "meanwhile.png", picture(seed=5))
        with Daemon(config(gateway, inbox, watch), tmp_path) as again:
            again.wait_event("file.done", file="meanwhile.png")
            assert again.stop() == 0
            assert len(again.seen("file.done")) == 1
    assert len(gateway.requests) == 5
    assert (inbox / "in/moved.png.txt").exists()


def test_a_killed_daemon_takes_up_its_work_and_asks_nothing_twice(
    tmp_path: Path, inbox: Path, watch: str
) -> None:
    for number in range(10):
        drop(inbox, f"{number}.png", picture(seed=number))
    with Gateway(Scripted(delay=0.3)) as gateway:
        with Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
            daemon.wait_event("file.done", count=2)
            daemon.stop(signal.SIGKILL)
        sidecars = len(list(inbox.glob("*.json")))
        with Daemon(config(gateway, inbox, watch), tmp_path) as again:
            wait_until(lambda: len(list(inbox.glob("*.json"))) == 10, "not every file was done")
            again.wait_event("file.done", count=10 - sidecars)
            assert again.stop() == 0
        assert not list(inbox.glob(".glimpsed-*"))
        assert len(gateway.requests) <= 10 + 8  # those in flight when it was killed were not answered


def test_a_folder_that_goes_and_comes_back_is_told_once_each_and_nothing_is_asked_again(
    tmp_path: Path, inbox: Path, watch: str
) -> None:
    drop(inbox, "a.png", picture(seed=1))
    with Gateway() as gateway, Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
        daemon.wait_event("file.done", file="a.png")
        inbox.rename(tmp_path / "away")
        lost = daemon.wait_event("folder.lost")
        assert lost["mode"] == watch
        assert lost["reason"]
        inbox.mkdir()  # the empty mount point
        time.sleep(6)  # more than one look at the root
        inbox.rmdir()
        drop(tmp_path / "away", "b.png", picture(seed=2))
        (tmp_path / "away").rename(inbox)
        daemon.wait_event("folder.back")
        daemon.wait_event("file.done", file="b.png")
        assert daemon.stop() == 0
        assert len(daemon.seen("folder.lost")) == len(daemon.seen("folder.back")) == 1
    assert len(gateway.requests) == 2


def test_a_hostile_folder_costs_a_line_each_and_sends_nothing_from_outside(
    tmp_path: Path, inbox: Path, watch: str
) -> None:
    drop(tmp_path / "outside", "secret.png", picture(seed=1))
    os.mkfifo(inbox / "pipe.png")
    (inbox / "link.png").symlink_to(tmp_path / "outside/secret.png")
    (inbox / "dir").symlink_to(tmp_path / "outside")
    drop(inbox, "._document.pdf", b"%PDF-1.4 %%EOF")
    drop(inbox, "@eaDir/thumb.jpg", picture("JPEG"))
    drop(inbox, os.fsdecode(b"\xff\n.png"), picture(seed=2))
    with Gateway() as gateway, Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
        daemon.wait_event("file.done")
        daemon.wait_event("file.skipped", file="pipe.png")
        for link in ("link.png", "dir"):
            skipped_link = daemon.wait_event("file.skipped", file=link, level="info")
            assert "leads out of the folder" in skipped_link["reason"]
        daemon.wait_event("file.skipped", file="._document.pdf", reason="._*")
        daemon.wait_event("file.skipped", file="@eaDir", reason="@eaDir/")
        assert daemon.stop() == 0
        assert not daemon.noise
        skipped = [e["file"] for e in daemon.seen("file.skipped")]
        assert len(skipped) == len(set(skipped))
    assert len(gateway.requests) == 1


def test_bins_and_snapshots_of_a_share_are_never_asked_about(tmp_path: Path, inbox: Path, watch: str) -> None:
    for number, name in enumerate(
        [
            "$RECYCLE.BIN/S-1-5",
            "System Volume Information",
            "#snapshot/daily",
            "@Recently-Snapshot/x",
            "sub/~snapshot",
        ]
    ):
        drop(inbox, f"{name}/a.png", picture(seed=number))
    with Gateway() as gateway, Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
        daemon.wait_event("scan.finished")
        drop(inbox, "$RECYCLE.BIN/S-1-5/b.png", picture(seed=8))
        drop(inbox, "$Recycle.Bin/b.png", picture(seed=9))
        drop(inbox, "sub/real.png", picture(seed=10))
        daemon.wait_event("file.done", file="sub/real.png")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1
    assert not list(inbox.rglob("*.error.txt"))


def test_status_shows_what_is_waited_for_and_why(tmp_path: Path, inbox: Path, watch: str) -> None:
    text = CONFIG.replace("settle_limit: 2s", "settle_limit: 10m")
    with (
        Gateway() as gateway,
        Daemon(
            text.format(url=gateway.base_url, inbox=inbox, watch=watch, settle="20ms"), tmp_path
        ) as daemon,
    ):
        daemon.wait_event("scan.finished")
        drop(inbox, "half.png", picture()[:-30])
        drop(inbox, "empty.png", b"")

        def status(*options: str) -> str:
            return glimpsed("status", *options, "-c", daemon.config, home=tmp_path).stdout

        wait_until(
            lambda: json.loads(status("--json"))["folders"]["inbox"]["settling"] == 2, "not settling", 5
        )
        reason = json.loads(status("--json"))["folders"]["inbox"]["settling_reason"]
        wait_until(lambda: "half.png: " in status() and "The file is empty." in status(), "no reason", 5)
        assert "half.png: " in reason or "empty.png: " in reason
        drop(inbox, "half.png", picture())
        (inbox / "empty.png").unlink()
        daemon.wait_event("file.done", file="half.png")
        wait_until(
            lambda: json.loads(status("--json"))["folders"]["inbox"]["settling"] == 0, "still settling", 5
        )
        assert daemon.stop() == 0


def test_a_file_that_stays_cut_off_fails_beside_itself_and_a_new_version_is_asked(
    tmp_path: Path, inbox: Path, watch: str
) -> None:
    whole = picture(seed=1)
    with Gateway() as gateway, Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
        drop(inbox, "a.png", whole[:-9])
        daemon.wait_event("file.failed", file="a.png")
        error = inbox / "a.png.error.txt"
        wait_until(error.exists, "no error sidecar")
        assert "cut off" in error.read_text()
        assert not gateway.requests
        (inbox / "new").write_bytes(whole)
        (inbox / "new").rename(inbox / "a.png")
        daemon.wait_event("file.done", file="a.png")
        wait_until(lambda: not error.exists(), "the error sidecar stays")
        assert daemon.stop() == 0


def test_a_tree_that_is_copied_in_while_it_is_watched_is_found_whole(
    tmp_path: Path, inbox: Path, watch: str
) -> None:
    for number in range(30):
        drop(tmp_path / "tree", f"{number % 5}/{number % 3}/{number}.png", picture(seed=number))
    with Gateway() as gateway, Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
        daemon.wait_event("scan.finished")
        shutil.copytree(tmp_path / "tree", inbox / "tree")
        daemon.wait_event("file.done", count=30)
        assert daemon.stop() == 0
    assert len(gateway.requests) == 30


def test_folders_cost_no_threads_and_no_inotify_instances(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(150)]
    for name in names:
        (tmp_path / name).mkdir()
    with Gateway() as gateway:
        text = f"models:\n  m: {{api: chat, base_url: '{gateway.base_url}', api_key_env: GLIMPSED_API_KEY}}\nfolders:\n"
        text += "".join(f"  {n}: {{path: {tmp_path / n}, settle: 0, prompt: Say.}}\n" for n in names)
        with Daemon(text + "log: {target: json, level: debug}\n", tmp_path) as daemon:
            daemon.wait_event("scan.finished", count=len(names), seconds=120)
            process = Path(f"/proc/{daemon.process.pid}")
            instances = [os.readlink(fd) for fd in (process / "fd").iterdir()]
            assert len(list((process / "task").iterdir())) < 50
            assert instances.count("anon_inode:inotify") <= 2  # the folders' and the ledger's
            for name in (names[0], names[-1]):
                drop(tmp_path / name, "a.png", picture(seed=int(name[1:])))
                daemon.wait_event("file.done", folder=name)
            assert len(daemon.seen("folder.watching", mode="inotify")) == len(names)
            assert daemon.stop() == 0
