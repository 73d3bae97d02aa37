"""The ledger is lost, or a file was away: what people corrected and what was said of a failure are still true."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
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


def test_files_with_the_same_picture_keep_the_answer_of_each(tmp_path: Path) -> None:
    """They may have been asked otherwise, or mended; what was asked an adopted answer does not say."""
    folders = {name: tmp_path / name for name in ("one", "two")}
    with Gateway(default=lambda seen: Scripted(text=f"said of {seen.prompt}")) as gateway:
        lines = [
            f"  {name}: {{path: {path}, settle: 50ms, prompt: {name}}}" for name, path in folders.items()
        ]
        text = (
            f'models: {{m: {{api: chat, base_url: "{gateway.base_url}"}}}}\nfolders:\n'
            + "\n".join(lines)
            + f"\nstate: sqlite:///{tmp_path}/ledger.sqlite\nlog: {{target: json, level: info}}\n"
        )
        with Daemon(text, tmp_path) as daemon:
            for path in folders.values():
                drop(path, "a.png", picture())
            daemon.wait_event("file.done", count=2)
            drop(folders["one"], "0.png", picture())
            drop(folders["one"], "z.png", picture())
            daemon.wait_event("file.reused", count=2)
        known = json.loads((folders["one"] / "a.png.json").read_text())
        (folders["one"] / "a.png.json").write_text(json.dumps({**known, "text": "said of one, mended"}))
        for file in tmp_path.glob("ledger.sqlite*"):
            file.unlink()
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("scan.finished", count=2)

            def run(*arguments: str) -> str:
                return glimpsed(*arguments, "-c", daemon.config, home=tmp_path).stdout

            def all_kept() -> bool:
                with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
                    note = "SELECT value FROM glimpsed WHERE name = 'answers kept up to'"
                    return ledger.execute(note).fetchone() == ("all",)

            wait_until(all_kept, "the answers of the sidecars are not kept")
            wait_until(lambda: "said" in run("search", "said"), "nothing is found")
            for name, path in folders.items():
                answer = "said of one, mended" if name == "one" else "said of two"
                found = json.loads(run("search", f'"said of {name}"', "--json"))
                assert {one["folder"] for one in found} <= {name}
                rows = map(json.loads, run("export", "--folder", name, "--format", "jsonl").splitlines())
                others = {"0.png": "said of one", "z.png": "said of one"} if name == "one" else {}
                assert {row["file"]: row["text"] for row in rows} == {"a.png": answer, **others}
                (path / "a.png.txt").unlink()
                assert run("rewrite", str(path / "a.png")) == "written anew: 1 file\n"
                assert (path / "a.png.txt").read_text() == f"{answer}\n"
                assert json.loads((path / "a.png.json").read_text())["text"] == answer
        assert len(gateway.requests) == 2
