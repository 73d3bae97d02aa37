"""What the events of a stream, of chat or Responses, add up to: the body of an ordinary reply. Pure."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from glimpsed.vision.chat import first_choice, thought
from glimpsed.vision.events import OBJECT_BYTES, StreamEvent
from glimpsed.vision.told import is_error
from glimpsed.vision.wire import sane, written

_ENDS = ("response.completed", "response.incomplete", "response.failed")
_DONE = re.compile(r"response\.(output_text|refusal|content_part|output_item)\.done")
_BEGUN = (None, "queued", "in_progress")
_NOT_YET = (None, "", "null", "none", "None")  # what gateways write for no finish_reason


class Incomplete(Exception):
    """The stream ended before the answer did: what came is no answer. `said_done`: though it said that it was over."""

    def __init__(self, reason: str, *, said_done: bool = False) -> None:
        super().__init__(reason)
        self.said_done = said_done


def is_piece(event: object) -> bool:
    """Whether this is one event of a stream."""
    if not isinstance(event, dict):
        return False
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    in_pieces = isinstance(choice, dict) and "delta" in choice
    return in_pieces or _of_ollama(event) is not None or str(event.get("type")).startswith("response.")


class Pieces:
    """The pieces of one answer, put together."""

    def __init__(self) -> None:
        self.count = 0  # of the answer, the last word among them
        self._size = 0  # bytes of the answer
        self._reply: dict[str, Any] = {}  # id, model, usage
        self._text = io.StringIO()  # of many small pieces, each of which would be an object
        self._refusal = io.StringIO()
        self._finish: str | None = None
        self._response: dict[str, Any] | None = None
        self._error: dict[str, Any] | None = None
        self._done: dict[
            str, dict[str, Any]
        ] = {}  # by their place: parts and items of a response that are whole
        self._calls: dict[str, io.StringIO] = {}  # by their index: what tools are to be called with
        self._thought = 0  # characters of reasoning: it is paid for, but no part of the answer
        self._torn = False  # an event that held a piece of the answer could not be read

    @property
    def finished(self) -> bool:
        """Whether the last word has come: a finish_reason, the end of a response, or an error."""
        return not (self._finish is None and self._response is None and self._error is None)

    @property
    def held(self) -> int:
        """Bytes in memory, about."""
        return self._size

    # --- what the events say ---

    def take(self, told: StreamEvent) -> None:
        """One event."""
        event, name = told.said, told.name
        if event is None:
            self._torn = self._torn or not self.finished
            return
        if "type" not in event and name.startswith(b"response."):
            event = {"type": name.decode("utf-8", "replace"), **event}
        error = _error(event, name)
        whole = _response(event)
        if error is not None:
            self._error = error if not self.finished else self._error
        elif whole is not None:
            self._response = whole
        elif isinstance(event.get("delta"), str):
            kind = str(event.get("type"))
            if kind == "response.output_text.delta":
                self._add(event["delta"])
            elif kind == "response.refusal.delta":
                self._refuse(event["delta"])
            elif kind.startswith("response.reasoning"):
                self._thought += len(event["delta"])
        elif _DONE.fullmatch(str(event.get("type"))):
            self._take_done(event)
        else:
            self._chunk(_of_ollama(event) or event)
            return
        self.count += 1

    def _chunk(self, event: dict[str, Any]) -> None:
        self._reply |= {key: event[key] for key in ("id", "model", "usage") if event.get(key)}
        choice = first_choice(event)
        if choice is None or str(choice.get("index") or 0) != "0":  # some write it as text
            return
        if choice.get("usage"):  # Moonshot
            self._reply["usage"] = choice["usage"]
        if isinstance(choice.get("text"), str):  # the older API's
            self._add(choice["text"])
        for message in (choice.get("delta"), choice.get("message")):
            if isinstance(message, dict):
                text = written(message.get("content"))
                self._add(text, instead=message is not choice.get("delta"))
                if isinstance(message.get("refusal"), str):
                    self._refuse(message["refusal"])
                self._call(message)
                self._thought += thought(message)
        if choice.get("finish_reason") not in _NOT_YET:
            self._finish = str(choice["finish_reason"])
            self.count += 1

    def _take_done(self, event: dict[str, Any]) -> None:
        """A part, or an item of them, as it came to be: some gateways leave the pieces out, and the end empty."""
        item, part = event.get("item"), event.get("part", event)
        if isinstance(item, dict):
            place, done = f"{event.get('output_index')}", item
        else:
            place = f"{event.get('output_index')} {event.get('content_index')}"
            said = part if isinstance(part, dict) else {}
            done = {key: said[key] for key in ("text", "refusal") if isinstance(said.get(key), str)}
        if done and place not in self._done:
            self._done[place[:40]] = done
            self._size += len(json.dumps(done))

    def _add(self, text: str, *, instead: bool = False) -> None:
        """More of the answer. `instead`: or, where it begins with what there is, all of it anew."""
        if instead and text.startswith(so_far := self._text.getvalue()):
            text = text[len(so_far) :]
        if text:
            self._text.write(text)
            self._size += len(text)
            self.count += 1

    def _refuse(self, text: str) -> None:
        self._refusal.write(text)
        self._size += len(text)

    def _call(self, message: dict[str, Any]) -> None:
        """More of what tools are to be called with, which is how some servers have a schema met."""
        calls = message.get("tool_calls")
        older = {"function": message.get("function_call")}
        for call in (*(calls if isinstance(calls, list) else ()), older):
            function = call.get("function") if isinstance(call, dict) else None
            arguments = function.get("arguments") if isinstance(function, dict) else None
            if not arguments or not isinstance(arguments, str):
                continue
            index = str(call.get("index"))[:20]
            self._size += len(arguments) + (0 if index in self._calls else OBJECT_BYTES)
            self._calls.setdefault(index, io.StringIO()).write(arguments)
            self.count += 1

    # --- the reply ---

    def whole(self, *, said_done: bool) -> bytes:
        """The reply body that these add up to; an error among them gives an error body. Raises `Incomplete`.

        `said_done`: the stream said itself that it was over.
        """
        if self._error is not None:
            return _json({**self._error, **self._chat()})  # what came before it was paid for
        if self._response is not None:
            return _json(self._filled(self._response))
        if self._finish is None:
            raise Incomplete(
                "no finish_reason, no response.completed", said_done=said_done and bool(self._text.tell())
            )
        if self._torn:  # the answer has a hole, which nobody would see
            raise Incomplete("an event of it cannot be read", said_done=True)
        return _json(self._chat())

    def partial(self) -> bytes:
        """What came, as a reply's body, finished or not."""
        return _json(self._chat())

    def _chat(self) -> dict[str, Any]:
        calls = [{"function": {"arguments": arguments.getvalue()}} for arguments in self._calls.values()]
        message = {
            "role": "assistant",
            "content": self._text.getvalue(),
            "refusal": self._refusal.getvalue() or None,
            "tool_calls": calls,
            "reasoning": self._thought,
        }
        return {
            **self._reply,
            "choices": [{"index": 0, "message": message, "finish_reason": self._finish}],
        }

    def _filled(self, response: dict[str, Any]) -> dict[str, Any]:
        """With the text of the deltas, or of what was done, to which some gateways leave it."""
        text, refusal = self._text.getvalue(), self._refusal.getvalue()
        if response.get("output") or not (text or refusal or self._done):
            return response
        if not (text or refusal):
            items = [done for done in self._done.values() if "type" in done]
            parts = [
                {"type": "refusal" if "refusal" in done else "output_text", **done}
                for done in self._done.values()
            ]
            return {**response, "output": items or [{"type": "message", "content": parts}]}
        parts = [{"type": "output_text", "text": text}] if text else []
        parts += [{"type": "refusal", "refusal": refusal}] if refusal else []
        return {**response, "output": [{"type": "message", "role": "assistant", "content": parts}]}


def _error(event: dict[str, Any], name: bytes) -> dict[str, Any] | None:
    """The error body that an event is, if it is one."""
    if is_error(event.get("error")):
        return event
    if "choices" in event:
        return None
    said = isinstance(event.get("message") or event.get("msg"), str)
    bare = said and "type" not in event and str(event.get("code") or "0") not in ("0", "200")
    if event.get("type") == "error" or event.get("object") == "error" or name == b"error" or bare:
        return {"error": {key: value for key, value in event.items() if key != "type"} or "error"}
    return None


def _of_ollama(event: dict[str, Any]) -> dict[str, Any] | None:
    """A line of Ollama's own API, which some gateways in front of it let through, as an event of chat's; None: it is none."""
    done, message = event.get("done"), event.get("message")
    if isinstance(event.get("response"), str):
        message = {"content": event["response"], "thinking": event.get("thinking")}
    if not isinstance(done, bool) or not isinstance(message, dict) or "choices" in event:
        return None
    counted = {"prompt_tokens": event.get("prompt_eval_count"), "completion_tokens": event.get("eval_count")}
    choice = {"delta": message, "finish_reason": (event.get("done_reason") or "stop") if done else None}
    return {"model": event.get("model"), "usage": counted if done else None, "choices": [choice]}


def _response(event: dict[str, Any]) -> dict[str, Any] | None:
    """The response that an event ends, by whatever word for that."""
    kind, response = str(event.get("type")), event.get("response")
    if kind.startswith("response.") and isinstance(response, dict) and response.get("status") not in _BEGUN:
        return response
    if kind in _ENDS:  # what it is has been said in pieces
        return {"status": kind.removeprefix("response."), "output": []}
    return event if isinstance(event.get("output"), list) and event.get("object") == "response" else None


def _json(value: object) -> bytes:
    # Two halves of a character may have come in two pieces: here they are one again.
    return sane(json.dumps(value, ensure_ascii=False)).encode()
