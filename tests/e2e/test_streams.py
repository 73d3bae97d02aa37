"""Streams and connections as real gateways have them, byte by byte: one daemon, a folder and a model a case."""

from __future__ import annotations

import functools
import json
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon import Daemon, glimpsed, wait_until
from pictures import drop, picture
from proxy import Proxy
from wires import Steps, Wires, chunk, head

CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "asked-1"}
NEWLINES = "\n\n"


def event(content: Any, finish: str | None = None, name: str = "delta", **more: Any) -> dict[str, Any]:
    return CHUNK | {"choices": [{"index": 0, name: {"content": content}, "finish_reason": finish}]} | more


WHOLE, STOP = event("WHOLE ANSWER"), event("", "stop")
USAGE = CHUNK | {
    "choices": [],
    "usage": {"prompt_tokens": 1234, "completion_tokens": 5, "total_tokens": 1239},
}
DELTA = {"type": "response.output_text.delta", "delta": "WHOLE ANSWER", "item_id": "m1", "output_index": 0}
PART = {"type": "output_text", "text": "WHOLE ANSWER", "annotations": []}
COMPLETED: dict[str, Any] = {
    "type": "response.completed",
    "response": {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "error": None,
        "output": [{"type": "message", "role": "assistant", "content": [PART]}],
        "usage": {"input_tokens": 1234, "output_tokens": 5, "total_tokens": 1239},
    },
}


def sse(*events: Any, between: str = NEWLINES, last: str | None = None) -> str:
    lines = ["data: " + (e if isinstance(e, str) else json.dumps(e, ensure_ascii=False)) for e in events]
    return between.join(lines) + (between if last is None else last)


@dataclass
class Case:
    """What the server writes, and what has to come of it."""

    script: Any  # steps, or a function of (request on its connection, body) that gives them
    api: str = "chat"
    entry: dict[str, Any] = field(default_factory=lambda: {"stream": True})
    files: int = 1
    requests: int | None = None  # in all; None: one a file
    text: str = "WHOLE ANSWER"  # {n}: the file's number
    tokens: tuple[int, int] | None = None  # input and output, as reported
    retried: bool = False
    seconds: float = 8.0  # for the model's answer; the machine may be busy
    folder: Path = Path()

    def steps(self, number: int, body: bytes) -> Steps:
        return self.script(number, body) if callable(self.script) else self.script


def stream(*steps: Any, kind: str = "text/event-stream") -> list[Any]:
    return [
        head(kind),
        *(chunk(step) if isinstance(step, str) and step not in WORDS else step for step in steps),
    ]


WORDS = ("end", "open", "close", "reset", "pings")
ALL = sse(WHOLE, STOP, USAGE, "[DONE]")
STARS = event("WHOLE HALF-1"), event("HALF-2 ANSWER")
SNOWMAN = sse(event("W☃ÖLE 字"), STOP).encode()
QUICK = {"stream": True, "timeout": "4s"}


def half_first(*first: Any) -> Any:
    """A stream that is broken off, and then a whole one."""
    seen: list[int] = []

    def script(_number: int, _body: bytes) -> list[Any]:
        seen.append(1)
        return stream(*first) if len(seen) == 1 else stream(ALL, "end")

    return script


def own_text(body: bytes) -> bytes:
    """A good reply with the file's own number as text."""
    name = re.search(rb"Read f(\d+)", body)
    assert name
    message = {"role": "assistant", "content": f"PAGE {name[1].decode()}"}
    return json.dumps(
        CHUNK | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    ).encode()


def reply(body: bytes) -> bytes:
    return head("application/json", length=len(body)) + body


STALE = reply(
    json.dumps(CHUNK | {"choices": [{"message": {"content": "STALE"}, "finish_reason": "stop"}]}).encode()
)
ONE = {"concurrency": 1}
KEPT = {"entry": ONE, "files": 4, "text": "PAGE {n}"}

CASES = {
    # a stream is one by its content
    "stream-as-json": Case(stream(ALL, "end", kind="application/json"), tokens=(1234, 5)),
    "stream-as-text": Case(stream(ALL, "end", kind="text/plain; charset=utf-8"), tokens=(1234, 5)),
    "stream-without-type": Case(stream(ALL, "end", kind=""), tokens=(1234, 5)),
    "stream-unasked": Case(stream(ALL, "end", kind="application/json"), entry={}, tokens=(1234, 5)),
    "json-as-stream": Case([head(length=len(own_text(b"Read f0"))), own_text(b"Read f0")], text="PAGE 0"),
    "events-without-field": Case(
        stream("".join(json.dumps(e) + "\n" for e in (WHOLE, STOP)), "end", kind="application/x-ndjson")
    ),
    # its last word is the finish reason
    "finish-then-broken": Case(stream(sse(WHOLE, STOP), "close")),
    "finish-then-reset": Case(stream(sse(WHOLE, STOP), "reset")),
    "finish-then-open": Case(stream(sse(WHOLE, STOP), "open"), entry=QUICK, seconds=3.0),
    "finish-then-pings": Case(stream(sse(WHOLE, STOP), "pings"), entry=QUICK, seconds=3.0),
    "finish-then-error": Case(stream(sse(WHOLE, STOP, {"error": {"message": "broken pipe"}}), "close")),
    "usage-after-finish": Case(
        stream(sse(WHOLE, STOP), 0.2, sse(USAGE), "open"), entry=QUICK, tokens=(1234, 5), seconds=3.0
    ),
    "completed-then-open": Case(
        stream(sse(DELTA, COMPLETED), "open"), api="responses", entry=QUICK, tokens=(1234, 5), seconds=3.0
    ),
    "ended-early": Case(half_first(sse(event("HALF")), "end"), requests=2, retried=True),
    "ended-early-with-done": Case(half_first(sse(event("HALF"), "[DONE]"), "end"), requests=2, retried=True),
    "broken-early": Case(half_first(sse(event("HALF AN ANSWER")), "reset"), requests=2, retried=True),
    # events
    "last-event-without-blank": Case(stream(sse(WHOLE, STOP, last=""), "end")),
    "completed-without-blank": Case(
        stream("event: x\n" + sse(DELTA, COMPLETED, last=""), "end"), api="responses", tokens=(1234, 5)
    ),
    "one-newline": Case(stream(sse(WHOLE, STOP, "[DONE]", between="\n"), "end")),
    "carriage-returns": Case(stream(sse(WHOLE, STOP, "[DONE]", between="\r\r"), "end")),
    "list-deltas": Case(
        stream(
            sse(
                event([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]),
                event([{"type": "text", "text": "WHOLE "}]),
                event([{"type": "text", "text": "ANSWER"}]),
                STOP,
                "[DONE]",
            ),
            "end",
        )
    ),
    "message-like-delta": Case(stream(sse(event("WHOLE ANSWER", "stop", name="message"), "[DONE]"), "end")),
    "characters-cut-anywhere": Case(
        [head(), *(chunk(SNOWMAN[i : i + 1]) for i in range(len(SNOWMAN))), "end"], text="W☃ÖLE 字"
    ),
    "index-as-text": Case(
        stream(
            sse(*(CHUNK | {"choices": [{**e["choices"][0], "index": "0"}]} for e in (WHOLE, STOP)), "[DONE]"),
            "end",
        )
    ),
    "character-in-two-pieces": Case(
        stream(
            sse(STARS[0], STARS[1], STOP).replace("HALF-1", "\\ud83c").replace("HALF-2", "\\udf1f"), "end"
        ),
        text="WHOLE 🌟 ANSWER",
    ),
    "character-in-two-pieces-of-responses": Case(
        stream(
            sse(
                DELTA | {"delta": "WHOLE HALF-1"},
                DELTA | {"delta": "HALF-2 ANSWER"},
                COMPLETED | {"response": COMPLETED["response"] | {"output": []}},
            )
            .replace("HALF-1", "\\ud83c")
            .replace("HALF-2", "\\udf1f"),
            "end",
        ),
        api="responses",
        text="WHOLE 🌟 ANSWER",
    ),
    # signs of life
    "heartbeat-comments": Case(stream(*[": keep-alive\n\n", 1.0] * 7, ALL, "end"), entry=QUICK, seconds=20),
    "heartbeat-empty-lines": Case(stream(*["\n", 1.0] * 7, ALL, "end"), entry=QUICK, seconds=20),
    "heartbeat-before-json": Case(
        [head("application/json"), *[chunk(" \n"), 1.0] * 7, chunk(own_text(b"Read f0")), "end"],
        entry={"timeout": "4s"},
        text="PAGE 0",
        seconds=20,
    ),
    # connections that are kept
    "stale-reset": Case(lambda n, body: ["reset"] if n else [reply(own_text(body))], requests=7, **KEPT),
    "stale-closed": Case(lambda n, body: ["close"] if n else [reply(own_text(body))], requests=7, **KEPT),
    "extra-reply": Case(lambda _, body: [reply(own_text(body)) + STALE], **KEPT),
    "extra-reply-later": Case(lambda _, body: [reply(own_text(body)), 0.0, STALE], **KEPT),
    "extra-bytes": Case(lambda _, body: [reply(own_text(body)) + b"?!"], **KEPT),
    "not-ended-json": Case(
        lambda _, body: [head("application/json"), chunk(own_text(body)), "close"], **KEPT
    ),
    # addresses
    "query": Case(
        lambda _, body: [reply(own_text(body))], **KEPT | {"entry": {"query": {"api-version": "2024-10-21"}}}
    ),
}


def configuration(url: Any, home: Path, cases: dict[str, Case]) -> str:
    models: dict[str, Any] = {}
    folders: dict[str, Any] = {}
    for name, case in cases.items():
        models[name] = {"api": case.api, "base_url": url(name), "price": {"output": 10}, **case.entry}
        folders[name] = {"path": str(home / name), "model": name}
    defaults = {"settle": 0, "reuse": False, "prompt": "Read {filename}"}
    log = {"target": "json", "level": "debug"}
    config = {"models": models, "defaults": defaults, "folders": folders, "log": log, "workers": 2}
    return yaml.safe_dump(config, sort_keys=False)


def place(cases: dict[str, Case], home: Path) -> None:
    for number, (name, case) in enumerate(cases.items()):
        case.folder = home / name
        for n in range(case.files):
            drop(case.folder, f"f{n}.png", picture("PNG", seed=100 * number + n))


def wait_for_all(daemon: Daemon, cases: dict[str, Case]) -> None:
    for name, case in cases.items():
        done = functools.partial(daemon.seen, "file.done", folder=name)
        wait_until(lambda done=done, case=case: len(done()) == case.files, f"{name}: {daemon.tail()}", 120)  # type: ignore[misc]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Wires, Daemon, dict[str, Any]]:
    home = tmp_path_factory.mktemp("streams")
    place(CASES, home)
    wires = Wires({name: case.steps for name, case in CASES.items()})
    with wires, Daemon(configuration(wires.base_url, home, CASES), home) as daemon:
        wait_for_all(daemon, CASES)
        status = json.loads(glimpsed("status", "--json", home=home).stdout)
        assert daemon.stop() == 0
    return wires, daemon, status


@pytest.mark.parametrize("name", CASES)
def test_a_stream_or_connection_as_it_is_ends_in_the_answer(
    name: str, played: tuple[Wires, Daemon, dict[str, Any]]
) -> None:
    wires, daemon, status = played
    case = CASES[name]
    assert len(wires.asked[name]) == (case.requests or case.files)
    assert bool(daemon.seen("file.retry", folder=name)) == case.retried
    assert not daemon.seen("file.failed", folder=name)
    assert status["models"][name]["state"] == "ok"
    for n in range(case.files):
        sidecar = json.loads((case.folder / f"f{n}.png.json").read_text())
        assert (case.folder / f"f{n}.png.txt").read_text() == case.text.format(n=n) + "\n"
        assert sidecar["finish"] == "stop"
        usage = sidecar["usage"]
        if case.tokens:
            assert (usage["input_tokens"], usage["output_tokens"]) == case.tokens
        done = daemon.seen("file.done", folder=name, file=f"f{n}.png")[0]
        assert case.retried or done.get("attempt", 1) == 1
        assert done["seconds"] < case.seconds or case.retried


def test_a_query_is_part_of_each_address(played: tuple[Wires, Daemon, dict[str, Any]]) -> None:
    wires, _, _ = played
    assert {target for target, _ in wires.asked["query"]} == {
        "/query/v1/chat/completions?api-version=2024-10-21"
    }


def test_what_was_thrown_away_is_in_the_spend(played: tuple[Wires, Daemon, dict[str, Any]]) -> None:
    """Beside the whole answer's 5 tokens, the broken one's, estimated from its text."""
    _, daemon, status = played
    whole = 5 * 10 / 1e6
    cost = sum(e.get("cost") or 0 for e in daemon.seen("file.done", folder="broken-early"))
    assert cost == pytest.approx(whole)
    assert status["spend"]["day"] > sum(e.get("cost") or 0 for e in daemon.seen("file.done"))


# --- through proxies ---


def test_through_a_proxy_no_scan_gets_anothers_text_and_a_network_is_left_out(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    def extra(_number: int, body: bytes) -> Steps:
        return [reply(own_text(body)) + STALE]

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    cases = {name: Case(extra, entry=ONE, files=4, text="PAGE {n}") for name in ("proxy", "connect", "near")}
    place(cases, tmp_path)
    with (
        Proxy() as proxy,
        Wires({"proxy": extra}) as plain,
        Wires({"connect": extra}, tls=context) as secure,
        Wires({"near": extra}, host="127.9.0.1") as near,
    ):
        there = {"proxy": plain, "connect": secure, "near": near}
        env = {
            "HTTP_PROXY": proxy.url,
            "HTTPS_PROXY": proxy.url,
            "NO_PROXY": "example.org, 127.9.0.0/16",
            "SSL_CERT_FILE": str(certificate[0]),
        }
        config = configuration(lambda name: there[name].base_url(name), tmp_path, cases)
        with Daemon(config, tmp_path, env=env) as daemon:
            wait_for_all(daemon, cases)
            assert daemon.stop() == 0
    for name, case in cases.items():
        texts = [(case.folder / f"f{n}.png.txt").read_text() for n in range(4)]
        assert texts == [f"PAGE {n}\n" for n in range(4)]
        assert len(there[name].asked[name]) == 4
    assert {asked.split(" ")[0] for asked in proxy.asked} == {"POST", "CONNECT"}
    assert not any("127.9.0.1" in asked for asked in proxy.asked)


def test_a_dead_proxy_is_named(tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(picture("PNG"))
    (tmp_path / "in").mkdir()
    models = {"m": {"api": "chat", "base_url": "https://models.invalid/v1"}}
    folders = {"in": {"path": str(tmp_path / "in"), "prompt": "Read", "model": "m"}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"models": models, "folders": folders}))
    env = {"HTTPS_PROXY": "http://user:s3cr3t@127.0.0.1:9"}
    found = glimpsed("-c", "c.yaml", "try", "scan.png", "--folder", "in", home=tmp_path, env=env)
    assert found.returncode == 69
    said = found.stdout + found.stderr
    assert "http://127.0.0.1:9" in said
    assert "s3cr3t" not in said
