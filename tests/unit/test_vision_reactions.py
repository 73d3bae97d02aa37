"""What the client does about each reply, seen from the gateway: what was asked next, and what came out."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from PIL import Image as Picture

from gateway import Gateway, Scripted, Seen
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import VisionError
from glimpsed.model import Image, Reply, Request
from glimpsed.vision import Memory
from glimpsed.vision.remote import RemoteModel

R, C = "/responses", "/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}


def picture(edge: int = 40) -> Image:
    out = io.BytesIO()
    Picture.new("RGB", (edge, 30), "white").save(out, "JPEG")
    return Image(1, "image/jpeg", edge, 30, out.getvalue())


def err(status: int, message: str = "", code: Any = None, **more: Any) -> Scripted:
    return Scripted(status=status, body={"error": {"message": message, "code": code, **more}})


def text(value: str, **more: Any) -> Scripted:
    return Scripted(text=value, **more)


def limited(most: int) -> Callable[[Seen], Scripted]:
    """A model with a limit on output tokens of its own."""

    def reply(seen: Seen) -> Scripted:
        asked = seen.body.get("max_tokens") or seen.body.get("max_output_tokens") or 0
        if asked > most:
            return err(
                400, f"max_tokens is too large: {asked}. This model supports at most {most} completion tokens"
            )
        return text("cut", finish="length") if asked < most else text("whole")

    return reply


def refuses(*names: str) -> Callable[[Seen], Scripted]:
    """A model that does not take these parameters."""

    def reply(seen: Seen) -> Scripted:
        for name in names:
            if name in seen.body:
                return err(
                    400,
                    f"Unsupported parameter: '{name}' is not supported with this model.",
                    "unsupported_parameter",
                    param=name,
                )
        return Scripted()

    return reply


@dataclass(frozen=True)
class Case:
    """Replies in order (then the default), and what is to come of them."""

    id: str
    script: tuple[Any, ...]
    outcome: str  # the answer's text, or the verdict's kind in capitals
    paths: tuple[str, ...]
    api: str = "responses"
    entry: dict[str, Any] = field(default_factory=dict)
    ask: dict[str, Any] = field(default_factory=dict)
    last: Callable[[dict[str, Any]], bool] = lambda _body: True  # about the last request's body
    learnt: dict[str, Any] = field(default_factory=dict)


FOX = "The quick brown fox."
BLIND = "I'm sorry, but I can't see any image. Please upload it again."
WITH = {"schema": SCHEMA}
FINE = text('{"total": 1}')

CASES = [
    Case("an answer", (), FOX, (R,)),
    Case("an answer of the chat API", (), FOX, (C,), api="chat"),
    # retry: comes out, the ledger knows when
    Case("429", (err(429, "slow down"),), "RETRY", (R,)),
    Case("429 without a body", (Scripted(status=429, body=""),), "RETRY", (R,)),
    Case("500", (err(500, "The server had an error"),), "RETRY", (R,)),
    Case("502 HTML", (Scripted(status=502, body="<html>Bad gateway</html>"),), "RETRY", (R,)),
    Case("504", (Scripted(status=504, body="<html>"),), "RETRY", (R,)),
    Case("409", (err(409, "conflict"),), "RETRY", (R,)),
    Case("connection dropped", (Scripted(fault="drop"),), "RETRY", (R,)),
    Case("half a body", (Scripted(fault="half"),), "RETRY", (R,)),
    Case("no answer in time", (Scripted(fault="hang"),), "RETRY", (R,), entry={"timeout": 0.3}),
    Case("a byte at a time, for ever", (Scripted(fault="trickle"),), "RETRY", (R,), entry={"timeout": 0.3}),
    Case("empty answer", (text(""),), "RETRY", (R,)),
    Case("blanks only", (text(" \n "),), "RETRY", (C,), api="chat"),
    Case("empty 200", (Scripted(body=""),), "RETRY", (R,)),
    Case("no choices", (Scripted(body={"choices": []}),), "RETRY", (C,), api="chat"),
    Case("content null", (Scripted(body={"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}),), "RETRY", (C,), api="chat"),
    Case("failed response", (Scripted(body={"status": "failed", "error": {"code": "server_error", "message": "x"}, "output": []}),), "RETRY", (R,)),
    Case("still in progress", (Scripted(body={"status": "in_progress", "output": []}),), "RETRY", (R,)),
    Case("Gemini's error in a 200", (err(200, "No candidates returned", 500),), "RETRY", (C,), api="chat"),
    # pause
    Case("401", (err(401, "Incorrect API key", "invalid_api_key"),), "PAUSE", (R,)),
    Case("402", (Scripted(status=402, body=""),), "PAUSE", (R,)),
    Case("quota in a 429", (err(429, "You exceeded your current quota", "insufficient_quota"),), "PAUSE", (R,)),
    Case("quota of a new-api token", (err(403, "x", "pre_consume_token_quota_failed"),), "PAUSE", (R,)),
    Case("exhausted, in Chinese", (err(401, "该令牌额度已用尽"),), "PAUSE", (R,)),
    Case("a web page: base_url wrong", (Scripted(body="<!doctype html><html>"),), "PAUSE", (R,)),
    Case("redirected", (Scripted(status=307, body="", headers={"location": "https://evil.example/v1"}),), "PAUSE", (R,)),
    Case("404 page from both: base_url wrong", (Scripted(status=404, body="404 page not found"),) * 2, "PAUSE", (R, C)),
    Case("a 404 with a word that the model is called", (err(404, "default backend - 404"),) * 2, "PAUSE", (R, C), entry={"model": "default"}),
    Case("a 404 with a name that begins like the model's", (err(404, "gpt-4o-proxy.example: nothing here"),) * 2, "PAUSE", (R, C)),
    # shrink: new images are needed
    Case("413", (Scripted(status=413, body="<html>"),), "SHRINK", (R,)),
    Case("413 before the body was read", (Scripted(status=413, body="<html>", fault="early"),), "SHRINK", (R,)),
    Case("400 about the image", (err(400, "please check whether the image is too large"),), "SHRINK", (R,)),
    # switch: the other API, remembered when it is the API's fault
    Case("no Responses here", (err(404, "Invalid URL (POST /v1/responses)"),), FOX, (R, C), learnt={"api": "chat"}),
    Case("no chat here", (err(404, "Invalid URL"),), FOX, (C, R), api="chat", learnt={"api": "responses"}),
    Case("channel without Responses", (err(500, "not implemented", "convert_request_failed"),), FOX, (R, C), learnt={"api": "chat"}),
    Case("data URI cap", (err(400, "not a valid absolute URI"),), FOX, (R, C), learnt={"api": "chat"}),
    Case("image not seen", (text(BLIND),), FOX, (R, C)),
    Case("image not seen, in Chinese", (text("抱歉,我无法查看图片。"),), FOX, (C, R), api="chat"),
    Case("image never seen", (text(BLIND), text(BLIND)), "SWITCH", (R, C)),
    Case("no access to the model", (err(403, "无权使用模型"), err(403, "无权使用模型")), "SWITCH", (R, C)),
    Case("a 404 with the model's own name", (err(404, "'gpt-4o': nothing here."),) * 2, "SWITCH", (R, C)),
    Case("unknown model", (err(404, "x", "model_not_found"), err(404, "x", "model_not_found")), "SWITCH", (R, C)),
    Case("content policy", (err(400, "x", "image_content_policy_violation"),) * 2, "SWITCH", (R, C)),
    Case("refusal by both", (Scripted(body={"choices": [{"message": {"refusal": "no"}}]}), text("I'm sorry, I can't help with that.")), "SWITCH", (C, R), api="chat"),
    Case("content filter as finish", (text("abc", finish="content_filter"),), FOX, (C, R), api="chat"),
    Case("a loop", (text("and so on " * 900), text("and so on " * 900)), "SWITCH", (R, C)),
    Case("a 400 that says nothing", (Scripted(status=400, body=""),) * 3, "SWITCH", (R, R, C)),
    Case("other API is in trouble", (text(BLIND), err(503)), "RETRY", (R, C)),
    # parameters
    Case("temperature refused", (refuses("temperature"),) * 2, FOX, (R, R), ask={"temperature": 0.1}, last=lambda b: "temperature" not in b, learnt={"refused": {"temperature"}}),
    Case("two parameters refused", (refuses("temperature", "store"),) * 3, FOX, (R,) * 3, ask={"temperature": 0.1}, learnt={"refused": {"temperature", "store"}}),
    Case("max_tokens refused", (refuses("max_tokens"),) * 2, FOX, (C, C), api="chat", ask={"max_output_tokens": 99}, last=lambda b: b["max_completion_tokens"] == 99),
    Case("system role refused", (err(400, "Developer instruction is not enabled for models/gemma"),), FOX, (C, C), api="chat", ask={"system": "S"}, last=lambda b: len(b["messages"]) == 1 and b["messages"][0]["content"][1]["text"] == "S\n\nRead.", learnt={"refused": {"system"}}),
    Case("refused although it was not sent", (err(400, "Unknown parameter: 'zzz'.", "unknown_parameter"),) * 3, "SWITCH", (R, R, C)),
    Case("detail refused", (err(400, "Invalid value: 'original'. Supported values are: 'low', 'high', and 'auto'.", "invalid_value", param="input[0].content[0].detail"),), FOX, (R, R), ask={"detail": "original"}, last=lambda b: b["input"][0]["content"][0]["detail"] == "auto"),
    Case("detail refused, chat", (err(400, "x", "invalid_value", param="messages[0].content[0].image_url.detail"),), FOX, (C, C), api="chat", ask={"detail": "original"}, last=lambda b: "detail" not in b["messages"][0]["content"][0]["image_url"]),
    Case("model cannot be left out", (err(400, "Invalid parameter: 'model'", param="model"),) * 3, "SWITCH", (R, R, C)),
    # longer
    Case("cut once", (text("abc", finish="length"),), FOX, (R, R), ask={"max_output_tokens": 100}, last=lambda b: b["max_output_tokens"] == 8192),
    Case("a raised limit that is forbidden is none about the account", (text("abc", finish="length"), err(403, "höchstens 2048"), text("whole")), "whole", (C, C, C), api="chat", last=lambda b: b["max_tokens"] == 2048),
    Case("a raised limit that is forbidden in no words", (text("abc", finish="length"), err(403, "Drelm")), "FAIL", (C, C), api="chat"),
    Case("cut twice", (text("abc", finish="length"),) * 2, "FAIL", (C, C), api="chat"),
    Case("longer than the model can", (limited(5000),) * 3, "whole", (C,) * 3, api="chat", last=lambda b: b["max_tokens"] == 5000),
    Case("all of it went into thinking", (text("", finish="length"),), FOX, (R, R)),
    # structure
    Case("structure", (FINE,), '{"total": 1}', (R,), ask=WITH, last=lambda b: b["text"]["format"]["strict"]),
    Case("no JSON schema: JSON mode", (err(400, "'response_format' of type 'json_schema' is not supported"), FINE), '{"total": 1}', (C, C), api="chat", ask=WITH, last=lambda b: b["response_format"] == {"type": "json_object"}, learnt={"mode": "json"}),
    Case("no JSON mode either: prompt", (err(400, "response_format is not supported"), err(400, "response_format is not supported"), FINE), '{"total": 1}', (C,) * 3, api="chat", ask=WITH, last=lambda b: "response_format" not in b and "JSON Schema" in b["messages"][0]["content"][1]["text"], learnt={"mode": "prompt"}),
    Case("text refused as a parameter", (refuses("text"), refuses("text"), FINE), '{"total": 1}', (R,) * 3, ask=WITH, learnt={"mode": "prompt"}),
    Case("repaired", (text('{"total": "x"}'), FINE), '{"total": 1}', (R, R), ask=WITH, last=lambda b: b["input"][1] == {"role": "assistant", "content": '{"total": "x"}'}),
    Case("repaired, chat", (text("no JSON"), FINE), '{"total": 1}', (C, C), api="chat", ask=WITH, last=lambda b: [m["role"] for m in b["messages"]] == ["user", "assistant", "user"], learnt={"mode": "json"}),
    Case("not repaired", (text("[1]"), text("[2]")), "FAIL", (R, R), ask=WITH),
    Case("schema and image not seen", (text(BLIND), FINE), '{"total": 1}', (R, C), ask=WITH),
    # streams
    Case("stream", (), FOX, (R,), entry={"stream": True}),
    Case("stream, chat", (), FOX, (C,), api="chat", entry={"stream": True}),
    Case("half a stream", (Scripted(fault="half"),), "RETRY", (R,), entry={"stream": True}),
    Case("half a stream, chat", (Scripted(fault="half"),), "RETRY", (C,), api="chat", entry={"stream": True}),
    Case("stalled stream", (Scripted(fault="hang"),), "RETRY", (R,), entry={"stream": True, "timeout": 0.3}),
    Case("slow stream that goes on", (Scripted(fault="trickle", interval=0.1),), FOX, (R,), entry={"stream": True, "timeout": 0.4}),
    Case("stream without an end", (Scripted(events=({"type": "response.in_progress"},) * 200, fault="trickle", interval=0.02),), "RETRY", (R,), entry={"stream": True, "timeout": 0.2}),
    Case("stream that was not asked for", (Scripted(fault="sse"),), FOX, (C,), api="chat"),
    Case("stream cut at the limit", (text("abc", finish="length"),), FOX, (R, R), entry={"stream": True}),
    Case("error in a stream", (Scripted(events=({"error": {"message": "Overloaded", "type": "overloaded_error"}},)),), "RETRY", (C,), api="chat", entry={"stream": True}),
    Case("no stream here", (refuses("stream"),) * 2, FOX, (C, C), api="chat", entry={"stream": True}, last=lambda b: "stream" not in b, learnt={"refused": {"stream"}}),
]  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


@pytest.fixture
def gateway(shared: Gateway) -> Gateway:
    shared.reset()
    return shared


def model(
    gateway: Gateway, api: Any = "responses", memory: Memory | None = None, **entry: Any
) -> RemoteModel:
    entry = {"base_url": gateway.base_url, "model": "gpt-4o", "timeout": 10, **entry}
    return RemoteModel(ModelEntry(name="m", api=api, **entry), memory or Memory())


async def outcome(asked: RemoteModel, **request: Any) -> Reply | VisionError:
    request = {"prompt": "Read.", "images": (picture(),), "idempotency_key": "job-1", **request}
    try:
        return await asked.ask(Request(**request))
    except VisionError as e:
        return e


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES, ids=[c.id for c in CASES])
async def test_reaction(case: Case, gateway: Gateway) -> None:
    gateway.script(*case.script)
    asked = model(gateway, case.api, **case.entry)
    found = await outcome(asked, **case.ask)
    await asked.aclose()
    got = found.text if isinstance(found, Reply) else found.verdict.kind.upper()
    assert got == case.outcome, found
    assert tuple(seen.path for seen in gateway.requests) == case.paths
    assert all(seen.images for seen in gateway.requests if seen.body)  # the image is in every request
    if gateway.requests[-1].body:
        assert case.last(gateway.requests[-1].body), gateway.requests[-1].body
    assert (asked.pacing.paused is not None) == (case.outcome == "PAUSE")
    facts = asked.lessons.facts(case.api)  # type: ignore[arg-type]
    for name, value in case.learnt.items():
        assert getattr(facts, name) == value
    if not case.learnt:
        assert (facts.api, facts.mode) == (None, None)
    requests = len(gateway.requests) - (case.outcome == "PAUSE")
    assert found.requests == requests
    assert not gateway.problems


# --- what was learnt is used ---


@pytest.mark.anyio
async def test_what_was_learnt_is_used_by_the_next_question_and_after_a_restart(gateway: Gateway) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    memory = Memory(lambda where, facts: told.append((where, facts)))
    gateway.script(
        err(404, "Invalid URL (POST /v1/responses)"), refuses("temperature"), refuses("temperature")
    )
    first = model(gateway, memory=memory)
    assert isinstance(await outcome(first, temperature=0.1), Reply)
    await first.aclose()
    gateway.reset()
    gateway.script(refuses("temperature"))
    later = Memory()
    later.load(json.loads(json.dumps(dict(told))))
    second = model(gateway, memory=later)
    found = await outcome(second, temperature=0.1)
    await second.aclose()
    assert isinstance(found, Reply)
    assert (found.requests, found.api, gateway.requests[0].path) == (1, "chat", C)


@pytest.mark.anyio
async def test_a_schema_that_is_refused_where_others_are_taken_teaches_nothing_of_those(
    gateway: Gateway,
) -> None:
    other = {**SCHEMA, "title": "with a pattern"}
    told: list[tuple[str, dict[str, Any]]] = []

    def picky(seen: Seen) -> Scripted:
        refused = "with_a_pattern" in json.dumps(seen.body.get("response_format", {}))
        return (
            err(400, "Invalid schema for response_format: 'pattern' is not permitted.")
            if refused
            else text('{"total": 1}')
        )

    gateway.default = picky
    asked = model(gateway, "chat", Memory(lambda where, facts: told.append((where, facts))))
    for schema in (SCHEMA, other, SCHEMA, other):
        assert isinstance(await outcome(asked, schema=schema), Reply)
    await asked.aclose()
    restarted = Memory()
    restarted.load(json.loads(json.dumps(dict(told))))
    asked = model(gateway, "chat", restarted)
    for schema in (other, SCHEMA):
        assert isinstance(await outcome(asked, schema=schema), Reply)
    await asked.aclose()
    forms = [seen.body["response_format"]["type"] for seen in gateway.requests]
    taken, refused = "json_schema", "json_object"
    assert forms == [taken, taken, refused, taken, refused, refused, taken]


@pytest.mark.anyio
async def test_a_schema_that_has_a_model_say_nothing_is_said_otherwise_and_remembered_after_three(
    gateway: Gateway,
) -> None:
    def mute(seen: Seen) -> Scripted:
        return text(
            "" if seen.body.get("response_format", {}).get("type") == "json_schema" else '{"total": 1}'
        )

    gateway.default = mute
    asked = model(gateway, "chat")
    for n in range(4):
        if n < 3:
            nothing = await outcome(asked, schema=SCHEMA, idempotency_key=f"job-{n}")
            assert isinstance(nothing, VisionError)
            assert asked.lessons.facts("chat").mode is None
        found = await outcome(asked, schema=SCHEMA, idempotency_key=f"job-{n}")
        assert isinstance(found, Reply)
        assert (found.data, found.requests) == ({"total": 1}, 1)
    assert asked.lessons.facts("chat").mode == "json"
    await asked.aclose()


@pytest.mark.anyio
async def test_a_blank_page_with_a_schema_costs_no_request_more_than_without(gateway: Gateway) -> None:
    gateway.default = text("")
    asked = model(gateway, "chat")
    for schema in (SCHEMA, None):
        before = len(gateway.requests)
        for _ in range(2):
            assert isinstance(
                await outcome(asked, schema=schema, idempotency_key=f"job {schema is None}"), VisionError
            )
        assert len(gateway.requests) - before == 3
    assert asked.lessons.facts("chat").mode is None
    await asked.aclose()


@pytest.mark.anyio
async def test_one_image_that_was_not_seen_does_not_change_the_api_but_three_do(gateway: Gateway) -> None:
    asked = model(gateway)
    for n in range(3):
        assert asked.lessons.api == "responses"
        gateway.script(text(BLIND))
        await outcome(asked, idempotency_key=f"job-{n}")
    await asked.aclose()
    assert asked.lessons.api == "chat"


@pytest.mark.anyio
async def test_second_time_without_candidates_switches(gateway: Gateway) -> None:
    asked = model(gateway, "chat")
    gateway.script(*[err(200, "No candidates returned", 500)] * 2)
    first = await outcome(asked)
    second = await outcome(asked)
    await asked.aclose()
    assert isinstance(first, VisionError)
    assert first.verdict.kind == "retry"
    assert isinstance(second, Reply)
    assert second.api == "responses"


@pytest.mark.anyio
async def test_an_error_inside_a_200_that_comes_again_is_found_out_by_asking_differently(
    gateway: Gateway,
) -> None:
    inside = Scripted(body={"error": {"message": "Drelm vok"}})
    gateway.default = lambda seen: inside if "temperature" in seen.body else Scripted()
    asked = model(gateway, "chat")
    first = await outcome(asked, temperature=0.1)
    assert isinstance(first, VisionError)
    assert (first.verdict.kind, first.requests) == ("retry", 1)
    assert isinstance(second := await outcome(asked, temperature=0.1), Reply)
    assert second.requests <= 5
    assert isinstance(third := await outcome(asked, temperature=0.1, idempotency_key="job-2"), Reply)
    assert third.requests == 1
    await asked.aclose()


@pytest.mark.anyio
async def test_an_api_that_answers_others_is_there_and_this_file_may_be_at_fault(gateway: Gateway) -> None:
    asked = model(gateway, "chat")
    assert isinstance(await outcome(asked), Reply)
    gateway.default = Scripted(status=404, body="404 page not found")
    found = await outcome(asked, idempotency_key="job-2")
    assert isinstance(found, VisionError)
    assert (found.verdict.kind, found.verdict.doubtful) == ("pause", True)
    await asked.aclose()


@pytest.mark.anyio
async def test_a_stream_that_never_has_a_last_word_is_asked_for_as_one_reply(gateway: Gateway) -> None:
    piece = {"id": "c", "choices": [{"index": 0, "delta": {"content": "The quick"}}]}
    endless = Scripted(events=(piece, "[DONE]"))
    gateway.default = lambda seen: endless if seen.body.get("stream") else Scripted()
    asked = model(gateway, "chat", stream=True)
    first = await outcome(asked)
    assert isinstance(first, VisionError)
    assert (first.verdict.kind, first.requests) == ("retry", 1)
    assert isinstance(second := await outcome(asked), Reply)
    assert (second.text, second.requests) == (FOX, 1)
    assert isinstance(third := await outcome(asked, idempotency_key="job-2"), Reply)
    assert third.requests == 1
    await asked.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda reply: {"code": 0, "msg": "success", "data": reply},
        lambda reply: {**reply, "error": {"message": "", "type": "", "param": "", "code": None}},
        lambda reply: {**reply, "error": {"code": 0, "message": "success"}},
        lambda reply: [reply],
    ],
)
async def test_an_answer_in_a_wrapper_is_one(
    gateway: Gateway, status: int, wrap: Callable[[Any], Any]
) -> None:
    reply = {"choices": [{"index": 0, "message": {"content": FOX}, "finish_reason": "stop"}]}
    gateway.default = Scripted(status=status, body=wrap(reply))
    asked = model(gateway, "chat")
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, Reply)
    assert found.text == FOX


@pytest.mark.anyio
async def test_a_413_teaches_a_ceiling_in_bytes_and_a_smaller_image_that_works_one_in_pixels(
    gateway: Gateway,
) -> None:
    asked = model(gateway)
    big = Image(1, "image/png", 2048, 1000, b"x" * 900_000)

    def nginx(seen: Seen) -> Scripted:
        return Scripted(status=413, body="<html>") if len(seen.raw) > 1 << 20 else Scripted()

    gateway.default, gateway.decode = nginx, False
    first = await outcome(asked, images=(big,))
    assert isinstance(first, VisionError)
    assert first.verdict.kind == "shrink"
    ceiling = asked.ceiling()
    assert ceiling.bytes is not None
    assert 700_000 < ceiling.bytes < (1 << 20) * 3 / 4
    small = Image(1, "image/png", 1568, 766, b"x" * 500_000)
    assert isinstance(await outcome(asked, images=(small,)), Reply)
    assert asked.ceiling().edge == 1568
    await asked.aclose()


@pytest.mark.anyio
async def test_a_wrong_base_url_stays_paused_from_probe_to_probe(gateway: Gateway) -> None:
    clock, told = [1_800_000_000.0], []
    gateway.default = Scripted(status=404, body="404 page not found")
    asked = model(gateway)
    asked.clock = lambda: clock[0]
    asked.pacing.on_change = told.append
    for _ in range(3):
        found = await outcome(asked)
        assert isinstance(found, VisionError)
        assert found.verdict.kind == "pause"
        assert asked.pacing.paused is not None
        clock[0] = asked.pacing.paused.until
    await asked.aclose()
    assert (len(told), len(gateway.requests)) == (1, 6)


@pytest.mark.anyio
async def test_a_big_body_that_neither_api_finds_is_too_big(gateway: Gateway) -> None:
    gateway.default, gateway.decode = Scripted(status=404, body="404 page not found"), False
    asked = model(gateway)
    found = await outcome(asked, images=(Image(1, "image/png", 2048, 1000, b"x" * 900_000),))
    await asked.aclose()
    assert isinstance(found, VisionError)
    assert found.verdict.kind == "shrink"


@pytest.mark.anyio
async def test_an_image_that_is_refused_at_every_size_teaches_nothing(gateway: Gateway) -> None:
    asked = model(gateway)
    for edge in (2048, 1568, 1024, 768):
        gateway.script(err(400, "x", "image_parse_error"))
        await outcome(asked, images=(picture(edge),))
    assert (asked.ceiling().edge, asked.ceiling().bytes) == (None, None)
    assert isinstance(await outcome(asked, idempotency_key="other"), Reply)
    assert asked.ceiling().edge is None
    await asked.aclose()


# --- what is in a request, and what is told of it ---


@pytest.mark.anyio
async def test_idempotency_key_is_the_same_when_a_job_is_retried_and_another_for_another_request(
    gateway: Gateway,
) -> None:
    asked = model(gateway)
    gateway.script(err(503), text('{"total": "x"}'), FINE)
    await outcome(asked)
    await outcome(asked, **WITH)
    await asked.aclose()
    assert [s.headers["idempotency-key"] for s in gateway.requests] == ["job-1", "job-1", "job-1-2"]


@pytest.mark.anyio
async def test_headers_extra_and_key_are_sent(gateway: Gateway) -> None:
    asked = model(
        gateway, key="sk-secret", user_agent="mine/2", headers={"X-Team": "scans"}, extra={"seed": 7, "temperature": 1}
    )  # fmt: skip
    await outcome(asked, temperature=0.1, user="u")
    await asked.aclose()
    seen = gateway.requests[0]
    assert seen.headers["authorization"] == "Bearer sk-secret"
    assert (seen.headers["user-agent"], seen.headers["x-team"]) == ("mine/2", "scans")
    assert (seen.body["seed"], seen.body["temperature"], seen.body["user"], seen.body["store"]) == (
        7,
        1,
        "u",
        False,
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "body", "entry", "fix"),
    [
        (400, "This model only support stream mode, please enable the stream parameter.", {}, "(set 'stream: true' for the model)"),
        (400, "parameter.enable_thinking must be set to false for non-streaming calls", {}, "(set 'stream: true' for the model)"),
        (400, "Streaming is required for operations that may take longer than 10 minutes", {}, "(set 'stream: true' for the model)"),
        (400, "该模型仅支持流式输出", {}, "(set 'stream: true' for the model)"),
        (400, "This model only support stream mode.", {"stream": True}, "stream mode."),
        (400, "max_tokens: Field required", {}, "(set 'max_output_tokens' for the folder)"),
        (422, {"detail": [{"type": "missing", "loc": ["body", "max_tokens"], "msg": "Field required"}]}, {}, "(set 'max_output_tokens' for the folder)"),
        (400, "you must provide a 'max_tokens' parameter", {}, "(set 'max_output_tokens' for the folder)"),
        (400, "max_tokens must be at least 1, got -512", {}, "got -512"),
        (404, "Missing required query parameter: api-version", {}, "(set the version in the model's 'query')"),
        (400, "API version not supported", {}, "(set the version in the model's 'query')"),
        (422, {"detail": [{"type": "missing", "loc": ["body", "user"], "msg": "Field required"}]}, {}, "(set 'user' for the folder)"),
        (422, {"detail": [{"type": "missing", "loc": ["body", "project"], "msg": "Field required"}]}, {}, "(set 'project' in the model's 'extra')"),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "project"], "msg": "Not permitted"}]}, {}, "Not permitted"),
    ],
)  # fmt: skip
async def test_what_a_request_lacks_is_said_with_the_key_that_gives_it(
    gateway: Gateway, status: int, body: Any, entry: dict[str, Any], fix: str
) -> None:
    """No experiment finds that out, as they leave things out."""
    asked = model(gateway, "chat", **entry)
    gateway.default = Scripted(status=status, body=body) if isinstance(body, dict) else err(status, body)
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, VisionError)
    assert found.verdict.reason.endswith(fix)


@pytest.mark.anyio
async def test_the_key_is_in_no_message(gateway: Gateway) -> None:
    asked = model(gateway, key="gk.topsecret")
    gateway.script(err(401, "Incorrect API key provided: gk.topsecret"))
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, VisionError)
    assert "topsecret" not in found.verdict.reason + repr(found) + repr(asked.entry) + repr(vars(asked))


@pytest.mark.anyio
async def test_the_key_is_in_nothing_that_is_kept_of_an_answer(gateway: Gateway) -> None:
    """Names that a gateway makes up go into sidecars, and what is learnt into the ledger."""
    known, key = Memory(), "gk.TopSecret"
    asked = model(gateway, "chat", known, key=key)
    body = {
        "id": f"id-{key}",
        "model": f"asked/{key}",
        "choices": [{"index": 0, "message": {"content": "TEXT"}, "finish_reason": f"vorbim {key}"}],
    }
    gateway.script(err(400, f"key {key.upper()} is odd", key))
    gateway.default = Scripted(body=body, headers={"x-request-id": ""})
    by_header = Scripted(body=body, headers={"x-request-id": f"for {key}"})
    found = await outcome(asked)
    gateway.default = by_header
    again = await outcome(asked)
    gateway.default = err(400, f"key {key} is odd", key)
    refused = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, Reply)
    assert isinstance(again, Reply)
    assert isinstance(refused, VisionError)
    assert (found.answered, found.request_id) == ("asked/[hidden]", "id-[hidden]")
    assert again.request_id == "for [hidden]"
    assert "topsecret" not in f"{found} {again} {vars(refused)} {known.dump()}".lower()


@pytest.mark.anyio
async def test_a_header_of_the_entry_is_as_secret_as_the_key(gateway: Gateway) -> None:
    headers = {"X-Gateway": "Token gw.topsecret", "X-Title": "glimpsed", "X-Debug": "1"}
    asked = model(gateway, headers=headers)
    gateway.script(err(401, "glimpsed: gw.topsecret is not known here (1)"))
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, VisionError)
    assert found.verdict.reason.endswith("glimpsed: [hidden] is not known here (1)")
    assert {"Token gw.topsecret", "gw.topsecret"} <= set(asked.entry.secrets)
    assert all("topsecret" in secret for secret in asked.entry.secrets)


@pytest.mark.anyio
async def test_a_query_is_as_secret_as_the_key_also_as_it_was_sent(gateway: Gateway) -> None:
    asked = model(gateway, query={"code": "top+secret/ü ="})
    gateway.default = lambda seen: err(401, f"no: POST {seen.path}?{seen.query}")
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, VisionError)
    assert found.verdict.reason.endswith("?code=[hidden]")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("most", "words"),
    [
        (4096, "max_tokens must be at most 4,096"),
        (4096, "max_tokens must be less than or equal to 4_096"),
        (512, "Range of max_tokens should be [1,512]"),
        (2596, "The maximum context length is 4,096 tokens; {total:,} were requested (1,500 in the prompt)"),
    ],
)
async def test_a_limit_is_read_as_people_write_numbers(gateway: Gateway, most: int, words: str) -> None:
    def reply(seen: Seen) -> Scripted:
        asked = seen.body.get("max_tokens") or seen.body.get("max_output_tokens") or 0
        if asked > most:
            return err(400, words.format(total=asked + 1500))
        return text("whole") if asked == most else text("cut", finish="length")

    asked = model(gateway)
    gateway.default = reply
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, Reply)
    assert (found.text, found.requests) == ("whole", 3)


@pytest.mark.anyio
async def test_usage_is_summed_over_all_requests_of_an_answer(gateway: Gateway) -> None:
    asked = model(gateway, price={"input": 2.5, "output": 10}, currency="EUR")
    gateway.script(text("[]", usage=(1000, 10)), text('{"total": 1}', usage=(1100, 20)))
    found = await outcome(asked, **WITH)
    await asked.aclose()
    assert isinstance(found, Reply)
    assert (found.usage.input_tokens, found.usage.output_tokens, found.requests) == (2100, 30, 2)
    assert (found.usage.cost, found.usage.currency, found.usage.estimated) == (0.00555, "EUR", False)


@pytest.mark.anyio
async def test_usage_that_is_not_reported_is_estimated_and_marked(gateway: Gateway) -> None:
    asked = model(gateway)
    gateway.script(text("x" * 40, usage=None))
    found = await outcome(asked, prompt="y" * 80, images=(picture(512),))
    await asked.aclose()
    assert isinstance(found, Reply)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (85 + 170 + 20, 10)
    assert (found.usage.estimated, found.usage.cost, found.usage.currency) == (True, None, None)


@pytest.mark.anyio
async def test_what_a_failure_cost_is_told(gateway: Gateway) -> None:
    asked = model(gateway, price={"input": 1, "output": 1})
    gateway.script(*[text("cut", finish="length", usage=(1000, 500))] * 2)
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, VisionError)
    assert (found.input_tokens, found.output_tokens, found.cost, found.raw) == (2000, 1000, 0.003, "cut")


@pytest.mark.anyio
async def test_request_id_is_the_header_or_else_the_replys_id(gateway: Gateway) -> None:
    asked = model(gateway)
    gateway.script(Scripted(), Scripted(headers={"x-request-id": ""}))
    first, second = await outcome(asked), await outcome(asked)
    await asked.aclose()
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert (first.request_id, second.request_id) == ("req-1", "resp-1")


@pytest.mark.anyio
async def test_an_outage_costs_no_file_more_than_what_it_took_to_notice(gateway: Gateway) -> None:
    asked = model(gateway)
    gateway.script(*[Scripted(fault="drop")] * 5)
    found = [await outcome(asked, idempotency_key=f"job-{n % 2}") for n in range(6)]
    await asked.aclose()
    kinds = [f.verdict.kind for f in found if isinstance(f, VisionError)]
    assert kinds == ["retry"] * 4 + ["pause"] * 2
    assert [f.requests for f in found] == [1, 1, 1, 1, 0, 0]
    assert len(gateway.requests) == 5


@pytest.mark.anyio
async def test_nobody_there_pauses_for_a_single_file_too_and_costs_it_nothing() -> None:
    with Gateway() as gone:
        asked = model(gone)
    found = [await outcome(asked) for _ in range(6)]
    await asked.aclose()
    assert [f.verdict.kind for f in found if isinstance(f, VisionError)] == ["retry"] * 4 + ["pause"] * 2


@pytest.mark.anyio
async def test_a_file_that_alone_breaks_every_connection_is_not_excused_for_ever(gateway: Gateway) -> None:
    clock = [1_800_000_000.0]
    asked = model(gateway, timeout=0.2)
    asked.clock = lambda: clock[0]
    gateway.default = lambda seen: Scripted(
        fault="drop" if seen.headers["idempotency-key"] == "bad" else None
    )
    kinds = []
    for _ in range(8):
        found = await outcome(asked, idempotency_key="bad")
        assert isinstance(found, VisionError)
        kinds.append(found.verdict.kind)
        clock[0] += 1000
    assert kinds == ["retry"] * 8
    assert asked.pacing.paused is not None
    assert isinstance(await outcome(asked, idempotency_key="good"), Reply)
    await asked.aclose()
    assert asked.pacing.paused is None


@pytest.mark.anyio
async def test_a_request_before_a_pause_counts_and_the_one_that_met_it_does_not(gateway: Gateway) -> None:
    asked = model(gateway)
    gateway.script(refuses("temperature"), err(402))
    found = await outcome(asked, temperature=0.1)
    again = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, VisionError)
    assert (found.verdict.kind, found.requests, again.requests) == ("pause", 1, 0)


@pytest.mark.anyio
async def test_half_surrogates_and_nul_never_get_out(gateway: Gateway) -> None:
    asked = model(gateway)
    gateway.script(
        Scripted(
            body='{"output": [{"type": "message", "content": [{"type": "output_text", "text": "a\\ud800b\\u0000c\\ud83d\\ude00"}]}]}'
        )
    )
    found = await outcome(asked)
    await asked.aclose()
    assert isinstance(found, Reply)
    assert found.text == "a\ufffdbc\U0001f600"


@pytest.mark.anyio
async def test_a_gateway_that_makes_things_up_for_ever_is_left_in_the_end(gateway: Gateway) -> None:
    def silly(seen: Seen) -> Scripted:
        names = [n for n in seen.body if n not in ("model", "input", "messages")]
        return (
            err(400, f"Unknown parameter: '{names[0]}'.", "unknown_parameter")
            if names
            else text("", finish="length")
        )

    gateway.default = silly
    asked = model(gateway)
    extra = {f"p{n}": n for n in range(30)}
    found = await outcome(asked, user="u", temperature=0.5, system="s")
    assert isinstance(found, VisionError)
    assert found.verdict.kind == "fail"
    more = model(gateway, extra=extra)
    found = await outcome(more)
    assert isinstance(found, VisionError)
    assert (found.verdict.kind, found.requests) == ("fail", 12)
    await asked.aclose()
    await more.aclose()


@pytest.mark.anyio
async def test_what_two_experiments_found_nothing_about_is_believed_until_an_answer(gateway: Gateway) -> None:
    gateway.default = lambda seen: err(400, f"drelm vok {len(gateway.requests)}")
    asked = model(gateway, "chat")
    took = []
    for n in range(4):
        found = await outcome(asked, temperature=0.1, idempotency_key=f"job-{n}")
        assert isinstance(found, VisionError)
        assert found.verdict.kind == "switch"
        took.append(found.requests)
    assert took == [4, 4, 1, 1]
    gateway.default = Scripted()
    assert isinstance(await outcome(asked), Reply)
    gateway.default = refuses_in_no_words("temperature")
    found = await outcome(asked, temperature=0.1)
    await asked.aclose()
    assert isinstance(found, Reply)


def refuses_in_no_words(name: str) -> Callable[[Seen], Scripted]:
    return lambda seen: err(400, "drelm vok") if name in seen.body else Scripted()


@pytest.mark.anyio
async def test_of_files_that_are_refused_together_one_finds_out_for_all(gateway: Gateway) -> None:
    gateway.default = refuses_in_no_words("temperature")
    asked = model(gateway, "chat")
    found = await asyncio.gather(
        *[outcome(asked, temperature=0.1, idempotency_key=f"job-{n}") for n in range(6)]
    )
    await asked.aclose()
    assert all(isinstance(f, Reply) for f in found)
    assert sorted(f.requests for f in found) == [2] * 6


@pytest.mark.anyio
async def test_files_that_come_while_one_finds_out_wait_for_that_and_take_one_request(
    gateway: Gateway,
) -> None:
    gateway.default = lambda seen: replace(refuses_in_no_words("temperature")(seen), delay=0.5)
    asked = model(gateway, "chat")
    first = asyncio.create_task(outcome(asked, temperature=0.1, idempotency_key="job-0"))
    await asyncio.to_thread(gateway.wait_for, 2)  # it has been refused, and finds out
    later = await asyncio.gather(
        *[outcome(asked, temperature=0.1, idempotency_key=f"job-{n}") for n in range(1, 5)]
    )
    assert isinstance(await first, Reply)
    await asked.aclose()
    assert [found.requests for found in later] == [1] * 4


@pytest.mark.anyio
async def test_nobody_waits_for_longer_than_an_answer_may_take(gateway: Gateway) -> None:
    asked = model(gateway, "chat", timeout=0.3)
    async with asked._experimenting:  # one that does not come to an end
        assert isinstance(await outcome(asked), Reply)
    await asked.aclose()


@pytest.mark.anyio
async def test_smaller_images_are_asked_for_on_the_way_and_never_again_once_there_are_none(
    gateway: Gateway,
) -> None:
    gateway.default = lambda seen: (
        err(400, "x", "image_too_large") if seen.images[0].width > 50 else Scripted()
    )
    asked, edges = model(gateway, "chat"), [90, 70, 40]

    async def smaller(last: bool) -> tuple[Image, ...] | None:
        assert not last
        return (picture(edges.pop(0)),) if edges else None

    request = Request(prompt="Read.", images=(picture(100),), idempotency_key="job-1")
    assert (await asked.ask(request, smaller)).requests == 4
    assert asked.ceiling().edge == 40
    edges[:] = [95]
    with pytest.raises(VisionError) as raised:
        await asked.ask(Request(prompt="Read.", images=(picture(100),), idempotency_key="job-2"), smaller)
    await asked.aclose()
    assert (raised.value.verdict.kind, raised.value.requests) == ("switch", 2)
    assert raised.value.verdict.reason.startswith("refused at every size")
