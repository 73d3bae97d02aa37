"""The operator's commands beside a running daemon, which acts on them at once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m:
    api: chat
    base_url: {url}
    model: gpt-4o
    api_key_env: GLIMPSED_API_KEY
    price: {{input: 2.5, output: 10}}
folders:
  inbox: {{path: {inbox}, settle: 100ms, settle_limit: 1s}}
backlog_confirm: {confirm}
log: {{target: json}}
"""
SOON = 3.0  # seconds; the daemon looks twice a second, the machine may be busy


def status(home: Path) -> Any:
    return json.loads(glimpsed("status", "--json", home=home).stdout)


def test_a_file_that_is_cut_off_is_told_so_again_after_retry(tmp_path: Path, inbox: Path) -> None:
    with (
        Gateway() as gateway,
        Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox, confirm=1000), tmp_path) as daemon,
    ):
        for name, whole in {"cut.png": picture(), "cut.jpg": picture("JPEG")}.items():
            drop(inbox, name, whole[: len(whole) * 3 // 4])
            first = daemon.wait_event("file.failed", file=name)["reason"]
            told = (inbox / f"{name}.error.txt").read_text().splitlines()[:2]
            assert "cut off" in first
            assert glimpsed("retry", inbox / name, home=tmp_path).stdout == "queued again: 1 file\n"
            assert daemon.wait_event("file.failed", file=name, count=2)["reason"] == first
            assert (inbox / f"{name}.error.txt").read_text().splitlines()[:2] == told
        assert daemon.stop() == 0
    assert gateway.requests == []


def test_retry_and_redo_are_acted_on_at_once(tmp_path: Path, inbox: Path) -> None:
    with (
        Gateway() as gateway,
        Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox, confirm=1000), tmp_path) as daemon,
    ):
        daemon.wait_event("service.ready")
        drop(inbox, "good.png", picture())
        drop(inbox, "bad.bmp", b"BM" + b"\0" * 200)
        daemon.wait_event("file.done", file="good.png")
        daemon.wait_event("file.failed", file="bad.bmp")
        listed = json.loads(glimpsed("failures", "--json", home=tmp_path).stdout)
        assert [f["file"] for f in listed] == ["bad.bmp"]
        assert glimpsed("retry", inbox / "bad.bmp", home=tmp_path).stdout == "queued again: 1 file\n"
        told = time.monotonic()
        daemon.wait_event("file.failed", file="bad.bmp", count=2)
        assert time.monotonic() - told < SOON
        gateway.script(Scripted(text="Another answer."))
        assert glimpsed("redo", inbox / "good.png", "--yes", home=tmp_path).returncode == 0
        told = time.monotonic()
        daemon.wait_event("file.done", file="good.png", count=2)
        assert time.monotonic() - told < SOON
        assert (inbox / "good.png.txt").read_text() == "Another answer.\n"
        found = json.loads(glimpsed("search", "another", "--json", home=tmp_path).stdout)
        assert found == [{"folder": "inbox", "file": "good.png", "page": 1, "line": "Another answer."}]
        first, second = (seen.headers["idempotency-key"] for seen in gateway.requests)
        assert first != second  # else the gateway may give the old answer once more


def test_what_is_taken_back_is_not_asked_again_and_its_answer_goes_on_being_used(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway() as gateway:
        text = CONFIG.format(url=gateway.base_url, inbox=inbox, confirm=1000)
        (tmp_path / "glimpsed.yaml").write_text(text)
        drop(inbox, "good.png", picture())
        drop(inbox, "bad.bmp", b"BM" + b"\0" * 200)
        assert glimpsed("once", home=tmp_path).returncode == 1
        assert glimpsed("redo", "--folder", "inbox", "--yes", home=tmp_path).returncode == 0
        assert glimpsed("redo", "--cancel", home=tmp_path).stdout == "taken back: 1 file\n"
        (inbox / "good.png").rename(inbox / "renamed.png")
        assert glimpsed("once", home=tmp_path).returncode == 1
        assert len(gateway.requests) == 1
        assert (inbox / "renamed.png.json").exists()
        assert not (inbox / "good.png.json").exists()


def test_status_shows_the_daemon_that_runs_and_no_more_once_it_stopped(tmp_path: Path, inbox: Path) -> None:
    with (
        Gateway() as gateway,
        Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox, confirm=1000), tmp_path) as daemon,
    ):
        daemon.wait_event("service.ready")
        drop(inbox, "good.png", picture())
        daemon.wait_event("file.done", file="good.png")
        wait_until(lambda: status(tmp_path)["daemon"]["running"], "the daemon never told that it runs")
        shot = status(tmp_path)
        assert shot["daemon"]["pid"] == daemon.process.pid
        assert shot["folders"]["inbox"]["state"] == "watching"
        assert shot["folders"]["inbox"]["mode"] == "inotify"
        assert shot["folders"]["inbox"]["done"] == 1
        assert shot["models"]["m"]["state"] == "ok"
        assert shot["spend"]["day"] == pytest.approx(1105 * 2.5e-6 + 21 * 1e-5, abs=1e-6)
        daemon.stop()
        assert status(tmp_path)["daemon"]["running"] is False


def test_a_backlog_waits_for_approve_while_new_files_are_served(tmp_path: Path, inbox: Path) -> None:
    for n in range(3):
        drop(inbox, f"old-{n}.png", picture(seed=n))
    with (
        Gateway() as gateway,
        Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox, confirm=2), tmp_path) as daemon,
    ):
        told = daemon.wait_event("backlog.waiting", folder="inbox")
        assert told["cost"] > 0
        drop(inbox, "new.png", picture(seed=9))
        daemon.wait_event("file.done", file="new.png")
        assert len(gateway.requests) == 1
        shot = status(tmp_path)["folders"]["inbox"]
        assert shot["waits_since"] is not None
        estimate = json.loads(glimpsed("estimate", "--json", home=tmp_path).stdout)["total"]
        assert (estimate["files"], estimate["currency"]) == (3, "USD")
        assert estimate["cost"] > 0
        assert len(gateway.requests) == 1
        approved = glimpsed("approve", "--folder", "inbox", home=tmp_path)
        assert approved.stdout == "inbox: 3 files released\n"
        for n in range(3):
            daemon.wait_event("file.done", file=f"old-{n}.png")
        assert len(gateway.requests) == 4
        assert status(tmp_path)["folders"]["inbox"]["waits_since"] is None


def test_after_a_run_without_a_config_the_commands_find_what_it_did(tmp_path: Path, inbox: Path) -> None:
    drop(inbox, "bad.bmp", b"BM" + b"\0" * 200)
    assert glimpsed("once", inbox, home=tmp_path).returncode == 1
    (folder,) = status(tmp_path)["folders"].items()
    assert (folder[0], folder[1]["failed"]) == (str(inbox), 1)
    listed = json.loads(glimpsed("failures", "--json", home=tmp_path).stdout)
    assert [(f["folder"], f["file"]) for f in listed] == [(str(inbox), "bad.bmp")]
    assert glimpsed("retry", "inbox/bad.bmp", home=tmp_path).stdout == "queued again: 1 file\n"
    assert glimpsed("retry", "/etc/passwd", home=tmp_path).returncode == 2
