"""``POST /responses``: what is sent, and what a reply says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glimpsed.vision import structured
from glimpsed.vision.wire import Answered, Ask, image_url, merge, name, own_texts, sane, used, weight, written

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
    output = reply.get("output")
    output = reply.get("output_text") if not output and reply.get("output_text") else output
    if not isinstance(output, list | str) or reply.get("status") in UNFINISHED:
        return None
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    messages = _messages(items)
    parts = [p for m in messages if isinstance(m.get("content"), list) for p in m["content"]]
    text = output if isinstance(output, str) else "".join(written(m.get("content")) for m in messages)
    calls = [item.get("arguments") for item in items if item.get("type") == "function_call"]
    called = written(calls[0]) if len(calls) == 1 and not text else ""
    refusals = [p["refusal"] for p in parts if isinstance(p, dict) and isinstance(p.get("refusal"), str)]
    return Answered(
        text=sane(text or called),
        finish=sane(_finish(reply, messages))[:200],
        refusal=sane("".join(refusals)) or None,
        called=bool(called),
        thought=sum(weight(item) for item in items if item.get("type") == "reasoning"),
        model=name(reply.get("model")),
        id=name(reply.get("id")) or None,
        **used(reply),
    )


def _messages(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The message items: ``output[0]`` may be reasoning. Those that comment on the work are none, beside an answer."""
    messages = [item for item in items if item.get("type", "message") == "message"]
    return [m for m in messages if m.get("phase") != "commentary"] or messages


def _finish(reply: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> str:
    status = str(reply.get("status") or "completed")
    if status == "completed":
        return "length" if any(m.get("status") == "incomplete" for m in messages) else "stop"
    if status != "incomplete":  # a gateway's own word
        return status
    details = reply.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return FINISH.get(str(reason), str(reason)) if reason else "length"
