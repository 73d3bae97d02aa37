"""Requests as the official types and schemas want them; replies as those types make them are understood."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.model import Image, Request
from glimpsed.vision import chat, responses
from glimpsed.vision.wire import Ask, image_url, merge, splice, used

OFFICIAL = Path(__file__).parents[3] / "shared" / "openai-schemas.json"
SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}
IMAGE = Image(1, "image/jpeg", 4, 3, b"\xff\xd8jpeg")
BOTH = pytest.mark.parametrize("module", [chat, responses], ids=["chat", "responses"])


def ask(**more: Any) -> Ask:
    known = {name: more.pop(name) for name in list(more) if name in Ask.__dataclass_fields__}
    request = Request(**{"prompt": "Read {this}.", "images": (IMAGE,), **more})
    return Ask(request, model="gpt-4o", extra=known.pop("extra", {}), **known)


FULL = {
    "system": "You transcribe.",
    "temperature": 0.1,
    "user": "scanner",
    "schema": SCHEMA,
    "limit": 500,
    "turns": (("no", "yes"),),
}
VARIANTS: list[dict[str, Any]] = [
    {},
    FULL,
    {**FULL, "mode": "json"},
    {**FULL, "mode": "prompt", "detail": "low"},
    {**FULL, "refused": frozenset({"system", "temperature", "user", "detail", "max_tokens"})},
    {"images": (IMAGE, Image(2, "image/png", 4, 3, b"", url="https://files.example/a%20b.png"))},
    {"limit": 3},
]


@BOTH
@pytest.mark.parametrize("variant", VARIANTS)
def test_requests_are_what_the_openai_package_would_send(module: ModuleType, variant: dict[str, Any]) -> None:
    # Not above: each of pytest's workers would import it, a fifth of what it takes to import all of the tests.
    from openai.types.chat import ChatCompletionContentPartParam
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    kind = CompletionCreateParamsNonStreaming if module is chat else ResponseCreateParamsNonStreaming
    body = json.loads(json.dumps(module.body(ask(**variant), "@")))
    types = pydantic.TypeAdapter(kind)
    back = types.dump_python(types.validate_python(body), mode="json", exclude_none=True)
    for said, sent in zip(back.get("messages", ()), body.get("messages", ()), strict=True):
        if isinstance(sent["content"], list):  # an Iterable in the types: lazy, so looked at by itself
            parts = pydantic.TypeAdapter(list[ChatCompletionContentPartParam])
            said["content"] = parts.dump_python(parts.validate_python(sent["content"]), mode="json")
    # What the types do not know is left out by the round trip, so that an extra key shows as well.
    assert back == body


@BOTH
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official schemas are not here")
def test_requests_fit_the_official_schema(module: ModuleType, variant: dict[str, Any]) -> None:
    name = "CreateChatCompletionRequest" if module is chat else "CreateResponse"
    schema = {"$ref": f"#/components/schemas/{name}", **json.loads(OFFICIAL.read_text())}
    jsonschema.Draft202012Validator(schema).validate(module.body(ask(**variant), "@"))


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official schemas are not here")
def test_official_schema_would_notice() -> None:
    schema = {"$ref": "#/components/schemas/CreateResponse", **json.loads(OFFICIAL.read_text())}
    body = responses.body(ask(), "@")
    del body["input"][0]["content"][0]["detail"]
    assert not jsonschema.Draft202012Validator(schema).is_valid(body)


def test_chat_body_is_this() -> None:
    assert chat.body(ask(**{**FULL, "turns": ()}), "@") == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "You transcribe."}]},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,@", "detail": "high"}},
                    {"type": "text", "text": "Read {this}."},
                ],
            },
        ],
        "temperature": 0.1,
        "max_tokens": 500,
        "user": "scanner",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "out", "strict": True, "schema": SCHEMA},
        },
    }


def test_responses_body_is_this() -> None:
    assert responses.body(ask(**{**FULL, "turns": ()}), "@") == {
        "model": "gpt-4o",
        "instructions": "You transcribe.",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/jpeg;base64,@", "detail": "high"},
                    {"type": "input_text", "text": "Read {this}."},
                ],
            }
        ],
        "temperature": 0.1,
        "max_output_tokens": 500,
        "user": "scanner",
        "store": False,
        "text": {"format": {"type": "json_schema", "name": "out", "strict": True, "schema": SCHEMA}},
    }


def test_responses_limit_is_never_below_what_the_api_takes() -> None:
    assert responses.body(ask(limit=3), "@")["max_output_tokens"] == 16


def test_refused_names_give_way_to_their_new_ones_and_then_to_nothing() -> None:
    once = chat.body(ask(limit=9, user="u", refused=frozenset({"max_tokens", "user"})), "@")
    assert (once["max_completion_tokens"], once["safety_identifier"]) == (9, "u")
    assert {"max_tokens", "user"}.isdisjoint(once)
    both = frozenset({"max_tokens", "max_completion_tokens"})
    assert both.isdisjoint(chat.body(ask(limit=9, refused=both), "@"))


@BOTH
def test_refused_system_text_goes_into_the_prompt(module: ModuleType) -> None:
    body = json.dumps(module.body(ask(system="SYS", refused=frozenset({"system"})), "@"))
    assert "SYS\\n\\nRead {this}." in body
    assert '"system"' not in body
    assert "instructions" not in body


@BOTH
def test_extra_has_the_last_word(module: ModuleType) -> None:
    extra = {"temperature": 0.9, "store": True, "text": {"verbosity": "low"}, "custom": [1]}
    body = module.body(ask(schema=SCHEMA, temperature=0.1, extra=extra), "@")
    assert (body["temperature"], body["store"], body["custom"]) == (0.9, True, [1])
    if module is responses:
        assert body["text"].keys() == {"format", "verbosity"}


@given(
    st.dictionaries(st.text(max_size=5), st.text() | st.integers(), max_size=4),
    st.lists(st.binary(max_size=100), max_size=4),
    st.text(),
)
def test_spliced_body_is_the_json_of_the_whole(head: dict[str, Any], data: list[bytes], prompt: str) -> None:
    import base64

    images = tuple(Image(n, "image/png", 1, 1, d) for n, d in enumerate(data, 1))
    mark = "@image:0123456789abcdef@"

    def body(url: Callable[[Image], str]) -> dict[str, Any]:
        return {"a": head, "images": [url(i) for i in images], "prompt": prompt}

    whole = body(lambda i: f"data:image/png;base64,{base64.b64encode(i.data).decode()}")
    spliced = b"".join(splice(body(lambda i: image_url(i, mark)), images, mark))
    assert json.loads(spliced) == json.loads(json.dumps(whole))
    assert spliced == json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def test_image_with_a_url_is_not_sent_as_data_and_the_order_stays() -> None:
    by_url = Image(1, "image/png", 1, 1, b"", url="https://files.example/x.png")
    images = (by_url, IMAGE, Image(2, "image/png", 1, 1, b"second"))
    body = chat.body(ask(images=images), "@@@")
    sent = json.loads(b"".join(splice(body, images, "@@@")))["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in sent[:3]]
    assert urls == [by_url.url, "data:image/jpeg;base64,/9hqcGVn", "data:image/png;base64,c2Vjb25k"]


def test_merge_leaves_its_arguments_as_they_are() -> None:
    body: dict[str, Any] = {"a": {"b": 1}}
    assert merge(body, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}
    assert body == {"a": {"b": 1}}


# --- replies ---


def completion(content: Any, finish: str = "stop", **message: Any) -> dict[str, Any]:
    from openai.types.chat import ChatCompletion

    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": content, **message},
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    made = ChatCompletion.model_validate(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m-1",
            "choices": [choice],
            "usage": usage,
        }
    )
    return made.model_dump(mode="json")


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    from openai.types.responses import Response

    usage = {
        "input_tokens": 7,
        "output_tokens": 3,
        "total_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    body = {
        "id": "r1", "object": "response", "created_at": 1, "model": "m-1", "status": "completed", "usage": usage,
        "output": list(output), "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], **more,
    }  # fmt: skip
    return Response.model_validate(body).model_dump(mode="json")


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": list(parts)}


def text(value: str) -> dict[str, Any]:
    return {"type": "output_text", "text": value, "annotations": []}


def test_chat_replies_of_the_openai_package_are_understood() -> None:
    found = chat.parse(completion("héllo"))
    assert found is not None
    assert (found.text, found.finish, found.model, found.id) == ("héllo", "stop", "m-1", "c1")
    assert (found.input_tokens, found.output_tokens) == (7, 3)
    refused = chat.parse(completion(None, refusal="no"))
    assert refused is not None
    assert (refused.text, refused.refusal) == ("", "no")


def test_responses_replies_of_the_openai_package_are_understood() -> None:
    reasoning = {"type": "reasoning", "id": "x", "summary": []}
    found = responses.parse(response(reasoning, message(text("a"), text("b\n")), message(text("c"))))
    assert found is not None
    assert (found.text, found.finish, found.model, found.id) == ("ab\nc", "stop", "m-1", "r1")
    assert (found.input_tokens, found.output_tokens) == (7, 3)
    refused = responses.parse(response(message({"type": "refusal", "refusal": "no"})))
    assert refused is not None
    assert refused.refusal == "no"
    cut = responses.parse(
        response(message(text("a")), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    )
    assert cut is not None
    assert cut.finish == "length"


@pytest.mark.parametrize("status", ["queued", "in_progress", "failed", "cancelled"])
def test_unfinished_response_is_no_answer(status: str) -> None:
    assert responses.parse(response(message(text("partial")), status=status)) is None


def test_lenient_about_what_gateways_leave_out() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    found = chat.parse({"choices": [{"message": {"content": parts}}]})
    assert found is not None
    assert (found.text, found.finish, found.input_tokens) == ("ab", "stop", None)
    bare = responses.parse(
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}]}
    )
    assert bare is not None
    assert (bare.text, bare.finish) == ("x", "stop")


@pytest.mark.parametrize(
    "content",
    [
        ["GO", "OD"],
        [{"text": "GOOD"}],
        [{"type": "markdown", "text": "GOOD"}],
        [{"type": "text", "text": {"value": "GOOD", "annotations": []}}],
        [{"type": "text", "content": "GOOD"}],
        {"type": "text", "text": "GOOD"},
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "GOOD"},
        ],
        [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "GOOD"}],
        [{"text": "hm", "thought": True}, {"text": "GOOD"}],
    ],
)
def test_text_is_found_in_whatever_parts_a_gateway_makes_of_it(content: Any) -> None:
    found = chat.parse({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})
    assert found is not None
    assert found.text == "GOOD"
    found = responses.parse({"output": [{"type": "message", "content": content}]})
    assert found is not None
    assert found.text == "GOOD"


VALUE = '{"total": 1}'


@pytest.mark.parametrize(
    "message",
    [
        {"content": {"total": 1}},
        {
            "content": None,
            "tool_calls": [{"type": "function", "function": {"name": "out", "arguments": VALUE}}],
        },
        {"content": None, "tool_calls": [{"function": {"name": "out", "arguments": {"total": 1}}}]},
        {"content": "", "function_call": {"name": "out", "arguments": VALUE}},
    ],
)
def test_a_value_is_found_where_a_gateway_makes_a_tool_of_the_schema(message: dict[str, Any]) -> None:
    found = chat.parse({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    assert found is not None
    assert json.loads(found.text) == {"total": 1}


@pytest.mark.parametrize(
    "reply",
    [
        {"output": [{"content": [{"type": "output_text", "text": "GOOD"}]}]},
        {"output": [{"type": "message", "content": "GOOD"}]},
        {"output": [], "output_text": "GOOD"},
        {"output": "GOOD"},
        {"output": [{"type": "function_call", "name": "out", "arguments": "GOOD"}]},
        {
            "output": [
                {"type": "message", "phase": "commentary", "content": "I look."},
                {"type": "web_search_call", "content": "no"},
                {"type": "message", "phase": "final_answer", "content": "GOOD"},
            ]
        },
    ],
)
def test_an_answer_is_found_among_whatever_items_a_response_has(reply: dict[str, Any]) -> None:
    found = responses.parse({"status": "completed", **reply})
    assert found is not None
    assert (found.text, found.finish) == ("GOOD", "stop")


@pytest.mark.parametrize(
    ("status", "finish"), [("incomplete", "length"), ("expired", "expired"), ("errored", "errored")]
)
def test_a_status_that_nobody_knows_is_no_end(status: str, finish: str) -> None:
    found = responses.parse({"status": status, "output": [message(text("half"))]})
    assert found is not None
    assert found.finish == finish
    cut = responses.parse({"output": [{**message(text("half")), "status": "incomplete"}]})
    assert cut is not None
    assert cut.finish == "length"


def test_the_first_choice_is_the_one_with_that_index_and_the_older_api_has_a_text() -> None:
    choices = [{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]
    found = chat.parse({"choices": choices})
    assert found is not None
    assert found.text == "a"
    found = chat.parse({"choices": [{"text": "a", "finish_reason": "stop"}]})
    assert found is not None
    assert found.text == "a"


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        ({"prompt_tokens": "7", "completion_tokens": 3.0}, (7, 3)),
        ({"input_tokens": 7, "output_tokens": 3}, (7, 3)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
        ([7, 3], (None, None)),
    ],
)
def test_usage_is_read_as_it_comes(usage: Any, known: tuple[int | None, int | None]) -> None:
    for found in (
        chat.parse({"choices": [{"message": {"content": "a"}}], "usage": usage}),
        responses.parse({"output": "a", "usage": usage}),
    ):
        assert found is not None
        assert (found.input_tokens, found.output_tokens) == known


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "type", "text", "output", "usage", "status", "input_tokens"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@BOTH
@given(
    reply=st.dictionaries(st.sampled_from(["choices", "output", "usage", "id", "model", "status"]), anything)
)
def test_no_reply_is_too_strange_to_parse(module: ModuleType, reply: dict[str, Any]) -> None:
    found = module.parse(reply)
    assert found is None or isinstance(found.text, str)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 514,
          "completion_tokens_details": {"reasoning_tokens": 500}}, 505),
        ({"prompt_tokens": 9, "completion_tokens": 505, "total_tokens": 514,
          "completion_tokens_details": {"reasoning_tokens": 500}}, 505),
        ({"input_tokens": 9, "output_tokens": 505, "total_tokens": 514,
          "output_tokens_details": {"reasoning_tokens": 500}}, 505),
        ({"prompt_tokens": 9, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 500}}, 5),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 600, "completion_tokens_details": None}, 5),
    ],
)  # fmt: skip
def test_reasoning_that_is_told_beside_the_answer_is_output_once(usage: dict[str, Any], tokens: int) -> None:
    assert used({"usage": usage})["output_tokens"] == tokens


def test_of_reasoning_it_is_known_how_much_there_was() -> None:
    said = {"content": "a", "reasoning": "x" * 40, "reasoning_content": "x" * 40}
    found = chat.parse({"choices": [{"message": said}]})
    assert found is not None
    assert found.thought == 40
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hmm"}]},
        {"type": "text", "text": "a"},
    ]
    found = chat.parse({"choices": [{"message": {"content": parts}}]})
    assert found is not None
    assert (found.text, found.thought) == ("a", 3)
    item = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "x" * 99,
    }
    found = responses.parse({"status": "completed", "output": [item]})
    assert found is not None
    assert found.thought == 2
