"""What a finish reason means: half an answer is never a success, whatever the word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.vision import reading
from glimpsed.vision.reading import Finish, answer_of, broken, finish, flaw

NAMES: dict[Finish, str] = {
    "end": "stop STOP end-turn FINISH_REASON_STOP eos_token stopped tool_calls natural",
    "filtered": "content_moderated nsfw risk_control audit_rejected safety_check guardrails unsafe responsible_ai denied",
    "broken": "upstream_closed killed preempted server_shutdown oom engine_dead connection_lost exception peer_reset",
    "cut": "max_len incomplete partial budget_exhausted output_cap too_long MAX overflow maximum_output length",
    "unknown": "长度超限 обрыв 违规 drelm 3",
}


@pytest.mark.parametrize(("name", "meaning"), [(n, m) for m, names in NAMES.items() for n in names.split()])
def test_a_name_is_known_by_its_parts(name: str, meaning: Finish) -> None:
    assert finish(name) == meaning


@given(st.text(st.characters(categories=["Lo"]), min_size=1, max_size=8))
def test_a_word_in_another_script_is_no_end_that_anybody_knows(name: str) -> None:
    assert finish(name) == "unknown"


CALL: dict[str, Any] = {
    "content": None,
    "tool_calls": [{"function": {"name": "find", "arguments": '{"q": 1}'}}],
}
ITEM = {"type": "function_call", "name": "find", "arguments": '{"q": 1}'}


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": CALL, "finish_reason": "tool_calls"}]},
        {"choices": [{"message": {"content": "", "function_call": CALL["tool_calls"][0]["function"]}}]},
        {"status": "completed", "output": [ITEM]},
    ],
)
def test_a_call_of_a_tool_is_no_answer_where_no_value_was_asked_for(body: dict[str, Any]) -> None:
    found = answer_of(json.dumps(body).encode())
    assert found is not None
    assert flaw(found, valued=True) is None
    nothing = flaw(found)
    assert nothing is not None
    assert (nothing.verdict.reason, nothing.hint) == ("an empty answer", "empty")


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ({"content": ""}, ""),
        ({"content": "", "reasoning_content": "It says R-1."}, "empty"),
        ({"content": [{"type": "refusal", "refusal": "I won't."}]}, "refused"),
    ],
)
def test_reasoning_alone_was_paid_for_and_a_refusal_may_be_a_part(message: Any, hint: str) -> None:
    found = answer_of(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())
    assert found is not None
    nothing = flaw(found)
    assert nothing is not None
    assert nothing.hint == hint


def test_a_response_of_reasoning_alone_was_paid_for_too() -> None:
    for summary, hint in (([], ""), ([{"type": "summary_text", "text": "It says R-1."}], "empty")):
        body = {"status": "completed", "output": [{"type": "reasoning", "summary": summary}]}
        found = answer_of(json.dumps(body).encode())
        assert found is not None
        nothing = flaw(found)
        assert nothing is not None
        assert nothing.hint == hint


ANSWER = b'{"choices": [{"message": {"content": "Invoice \xe2\x82\xac 1"}}]}'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (ANSWER.replace(b"\xac", b""), "Invoice \ufffd 1"),
        (ANSWER + b"\n<!-- served by a cache -->", "Invoice € 1"),
        (ANSWER + ANSWER.replace(b"1", b"2"), "Invoice € 1"),
    ],
)
def test_a_broken_character_or_what_stands_behind_it_does_not_lose_an_answer(body: bytes, text: str) -> None:
    found = answer_of(body)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize("body", [b'{"error": {"code": 500}}' + ANSWER, ANSWER[:-1], b"x" * 5000 + ANSWER])
def test_what_does_not_begin_with_an_answer_is_none(body: bytes) -> None:
    assert answer_of(body) is None


PAID = json.dumps({
    "id": "c1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": 'A "quoted" page ' * 40}}],
    "usage": {"prompt_tokens": 900, "completion_tokens": 300},
})  # fmt: skip
FAILED: dict[str, Any] = {
    "object": "response",
    "status": "failed",
    "output": [],
    "error": {"code": "server_error"},
}


@given(st.integers(0, len(PAID)))
def test_of_a_reply_that_is_cut_anywhere_what_came_of_its_text_is_counted(at: int) -> None:
    found = broken(PAID[:at].encode())
    begun = max(0, min(at, PAID.index('"usage"')) - PAID.index("A ") - 10)
    assert len(found.text if found else "") >= begun * 0.85 - 3  # the quotes are escaped


@pytest.mark.parametrize(
    ("reply", "tokens"),
    [
        ({**FAILED, "usage": {"input_tokens": 900, "output_tokens": 300}}, (900, 300)),
        ({"response": {**FAILED, "usage": {"input_tokens": 900, "output_tokens": 0}}}, (900, 0)),
        ({"error": {"message": "no"}, "usage": {"prompt_tokens": 900, "completion_tokens": 300}}, (900, 300)),
        ({"error": {"message": "no"}}, None),
        ({"error": {"message": "no"}, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}, None),
        ({"detail": [{"loc": ["body", "content"], "content": "what was sent"}]}, None),
    ],
)
def test_what_a_reply_without_an_answer_says_that_it_took_is_counted(
    reply: dict[str, Any], tokens: tuple[int, int] | None
) -> None:
    found = broken(json.dumps(reply).encode())
    assert (found and (found.input_tokens, found.output_tokens)) == tokens


@given(st.binary(max_size=300))
def test_nothing_is_counted_of_what_is_no_reply(body: bytes) -> None:
    assert broken(body) is None


WHOLE = {"choices": [{"index": 0, "message": {"content": "WHOLE"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(json.dumps(WHOLE)),
        json.dumps({"statusCode": 200, "body": json.dumps(WHOLE)}),
        json.dumps({"code": 0, "data": [WHOLE]}),
        json.dumps({"ok": True, "result": {"response": WHOLE}}),
        f")]}}',\n{json.dumps(WHOLE)}",
        f"for(;;);{json.dumps(WHOLE)}",
        f"Notice: deprecated in line 3\n\n{json.dumps(WHOLE)}\n",
    ],
)
def test_an_answer_is_found_in_whatever_it_is_wrapped(body: str) -> None:
    found = answer_of(body.encode())
    assert found is not None
    assert found.text == "WHOLE"


def test_beside_an_error_there_is_no_answer() -> None:
    raw = {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps(WHOLE)}}}
    assert answer_of(json.dumps(raw).encode()) is None
    assert answer_of(json.dumps({"error": {"message": "no"}, "data": WHOLE}).encode()) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.just("{\ud800") | st.just(json.dumps(WHOLE)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "choices", "output", "body", "message", "usage", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_an_answer_or_none(value: Any) -> None:
    body = json.dumps(value).encode()
    answer_of(body)
    broken(body)


def test_of_a_hostile_reply_only_so_many_members_are_looked_into() -> None:
    deep = {"x": [{str(n): {"y": {}} for n in range(20_000)}]}
    assert sum(1 for _ in reading._holders(deep)) < 200
