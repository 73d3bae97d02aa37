"""A reply's body as it comes in. Of a stream of events, the body that an ordinary reply would have had. Pure."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from glimpsed import bounded
from glimpsed.vision.chat import THOUGHTS
from glimpsed.vision.told import is_error
from glimpsed.vision.wire import written

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_BLANK = b"\xef\xbb\xbf \t\r\n"  # and the mark that some begin with
_LARGEST = 8 << 20  # bytes of one event
_OBJECT = 64  # bytes that an object takes beside its content
_NEWLINE = re.compile(rb"[\r\n]")
_EVENT = re.compile(rb"[\r\n][ \t]*(?:data:[ \t]*){1,2}\{", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:data:\s*)*(?:\[DONE\]\s*)?", re.IGNORECASE)  # two events that share a line
_DECODER = json.JSONDecoder()
_PIECE = re.compile(rb'"(?:delta|content)"')
_PREFACE = 4096  # bytes, in which the first event comes whatever is in front of it
_SNIFF = 64  # bytes, in which it shows what a body is
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_BEGUN = (None, "queued", "in_progress")
_NOT_YET = (None, "", "null", "none", "None")  # what gateways write for no finish_reason


class Incomplete(Exception):
    """The stream ended before the answer did: what came is no answer. `said_done`: though it said that it was over."""

    def __init__(self, reason: str, *, said_done: bool = False) -> None:
        super().__init__(reason)
        self.said_done = said_done


class Body:
    """The bytes of a body, fed as they come. It is a stream if it looks like one, whatever its Content-Type."""

    def __init__(self) -> None:
        self.received = 0  # bytes
        self.stream: Stream | None = None
        self._parts: list[bytes] = []  # without white space in front
        self._size = 0  # bytes of them
        self._plain = False
        self._preface = False  # what came is in front of the answer, perhaps

    def feed(self, chunk: bytes) -> None:
        """The next bytes, cut anywhere."""
        self.received += len(chunk)
        if self.stream is not None:
            self.stream.feed(chunk)
            return
        self._parts.append(chunk)
        self._size += len(chunk)
        if not self._plain and (
            self.received <= _SNIFF
            or len(self._parts) == 1
            or _NEWLINE.search(chunk)
            or (self._preface and self._size >= _PREFACE)
        ):
            self._tell(ended=False)

    @property
    def alive(self) -> bool:
        """Whether any byte is a sign of life: the answer of a stream, or one before which there is nothing of it yet, may take its time."""
        return self.stream is not None or not self._parts or self._preface

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self._size if self.stream is None else self.stream.held

    @property
    def finished(self) -> bool:
        """Whether the answer is there, however the connection ends."""
        return _is_object(b"".join(self._parts)) if self.stream is None else self.stream.finished

    def whole(self) -> bytes:
        """The body of a reply that has ended. Raises `Incomplete`."""
        if not self._plain and self.stream is None:
            self._tell(ended=True)
        if self.stream is None and self._parts and self._parts[0].startswith(b"["):
            self.stream = _listed(b"".join(self._parts))
        return b"".join(self._parts) if self.stream is None else self.stream.whole()

    def partial(self) -> bytes:
        """As a reply's body, what came of a stream that was broken off: nothing that could be an answer, but it was paid for."""
        return b"" if self.stream is None else self.stream.partial()

    def _tell(self, *, ended: bool) -> None:
        """What the body is, if that can be told yet."""
        head = b"".join(self._parts).lstrip(_BLANK)
        self._parts, self._size = [head] if head else [], len(head)
        kind = _is_stream(head, ended=ended)
        if kind:
            self.stream, self._parts = Stream(), []
            self.stream.feed(head)
        self._plain = kind is False
        # A line of a proxy's, or a field that nobody knows, not anything whatever.
        self._preface = kind is None and not head.startswith(b"{") and bool(_NEWLINE.search(head))


def _is_stream(head: bytes, *, ended: bool) -> bool | None:
    """None: can't be told yet."""
    if head.startswith(b"{"):  # a reply, or an event a line without more around it
        end = head.find(b"\n")
        return _is_event(head if end < 0 else head[:end]) if end >= 0 or ended else None
    begins = head[:_SNIFF].lower()
    if not ended and any(field.startswith(begins) for field in _FIELDS):
        return None
    if begins.startswith(_FIELDS):
        return True
    if head.startswith((b"<", b"[")):
        return False
    # A line of a proxy's in front, or a field that nobody knows.
    return True if _EVENT.search(head) else None if not ended and len(head) < _PREFACE else False


def _is_event(line: bytes) -> bool:
    if not (b'"delta"' in line or b'"response.' in line or b".chunk" in line):
        return False
    return any(map(_is_piece, _objects(line)))


def _is_piece(event: object) -> bool:
    """Whether this is one event of a stream."""
    if not isinstance(event, dict):
        return False
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    in_pieces = isinstance(choice, dict) and "delta" in choice
    return in_pieces or str(event.get("type")).startswith("response.")


def _listed(body: bytes) -> Stream | None:
    """The stream that some gateways make one list of; None: it is no such list."""
    try:
        events = bounded.received(body, largest=_LARGEST)
    except (ValueError, RecursionError):
        return None
    if not any(map(_is_piece, events)):
        return None
    stream = Stream()
    for event in events:
        if isinstance(event, dict):
            stream.take(event)
    return stream


class Stream:
    """Events of both APIs, put together.

    An event is taken as soon as it is there: many servers have one newline after it instead of two, or none after
    the last one. Comments and empty lines are none; they only show that somebody is there.
    """

    def __init__(self) -> None:
        self.pieces = 0  # of the answer, the last word among them
        self._rest: list[bytes] = []  # of a line that has not ended
        self._return = False  # the last line ended with CR, to which an LF may belong
        self._data: list[bytes] = []  # lines of an event that is not whole yet
        self._size = 0  # bytes of both, and of the answer
        self._name = b""
        self._reply: dict[str, Any] = {}  # id, model, usage
        self._text = io.StringIO()  # of many small pieces, each of which would be an object
        self._refusal = io.StringIO()
        self._finish: str | None = None
        self._response: dict[str, Any] | None = None
        self._error: dict[str, Any] | None = None
        self._said_done = False
        self._calls: dict[str, io.StringIO] = {}  # by their index: what tools are to be called with
        self._thought = False
        self._torn = False  # an event that held a piece of the answer could not be read

    @property
    def finished(self) -> bool:
        """Whether the last word has come: a finish_reason, the end of a response, or an error."""
        return not (self._finish is None and self._response is None and self._error is None)

    @property
    def held(self) -> int:
        """Bytes in memory, about."""
        return self._size

    # --- lines and events ---

    def feed(self, chunk: bytes) -> None:
        """The next bytes, cut anywhere."""
        if self._return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        if not chunk:
            return
        self._return = chunk.endswith(b"\r")
        self._rest.append(chunk)
        self._size += len(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:  # joined once, when the line ends: it may be megabytes
            return
        text = b"".join(self._rest)
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = [rest]
        self._size += len(rest) - len(text)
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        if not line.strip():
            self._dispatch()
            return
        line = line.strip()
        if line.startswith(b"{"):  # an event, or an error in the midst of them, with nothing around it
            self._datum(line)
            return
        field, colon, value = line.partition(b":")
        field = field.lower()
        if field == b"event":
            self._name = value.strip()
        elif field == b"data" and colon:
            self._datum(value.removeprefix(b" "))

    def _datum(self, data: bytes) -> None:
        events = [] if self._data else _objects(data)
        if events:
            for event in events:
                self.take(event)
        elif data.strip() == b"[DONE]":
            self._said_done = True
        elif data[:5].lower() == b"data:" and not self._data:  # some proxies make events of a server's lines
            self._datum(data[5:].strip())
        else:
            self._data.append(data)
            self._size += len(data) + _OBJECT

    def _dispatch(self) -> None:
        """An event has ended: what of it was not whole line by line, is whole now, or is none."""
        lines, self._data = self._data, []
        self._size -= sum(len(line) + _OBJECT for line in lines)
        whole = _object(b"\n".join(lines)) if len(lines) > 1 else None
        for line in lines if whole is None else ():
            event = _object(line)
            if event is not None:
                self.take(event)
            elif _PIECE.search(line) and not self.finished:
                self._torn = True
        if whole is not None:
            self.take(whole)
        self._name = b""

    # --- what they say ---

    def take(self, event: dict[str, Any]) -> None:
        """One event."""
        if "type" not in event and self._name.startswith(b"response."):
            event = {"type": self._name.decode("utf-8", "replace"), **event}
        error = _error(event, self._name)
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
        else:
            self._chunk(event)
            return
        self.pieces += 1

    def _chunk(self, event: dict[str, Any]) -> None:
        self._reply |= {key: event[key] for key in ("id", "model", "usage") if event.get(key)}
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index") not in (None, 0):
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
                self._thought = self._thought or any(message.get(key) for key in THOUGHTS)
        if choice.get("finish_reason") not in _NOT_YET:
            self._finish = str(choice["finish_reason"])
            self.pieces += 1

    def _add(self, text: str, *, instead: bool = False) -> None:
        """More of the answer. `instead`: or, where it begins with what there is, all of it anew."""
        if instead and text.startswith(so_far := self._text.getvalue()):
            text = text[len(so_far) :]
        if text:
            self._text.write(text)
            self._size += len(text)
            self.pieces += 1

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
            self._size += len(arguments) + (0 if index in self._calls else _OBJECT)
            self._calls.setdefault(index, io.StringIO()).write(arguments)
            self.pieces += 1

    # --- the reply ---

    def whole(self) -> bytes:
        """The reply body that these events add up to; an error among them gives an error body. Raises `Incomplete`."""
        self._end()
        if self._error is not None:
            return _json({**self._error, **self._chat()})  # what came before it was paid for
        if self._response is not None:
            return _json(self._filled(self._response))
        if self._finish is None:
            said_done = self._said_done and bool(self._text.tell())
            raise Incomplete("no finish_reason, no response.completed", said_done=said_done)
        if self._torn:  # the answer has a hole, which nobody would see
            raise Incomplete("an event of it cannot be read", said_done=True)
        return _json(self._chat())

    def partial(self) -> bytes:
        """What came, as a reply's body, finished or not."""
        return _json(self._chat())

    def _end(self) -> None:
        """The last line needs no newline after it, the last event no empty line."""
        rest, self._rest = b"".join(self._rest), []
        for line in (rest, b""):
            self._line(line)

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
        """With the text of the deltas, to which some gateways leave it."""
        text, refusal = self._text.getvalue(), self._refusal.getvalue()
        if response.get("output") or not (text or refusal):
            return response
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


def _response(event: dict[str, Any]) -> dict[str, Any] | None:
    """The response that an event ends, by whatever word for that."""
    kind, response = str(event.get("type")), event.get("response")
    if kind.startswith("response.") and isinstance(response, dict) and response.get("status") not in _BEGUN:
        return response
    if kind in _ENDS:  # what it is has been said in pieces
        return {"status": kind.removeprefix("response."), "output": []}
    return event if isinstance(event.get("output"), list) and event.get("object") == "response" else None


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = bounded.received(data, largest=_LARGEST)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _objects(line: bytes) -> list[dict[str, Any]]:
    """The objects that a line consists of, of which there may be several; none, where there is anything else in it."""
    one = _object(line)
    if one is not None or not line.startswith(b"{") or b"}" not in line:
        return [] if one is None else [one]
    try:
        bounded.check(line)
        text, found, at = line.decode(), list[dict[str, Any]](), 0
        while at < len(text):
            event, at = _DECODER.raw_decode(text, at)
            found.append(event)
            at = _end_of(_BETWEEN.match(text, at), at)
    except (ValueError, RecursionError):
        return []
    return found if all(isinstance(event, dict) for event in found) else []


def _end_of(match: re.Match[str] | None, at: int) -> int:
    return at if match is None else match.end()


def _is_object(data: bytes) -> bool:
    return data.rstrip().endswith(b"}") and _object(data) is not None


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
