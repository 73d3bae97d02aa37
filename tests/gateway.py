"""A scriptable model gateway: a real HTTP server on loopback, both APIs, SSE, and faults on demand.

    with Gateway() as gateway:                        # every request gets a valid answer
        gateway.script(Scripted(status=429, headers={"retry-after": "1"}), Scripted(text="second try"))
        ... point a model entry at gateway.base_url ...
        gateway.wait_for(2)
        assert gateway.requests[0].images[0].format == "JPEG"
    assert not gateway.problems                       # requests that were not what the API takes

Scripted replies are used up in order, then `default` (a `Scripted`, or a function of the request) answers.
It runs in a thread of its own, so that it serves the test's own event loop and a real daemon process alike.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from serving import Serving

Fault: TypeAlias = Literal["drop", "half", "hang", "trickle", "sse", "early"]
PATHS = {"/chat/completions": "chat", "/responses": "responses"}


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a request, as it came in."""

    media_type: str  # as declared
    format: str  # as Pillow found it, "" for a URL
    width: int
    height: int
    bytes: int
    detail: str | None
    url: str | None = None
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as it came in."""

    at: float  # time.monotonic()
    path: str  # beneath base_url: "/responses"
    headers: Mapping[str, str]  # names in lower case
    raw: bytes = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    images: tuple[Picture, ...]
    prompt: str  # the user's text parts
    system: str | None
    connection: int  # which connection it came in on, from 1
    query: str = ""

    @property
    def api(self) -> str:
        return PATHS[self.path]


@dataclass(frozen=True, slots=True)
class Scripted:
    """One reply. With no `body`, a valid answer of the API that was asked, saying `text`.

    Faults: `drop` closes after the request; `half` sends half of the body (or of the events) and closes;
    `hang` sends nothing (or half of the events) and waits; `trickle` sends a byte (or an event) every
    `interval` seconds; `sse` streams even if it was not asked to; `early` answers before the body was read.
    """

    status: int = 200
    body: Any = None  # dict or list: sent as JSON; str or bytes: as they are
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    delay: float = 0.0
    interval: float = 0.05
    text: str = "The quick brown fox."
    finish: str = "stop"
    usage: tuple[int, int] | None = (1105, 21)  # input, output tokens; None: not reported
    events: tuple[Any, ...] | None = None  # SSE events, instead of those that say `text`


Reply: TypeAlias = Scripted | Callable[[Seen], Scripted]


class BadRequestError(Exception):
    """The request is not what the API takes."""


class Gateway(Serving):
    """The server."""

    def __init__(
        self,
        *script: Reply,
        default: Reply = Scripted(),
        apis: Iterable[str] = ("chat", "responses"),
        key: str | None = None,  # when set, every other key gets a 401
        tls: ssl.SSLContext | None = None,
        decode: bool = True,  # False: images are not looked at (benchmarks)
        port: int = 0,
        prefix: str = "/v1",  # what base_url has after the host
    ) -> None:
        super().__init__("gateway", port=port, tls=tls)
        self.requests: list[Seen] = []
        self.problems: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.default = default
        self.apis = set(apis)
        self.key = key
        self.prefix = prefix
        self._script = list(script)
        self.decode = decode

    @property
    def base_url(self) -> str:
        return f"{self.url}{self.prefix}"

    def script(self, *replies: Reply) -> None:
        """Queue these replies, one for each of the next requests."""
        self._script.extend(replies)

    def reset(self) -> None:
        """Forget every request, and everything that was scripted."""
        self._script.clear()
        self.requests.clear()
        self.problems.clear()
        self.default, self.decode = Scripted(), True

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Return once so many requests have come in; AssertionError when they do not."""
        deadline = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < deadline, f"{len(self.requests)} of {count} requests in {seconds} s"
            time.sleep(0.005)

    # --- in its own thread ---

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        while True:
            method, target, headers = await _head(reader)
            early = (
                self._script and isinstance(self._script[0], Scripted) and self._script[0].fault == "early"
            )
            raw = b"" if early else await _body(reader, headers)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                reply, seen = self._answer(method, target, headers, raw, number, early=bool(early))
                alive = await _send(writer, reply, seen)
            finally:
                self.in_flight -= 1
            if not alive:
                if early:  # as nginx does: half-close, and swallow what still comes
                    writer.write_eof()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(), 1)
                return

    def _answer(
        self, method: str, target: str, headers: dict[str, str], raw: bytes, number: int, *, early: bool
    ) -> tuple[Scripted, Seen]:
        place, _, query = target.partition("?")
        path = place.removeprefix(self.prefix)
        try:
            known = method == "POST" and path in PATHS and place.startswith(self.prefix)
            check(known, f"Invalid URL ({method} {target})")
            seen = parse(path, headers, raw, number, decode=self.decode, early=early)
            seen = replace(seen, query=query)
        except BadRequestError as e:
            self.problems.append(str(e))
            body = {
                "error": {"message": str(e), "type": "invalid_request_error", "param": None, "code": None}
            }
            status = 404 if str(e).startswith("Invalid URL") else 400
            return Scripted(status=status, body=body), Seen(0, path, headers, raw, {}, (), "", None, number)
        self.requests.append(seen)
        return self._reply(seen), seen

    def _reply(self, seen: Seen) -> Scripted:
        if self.key is not None and seen.headers.get("authorization") != f"Bearer {self.key}":
            error = {
                "message": "Incorrect API key",
                "type": "invalid_request_error",
                "code": "invalid_api_key",
            }
            return Scripted(status=401, body={"error": error})
        if seen.api not in self.apis:
            error = {"message": f"Invalid URL (POST /v1{seen.path})", "type": "invalid_request_error"}
            return Scripted(status=404, body={"error": error})
        reply = self._script.pop(0) if self._script else self.default
        return reply(seen) if callable(reply) else reply


# --- reading a request ---


async def _head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    pairs = (line.split(":", 1) for line in lines[1:] if line)
    return method, target, {name.strip().lower(): value.strip() for name, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readline()
    return b"".join(parts)


def parse(
    path: str,
    headers: dict[str, str],
    raw: bytes,
    connection: int,
    *,
    decode: bool = True,
    early: bool = False,
) -> Seen:
    """What a request holds. Raises `BadRequestError` for what the real API would refuse."""
    if early:
        return Seen(time.monotonic(), path, headers, raw, {}, (), "", None, connection)
    try:
        body = json.loads(raw)
    except ValueError as e:
        raise BadRequestError(f"not JSON: {e}") from None
    check(isinstance(body, dict) and isinstance(body.get("model"), str), "no model")
    check(headers.get("content-type", "").startswith("application/json"), "content-type is not JSON")
    if PATHS[path] == "chat":
        system, parts = _chat(body)
    else:
        system, parts = _responses(body)
    texts = [p["text"] for p in parts if p["type"] in ("text", "input_text")]
    images = tuple(_picture(p, decode=decode) for p in parts if p["type"] in ("image_url", "input_image"))
    return Seen(time.monotonic(), path, headers, raw, body, images, "\n".join(texts), system, connection)


def _chat(body: dict[str, Any]) -> tuple[str | None, list[dict[str, Any]]]:
    messages = body.get("messages")
    check(isinstance(messages, list) and bool(messages), "messages must be a list")
    check("input" not in body and "max_output_tokens" not in body, "keys of the Responses API")
    system, parts = None, []
    for message in messages:
        content = message.get("content")
        content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        check(isinstance(content, list) and bool(content), "content must be a string or a list of parts")
        role = message.get("role")
        check(role in ("system", "developer", "user", "assistant"), f"role {role!r}")
        if role in ("system", "developer"):
            system = "".join(p["text"] for p in content)
        for part in content if role == "user" else ():
            if part.get("type") == "image_url":
                check(isinstance(part.get("image_url"), dict), "image_url must be an object")
            else:
                check(part.get("type") == "text" and isinstance(part.get("text"), str), f"part {part!r:.80}")
            parts.append(part)
    return system, parts


def _responses(body: dict[str, Any]) -> tuple[str | None, list[dict[str, Any]]]:
    check(isinstance(body.get("input"), list) and bool(body["input"]), "input must be a list")
    check("messages" not in body and "max_tokens" not in body, "keys of the chat API")
    limit = body.get("max_output_tokens", 16)
    check(isinstance(limit, int) and limit >= 16, "max_output_tokens must be at least 16")
    parts = []
    for item in body["input"]:
        role = item.get("role")
        check(role in ("user", "assistant", "system", "developer"), f"role {role!r}")
        for part in item["content"] if isinstance(item["content"], list) else ():
            if role != "user":
                continue
            if part.get("type") == "input_image":
                check(isinstance(part.get("image_url"), str), "image_url must be a string")
                check(part.get("detail") in ("low", "high", "auto", "original"), "detail is required")
            else:
                known = part.get("type") == "input_text" and isinstance(part.get("text"), str)
                check(known, f"part {part!r:.80}")
            parts.append(part)
    return body.get("instructions"), parts


def _picture(part: dict[str, Any], *, decode: bool) -> Picture:
    inner = part["image_url"]
    url = inner["url"] if isinstance(inner, dict) else inner
    detail = inner.get("detail") if isinstance(inner, dict) else part.get("detail")
    if not url.startswith("data:"):
        return Picture("", "", 0, 0, 0, detail, url)
    head, _, encoded = url.partition(",")
    check(head.startswith("data:image/") and head.endswith(";base64"), f"data URL {head!r}")
    check("\n" not in encoded, "a newline in the data URL")
    media_type = head.removeprefix("data:").removesuffix(";base64")
    if not decode:
        return Picture(media_type, "", 0, 0, len(encoded) * 3 // 4, detail)
    from PIL import Image

    try:
        data = base64.b64decode(encoded, validate=True)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            kind, (width, height) = image.format or "", image.size
    except (OSError, ValueError) as e:
        raise BadRequestError(f"invalid_base64_image: {e}") from None
    check(media_type == f"image/{kind.lower()}", f"declared {media_type}, is {kind}")
    return Picture(media_type, kind, width, height, len(data), detail, None, data)


def check(fine: object, problem: str) -> None:
    if not fine:
        raise BadRequestError(problem)


# --- sending a reply ---


async def _send(writer: asyncio.StreamWriter, reply: Scripted, seen: Seen) -> bool:
    """Send it; False when the connection ends with it."""
    if reply.delay:
        await asyncio.sleep(reply.delay)
    if reply.fault == "drop":
        return False
    streaming = reply.fault == "sse" or reply.events is not None or bool(seen.body.get("stream"))
    if streaming and reply.status == 200 and reply.body is None:
        return await _stream(writer, reply, seen)
    if reply.fault == "hang":
        await asyncio.sleep(3600)
    body = answer(seen, reply) if reply.body is None else reply.body
    page = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else _json(body)
    kind = "text/html" if isinstance(reply.body, str) else "application/json"
    headers = {
        "content-type": kind,
        "content-length": str(len(page)),
        "x-request-id": "req-1",
        **reply.headers,
    }
    writer.write(_start(reply.status, headers))
    if reply.fault == "half":
        writer.write(page[: len(page) // 2])
        await writer.drain()
        return False
    step = 1 if reply.fault == "trickle" else len(page) or 1
    for start in range(0, len(page), step):
        writer.write(page[start : start + step])
        await writer.drain()
        if reply.fault == "trickle":
            await asyncio.sleep(reply.interval)
    return reply.fault != "early"


async def _stream(writer: asyncio.StreamWriter, reply: Scripted, seen: Seen) -> bool:
    events = list(reply.events if reply.events is not None else stream_events(seen, reply))
    if reply.fault in ("half", "hang"):
        events = events[: len(events) // 2]
    headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked", "x-request-id": "req-1"}
    writer.write(_start(200, {**headers, **reply.headers}))
    async for chunk in _paced(events, reply.interval if reply.fault == "trickle" else 0.0):
        writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        await writer.drain()
    if reply.fault == "hang":
        await asyncio.sleep(3600)
    if reply.fault == "half":
        return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _paced(events: list[Any], interval: float) -> AsyncIterator[bytes]:
    for event in events:
        if isinstance(event, bytes):
            yield event
        else:
            name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
            data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
            yield f"{name}data: {data}\n\n".encode()
        if interval:
            await asyncio.sleep(interval)


def _start(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def answer(seen: Seen, reply: Scripted) -> dict[str, Any]:
    """A complete, valid answer of the API that was asked."""
    if seen.api == "chat":
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": None}
        chat = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000}
        return {
            **chat,
            "model": f"{seen.body.get('model')}-2024-08-06",
            "choices": [choice],
            **_usage(seen, reply),
        }
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reply.finish)
    part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    status = "incomplete" if cut else "completed"
    item = {"type": "message", "id": "msg-1", "role": "assistant", "status": status, "content": [part]}
    return {
        "id": "resp-1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "instructions": None,
        "metadata": {},
        "model": f"{seen.body.get('model')}-2024-08-06",
        "output": [{"type": "reasoning", "id": "rs-1", "summary": []}, item],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        **_usage(seen, reply),
    }


def _usage(seen: Seen, reply: Scripted) -> dict[str, Any]:
    if reply.usage is None:
        return {}
    sent, got = reply.usage
    if seen.api == "chat":
        return {"usage": {"prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got}}
    details = {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    return {"usage": {"input_tokens": sent, "output_tokens": got, "total_tokens": sent + got, **details}}


def stream_events(seen: Seen, reply: Scripted) -> Iterable[Any]:
    """The same answer as SSE events, a few characters each."""
    pieces = [reply.text[i : i + 4] for i in range(0, len(reply.text), 4)]
    whole = answer(seen, reply)
    if seen.api == "responses":
        yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
        for piece in pieces:
            yield {"type": "response.output_text.delta", "item_id": "msg-1", "delta": piece}
        yield {"type": f"response.{whole['status']}", "response": whole}
        return
    chunk = {"id": whole["id"], "object": "chat.completion.chunk", "created": 1, "model": whole["model"]}
    yield {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}
    for piece in pieces:
        yield {**chunk, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]}
    if "usage" in whole:
        yield {**chunk, "choices": [], "usage": whole["usage"]}
    yield "[DONE]"
