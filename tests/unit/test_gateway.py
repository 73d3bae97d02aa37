"""The gateway that other tests trust: it answers both APIs, looks at the images, and breaks as told."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from PIL import Image

from gateway import Gateway, Scripted

OFFICIAL = Path(__file__).parents[3] / "shared" / "openai-schemas.json"


def data_url(size: tuple[int, int] = (8, 6), kind: str = "PNG") -> str:
    out = io.BytesIO()
    Image.new("RGB", size, "white").save(out, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


def body(api: str, url: str | None = None, **more: Any) -> dict[str, Any]:
    url = url or data_url()
    if api == "chat":
        parts = [
            {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
            {"type": "text", "text": "p"},
        ]
        return {"model": "m", "messages": [{"role": "user", "content": parts}], **more}
    parts = [{"type": "input_image", "image_url": url, "detail": "high"}, {"type": "input_text", "text": "p"}]
    return {"model": "m", "input": [{"role": "user", "content": parts}], **more}


def post(gateway: Gateway, api: str, **more: Any) -> httpx.Response:
    path = {"chat": "/chat/completions", "responses": "/responses"}[api]
    return httpx.post(gateway.base_url + path, json=body(api, **more), timeout=5)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_default_reply_is_a_valid_answer_and_the_image_was_decoded(api: str) -> None:
    with Gateway(default=Scripted(text="héllo")) as gateway:
        reply = post(gateway, api).json()
    text = (
        reply["choices"][0]["message"]["content"]
        if api == "chat"
        else reply["output"][1]["content"][0]["text"]
    )
    (seen,) = gateway.requests
    assert (text, seen.prompt, seen.api) == ("héllo", "p", api)
    assert (seen.images[0].format, seen.images[0].width, seen.images[0].height) == ("PNG", 8, 6)
    assert not gateway.problems


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_broken_image_or_a_wrong_type_is_refused(api: str) -> None:
    with Gateway() as gateway:
        broken = post(gateway, api, url="data:image/png;base64,AAAA")
        wrong = post(gateway, api, url=data_url().replace("image/png", "image/jpeg"))
    assert (broken.status_code, wrong.status_code, len(gateway.problems)) == (400, 400, 2)


def test_scripted_replies_come_in_order_and_then_the_default() -> None:
    with Gateway(Scripted(status=503, body="<html>"), default=lambda s: Scripted(text=s.api)) as gateway:
        assert [post(gateway, "chat").status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("fault", ["drop", "half"])
def test_faults_break_the_connection(fault: Any) -> None:
    with Gateway(Scripted(fault=fault)) as gateway, pytest.raises(httpx.RemoteProtocolError):
        post(gateway, "chat")


def test_hang_answers_nothing() -> None:
    with Gateway(Scripted(fault="hang")) as gateway, pytest.raises(httpx.ReadTimeout):
        httpx.post(gateway.base_url + "/responses", json=body("responses"), timeout=0.1)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_stream_true_gets_events(api: str) -> None:
    with Gateway() as gateway:
        lines = post(gateway, api, stream=True).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    if api == "chat":
        text = "".join(e["choices"][0]["delta"].get("content", "") for e in events if e["choices"])
    else:
        text = "".join(e.get("delta", "") for e in events)
    assert text == "The quick brown fox."


def test_an_api_that_is_not_offered_is_a_404() -> None:
    with Gateway(apis=["chat"]) as gateway:
        reply = post(gateway, "responses")
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "Invalid URL (POST /v1/responses)")


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_answers_are_what_the_official_api_gives(api: str, finish: str) -> None:
    from openai.types.chat import ChatCompletion
    from openai.types.responses import Response

    with Gateway(default=Scripted(finish=finish)) as gateway:
        reply = post(gateway, api).json()
    (ChatCompletion if api == "chat" else Response).model_validate(reply, strict=True)
    if OFFICIAL.exists():
        name = "CreateChatCompletionResponse" if api == "chat" else "Response"
        schema = {"$ref": f"#/components/schemas/{name}", **json.loads(OFFICIAL.read_text())}
        jsonschema.Draft202012Validator(schema).validate(reply)
