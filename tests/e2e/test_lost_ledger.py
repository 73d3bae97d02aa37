"""The ledger is lost, or a file was away: what people corrected and what was said of a failure are still true."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, watch: {watch}, settle: 50ms, poll: 200ms, rescan: 1s}}
log: {{target: json, level: info}}
"""


@pytest.fixture(params=["inotify", "poll"])
def watch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def config(gateway: Gateway, home: Path, watch: str) -> str:
    (home / "inbox").mkdir(exist_ok=True)
    return CONFIG.format(url=gateway.base_url, inbox=home / "inbox", watch=watch)


def test_a_correction_survives_a_lost_ledger_and_then_a_new_version_or_redo(
    tmp_path: Path, watch: str
) -> None:
    inbox = tmp_path / "inbox"
    with Gateway() as gateway:
        text = config(gateway, tmp_path, watch)
        with Daemon(text, tmp_path) as daemon:
            for number, name in enumerate(("new.png", "redo.png", "as-it-was.png")):
                drop(inbox, name, picture(seed=number))
            daemon.wait_event("file.done", count=3)
        for name in ("new.png", "redo.png"):
            (inbox / f"{name}.txt").write_text("mine\n")
        shutil.rmtree(tmp_path / "state")
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("scan.finished")
            for number, name in enumerate(("new.png", "as-it-was.png")):
                drop(inbox, name, picture(seed=10 + number))
            assert glimpsed("redo", str(inbox / "redo.png"), "--yes", "-c", daemon.config, home=tmp_path).returncode == 0  # fmt: skip
            daemon.wait_event("file.done", count=3)
        for name in ("new.png", "redo.png"):
            assert (inbox / f"{name}.txt~").read_text() == "mine\n"
            assert (inbox / f"{name}.txt").read_text() != "mine\n"
        assert not (inbox / "as-it-was.png.txt~").exists()
        assert not (inbox / "as-it-was.png.json~").exists()


def failures(daemon: Daemon) -> list[dict[str, Any]]:
    return list(json.loads(glimpsed("failures", "--json", "-c", daemon.config, home=daemon.home).stdout))


def test_a_refused_file_that_was_away_is_as_it_was(tmp_path: Path, watch: str) -> None:
    refused = {"error": {"message": "image refused as unsafe", "code": "content_policy_violation"}}
    inbox = tmp_path / "inbox"
    with Gateway(default=Scripted(status=400, body=refused)) as gateway:
        with Daemon(config(gateway, tmp_path, watch), tmp_path) as daemon:
            drop(inbox, "bad.png", picture())
            daemon.wait_event("file.failed")
            (before,) = failures(daemon)
            sidecar = (inbox / "bad.png.error.txt").read_text().splitlines()
            requests = len(gateway.requests)
            (inbox / "bad.png").rename(tmp_path / "bad.png")
            wait_until(lambda: failures(daemon) == [], "still a failure")
            assert os.listdir(inbox) == []
            (tmp_path / "bad.png").rename(inbox / "bad.png")
            daemon.wait_event("file.failed", count=2)
            (after,) = failures(daemon)
            wait_until((inbox / "bad.png.error.txt").exists, "no error sidecar")
            again = (inbox / "bad.png.error.txt").read_text().splitlines()
        assert {**after, "since": ""} == {**before, "since": ""}
        assert "image refused as unsafe" in again[0]
        assert again[1] == sidecar[1]
        assert len(gateway.requests) == requests


def test_a_refused_file_that_is_renamed_stays_refused_until_somebody_says_retry(
    tmp_path: Path, watch: str
) -> None:
    refused = {"error": {"message": "image refused as unsafe", "code": "content_policy_violation"}}
    inbox = tmp_path / "inbox"
    with (
        Gateway(default=Scripted(status=400, body=refused)) as gateway,
        Daemon(config(gateway, tmp_path, watch), tmp_path) as daemon,
    ):
        drop(inbox, "bad.png", picture())
        daemon.wait_event("file.failed")
        (before,) = failures(daemon)
        said = (inbox / "bad.png.error.txt").read_text().splitlines()
        requests = len(gateway.requests)
        for number, (old, new) in enumerate((("bad.png", "worse.png"), ("worse.png", "worst.png")), 2):
            (inbox / old).rename(inbox / new)
            daemon.wait_event("file.failed", file=new)
            wait_until(lambda: len(failures(daemon)) == 1, "two failures")
            (after,) = failures(daemon)
            assert {**after, "since": "", "file": ""} == {**before, "since": "", "file": ""}
            assert len(daemon.seen("file.failed")) == number
            assert (inbox / f"{new}.error.txt").read_text().splitlines()[0] == said[0]
        assert sorted(os.listdir(inbox)) == ["worst.png", "worst.png.error.txt"]
        assert len(gateway.requests) == requests
        (inbox / "copy.png").write_bytes((inbox / "worst.png").read_bytes())  # another file, and its own try
        daemon.wait_event("file.failed", file="copy.png")
        assert len(gateway.requests) > requests
        gateway.default = Scripted()
        assert glimpsed("retry", str(inbox / "worst.png"), "-c", daemon.config, home=tmp_path).returncode == 0  # fmt: skip
        daemon.wait_event("file.done", file="worst.png")
