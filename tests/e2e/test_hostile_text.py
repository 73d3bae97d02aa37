"""What people plant in a folder, and what models answer, costs a running daemon neither memory nor its heartbeat."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {home}/inbox, settle: 20ms, outputs: [txt, json], prompt: "{{relpath}}"}}
  evil: {{path: {home}/evil, settle: 20ms, prompt: "{{relpath}}", schema: {{type: object, properties: {{a: {{pattern: "^(a+)+$"}}}}}}}}
log: {{target: json, level: debug}}
"""
LISTS = b"[" + b"[]," * (67_000_000 // 3) + b"[]]"


@pytest.fixture
def daemon(tmp_path: Path, gateway: Gateway) -> Daemon:
    for name in ("inbox", "evil"):
        (tmp_path / name).mkdir()
    return Daemon(CONFIG.format(url=gateway.base_url, home=tmp_path), tmp_path)


def peak(daemon: Daemon) -> int:
    """MB that the daemon ever held."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) // 1024


def test_planted_json_of_67_mb_fails_its_images_and_takes_no_memory(
    tmp_path: Path, gateway: Gateway, daemon: Daemon
) -> None:
    for number in range(6):
        (tmp_path / "inbox" / f"{number}.png.json").write_bytes(LISTS)
        (tmp_path / "inbox" / f"{number}.png.txt").write_bytes(b"x")
        (tmp_path / "inbox" / f"{number}.png.error.txt").write_bytes(LISTS)
        drop(tmp_path / "inbox", f"{number}.png", picture(seed=number))
    drop(tmp_path / "inbox", "good.png", picture(seed=9))
    with daemon:
        daemon.wait_event("file.done", file="good.png")
        for number in range(6):
            failed = daemon.wait_event("file.failed", file=f"{number}.png")
            assert failed["reason"] == (
                f"{number}.png.json already exists and was not written by glimpsed: it is larger than 16 MB."
            )
        assert peak(daemon) < 300
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1
    assert (tmp_path / "inbox" / "0.png.json").stat().st_size == len(LISTS)
    assert (tmp_path / "inbox" / "0.png.error.txt").stat().st_size == len(LISTS)


def test_planted_answers_that_are_no_text_are_adopted_and_end_no_daemon(
    tmp_path: Path, gateway: Gateway, daemon: Daemon
) -> None:
    """JSON can escape half a surrogate pair and NUL, which neither UTF-8 nor a database can hold."""
    inbox = tmp_path / "inbox"
    with daemon:
        drop(inbox, "scan.png", picture())
        daemon.wait_event("file.done")
        assert daemon.stop() == 0
    answer = json.loads((inbox / "scan.png.json").read_text())
    places = [(key,) for key in ("text", "data", "finish", "request_id", "folder", "started")]
    places += [("model", "entry"), ("model", "answered"), ("usage", "currency"), ("source", "media_type")]
    for number, place in enumerate(places):
        name, no_text = f"{number}.png", f"{number}\ud800\0"
        image = drop(inbox, name, picture(seed=1 + number))
        sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
        about = answer["source"] | {"name": name, "bytes": image.stat().st_size, "sha256": sha256}
        planted = {**answer, "source": about, "model": {**answer["model"]}, "usage": {**answer["usage"]}}
        inner = planted[place[0]] if len(place) > 1 else planted
        inner[place[-1]] = {no_text: [no_text]} if place == ("data",) else no_text
        (inbox / f"{name}.json").write_text(json.dumps(planted))
        (inbox / f"{name}.txt").write_text("x")
    for ledger in tmp_path.rglob("ledger.sqlite*"):
        ledger.unlink()
    with daemon:
        drop(inbox, "good.png", picture(seed=99))
        daemon.wait_event("file.done", file="good.png")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2
    found = glimpsed("search", "0*", home=tmp_path)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_schema_that_takes_for_ever_fails_its_own_files_once_and_holds_up_nobody(
    tmp_path: Path, gateway: Gateway, daemon: Daemon
) -> None:
    def reply(seen: Seen) -> Scripted:
        answers = {"slow.png": json.dumps({"a": "a" * 40 + "!"}), "blank.png": "```json\n" + " " * 250_000}
        return Scripted(text=answers.get(seen.prompt.split("\n")[0].strip(), '{"a": "aaa"}'))

    gateway.default = reply
    with daemon:
        drop(tmp_path / "evil", "slow.png", picture(seed=1))
        gateway.wait_for(1)
        drop(tmp_path / "inbox", "good.png", picture(seed=2))
        daemon.wait_event("file.done", file="good.png")
        failed = daemon.wait_event("file.failed", file="slow.png")
        assert "could not be checked against the schema within 3 s of CPU" in failed["reason"]
        drop(tmp_path / "evil", "fine.png", picture(seed=3))
        drop(tmp_path / "evil", "blank.png", picture(seed=4))
        daemon.wait_event("file.done", file="fine.png")
        daemon.wait_event("file.failed", file="blank.png")
        assert daemon.stop() == 0
    asked = [seen.prompt.split("\n")[0] for seen in gateway.requests]
    assert sorted(set(asked)) == ["blank.png", "fine.png", "good.png", "slow.png"]
    assert all(asked.count(name) == 1 for name in ("fine.png", "good.png", "slow.png"))
    assert asked.count("blank.png") <= 4  # nothing in it that could be an answer
