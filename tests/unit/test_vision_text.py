"""What stands in the sidecars of an answer, over both APIs, whole and streamed: the answer, and nothing beside it."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from PIL import Image as Picture

from gateway import Gateway, Scripted
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import VisionError
from glimpsed.model import Image, Request
from glimpsed.vision import Memory, chat, responses
from glimpsed.vision.remote import RemoteModel

SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "string"}, "total": {"type": "number"}},
    "required": ["number", "total"],
    "additionalProperties": False,
}
GOOD = {"number": "R-1", "total": 12.5}
WHOLE = json.dumps(GOOD)
DRAFT = '```json\n{"number": "DRAFT", "total": 0}\n```'


def picture() -> Image:
    out = io.BytesIO()
    Picture.new("RGB", (40, 30), "white").save(out, "JPEG")
    return Image(1, "image/jpeg", 40, 30, out.getvalue())


async def ask(gateway: Gateway, **entry: Any) -> Any:
    schema = entry.pop("schema", None)
    model = RemoteModel(ModelEntry(name="m", base_url=gateway.base_url, model="m", **entry), Memory())
    try:
        return await model.ask(Request(prompt="Read.", images=(picture(),), schema=schema))
    finally:
        await model.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_and_a_fence_are_no_part_of_the_text(
    gateway: Gateway, api: Any, stream: bool
) -> None:
    gateway.default = Scripted(
        text="<think>\nTotal 9.80.\n</think>\n\n```markdown\n# Invoice\n\nTotal 9.80\n```\n"
    )
    reply = await ask(gateway, api=api, stream=stream)
    assert reply.text == "# Invoice\n\nTotal 9.80"
    assert len(gateway.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "text"),
    [
        (f"<think>\nA first guess:\n{DRAFT}\nBut the total is 12.50.\n</think>\n\n{WHOLE}", WHOLE),
        (f"The format you asked for is:\n{DRAFT}\nFilled in:\n```json\n{WHOLE}\n```", None),
        (f'Raw text:\n```json\n{{"lines": ["a", "b"]}}\n```\nAnswer:\n```json\n{WHOLE}\n```', None),
        (f"```json\n{WHOLE}\n```", WHOLE),
        (f"[{WHOLE}]", None),
        (json.dumps(WHOLE), None),
    ],
)
async def test_the_last_value_that_fits_is_the_data(gateway: Gateway, said: str, text: str | None) -> None:
    gateway.default = Scripted(text=said)
    reply = await ask(gateway, api="chat", schema=SCHEMA)
    assert reply.data == GOOD
    assert reply.text == (said if text is None else text)
    assert len(gateway.requests) == 1


@pytest.mark.anyio
async def test_an_apology_about_people_is_a_refusal(gateway: Gateway) -> None:
    gateway.default = Scripted(text="I'm sorry, but I can't assist with identifying people in images.")
    with pytest.raises(VisionError) as e:
        await ask(gateway, api="chat")
    assert e.value.verdict.kind == "switch"


@pytest.mark.anyio
async def test_an_answer_that_no_sidecar_could_hold_fails(gateway: Gateway) -> None:
    gateway.default = Scripted(text="x" * 4_000_001)
    with pytest.raises(VisionError) as e:
        await ask(gateway, api="chat")
    assert (e.value.verdict.kind, e.value.verdict.reason) == (
        "fail",
        "the answer is longer than 4,000,000 characters",
    )


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_whatever_ends_an_answer_is_short_and_can_be_kept(api: str) -> None:
    parsed = {
        "chat": lambda: chat.parse(
            {"choices": [{"message": {"content": "x"}, "finish_reason": "\ud800" + "y" * 5000}]}
        ),
        "responses": lambda: responses.parse(
            {"status": "incomplete", "incomplete_details": {"reason": "\ud800" + "y" * 5000}, "output": []}
        ),
    }[api]()
    assert parsed is not None
    assert len(parsed.finish) == 200
    parsed.finish.encode()


@pytest.mark.anyio
async def test_a_reply_of_countless_values_is_none_and_takes_no_memory(gateway: Gateway) -> None:
    gateway.default = Scripted(body=b'{"choices": [' + b"[]," * 2_000_000 + b"[]]}")
    tracemalloc.start()
    try:
        with pytest.raises(VisionError) as e:
            await ask(gateway, api="chat")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert e.value.verdict.kind == "retry"
    assert peak < 80_000_000  # some copies of 6 MB, where its values would be 160
