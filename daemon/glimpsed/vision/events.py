"""The events of a stream, out of its bytes. Pure.

An event is taken as soon as it is there: many servers have one newline after it instead of two, or none after the last
one. Comments and empty lines are none; they only show that somebody is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from glimpsed import bounded

FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
LARGEST = 8 << 20  # bytes of one event
OBJECT_BYTES = 64  # bytes that an object takes beside its content
_BETWEEN = re.compile(r"\s*(?:data:\s*)*(?:\[DONE\]\s*)?", re.IGNORECASE)  # two events that share a line
_DECODER = json.JSONDecoder()
_PIECE = re.compile(rb'"(?:delta|content)"')


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What one event says. `said` is None where it held a piece of the answer and cannot be read."""

    said: dict[str, Any] | None
    name: bytes = b""


class StreamEvents:
    """Cuts a stream into its events."""

    def __init__(self) -> None:
        self.said_done = False  # by `[DONE]`
        self._rest: list[bytes] = []  # of a line that has not ended
        self._return = False  # the last line ended with CR, to which an LF may belong
        self._data: list[bytes] = []  # lines of an event that is not whole yet
        self._size = 0  # bytes of both
        self._name = b""

    @property
    def held(self) -> int:
        """Bytes in memory, about."""
        return self._size

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """What the next bytes, cut anywhere, complete."""
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
            yield from self._line(line)

    def end(self) -> Iterator[StreamEvent]:
        """The last line needs no newline after it, the last event no empty line."""
        rest, self._rest = b"".join(self._rest), []
        for line in (rest, b""):
            yield from self._line(line)

    def _line(self, line: bytes) -> Iterator[StreamEvent]:
        if not line.strip():
            yield from self._dispatch()
            return
        line = line.strip()
        if line.startswith(b"{"):  # an event, or an error in the midst of them, with nothing around it
            yield from self._datum(line)
            return
        field, colon, value = line.partition(b":")
        field = field.lower()
        if field == b"event":
            self._name = value.strip()
        elif field == b"data" and colon:
            yield from self._datum(value.removeprefix(b" "))

    def _datum(self, data: bytes) -> Iterator[StreamEvent]:
        events = [] if self._data else objects_of(data)
        if events:
            for event in events:
                yield StreamEvent(event, self._name)
        elif data.strip() == b"[DONE]":
            self.said_done = True
        elif data[:5].lower() == b"data:" and not self._data:  # some proxies make events of a server's lines
            yield from self._datum(data[5:].strip())
        else:
            self._data.append(data)
            self._size += len(data) + OBJECT_BYTES

    def _dispatch(self) -> Iterator[StreamEvent]:
        """An event has ended: what of it was not whole line by line, is whole now, or is none."""
        lines, self._data = self._data, []
        self._size -= sum(len(line) + OBJECT_BYTES for line in lines)
        whole = object_of(b"\n".join(lines)) if len(lines) > 1 else None
        for line in lines if whole is None else ():
            event = object_of(line)
            if event is not None or _PIECE.search(line):
                yield StreamEvent(event, self._name)
        if whole is not None:
            yield StreamEvent(whole, self._name)
        self._name = b""


def object_of(data: bytes) -> dict[str, Any] | None:
    """The object that these bytes are; None, where they are anything else."""
    try:
        value = bounded.received(data, largest=LARGEST)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def objects_of(line: bytes) -> list[dict[str, Any]]:
    """The objects that a line consists of, of which there may be several; none, where there is anything else in it."""
    one = object_of(line)
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
