"""What the daemon makes of gateways as they are, by the table in gateway_cases.yaml: one daemon, a folder and a model a case."""

from __future__ import annotations

import functools
import itertools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from daemon import Daemon, glimpsed, status_when, wait_until
from gateway import Gateway, Scripted, Seen
from glimpsed.vision.pause import FIRST_PROBE
from pictures import drop, encoded, picture

TABLE = yaml.safe_load((Path(__file__).parents[1] / "gateway_cases.yaml").read_text())
SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}


@dataclass
class Case:
    """One row of the table, and what was seen of it."""

    id: str
    row: dict[str, Any]
    folder: Path = Path()
    requests: list[tuple[str, Seen]] = field(default_factory=list)  # (file, request) to the model itself
    others: list[Seen] = field(default_factory=list)  # to its fallback
    events: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    well: bool = False  # the gateway answers whatever it is asked
    before: dict[str, list[Seen]] = field(default_factory=dict)  # by file, the requests until it was
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(11, 7))

    @property
    def expect(self) -> dict[str, Any]:
        found: dict[str, Any] = self.row["expect"]
        return found

    @property
    def files(self) -> int:
        return int(self.row.get("files", 1))

    def asked(self, file: str) -> list[Seen]:
        return [seen for name, seen in self.requests if name == file]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == event]

    def text(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def reply(self, file: str, seen: Seen) -> Scripted:  # noqa: PLR0911 - one for each kind of answer
        row = self.row
        good = Scripted(text='{"total": 1}' if row.get("schema") else "GOOD")
        if self.well:
            return good
        here = row.get("only", "responses" if row.get("both") else row.get("api", "chat"))
        if seen.api == "responses" and here == "chat":
            return Scripted(status=404, body={"detail": "Not Found"})
        cut = row.get("cut")
        if cut is True or cut == file:
            if not _limit(seen):
                return Scripted(text="HALF", finish="length")
            good = Scripted(text="WHOLE")
        elif cut:
            return good
        if not all(self._holds(name, value, file, seen) for name, value in row.get("when", {}).items()):
            return good
        if "answer" in row:
            return Scripted(text=row["answer"][0], finish=row["answer"][1])
        body = row["body"] if isinstance(row["body"], str) else json.dumps(row["body"])
        headers = {"content-type": "application/json", **row.get("headers", {})}
        return Scripted(
            status=row["status"],
            headers={name: self._filled(value, file, seen) for name, value in headers.items()},
            body=self._filled(body, file, seen),
        )

    def _holds(self, name: str, value: Any, file: str, seen: Seen) -> bool:
        form = seen.body.get("response_format") or {}
        return {
            "has": lambda: value in seen.body,
            "api": lambda: seen.api == value,
            "system": lambda: (seen.system is not None) == value,
            "format": lambda: form.get("type") in value,
            "edge_over": lambda: longest(seen) > value,
            "images_over": lambda: len(seen.images) > value,
            "limit_over": lambda: (_limit(seen) or 0) > value,
            "file": lambda: file == value,
            "system_or": lambda: seen.system is not None or value in seen.body,
            "first": lambda: len(self.requests) <= value,
        }[name]()

    def _filled(self, text: str, file: str, seen: Seen) -> str:
        limit = _limit(seen) or 0
        reset = int((time.time() + 5 * 3600) * 1000)
        filled = text.replace("LIMIT", str(limit)).replace("TOTAL", str(limit + 1500))
        return (
            filled.replace("RESET", str(reset))
            .replace("NUMBER", str(next(self.numbers)))
            .replace("FILE", file)
        )


def _limit(seen: Seen) -> int | None:
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    return next((seen.body[name] for name in names if seen.body.get(name)), None)


def longest(seen: Seen) -> int:
    return max(max(i.width, i.height) for i in seen.images)


CASES = {row["id"]: Case(row["id"], row) for rows in TABLE.values() for row in rows}


def answer(seen: Seen) -> Scripted:
    name = re.search(r"Read (\S+\.png)", seen.prompt)
    assert name
    model = seen.body["model"]
    if model.endswith("-other"):
        CASES[model.removesuffix("-other")].others.append(seen)
        return Scripted(text="FALLBACK")
    case = CASES[model]
    case.requests.append((name[1], seen))
    return case.reply(name[1], seen)


def configuration(url: str, home: Path) -> str:
    models: dict[str, Any] = {}
    folders: dict[str, Any] = {}
    for case in CASES.values():
        row = case.row
        entry = {"api": row.get("api", "chat"), "base_url": url, **row.get("entry", {})}
        entry |= {"concurrency": row["concurrency"]} if "concurrency" in row else {}
        models[case.id] = entry
        folder = {"path": str(home / case.id), "model": case.id, **row.get("folder", {})}
        folder |= {"schema": SCHEMA} if row.get("schema") else {}
        if row.get("fallback"):
            models[f"{case.id}-other"] = {"api": "chat", "base_url": url}
            folder["fallbacks"] = [f"{case.id}-other"]
        folders[case.id] = folder
    defaults = {"settle": 0, "reuse": False, "prompt": "Read {filename}"}
    log = {"target": "json", "level": "debug"}
    config = {"models": models, "defaults": defaults, "folders": folders, "log": log, "workers": 2}
    return yaml.safe_dump(config, sort_keys=False)


@functools.cache
def large() -> bytes:
    return encoded(Image.effect_noise((2600, 1800), 40).convert("L"), "PNG")


def image(case: Case, seed: int) -> bytes:
    return large() if case.row.get("large") else picture("PNG", seed=seed)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The whole table, once: the files that are there from the start, then one more, then the pauses' end."""
    home = tmp_path_factory.mktemp("gateways")
    for number, case in enumerate(CASES.values()):
        case.folder = home / case.id
        for n in range(case.files):
            drop(case.folder, f"f{n}.png", image(case, 100 * number + n))
    with Gateway(default=answer) as gateway, Daemon(configuration(gateway.base_url, home), home) as daemon:
        for case in CASES.values():
            wait_until(functools.partial(ended, daemon, case), f"{case.id}: {of(daemon, case)[-9:]}")
        paused = [case.id for case in CASES.values() if case.expect["end"] == "paused"]
        status = status_when(
            lambda told: all(told["models"][case]["state"] == "paused" for case in paused), home
        )
        later = [case for case in CASES.values() if "next" in case.expect]
        for case in later:
            drop(case.folder, "next.png", image(case, 7777))
        for case in later:
            daemon.wait_event("file.done", folder=case.id, file="next.png")
        for case in CASES.values():
            case.status = status["models"][case.id] | {"folder": status["folders"][case.id]}
            case.events = of(daemon, case)
        resume(daemon, [case for case in CASES.values() if case.expect["end"] == "paused"], home)
        assert daemon.stop() == 0
    assert gateway.problems == []


def of(daemon: Daemon, case: Case) -> list[dict[str, Any]]:
    """What the log says of a case."""
    names = (case.id, f"{case.id}-other")
    return [e for e in list(daemon.events) if e.get("folder") == case.id or e.get("model") in names]


def ended(daemon: Daemon, case: Case) -> bool:
    events = of(daemon, case)
    if case.expect["end"] == "paused":
        return any(e["event"] == "model.paused" for e in events)
    return len({e["file"] for e in events if e["event"] in ("file.done", "file.failed")}) == case.files


def test_a_long_wait_is_seen_in_status_and_lifted_by_resume_at_once(tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    busy = Scripted(status=429, headers={"retry-after": "1800"}, body={"error": {"message": "Drelm vok"}})
    with Gateway(default=busy) as gateway:
        config = f"""
models: {{m: {{api: chat, base_url: "{gateway.base_url}"}}}}
folders: {{in: {{path: {inbox}, settle: 0, reuse: false}}}}
log: {{target: json, level: debug}}
"""
        for n in range(3):
            drop(inbox, f"f{n}.png", picture("PNG", seed=n))
        with Daemon(config, tmp_path) as daemon:
            told = daemon.wait_event("model.paused", model="m")
            assert "Drelm vok (asks to wait 30 minutes)" in told["reason"]
            status = status_when(lambda told: told["models"]["m"]["state"] == "paused", tmp_path)
            model = status["models"]["m"]
            assert model["reason"] == told["reason"]
            assert model["until"]
            asked = len(gateway.requests)
            gateway.default = Scripted()
            assert glimpsed("resume", "m", home=tmp_path).stdout == "m is probed now\n"
            for n in range(3):
                daemon.wait_event("file.done", file=f"f{n}.png")
            assert daemon.seen("model.resumed")
            assert len(gateway.requests) == asked + 3
            assert daemon.stop() == 0
        answers = [json.loads(path.read_text()) for path in inbox.glob("*.json")]
        assert [answer["attempts"] for answer in answers] == [1, 1, 1], "the wait cost nobody an attempt"


@pytest.mark.slow
def test_a_rate_in_words_that_nobody_knows_and_without_end_pauses_the_model(tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    with Gateway(default=Scripted(status=429, body={"error": {"message": "Drelm vok"}})) as gateway:
        config = f"""
models: {{m: {{api: chat, base_url: "{gateway.base_url}"}}}}
folders: {{in: {{path: {inbox}, settle: 0, reuse: false}}}}
log: {{target: json, level: debug}}
"""
        for n in range(4):
            drop(inbox, f"f{n}.png", picture("PNG", seed=n))
        with Daemon(config, tmp_path) as daemon:
            told = daemon.wait_event("model.paused", model="m", seconds=240)
            assert "nobody is answered for" in told["reason"]
            assert "Drelm vok" in told["reason"]
            assert not daemon.seen("file.failed")
            status_when(lambda told: told["models"]["m"]["state"] == "paused", tmp_path)
            gateway.default = Scripted()
            glimpsed("resume", "m", home=tmp_path)
            for n in range(4):
                daemon.wait_event("file.done", file=f"f{n}.png", seconds=120)
            assert daemon.stop() == 0


def resume(daemon: Daemon, paused: list[Case], home: Path) -> None:
    """All gateways are well again: what two of the models are asked about then is answered, and the pause over."""
    for case in paused:
        # Without the probes, the first of which comes after a minute: the table may take longer than that.
        first = min(seen.at for _, seen in case.requests)
        early = [(name, seen) for name, seen in case.requests if seen.at < first + FIRST_PROBE]
        case.before = {name: [seen for who, seen in early if who == name] for name, _ in early}
        case.well = True
    for case in paused[:2]:
        assert glimpsed("resume", case.id, home=home).stdout == f"{case.id} is probed now\n"
        for n in range(case.files):
            daemon.wait_event("file.done", folder=case.id, file=f"f{n}.png")
        assert daemon.seen("model.resumed", model=case.id)


def fits(expected: Any, seen: list[Seen]) -> bool:
    """Whether these are the requests: APIs, longest sides, or so many at most."""
    if isinstance(expected, int):
        return 1 <= len(seen) <= expected
    if isinstance(expected, list):
        return [longest(s) for s in seen] == expected
    return "".join(s.api[0] for s in seen) == expected


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("name", CASES)
def test_gateway(name: str) -> None:
    case, expect = CASES[name], CASES[name].expect
    first = case.asked("f0.png")
    if expect["end"] == "paused":
        assert_paused(case)
        return
    assert fits(expect["first"], first), [(s.api, longest(s)) for s in first]
    assert case.status["state"] == "ok", (case.status, case.events)
    for n in range(1, case.files):
        assert len(case.asked(f"f{n}.png")) <= expect.get("others", 1)
        assert case.text(f"f{n}.png.txt") is not None
    if "next" in expect:
        assert fits(expect["next"], case.asked("next.png"))
    if expect["end"] == "failed":
        assert re.search(expect.get("reason", ""), case.logged("file.failed")[0]["reason"])
        assert re.search(expect.get("reason", ""), case.text("f0.png.error.txt") or "")
        assert case.text("f0.png.txt") is None
        return
    text = "FALLBACK" if expect["end"] == "fallback" else expect.get("text", "GOOD")
    text = '{\n  "total": 1\n}' if case.row.get("schema") else text
    assert case.text("f0.png.txt") == f"{text}\n"
    assert case.text("f0.png.error.txt") is None
    assert len(case.others) == (expect["end"] == "fallback")
    sidecar = json.loads(case.text("f0.png.json") or "")
    assert sidecar["usage"].get("estimated", False) == expect.get("estimated", False)
    if "learnt" in expect:
        assert case.status["learnt"] == expect["learnt"]
    if "without" in expect:
        assert all(expect["without"] not in seen.body for seen in [first[-1], *case.asked("next.png")])
    if "prompt" in expect:
        assert expect["prompt"] in case.asked("next.png")[0].prompt
    if "gap" in expect:
        assert first[1].at - first[0].at >= expect["gap"]


def assert_paused(case: Case) -> None:
    """One pause, told once; every file waits, with nothing beside it; nobody was asked more than was needed."""
    assert len(case.logged("model.paused")) == 1
    assert case.logged("file.failed") == []
    assert case.status["state"] == "paused"
    assert case.status["folder"]["queued"] + case.status["folder"]["running"] == case.files
    until = time.mktime(time.strptime(case.status["until"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert until >= time.time() - 300
    assert re.search(case.expect.get("reason", ""), case.status["reason"])
    if "until" in case.expect:
        assert until - time.time() > case.expect["until"] - 300
    most = case.expect["first"] if isinstance(case.expect["first"], int) else len(case.expect["first"])
    for name in case.before:
        assert len(case.before[name]) <= most, name


def test_files_that_failed_one_by_one_over_a_restart_go_back_when_the_third_is_refused_alike(
    tmp_path: Path,
) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    refused = Scripted(status=400, body={"error": {"message": "Drelm vok"}})
    with Gateway(default=refused) as gateway:
        config = f"""
models: {{m: {{api: chat, base_url: "{gateway.base_url}"}}}}
folders: {{in: {{path: {inbox}, settle: 0, reuse: false}}}}
log: {{target: json, level: debug}}
"""
        with Daemon(config, tmp_path) as daemon:
            for n in range(2):
                drop(inbox, f"f{n}.png", picture("PNG", seed=n))
                daemon.wait_event("file.failed", file=f"f{n}.png")
            assert daemon.stop() == 0
        assert (inbox / "f0.png.error.txt").exists()
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("service.ready")
            drop(inbox, "f2.png", picture("PNG", seed=2))
            assert "Drelm vok" in daemon.wait_event("model.paused", model="m")["reason"]
            wait_until(lambda: not list(inbox.glob("*.error.txt")), "the error sidecars stay")
            status_when(lambda told: told["models"]["m"]["state"] == "paused", tmp_path)
            counts = status_when(lambda told: told["folders"]["in"]["queued"] == 3, tmp_path)["folders"]["in"]
            assert counts["failed"] == 0
            assert not daemon.seen("file.failed")
            asked = len(gateway.requests)
            gateway.default = Scripted()
            glimpsed("resume", "m", home=tmp_path)
            for n in range(3):
                daemon.wait_event("file.done", file=f"f{n}.png")
            assert len(gateway.requests) == asked + 3
            assert len(daemon.seen("model.resumed")) == 1
            assert daemon.stop() == 0
