"""Events add up to the reply that would have come in one piece, or to nothing."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import Scripted, Seen, answer, stream_events
from glimpsed.vision import chat, responses
from glimpsed.vision.stream import Events, Incomplete, assembled

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
APIS = pytest.mark.parametrize("api", ["chat", "responses"])


def asked(api: str) -> Seen:
    return Seen(0, PATHS[api].removeprefix("/v1"), {}, b"", {"model": "m"}, (), "", None, 1)


def wire(events: list[Any], newline: bytes = b"\n") -> bytes:
    lines = [b"data: " + (e if isinstance(e, str) else json.dumps(e)).encode() + newline * 2 for e in events]
    return b": keep-alive" + newline * 2 + b"".join(lines)


@settings(deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(["chat", "responses"]),
    st.lists(st.integers(1, 400), max_size=8),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_however_the_bytes_are_cut_the_reply_is_the_same(
    text: str, api: str, cuts: list[int], newline: bytes
) -> None:
    reply = Scripted(text=text.encode("utf-8", "replace").decode())
    data = wire(list(stream_events(asked(api), reply)), newline)
    events, count = Events(), 0
    for cut in [*cuts, len(data)]:
        count += events.feed(data[:cut])
        data = data[cut:]
    module = chat if api == "chat" else responses
    found = module.parse(json.loads(assembled(events.events, PATHS[api])))
    assert found == module.parse(answer(asked(api), reply))
    assert events.finished
    assert count == len(events.events)


@APIS
def test_without_the_last_word_there_is_no_answer(api: str) -> None:
    events = list(stream_events(asked(api), Scripted()))
    last = next(
        n for n, e in enumerate(events) if '"finish_reason": "stop"' in json.dumps(e) or n == len(events) - 1
    )
    for end in range(last):
        with pytest.raises(Incomplete):
            assembled(events[:end], PATHS[api])


@APIS
@pytest.mark.parametrize(
    "event",
    [
        {"error": {"message": "overloaded", "code": "x"}},
        {"type": "error", "message": "overloaded", "code": "x"},
        {"type": "error", "error": {"message": "overloaded", "code": "x"}},
    ],
)
def test_an_error_among_the_events_is_the_reply(api: str, event: dict[str, Any]) -> None:
    events = [*list(stream_events(asked(api), Scripted()))[:2], event]
    assert json.loads(assembled(events, PATHS[api]))["error"]["message"] == "overloaded"


def test_completed_without_output_takes_the_deltas() -> None:
    events = [
        {"type": "response.output_text.delta", "delta": "ab"},
        {"type": "response.output_text.delta", "delta": "c"},
        {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}},
    ]
    found = responses.parse(json.loads(assembled(events, PATHS["responses"])))
    assert found is not None
    assert found.text == "abc"


def test_cut_answers_stay_cut() -> None:
    events = list(stream_events(asked("responses"), Scripted(finish="length")))
    found = responses.parse(json.loads(assembled(events, PATHS["responses"])))
    assert found is not None
    assert found.finish == "length"


def test_comments_and_broken_events_are_none() -> None:
    events = Events()
    assert events.feed(b": ping\n\n: ping\n\nevent: x\n\ndata: {broken\n\n") == 0
    assert events.feed(b'data: {"a"\ndata: :1}\n\n') == 1
    assert events.events == [{"a": 1}]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=6))
def test_any_bytes_can_be_fed(chunks: list[bytes]) -> None:
    events = Events()
    for chunk in chunks:
        events.feed(chunk)
    with contextlib.suppress(Incomplete):
        assembled(events.events, PATHS["chat"])
