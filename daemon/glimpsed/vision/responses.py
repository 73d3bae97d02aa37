"""``POST /responses``: what is sent, and what a reply says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from glimpsed.vision import structured
from glimpsed.vision.wire import Answered, Ask, image_url, merge, name, own_texts, sane, tokens

PATH = "/responses"
RENAMED = {"user": "safety_identifier"}
LEAST_OUTPUT = 16  # tokens; the API refuses less
UNFINISHED = ("queued", "in_progress", "cancelled", "failed")
FINISH = {"max_output_tokens": "length"}  # incomplete_details.reason in the chat API's words


def body(ask: Ask, mark: str) -> dict[str, Any]:
    """The request body, with `mark` for each image's base64."""
    request = ask.request
    form = structured.text_format(request.schema, ask.mode)
    optional = {
        "instructions": None if "system" in ask.refused else request.system or None,
        "temperature": request.temperature,
        "max_output_tokens": None if ask.limit is None else max(ask.limit, LEAST_OUTPUT),
        RENAMED["user"] if "user" in ask.refused else "user": request.user,
        "text": None if form is None else {"format": form},
        "stream": ask.stream or None,
    }
    made = {"model": ask.model, "input": _input(ask, mark), "store": False}
    made |= {key: value for key, value in optional.items() if value is not None}
    return {key: value for key, value in merge(made, ask.extra).items() if key not in ask.refused}


def _input(ask: Ask, mark: str) -> list[dict[str, Any]]:
    request = ask.request
    detail = "auto" if "detail" in ask.refused else request.detail  # required here
    parts: list[dict[str, Any]] = [
        {"type": "input_image", "image_url": image_url(image, mark), "detail": detail}
        for image in request.images
    ]
    parts += [{"type": "input_text", "text": text} for text in own_texts(request)]
    parts.append({"type": "input_text", "text": structured.prompt(request, ask.mode, ask.refused)})
    items: list[dict[str, Any]] = [{"role": "user", "content": parts}]
    for said, answer in ask.turns:
        items.append({"role": "assistant", "content": said})
        items.append({"role": "user", "content": [{"type": "input_text", "text": answer}]})
    return items


def parse(reply: Mapping[str, Any]) -> Answered | None:
    """What a reply says; None when it is not this API's reply, or not a finished one."""
    if not isinstance(reply.get("output"), list) or reply.get("status") in UNFINISHED:
        return None
    parts = list(_parts(reply["output"]))
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    refusals = [
        p["refusal"] for p in parts if p.get("type") == "refusal" and isinstance(p.get("refusal"), str)
    ]
    texts = [p["text"] for p in parts if p.get("type") == "output_text" and isinstance(p.get("text"), str)]
    return Answered(
        text=sane("".join(texts)),
        finish=sane(_finish(reply))[:200],
        refusal=sane("".join(refusals)) or None,
        model=name(reply.get("model")),
        id=name(reply.get("id")) or None,
        input_tokens=tokens(usage.get("input_tokens")),
        output_tokens=tokens(usage.get("output_tokens")),
    )


def _finish(reply: Mapping[str, Any]) -> str:
    if reply.get("status", "completed") == "completed":
        return "stop"
    details = reply.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return FINISH.get(str(reason), str(reason)) if reason else "length"


def _parts(output: list[Any]) -> Iterator[dict[str, Any]]:
    """The parts of every message item: ``output[0]`` may be reasoning."""
    for item in output:
        content = item.get("content") if isinstance(item, dict) and item.get("type") == "message" else None
        if isinstance(content, list):
            yield from (part for part in content if isinstance(part, dict))
