"""What the daemon does about a model's replies, as seen from outside: the table of DESIGN 9.

One daemon has a folder and a model of its own for each row of the table below, and one gateway behind them
all. A first image goes into every folder, then a second, then, after a restart, a third: what was sent, what
stands beside the image, what the ledger and the log say of it.
"""

from __future__ import annotations

import email.utils
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted, Seen
from pictures import drop, encoded, page, picture

KEY = "sk-test-key-0123456789"
FOX = "The quick brown fox."
R, C = "responses", "chat"
FINE = Scripted()
BLIND = Scripted(text="I'm sorry, but I cannot see an image.")
REFUSAL = Scripted(text="I'm sorry, I can't assist with that.")
HTML = "<!DOCTYPE html><html><head><title>One API</title></head><body></body></html>"
SCHEMA = "schema: {type: object, required: [total], properties: {total: {type: number}}, additionalProperties: false}"

Reply: TypeAlias = Scripted | Callable[[Seen], Scripted]


def err(status: int, message: str = "", code: Any = None, **more: Any) -> Scripted:
    return Scripted(status=status, body={"error": {"message": message, "code": code, **more}})


def only(api: str, otherwise: Scripted) -> Callable[[Seen], Scripted]:
    """A gateway that has this API, and answers so at the other."""
    return lambda seen: FINE if seen.api == api else otherwise


def moving(seen: Seen) -> Scripted:
    """A gateway that has only the chat API at first, and only Responses from the second image on."""
    return only(C if "first.jpg" in seen.prompt else R, err(404, "Invalid URL"))(seen)


def up_to(edge: int) -> Callable[[Seen], Scripted]:
    return lambda seen: FINE if longest(seen) <= edge else err(400, "x", "image_too_large")


def longest(seen: Seen) -> int:
    return max(max(i.width, i.height) for i in seen.images)


def body_limit(limit: int) -> Callable[[Seen], Scripted]:
    return lambda seen: FINE if len(seen.raw) <= limit else Scripted(status=413, body="<html>413</html>")


def without(name: str) -> Callable[[Seen], Scripted]:
    refused = err(
        400, f"Unsupported parameter: '{name}' is not supported with this model.", "unsupported_parameter"
    )
    return lambda seen: refused if name in seen.body else FINE


def no_json_schema(seen: Seen) -> Scripted:
    if "json_schema" in json.dumps([seen.body.get("response_format"), seen.body.get("text")]):
        return err(400, "'response_format' of type 'json_schema' is not supported with this model")
    return Scripted(text='{"total": 1}')


def in_three_seconds(_: Seen) -> Scripted:
    when = email.utils.formatdate(time.time() + 3, usegmt=True)
    return Scripted(status=503, headers={"retry-after": when})


@dataclass(slots=True)
class Run:
    """What was seen of one row."""

    first: list[Seen] = field(default_factory=list)  # requests for the first image
    second: list[Seen] = field(default_factory=list)
    third: list[Seen] = field(default_factory=list)
    folder: Path = Path()
    events: list[dict[str, Any]] = field(default_factory=list)
    learnt: dict[str, Any] = field(default_factory=dict)  # as `status` has it after the first image

    def beside(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text() if path.exists() else None

    @property
    def sidecar(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.beside("first.jpg.json") or "{}")
        return found

    @property
    def error(self) -> str:
        return self.beside("first.jpg.error.txt") or ""

    def gap(self) -> float:
        """Seconds from the first request to the second, as the gateway saw them: a busy one sees the first late."""
        return self.first[1].at - self.first[0].at

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == event]


@dataclass(frozen=True, slots=True)
class Row:
    """What the gateway does for one model, and what is expected then."""

    name: str
    replies: tuple[Reply, ...]  # to the requests in their order; the last one goes on for ever
    sent: tuple[str, ...]  # which API was asked for the first image, request by request
    later: tuple[str, ...] = ()  # for the second image, and the third; default: one request
    last: tuple[str, ...] = ()  # for the third, where that differs
    end: str = "done"  # or failed, or paused
    text: str = FOX
    entry: str = ""
    folder: str = ""
    api: str = R
    image: Callable[[int], bytes] = lambda seed: picture("JPEG", seed=seed)
    fine: Callable[[Run], object] = lambda _: True


def large(seed: int) -> bytes:
    return picture("JPEG", (3000, 1500), seed)


def noise(seed: int) -> bytes:
    del seed  # no two are the same
    return encoded(Image.effect_noise((2000, 1500), 90).convert("RGB"), "JPEG")


ROWS = (
    # --- retry: later, as long as the API asks ---
    Row("retry-after-seconds", (Scripted(status=429, headers={"retry-after": "1"}), FINE), (R, R),
        fine=lambda r: r.gap() >= 1 and r.sidecar["attempts"] == 2
        and r.first[0].headers["idempotency-key"] == r.first[1].headers["idempotency-key"]
        and r.logged("file.retry")[0]["seconds"] >= 1),
    Row("retry-after-date", (in_three_seconds, FINE), (R, R), fine=lambda r: r.gap() >= 1.9),
    Row("retry-after-ms", (Scripted(status=429, headers={"retry-after-ms": "700"}), FINE), (R, R),
        fine=lambda r: r.gap() >= 0.7),
    Row("empty-answer", (Scripted(text=""), FINE), (R, R), fine=lambda r: r.sidecar["attempts"] == 2),
    Row("dropped", (Scripted(fault="drop"), FINE), (R, R)),
    Row("half-a-body", (Scripted(fault="half"), FINE), (R, R)),
    Row("no-answer-in-time", (Scripted(fault="hang"), FINE), (R, R), entry="timeout: 5s",
        fine=lambda r: r.gap() >= 3),
    Row("no-candidates-twice", (err(200, "No candidates returned", 500, type="server_error"),) * 2 + (FINE,),
        (C, C, R), (C,), api=C, fine=lambda r: r.sidecar["model"]["api"] == R),
    Row("cut-off-by-a-proxy", (Scripted(status=504, body=HTML),) * 2 + (FINE,), (R, R), end="failed",
        fine=lambda r: "given up after 2 tries" in r.error),
    # --- shrink: smaller at once, and remembered ---
    Row("too-large", (up_to(768),), (R,) * 4, image=large,
        fine=lambda r: [longest(s) for s in r.first] == [2048, 1568, 1024, 768]
        and [longest(s) for s in r.second + r.third] == [768, 768] and r.learnt == {"edge": 768}
        and r.sidecar["attempts"] == 4 and r.sidecar["sent"][0]["width"] == 768
        and not r.logged("file.retry") and r.logged("model.learned")),
    Row("body-too-large", (body_limit(300_000),), (R, R, R), image=noise,
        fine=lambda r: len(r.first[0].raw) > 300_000 and r.learnt["bytes"] < 225_000),
    Row("too-small-a-world", (err(400, "x", "image_too_large"),) * 4 + (FINE,), (R,) * 4, end="failed", image=large,
        fine=lambda r: "refused at every size" in r.error),
    # --- switch: the other API, remembered; then the fallbacks ---
    Row("no-responses-here", (only(C, err(404, "Invalid URL (POST /v1/responses)")),), (R, C), (C,),
        fine=lambda r: r.learnt == {"api": C} and r.sidecar["model"]["api"] == C),
    Row("no-chat-here", (only(R, err(500, "not implemented", "convert_request_failed")),), (C, R), (R,), api=C,
        fine=lambda r: r.learnt == {"api": R}),
    Row("there-and-back", (moving,), (R, C), (C, R), last=(R,), fine=lambda r: r.learnt == {"api": C}),
    Row("unknown-parameter", (without("temperature"),), (R, R), (R,),
        fine=lambda r: r.learnt == {"refused": ["temperature"]} and "temperature" in r.first[0].body),
    Row("cannot-see", (only(C, BLIND),), (R, C), (R, C), fine=lambda r: r.sidecar["model"]["api"] == C),
    Row("no-such-model", (err(404, "The model does not exist", "model_not_found"),), (R, C), (R, C),
        folder="fallbacks: [spare]",
        fine=lambda r: r.sidecar["model"]["entry"] == "spare" and r.sidecar["attempts"] == 3),
    Row("refused", (REFUSAL,), (R, C), (R, C), folder="fallbacks: [spare]",
        fine=lambda r: r.sidecar["model"]["entry"] == "spare"),
    Row("refused-everywhere", (REFUSAL,) * 2 + (FINE,), (R, C), end="failed", folder="fallbacks: [prude]",
        fine=lambda r: REFUSAL.text in r.error and "prude: the model refused" in r.error
        and r.logged("file.failed")[0]["attempt"] == 4),
    Row("forbidden-content", (err(400, "x", "image_content_policy_violation"),) * 2 + (FINE,), (R, C), end="failed"),
    # --- longer: once ---
    Row("cut-once", (Scripted(text="The quick", finish="length"), FINE), (R, R), folder="max_output_tokens: 100",
        fine=lambda r: r.first[0].body["max_output_tokens"] == 100 < r.first[1].body["max_output_tokens"]),
    Row("cut-again", (Scripted(text="The quick", finish="length"),) * 2 + (FINE,), (C, C), end="failed", api=C,
        fine=lambda r: "The quick" in r.error and "cut off" in r.error and "max_output_tokens" in r.error),
    # --- structured output ---
    Row("structured", (Scripted(text='{"total": 1}'),), (R,), folder=SCHEMA, text='{\n  "total": 1\n}',
        fine=lambda r: r.sidecar["data"] == {"total": 1}
        and r.first[0].body["text"]["format"]["type"] == "json_schema" and r.first[0].body["text"]["format"]["strict"]),
    Row("structured-repaired", (Scripted(text='{"sum": 1}'), Scripted(text='{"total": 1}')), (R, R), folder=SCHEMA,
        text='{\n  "total": 1\n}',
        fine=lambda r: "'total' is a required property" in json.dumps(r.first[1].body["input"][-1])),
    Row("structured-never", (Scripted(text='{"sum": 17}'),) * 2 + (Scripted(text='{"total": 1}'),), (C, C),
        end="failed", api=C, folder=SCHEMA, text='{\n  "total": 1\n}',
        fine=lambda r: '{"sum": 17}' in r.error and "also after a repair request" in r.error),
    Row("structured-refused", (no_json_schema,), (C, C), (C,), api=C, folder=SCHEMA, text='{\n  "total": 1\n}',
        fine=lambda r: r.learnt == {"mode": "json"}
        and r.second[0].body["response_format"] == {"type": "json_object"}),
    # --- streams ---
    Row("stream-chat", (FINE,), (C,), api=C, entry="stream: true", fine=lambda r: r.first[0].body["stream"] is True),
    Row("stream-responses", (FINE,), (R,), entry="stream: true", fine=lambda r: r.sidecar["usage"]["input_tokens"]),
    Row("stream-broken", (Scripted(fault="half"), FINE), (C, C), api=C, entry="stream: true"),
    Row("stream-stalled", (Scripted(fault="hang"), FINE), (R, R), entry="stream: true, timeout: 5s",
        fine=lambda r: r.gap() >= 3),
    # --- URLs instead of data ---
    Row("by-url", (FINE,), (R,), folder='image_url_base: "https://files.example/Eingänge/neu"',
        fine=lambda r: r.first[0].images[0].url == "https://files.example/Eing%C3%A4nge/neu/first.jpg" and b"base64" not in r.first[0].raw),
    # --- pause: the file waits, and loses nothing ---
    Row("wrong-key", (err(401, f"Incorrect API key provided: {KEY}", "invalid_api_key"), FINE), (R,), end="paused"),
    Row("no-money", (err(403, "x", "insufficient_user_quota"), FINE), (R,), end="paused"),
    Row("arrears", (err(429, "x", "insufficient_quota"), FINE), (C,), end="paused", api=C),
    Row("a-web-page", (Scripted(body=HTML), FINE), (R,), end="paused",
        fine=lambda r: "base_url" in r.logged("model.paused")[0]["reason"]),
)  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}
SPARES = {"spare": (FINE,), "prude": (REFUSAL,)}


class Theatre:
    """The gateway's side of the table: each model has its own replies."""

    def __init__(self) -> None:
        self.left: dict[str, list[Reply]] = {row.name: list(row.replies) for row in ROWS}
        self.left |= {name: list(replies) for name, replies in SPARES.items()}

    def __call__(self, seen: Seen) -> Scripted:
        left = self.left[seen.body["model"]]
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(seen) if callable(reply) else reply


def configuration(url: str, home: Path) -> str:
    models = [
        f"  {r.name}: {{api: {r.api}, base_url: {url}, api_key_env: GLIMPSED_API_KEY, {r.entry}}}"
        for r in ROWS
    ]
    models += [f"  {name}: {{api: {R}, base_url: {url}, api_key_env: GLIMPSED_API_KEY}}" for name in SPARES]
    folders = [f"  {r.name}: {{path: {home / r.name}, model: {r.name}, {r.folder}}}" for r in ROWS]
    common = "defaults: {settle: 0, settle_limit: 1s, reuse: false, prompt: 'Read {filename}.'}"
    return "\n".join(
        ["models:", *models, common, "folders:", *folders, "workers: 2", "log: {target: json, level: debug}"]
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The whole play, once: every row's first, second and third image."""
    home = tmp_path_factory.mktemp("reactions")
    found = {row.name: Run(folder=home / row.name) for row in ROWS}
    for run in found.values():
        run.folder.mkdir()
    with Gateway(default=Theatre()) as gateway:
        config = configuration(gateway.base_url, home)
        with Daemon(config, home) as daemon:
            fill(found, "first.jpg", 1)
            for row in ROWS:
                wait_for_end(daemon, row, "first.jpg")
            models = json.loads(glimpsed("status", "--json", home=home).stdout)["models"]
            for name, run in found.items():
                run.learnt = models[name]["learnt"]
            working = {n: r for n, r in found.items() if BY_NAME[n].end != "paused"}
            fill(working, "second.jpg", 2)
            for name in working:
                daemon.wait_event("file.done", folder=name, file="second.jpg")
            assert daemon.stop() == 0
            events = list(daemon.events)
        with Daemon(config, home) as daemon:  # which lifts the pauses
            fill(found, "third.jpg", 3)
            for row in ROWS:
                daemon.wait_event("file.done", folder=row.name, file="third.jpg")
                if row.end == "paused":
                    daemon.wait_event("file.done", folder=row.name, file="first.jpg", attempt=1)
            assert daemon.stop() == 0
        assert gateway.problems == []
        sort(gateway.requests, events, found)
        assert KEY not in json.dumps(events)
    return found


def fill(runs: dict[str, Run], file: str, number: int) -> None:
    for seed, (name, run) in enumerate(runs.items()):
        drop(run.folder, file, BY_NAME[name].image(100 * number + seed))


def wait_for_end(daemon: Daemon, row: Row, file: str) -> None:
    if row.end == "paused":
        daemon.wait_event("model.paused", model=row.name)
    else:
        daemon.wait_event(f"file.{row.end}", folder=row.name, file=file)


def sort(requests: list[Seen], events: list[dict[str, Any]], runs: dict[str, Run]) -> None:
    """To each row what is its own."""
    for seen in requests:
        name = re.search(r"Read (first|second|third)\.jpg", seen.prompt)
        assert name
        if seen.body["model"] in runs:
            getattr(runs[seen.body["model"]], name[1]).append(seen)
    for event in events:
        name = event.get("folder") or event.get("model")
        if name in runs:
            runs[name].events.append(event)


@pytest.mark.parametrize("name", BY_NAME)
def test_what_the_daemon_does_about_it(runs: dict[str, Run], name: str) -> None:
    row, run = BY_NAME[name], runs[name]
    first = [seen.api for seen in run.first]
    if row.end == "paused":
        assert first == [*row.sent, row.api]  # and nothing more until the restart
        assert len(run.logged("model.paused")) == 1
        assert run.sidecar["attempts"] == 1
    else:
        assert tuple(first) == row.sent
        later = row.later or (row.api,)
        assert tuple(seen.api for seen in run.second) == later
        assert tuple(seen.api for seen in run.third) == (row.last or later)
    if row.end == "failed":
        assert run.error
        assert run.beside("first.jpg.txt") is None
        assert run.beside("first.jpg.json") is None
        assert run.logged("file.failed")[0]["file"] == "first.jpg"
        assert KEY not in run.error
    else:
        assert run.beside("first.jpg.txt") == f"{row.text}\n"
        assert run.beside("first.jpg.error.txt") is None
    assert run.beside("second.jpg.txt") == (None if row.end == "paused" else f"{row.text}\n")
    assert row.fine(run)


# --- beside the table: what takes a daemon of its own ---


ALONE = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, {entry}}}
  ocr: {{api: local}}
folders:
  inbox: {{path: {inbox}, model: m, settle: 0, settle_limit: 1s, reuse: false, {folder}}}
log: {{target: json, level: debug}}
"""
HASTY = """
from glimpsed.vision import pacing, pause
pacing.FIRST_PROBE = pause.FIRST_PROBE = pause.LAST_PROBE = 0.2
from glimpsed.cli import main
main()
"""


def alone(url: str, inbox: Path, *, entry: str = "", folder: str = "") -> str:
    return ALONE.format(url=url, inbox=inbox, entry=entry, folder=folder)


def test_what_was_learnt_is_shown_and_a_running_daemon_forgets_it_when_told_to(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway(default=up_to(768)) as gateway, Daemon(alone(gateway.base_url, inbox), tmp_path) as daemon:
        drop(inbox, "first.jpg", large(1))
        daemon.wait_event("file.done", file="first.jpg")
        assert "edge: 768" in glimpsed("status", home=tmp_path).stdout
        gateway.default = FINE
        assert glimpsed("status", "--forget", "m", home=tmp_path).stdout == "forgotten: 1 fact\n"
        seeds = iter(range(2, 1000))

        def asked_in_full() -> bool:
            seed = next(seeds)
            drop(inbox, f"{seed}.jpg", large(seed))
            daemon.wait_event("file.done", file=f"{seed}.jpg")
            return longest(gateway.requests[-1]) == 2048

        wait_until(asked_in_full, "the daemon did not forget", seconds=15)


@pytest.mark.parametrize("outage", [Scripted(fault="drop"), err(500, "database is locked")])
def test_an_outage_pauses_the_model_costs_no_attempts_and_a_probe_finds_its_end(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch, outage: Scripted
) -> None:
    """The same program with five probes a second: hours of outage in a few seconds."""
    monkeypatch.setattr("daemon.GLIMPSED", [sys.executable, "-c", HASTY])
    with Gateway(default=outage) as gateway, Daemon(alone(gateway.base_url, inbox), tmp_path) as daemon:
        for seed in range(8):
            drop(inbox, f"{seed}.jpg", picture("JPEG", seed=seed))
        assert "in a row" in daemon.wait_event("model.paused", model="m")["reason"]
        at_pause = len(gateway.requests)
        gateway.wait_for(at_pause + 15, seconds=30)  # more probes than a file has tries
        assert len(daemon.seen("model.paused")) == 1
        assert not daemon.seen("file.failed")
        gateway.default = FINE
        for seed in range(8):
            daemon.wait_event("file.done", file=f"{seed}.jpg")
        assert len(daemon.seen("model.resumed")) == 1
        assert daemon.stop() == 0
    attempts = [json.loads((inbox / f"{seed}.jpg.json").read_text())["attempts"] for seed in range(8)]
    assert max(attempts) <= 3
    assert sum(attempts) <= 8 + at_pause


def test_what_a_model_refused_is_paid_for_once_however_long_the_fallback_pauses(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.GLIMPSED", [sys.executable, "-c", HASTY])
    replies = {"m": REFUSAL, "spare": err(401, "no", "invalid_api_key")}
    with Gateway(default=lambda seen: replies[seen.body["model"]]) as gateway:
        text = alone(gateway.base_url, inbox, folder="fallbacks: [spare]").replace(
            "  ocr: ", f"  spare: {{api: chat, base_url: {gateway.base_url}}}\n  ocr: "
        )
        asked = Counter[str]()

        def probed() -> bool:
            asked.clear()
            asked.update(seen.body["model"] for seen in list(gateway.requests))
            return asked["spare"] >= 4

        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "first.jpg", picture("JPEG"))
            wait_until(probed, "the fallback is not probed", seconds=30)
            assert asked["m"] == 2  # once at each API
            assert not daemon.seen("file.failed")
            replies["spare"] = FINE
            assert daemon.wait_event("file.done", file="first.jpg")["model"] == "spare"
            assert daemon.stop() == 0
        probed()
        assert asked["m"] == 2
        sidecar = json.loads((inbox / "first.jpg.json").read_text())
        assert sidecar["attempts"] == 3


def test_once_does_not_wait_for_a_fallback_that_pauses(tmp_path: Path, inbox: Path) -> None:
    replies = {"m": REFUSAL, "spare": err(401, "no", "invalid_api_key")}
    with Gateway(default=lambda seen: replies[seen.body["model"]]) as gateway:
        text = alone(gateway.base_url, inbox, folder="fallbacks: [spare]").replace(
            "  ocr: ", f"  spare: {{api: chat, base_url: {gateway.base_url}}}\n  ocr: "
        )
        (tmp_path / "glimpsed.yaml").write_text(text)
        drop(inbox, "first.jpg", picture("JPEG"))
        ended = glimpsed("once", home=tmp_path, seconds=50)
        assert ended.returncode == 1
        assert "spare: HTTP 401" in ended.stdout
        assert len(gateway.requests) == 3


def test_a_local_model_stands_in_for_one_that_is_paused_and_redo_stale_asks_the_other_later(
    tmp_path: Path, inbox: Path
) -> None:
    refused = err(401, "no", "invalid_api_key")
    with Gateway(default=refused) as gateway:
        text = alone(gateway.base_url, inbox, folder="fallbacks: [ocr], fallback_after: 1s")
        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "first.png", page(["Invoice number 20417"], (800, 400)))
            daemon.wait_event("model.paused", model="m")
            assert daemon.wait_event("file.done", file="first.png", seconds=120)["model"] == "ocr"
            assert len(gateway.requests) == 1
            sidecar = json.loads((inbox / "first.png.json").read_text())
            assert (sidecar["model"]["entry"], sidecar["model"]["api"]) == ("ocr", "local")
            assert "20417" in sidecar["text"]
            gateway.default = FINE
            assert daemon.stop() == 0
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("service.ready")
            redone = glimpsed("redo", "--stale", "--yes", home=tmp_path)
            assert "queued again: 1 file" in redone.stdout, redone.stderr
            assert daemon.wait_event("file.done", file="first.png")["model"] == "m"
            assert daemon.stop() == 0
        assert (inbox / "first.png.txt").read_text() == f"{FOX}\n"
        again = glimpsed("redo", "--stale", "--yes", home=tmp_path)
        assert "nothing is stale" in again.stderr


def test_a_redirect_is_not_followed_with_the_key(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as other:
        moved = Scripted(status=307, body={}, headers={"location": f"{other.base_url}/chat/completions"})
        with Gateway(default=moved) as gateway, Daemon(alone(gateway.base_url, inbox), tmp_path) as daemon:
            drop(inbox, "first.jpg", picture("JPEG"))
            assert "redirected" in daemon.wait_event("model.paused", model="m")["reason"]
            assert daemon.stop() == 0
        assert other.requests == []
        assert other.connections == 0


@pytest.mark.parametrize(
    ("url", "keys", "code", "words"),
    [
        (
            "https://api.example/v1",
            {"folder": "local_only: true, model: ocr, fallbacks: [m]"},
            78,
            "'m' is a remote model",
        ),
        ("http://api.example/v1", {}, 78, "allow_http"),
        ("http://api.example/v1", {"entry": "allow_http: true"}, 0, ""),
    ],
)
def test_what_must_not_leave_the_machine_so_is_a_config_error(
    tmp_path: Path, inbox: Path, url: str, keys: dict[str, str], code: int, words: str
) -> None:
    text = alone(url, inbox, **keys).replace(
        "model: m, ", "" if "model:" in keys.get("folder", "") else "model: m, "
    )
    (tmp_path / "glimpsed.yaml").write_text(text)
    ended = glimpsed("check", home=tmp_path)
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr + ended.stdout
