"""Server-sent events of both APIs, put together to the body that an ordinary reply would have had. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from glimpsed.vision import responses

ENDS = ("response.completed", "response.incomplete", "response.failed")


class Incomplete(Exception):
    """The stream ended before the answer did: what came is no answer."""


class Events:
    """Bytes in, as they come; events out: the value of each ``data:``, parsed.

    `finished` when the last event has come, so that nobody waits for a gateway to close the connection.
    """

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.finished = False
        self._rest: list[bytes] = []  # of a line that has not ended
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> int:
        """How many events this chunk completed. Comments (``: keep-alive``) are none."""
        before = len(self.events)
        self._rest.append(chunk)
        if b"\n" not in chunk:  # joined once, when the line ends: it may be megabytes
            return 0
        *lines, rest = b"".join(self._rest).split(b"\n")
        self._rest = [rest]
        for line in (line.removesuffix(b"\r") for line in lines):
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line.strip() and self._data:
                self._take(b"\n".join(self._data))
                self._data = []
        return len(self.events) - before

    def _take(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            self.finished = True
            self.events.append("[DONE]")
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return
        self.events.append(event)
        if isinstance(event, dict):
            kind = event.get("type")
            self.finished |= kind in ENDS or kind == "error" or bool(event.get("error"))


def assembled(events: Iterable[Any], path: str) -> bytes:
    """The reply body that these events add up to, as JSON; an error event gives an error body.

    Raises `Incomplete` when the last word is missing: partial text is never an answer.
    """
    found = [e for e in events if isinstance(e, dict) or e == "[DONE]"]
    for event in found:
        if isinstance(event, dict) and event.get("type") == "error":
            return _json({"error": event.get("error") or {k: v for k, v in event.items() if k != "type"}})
        if isinstance(event, dict) and event.get("error"):
            return _json(event)
    return _json(_response(found) if path.endswith(responses.PATH) else _completion(found))


def _response(events: list[Any]) -> dict[str, Any]:
    whole: dict[str, Any] | None = None
    text: list[str] = []
    for event in events:
        if event == "[DONE]":
            continue
        if event.get("type") in ENDS and isinstance(event.get("response"), dict):
            whole = event["response"]
        elif event.get("type") == "response.output_text.delta" and isinstance(event.get("delta"), str):
            text.append(event["delta"])
    if whole is None:
        raise Incomplete("no response.completed")
    if not whole.get("output") and text:  # some gateways leave it to the deltas
        part = {"type": "output_text", "text": "".join(text)}
        whole = {**whole, "output": [{"type": "message", "role": "assistant", "content": [part]}]}
    return whole


def _completion(events: list[Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    text: list[str] = []
    refusal: list[str] = []
    finish = None
    for event in events:
        if event == "[DONE]":
            continue
        whole |= {key: event[key] for key in ("id", "model", "usage") if event.get(key)}
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        text += [delta["content"]] if isinstance(delta.get("content"), str) else []
        refusal += [delta["refusal"]] if isinstance(delta.get("refusal"), str) else []
        finish = choice.get("finish_reason") or finish
    if finish is None and "[DONE]" not in events:
        raise Incomplete("no finish_reason")
    message = {"role": "assistant", "content": "".join(text), "refusal": "".join(refusal) or None}
    return {**whole, "choices": [{"index": 0, "message": message, "finish_reason": finish or "stop"}]}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
