"""A body that comes in pieces adds up to the reply that would have come at once, or to nothing."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import Scripted, Seen, answer, stream_events
from glimpsed.vision import chat, responses
from glimpsed.vision.stream import Body, Incomplete
from glimpsed.vision.verdict import judge
from glimpsed.vision.wire import Answered

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
APIS = pytest.mark.parametrize("api", ["chat", "responses"])


def asked(api: str) -> Seen:
    return Seen(0, PATHS[api].removeprefix("/v1"), {}, b"", {"model": "m"}, (), "", None, 1)


def wire(events: list[Any], between: str = "\n\n", before: str = ": keep-alive\n\n") -> bytes:
    lines = ["data: " + (e if isinstance(e, str) else json.dumps(e, ensure_ascii=False)) for e in events]
    return (before + between.join(lines) + between).encode()


def fed(data: bytes, *cuts: int) -> Body:
    body = Body()
    for cut in cuts:
        body.feed(data[:cut])
        data = data[cut:]
    body.feed(data)
    return body


def read(data: bytes, *cuts: int) -> Answered:
    """What the stream of events says. Raises `Incomplete`."""
    reply = json.loads(fed(data, *cuts).whole())
    found = chat.parse(reply) or responses.parse(reply)
    assert found is not None
    return found


def delta(content: Any, finish: str | None = None, **choice: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish, **choice}],
    }


cuts = st.lists(st.integers(1, 60), max_size=40)
ways = st.sampled_from(["\n\n", "\r\n\r\n", "\r\r", "\n", "\r\n", "\r"])  # what is between two events


@given(st.text(max_size=60), st.sampled_from(["chat", "responses"]), cuts, ways, st.booleans())
def test_however_the_bytes_are_cut_and_the_events_parted_the_reply_is_the_same(
    text: str, api: str, cuts: list[int], between: str, last: bool
) -> None:
    reply = Scripted(text=text.encode("utf-8", "replace").decode())
    data = wire(list(stream_events(asked(api), reply)), between)
    data = data if last else data.rstrip(b"\r\n")
    module = chat if api == "chat" else responses
    assert read(data, *cuts) == module.parse(answer(asked(api), reply))
    assert fed(data, *cuts, len(data)).finished or not last


@given(st.text(max_size=60), st.sampled_from(["chat", "responses"]), cuts)
def test_events_without_a_field_name_are_a_stream_too(text: str, api: str, cuts: list[int]) -> None:
    reply = Scripted(text=text.encode("utf-8", "replace").decode())
    events = [e for e in stream_events(asked(api), reply) if e != "[DONE]"]
    data = b"".join(json.dumps(e).encode() + b"\n" for e in events)
    module = chat if api == "chat" else responses
    assert read(data, *cuts) == module.parse(answer(asked(api), reply))


replies = st.sampled_from(
    [b'{"choices":[]}', b'{\n "output": [] }\n', b"[1]", b"<html>", b"", b"da", b"data", b"\n{}", b"x: y"]
)


@given(replies | st.binary(max_size=40).filter(lambda b: b":" not in b and b"{" not in b), cuts)
def test_what_is_no_stream_stays_as_it_is(data: bytes, cuts: list[int]) -> None:
    body = fed(data, *cuts)
    assert body.whole() == data.lstrip(b"\xef\xbb\xbf \t\r\n")
    assert body.stream is None
    assert body.partial() == body.whole()


@APIS
def test_without_the_last_word_there_is_no_answer(api: str) -> None:
    events = list(stream_events(asked(api), Scripted()))
    last = next(
        n for n, e in enumerate(events) if '"finish_reason": "stop"' in json.dumps(e) or n == len(events) - 1
    )
    for end in range(1, last):
        for more in ([], ["[DONE]"]):
            body = fed(wire([*events[:end], *more]))
            assert not body.finished
            with pytest.raises(Incomplete):
                body.whole()


@APIS
@pytest.mark.parametrize(
    "event",
    [
        'data: {"error": {"message": "overloaded", "code": "x"}}',
        'data: {"type": "error", "message": "overloaded", "code": "x"}',
        'data: {"type": "error", "error": {"message": "overloaded", "code": "x"}}',
        'event: error\ndata: {"message": "overloaded"}',
        '{"error": {"message": "overloaded"}}',
        'data: {"error": {"message": "overloaded"}, "choices": [{"delta": {}, "finish_reason": "error"}]}',
    ],
)
def test_an_error_among_the_events_is_the_reply(api: str, event: str) -> None:
    body = fed(wire(list(stream_events(asked(api), Scripted()))[:3]) + event.encode() + b"\n\n")
    assert body.finished
    assert json.loads(body.whole())["error"]["message"] == "overloaded"


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (400, b'data: {"error": {"message": "x", "code": "model_not_found"}}\n\ndata: [DONE]\n\n', "model"),
        (
            500,
            b'event: error\r\ndata: {"error": {"message": "x", "code": "convert_request_failed"}}\r\n\r\n',
            "api",
        ),
    ],
)
def test_a_stream_that_is_an_error_is_judged_as_one(status: int, body: bytes, hint: str) -> None:
    assert judge(status, {}, fed(body).whole(), "chat", 0.0).hint == hint


@APIS
def test_an_error_after_the_last_word_is_none(api: str) -> None:
    events = list(stream_events(asked(api), Scripted()))
    assert read(wire([*events, {"error": {"message": "broken pipe"}}])).text == Scripted().text


@pytest.mark.parametrize("error", [None, {"error": {"message": "overloaded"}}])
def test_what_came_before_it_broke_off_is_not_lost(error: dict[str, Any] | None) -> None:
    usage = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    body = fed(wire([delta("HALF "), delta("AN ANSWER"), usage, *([error] if error else [])]))
    found = chat.parse(json.loads(body.whole() if error else body.partial()))
    assert found is not None
    assert (found.text, found.input_tokens, found.output_tokens) == ("HALF AN ANSWER", 9, 2)


@pytest.mark.parametrize(
    "before", ["ping: 1\n\n", "warming up\n", "x" * 2000 + "\r\n\r\n", "event : message\n", "  "]
)
@pytest.mark.parametrize("between", ["\n\n", "\r\r", "\n  "])
@given(cuts=cuts)
@settings(max_examples=20)
def test_whatever_stands_in_front_of_the_events_it_is_a_stream(
    before: str, between: str, cuts: list[int]
) -> None:
    events = [delta("a"), delta("b", "stop"), "[DONE]"]
    assert read(wire(events, between, before), *cuts).text == "ab"
    doubled = [f"data: {json.dumps(event)}" for event in events[:2]]
    assert read(wire(doubled, between, before), *cuts).text == "ab"


def test_text_and_parts_without_types_are_read_in_pieces_too() -> None:
    older = {"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]}
    assert read(wire([delta(["a"]), older])).text == "ab"


@pytest.mark.parametrize("done", [True, False])
def test_who_says_that_it_is_over_without_a_last_word_is_told_from_a_connection_that_broke(
    done: bool,
) -> None:
    with pytest.raises(Incomplete) as caught:
        fed(wire([delta("a"), *(["[DONE]"] if done else [])])).whole()
    assert caught.value.said_done is done


@pytest.mark.parametrize(
    "event", [{"object": "error", "message": "boom", "code": 500}, {"code": 500, "msg": "boom"}]
)
def test_an_error_without_a_wrapper_is_one_among_events(event: dict[str, Any]) -> None:
    reply = fed(wire([delta("a"), event])).whole()
    assert "boom" in judge(200, {}, reply, "chat", 0).verdict.reason
    fine = {"code": 0, "msg": "alive"}
    empty = {**delta("b", "stop"), "error": {"message": "", "code": None}}
    assert read(wire([delta("a"), fine, empty])).text == "ab"


@pytest.mark.parametrize(
    "end",
    [
        {"type": "response.completed"},
        {"type": "response.done", "response": {"status": "completed", "output": []}},
        {"type": "response.completed", "response": {"output": [], "status": "completed"}},
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_response_ends_by_any_word_for_that(end: dict[str, Any], named: bool) -> None:
    events = [
        {"type": "response.created", "response": {"status": "in_progress", "output": []}},
        {"type": "response.output_text.delta", "delta": "ab"},
        end,
    ]
    lines = ""
    for event in events:
        own = {key: value for key, value in event.items() if not named or key != "type"}
        lines += f"event: {event['type']}\ndata: {json.dumps(own)}\n\n"
    assert read(lines.encode()).text == "ab"


def test_completed_without_output_takes_the_deltas() -> None:
    events = [
        {"type": "response.output_text.delta", "delta": "ab"},
        {"type": "response.output_text.delta", "delta": "c"},
        {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}},
    ]
    assert read(wire(events)).text == "abc"
    events[1] = {"type": "response.refusal.delta", "delta": "I won't"}
    assert read(wire(events)).refusal == "I won't"


ITEM = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ONE TWO"}]}
DONE: dict[str, list[dict[str, Any]]] = {
    "text": [
        {"type": "response.output_text.done", "output_index": 0, "content_index": n, "text": text}
        for n, text in enumerate(["ONE ", "TWO"])
    ],
    "part": [
        {"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": "ONE TWO"}},
    ],
    "item": [{"type": "response.output_item.done", "output_index": 0, "item": ITEM}],
    "deltas": [{"type": "response.output_text.delta", "delta": text} for text in ("ONE ", "TWO")],
}  # fmt: skip
DONE["all"] = [*DONE["deltas"], *DONE["text"], *DONE["part"], *DONE["item"]]
DONE["no deltas"] = DONE["all"][2:]


@pytest.mark.parametrize("ways", DONE)
def test_a_response_that_ends_empty_has_what_was_told_before_once(ways: str) -> None:
    end = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    assert read(wire([*DONE[ways], end])).text == "ONE TWO"


def test_a_refusal_that_is_told_when_it_is_done_is_one() -> None:
    done = {"type": "response.refusal.done", "output_index": 0, "content_index": 0, "refusal": "I won't"}
    found = read(
        wire([done, {"type": "response.completed", "response": {"status": "completed", "output": []}}])
    )
    assert (found.text, found.refusal) == ("", "I won't")


@APIS
def test_a_whole_reply_in_one_event_is_the_reply(api: str) -> None:
    whole = answer(asked(api), Scripted())
    assert read(wire([whole])).text == Scripted().text


def test_cut_answers_stay_cut() -> None:
    assert read(wire(list(stream_events(asked("responses"), Scripted(finish="length"))))).finish == "length"


def test_content_may_be_a_list_of_parts_and_thoughts_are_no_text() -> None:
    events = [
        delta([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]),
        delta([{"type": "text", "text": "WHOLE "}]),
        delta([{"type": "text", "text": "ANS"}, {"type": "text", "text": "WER"}]),
        delta("", "stop"),
    ]
    assert read(wire(events)).text == "WHOLE ANSWER"


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (["WHOLE ", "ANSWER"], "WHOLE ANSWER"),
        (["WHOLE", "WHOLE ANSWER"], "WHOLE ANSWER"),  # each says all that came before it once more
        (["WHOLE ANSWER", "WHOLE ANSWER"], "WHOLE ANSWER"),
    ],
)
def test_a_message_is_read_like_a_delta(messages: list[str], text: str) -> None:
    events = [{"choices": [{"message": {"role": "assistant", "content": m}}]} for m in messages]
    last = {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}
    assert read(wire([*events, last])).text == text


def test_a_message_after_the_deltas_is_not_the_answer_a_second_time() -> None:
    last = {"choices": [{"message": {"content": "haha"}, "finish_reason": "stop"}]}
    assert read(wire([delta("ha"), delta("ha"), last])).text == "haha"
    assert read(wire([delta("ha"), delta("ha"), delta("", "stop")])).text == "haha"


@pytest.mark.parametrize("nothing", [None, "", "null"])
def test_no_finish_reason_in_any_spelling_is_none(nothing: str | None) -> None:
    events = [delta("WHOLE ", nothing), delta("ANSWER", nothing)]
    assert not fed(wire(events)).finished
    assert read(wire([*events, delta("", "stop")])).text == "WHOLE ANSWER"


def test_a_usage_after_the_last_word_counts_also_where_moonshot_puts_it() -> None:
    usage = {"prompt_tokens": 1234, "completion_tokens": 5}
    for last in ({"choices": [], "usage": usage}, {"choices": [{"index": 0, "delta": {}, "usage": usage}]}):
        found = read(wire([delta("x"), delta("", "stop"), last]))
        assert (found.input_tokens, found.output_tokens) == (1234, 5)


def test_other_choices_than_the_first_are_no_part_of_the_answer() -> None:
    assert read(wire([delta("a"), delta("b", "stop", index=1), delta("c", "stop")])).text == "ac"


def test_the_first_choice_is_it_wherever_it_stands_in_an_event() -> None:
    other = {"index": 1, "delta": {"content": "OTHER"}, "finish_reason": None}
    both = delta("ONE", "stop")
    assert read(wire([{**both, "choices": [other, *both["choices"]]}])).text == "ONE"


def test_comments_and_broken_events_are_none() -> None:
    body = fed(b": ping\n\n: ping\n\nevent: x\n\ndata: {broken\n\nid: 7\nretry: 5\n\n")
    assert body.stream is not None
    assert body.alive
    assert body.stream.pieces == 0
    body.feed(b'data: {"choices": [{"delta": {"content"\ndata: : "x"}, "finish_reason": "stop"}]}\n\n')
    assert body.finished


@pytest.mark.parametrize(
    "lost",
    [
        b'data: {"choices": [{"delta": {"content": "B"\n\n',
        b'data: {"choices": [{"delta": {"content": "\xe4\xb8\xe4\xb8\xe4\xb8\xe4\xb8\xe4\xb8\xe4\xb8"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "B"}\ndata: x}]}\n\n',
    ],
)
def test_an_answer_with_a_hole_is_none(lost: bytes) -> None:
    """A piece of it that cannot be read would be missing, and nobody would see that; after the last word there is none."""
    first, last = wire([delta("A")]), wire([delta("", "stop")])
    with pytest.raises(Incomplete) as caught:
        read(first + lost + last)
    assert caught.value.said_done
    with pytest.raises(Incomplete) as caught:  # it may be what was on its way when the connection broke
        read(first + lost)
    assert not caught.value.said_done
    assert read(first + last + lost).text == "A"


def test_a_character_that_a_server_cut_in_half_is_replaced() -> None:
    body = wire([delta("A"), delta("Bxy"), delta("C", "stop")]).replace(b"xy", b"\xe4\xb8")
    assert read(body).text == "AB\ufffdC"


@pytest.mark.parametrize("older", [False, True])
def test_what_a_tool_is_called_with_is_put_together(older: bool) -> None:
    functions = [{"name": "out", "arguments": '{"total"'}, {"arguments": ": 1}"}]
    deltas = [
        {"function_call": f} if older else {"tool_calls": [{"index": 0, "function": f}]} for f in functions
    ]
    found = read(wire([*({"choices": [{"delta": d}]} for d in deltas), delta(None, "tool_calls")]))
    assert (json.loads(found.text), found.called) == ({"total": 1}, True)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_that_there_was_reasoning_is_told(key: str) -> None:
    found = read(wire([{"choices": [{"delta": {key: "hm"}}]}, delta("", "stop")]))
    assert (found.text, found.thought) == ("", 2)
    assert not read(wire([delta("", "stop")])).thought


def test_lines_in_front_of_the_events_are_signs_of_life() -> None:
    assert fed(b"ping\n\nping\n\n").alive
    assert not fed(b"x" * 5000 + b"\n").alive
    assert not fed(b"x").alive  # anything whatever is none, nor what goes on without end after a line
    trickle = Body()
    trickle.feed(b"ping\n")
    for _ in range(5000):
        trickle.feed(b"x")
    assert not trickle.alive


def test_white_space_is_a_sign_of_life_and_json_is_none() -> None:
    body = Body()
    for _ in range(5):
        body.feed(b"\r\n \n")
        assert body.alive
    body.feed(b'{"a": ')
    assert not body.alive
    body.feed(b"1}")
    assert body.whole() == b'{"a": 1}'


def test_memory_follows_what_is_held_not_what_came() -> None:
    body = fed(b"data: 1\n\n" * 100_000)
    assert body.received == 900_000
    assert body.held < 100
    assert fed(b"data: 1\n" * 100_000).held > 5_000_000  # an event that does not end, each line an object
    body.feed(b"data: " + b"x" * 10_000)
    assert 10_000 <= body.held < 11_000
    assert fed(b" \n" * 100_000).held < 100


@given(
    st.lists(
        st.binary(max_size=50) | st.sampled_from([b"data: ", b"\n", b"{", b"}", b'"delta"', b":", b"[DONE]"])
    )
)
def test_any_bytes_can_be_fed(chunks: list[bytes]) -> None:
    for first in (b"", b"data: {}\n"):
        body = fed(first)
        for chunk in chunks:
            body.feed(chunk)
            assert isinstance(body.finished, bool)
        body.partial()
        with contextlib.suppress(Incomplete):
            body.whole()


@APIS
@pytest.mark.parametrize("name", ["Data", "DATA", "data"])
@pytest.mark.parametrize("between", ["", " ", "\t"])
@given(cuts=cuts)
@settings(max_examples=15)
def test_field_names_in_any_case_and_events_that_share_a_line_are_read(
    api: str, name: str, between: str, cuts: list[int]
) -> None:
    events = [json.dumps(e) if isinstance(e, dict) else e for e in stream_events(asked(api), Scripted())]
    line = between.join(f"{name}: {event}" for event in events) + "\n\n"
    assert read(line.encode(), *cuts).text == Scripted().text


@APIS
def test_objects_one_behind_the_other_are_events(api: str) -> None:
    events = [json.dumps(e) for e in stream_events(asked(api), Scripted()) if isinstance(e, dict)]
    assert read("".join(events).encode()).text == Scripted().text
    assert read((" ".join(events) + "\n").encode()).text == Scripted().text


@APIS
def test_a_list_of_events_is_a_stream(api: str) -> None:
    events = [e for e in stream_events(asked(api), Scripted()) if isinstance(e, dict)]
    assert read(json.dumps(events, indent=1).encode(), 1, 50).text == Scripted().text
    with pytest.raises(Incomplete):
        read(json.dumps(events[:2]).encode())
    one = [answer(asked(api), Scripted())]
    assert json.loads(fed(json.dumps(one).encode()).whole()) == one, "a whole reply in a list stays one"


@pytest.mark.parametrize("line", [b'{"a": {"delta": 1}} x', b'{"delta": 1}{"delta"', b'{"delta": 1}[2]'])
def test_what_is_not_events_only_is_none(line: bytes) -> None:
    assert fed(line + b"\n").stream is None


@given(cuts, st.sampled_from(["chat", "generate", "at once"]))
def test_ollamas_own_lines_are_an_answer(cuts: list[int], kind: str) -> None:
    """A gateway in front of it that lets them through was asked, and paid, for an answer."""
    words = ["Total", " 12", ".50"]
    ends = {"done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 3}
    if kind == "generate":
        lines = [{"model": "q", "response": word, "done": False} for word in words]
        lines.append({"model": "q", "response": "", **ends})
    else:
        said = ["".join(words)] if kind == "at once" else words
        lines = [
            {"model": "q", "message": {"role": "assistant", "content": word}, "done": False} for word in said
        ]
        lines = (
            [{**lines[0], **ends}]
            if kind == "at once"
            else [*lines, {**lines[0], "message": {"role": "assistant", "content": ""}, **ends}]
        )
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    found = read(data, *cuts)
    assert (found.text, found.finish, found.model) == ("Total 12.50", "stop", "q")
    assert (found.input_tokens, found.output_tokens) == (11, 3)
    if kind != "at once":
        with pytest.raises(Incomplete):
            read("".join(json.dumps(line) + "\n" for line in lines[:-1]).encode(), *cuts)


def test_an_error_amid_ollamas_lines_is_one() -> None:
    lines = [
        {"model": "q", "message": {"role": "assistant", "content": "To"}, "done": False},
        {"error": "out of memory"},
    ]
    body = fed("".join(json.dumps(line) + "\n" for line in lines).encode()).whole()
    assert json.loads(body)["error"] == "out of memory"
