"""A prompt that names the file asks each file another question: an answer goes no further than its name does."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: responses, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
defaults: {{settle: 50ms, rescan: 1s, {asks}, outputs: {outputs}}}
folders:
  inbox: {{path: {home}/inbox}}
  other: {{path: {home}/other}}
log: {{target: json, level: debug}}
"""
HOUR = 3600


def daemon(gateway: Gateway, home: Path, asks: str, outputs: str = "[txt, json]") -> Daemon:
    for folder in ("inbox", "other"):
        (home / folder).mkdir(exist_ok=True)
    gateway.script(*[lambda seen: Scripted(text=f"{seen.system or ''}{seen.prompt}")] * 9)
    config = CONFIG.format(url=gateway.base_url, home=home, asks=asks, outputs=outputs)
    return Daemon(config, home, env={"TZ": "UTC"})


@pytest.mark.parametrize("outputs", ["[txt, json]", "[txt]"])
@pytest.mark.parametrize("asks", ['prompt: "What is in {filename}?"', 'system: "It lies at {relpath}."'])
def test_a_new_name_is_a_new_question(tmp_path: Path, asks: str, outputs: str) -> None:
    with Gateway() as gateway, daemon(gateway, tmp_path, asks, outputs) as running:
        inbox = tmp_path / "inbox"
        drop(inbox, "a.png", picture())
        running.wait_event("file.done", file="a.png")
        (inbox / "a.png").rename(inbox / "b.png")
        running.wait_event("file.done", file="b.png")
        assert "b.png" in (inbox / "b.png.txt").read_text()
        # A third file that is called as the first one was: its question has been answered.
        shutil.copyfile(inbox / "b.png", inbox / "c.png")
        running.wait_event("file.done", file="c.png")
        for name in ("a.png.txt", "a.png.json"):
            (inbox / name).unlink(missing_ok=True)
        os.utime(inbox / "c.png", (HOUR, HOUR))
        (inbox / "c.png").rename(inbox / "a.png")
        running.wait_event("file.reused", file="a.png")
        assert "a.png" in (inbox / "a.png.txt").read_text()
        assert len(gateway.requests) == 3


@pytest.mark.parametrize(
    ("asks", "requests"),
    [
        ("{filename}", 1),
        ("{stem} {page}/{pages}", 1),
        ("{relpath}", 1),
        ("{folder}", 2),
        ("{date}", 2),
        ("of no name: {page} of {pages}", 1),
    ],
)
def test_what_is_said_alike_of_a_copy_is_not_asked_again(tmp_path: Path, asks: str, requests: int) -> None:
    with Gateway() as gateway, daemon(gateway, tmp_path, f'prompt: "{asks}"') as running:
        os.utime(drop(tmp_path / "inbox", "a.png", picture()), (12 * HOUR, 12 * HOUR))
        running.wait_event("file.done", folder="inbox")
        os.utime(drop(tmp_path, "a.png", picture()), (36 * HOUR, 36 * HOUR))
        (tmp_path / "a.png").rename(tmp_path / "other/a.png")
        running.wait_event("file.reused" if requests == 1 else "file.done", folder="other")
        assert len(gateway.requests) == requests


def test_a_touched_file_is_asked_again_when_the_prompt_names_its_day_and_it_is_another(
    tmp_path: Path,
) -> None:
    with Gateway() as gateway, daemon(gateway, tmp_path, 'prompt: "Of {date}."') as running:
        os.utime(drop(tmp_path, "a.png", picture()), (12 * HOUR, 12 * HOUR))
        (tmp_path / "a.png").rename(image := tmp_path / "inbox/a.png")
        running.wait_event("file.done")
        os.utime(image, (13 * HOUR, 13 * HOUR))
        running.wait_event("file.reused")
        os.utime(image, (37 * HOUR, 37 * HOUR))
        running.wait_event("file.done", count=2)
        assert [seen.prompt for seen in gateway.requests] == ["Of 1970-01-01.", "Of 1970-01-02."]


def test_each_of_two_alike_has_its_own_answer_written_anew_and_is_not_stale(tmp_path: Path) -> None:
    with Gateway() as gateway, daemon(gateway, tmp_path, 'prompt: "{filename}"') as running:
        inbox = tmp_path / "inbox"
        for number, name in enumerate(("a.png", "b.png"), 1):
            drop(inbox, name, picture())
            running.wait_event("file.done", count=number)
        for name in ("a.png", "b.png"):
            (inbox / f"{name}.txt").unlink()
            (inbox / f"{name}.json").unlink()
        assert glimpsed("rewrite", "--all", "-c", running.config, home=tmp_path).returncode == 0
        for name in ("a.png", "b.png"):
            assert (inbox / f"{name}.txt").read_text() == f"{name}\n"
        stale = glimpsed("redo", "--stale", "--yes", "-c", running.config, home=tmp_path)
        assert "nothing is stale" in stale.stderr
        assert len(gateway.requests) == 2


def test_an_adopted_answer_is_for_the_name_that_it_was_given_to(tmp_path: Path) -> None:
    """Of a lost ledger, the sidecars tell what was asked."""
    with Gateway() as gateway:
        with daemon(gateway, tmp_path, 'prompt: "{filename}"') as running:
            drop(tmp_path / "inbox", "a.png", picture())
            running.wait_event("file.done")
        shutil.rmtree(tmp_path / "state")
        with daemon(gateway, tmp_path, 'prompt: "{filename}"') as running:
            running.wait_event("scan.finished", folder="inbox")
            drop(tmp_path / "other", "a.png", picture())
            running.wait_event("file.reused", folder="other")
            drop(tmp_path / "inbox", "b.png", picture())
            running.wait_event("file.done", file="b.png")
        assert [seen.prompt for seen in gateway.requests] == ["a.png", "b.png"]
        assert json.loads((tmp_path / "other/a.png.json").read_text())["reused_from"] == "inbox/a.png"
