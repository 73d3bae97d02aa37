"""``POST /chat/completions``: what is sent, and what a reply says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glimpsed.vision import structured
from glimpsed.vision.wire import Answered, Ask, image_url, merge, name, own_texts, sane, used, weight, written

PATH = "/chat/completions"
# A parameter's other name, for models that refuse the first. The old names come first: a gateway that does
# not know the new ones ignores them without a word, while a new model says what it wants instead.
RENAMED = {"max_tokens": "max_completion_tokens", "user": "safety_identifier"}

THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # where gateways put what comes before an answer


def body(ask: Ask, mark: str) -> dict[str, Any]:
    """The request body, with `mark` for each image's base64."""
    request = ask.request
    optional: dict[str, Any] = {
        "temperature": request.temperature,
        **_named("max_tokens", ask.limit, ask.refused),
        **_named("user", request.user, ask.refused),
        "response_format": structured.response_format(request.schema, ask.mode),
        "stream": ask.stream or None,
        "stream_options": {"include_usage": True} if ask.stream else None,
    }
    made = {"model": ask.model, "messages": _messages(ask, mark)}
    made |= {key: value for key, value in optional.items() if value is not None}
    return {key: value for key, value in merge(made, ask.extra).items() if key not in ask.refused}


def _named(name: str, value: Any, refused: frozenset[str]) -> dict[str, Any]:
    return {RENAMED[name] if name in refused else name: value}


def _messages(ask: Ask, mark: str) -> list[dict[str, Any]]:
    request = ask.request
    detail = {} if "detail" in ask.refused else {"detail": request.detail}
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": image_url(image, mark), **detail}}
        for image in request.images
    ]
    parts += [{"type": "text", "text": text} for text in own_texts(request)]
    parts.append({"type": "text", "text": structured.prompt(request, ask.mode, ask.refused)})
    messages: list[dict[str, Any]] = [{"role": "user", "content": parts}]
    if request.system and "system" not in ask.refused:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": request.system}]})
    for said, answer in ask.turns:
        messages.append({"role": "assistant", "content": said})
        messages.append({"role": "user", "content": [{"type": "text", "text": answer}]})
    return messages


def parse(reply: Mapping[str, Any]) -> Answered | None:
    """What a reply says; None when it is not this API's reply."""
    choice = first_choice(reply)
    if choice is None:
        return None
    finish = choice.get("finish_reason")
    message = choice.get("message")
    if not isinstance(message, dict):
        if not finish and not isinstance(choice.get("text"), str):
            return None
        message = {"content": choice.get("text")}  # the older API's, or a filter took it away
    text = written(message.get("content"))
    arguments = "" if text else _arguments(message)
    return Answered(
        text=sane(text or arguments or written(message.get("parsed"))),
        finish=sane(str(finish or "stop"))[:200],
        refusal=sane(_refusal(message)) or None,
        called=bool(arguments),
        thought=thought(message),
        model=name(reply.get("model")),
        id=name(reply.get("id")) or None,
        **used(reply),
    )


def thought(message: Mapping[str, Any]) -> int:
    """How many characters of reasoning stand in a message, which some gateways tell twice."""
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    apart = sum(weight(part) for part in parts if part.get("type") in THOUGHTS or part.get("thought"))
    return max(apart, *(weight(message.get(key)) for key in THOUGHTS))


def first_choice(reply: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The choice with the index 0, wherever it stands; where none has it, the first."""
    choices = reply.get("choices")
    found = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    return next((choice for choice in found if str(choice.get("index")) == "0"), found[0] if found else None)


def _arguments(message: Mapping[str, Any]) -> str:
    """What a tool is called with, which is how some servers have a schema met."""
    calls = message.get("tool_calls")
    call = calls[0] if isinstance(calls, list) and len(calls) == 1 else message
    function = (
        call.get("function_call" if call is message else "function") if isinstance(call, dict) else None
    )
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return written(arguments)


def _refusal(message: Mapping[str, Any]) -> str:
    """Beside the content, or a part of it."""
    content = message.get("content")
    holders = [message, *(content if isinstance(content, list) else ())]
    return "".join(h["refusal"] for h in holders if isinstance(h, dict) and isinstance(h.get("refusal"), str))
