"""A reply's body as it comes in. Of a stream of events, the body that an ordinary reply would have had. Pure."""

from __future__ import annotations

import re

from glimpsed import bounded
from glimpsed.vision.events import FIELDS, LARGEST, StreamEvent, StreamEvents, object_of, objects_of
from glimpsed.vision.pieces import Incomplete, Pieces, is_piece

__all__ = ["Body", "Incomplete"]

_BLANK = b"\xef\xbb\xbf \t\r\n"  # and the mark that some begin with
_NEWLINE = re.compile(rb"[\r\n]")
_EVENT = re.compile(rb"[\r\n][ \t]*(?:data:[ \t]*){1,2}\{", re.IGNORECASE)
_PREFACE = 4096  # bytes, in which the first event comes whatever is in front of it
_SNIFF = 64  # bytes, in which it shows what a body is


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
        """What came of a reply, as its body, that was broken off: nothing that could be an answer, but it was paid for."""
        return b"".join(self._parts) if self.stream is None else self.stream.partial()

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


class Stream:
    """The bytes of a stream, fed as they come, and what its events add up to."""

    def __init__(self, pieces: Pieces | None = None) -> None:
        self._events = StreamEvents()
        self._pieces = pieces or Pieces()

    def feed(self, chunk: bytes) -> None:
        """The next bytes, cut anywhere."""
        for event in self._events.feed(chunk):
            self._pieces.take(event)

    @property
    def finished(self) -> bool:
        """Whether the last word has come."""
        return self._pieces.finished

    @property
    def pieces(self) -> int:
        """How many of the answer have come, the last word among them."""
        return self._pieces.count

    @property
    def held(self) -> int:
        """Bytes in memory, about."""
        return self._events.held + self._pieces.held

    def whole(self) -> bytes:
        """The reply body that these events add up to; an error among them gives an error body. Raises `Incomplete`."""
        for event in self._events.end():
            self._pieces.take(event)
        return self._pieces.whole(said_done=self._events.said_done)

    def partial(self) -> bytes:
        """What came, as a reply's body, finished or not."""
        return self._pieces.partial()


def _is_stream(head: bytes, *, ended: bool) -> bool | None:
    """None: can't be told yet."""
    if head.startswith(b"{"):  # a reply, or an event a line without more around it
        end = head.find(b"\n")
        return _is_event(head if end < 0 else head[:end]) if end >= 0 or ended else None
    begins = head[:_SNIFF].lower()
    if not ended and any(field.startswith(begins) for field in FIELDS):
        return None
    if begins.startswith(FIELDS):
        return True
    if head.startswith((b"<", b"[")):
        return False
    # A line of a proxy's in front, or a field that nobody knows.
    return True if _EVENT.search(head) else None if not ended and len(head) < _PREFACE else False


def _is_event(line: bytes) -> bool:
    if not (b'"delta"' in line or b'"response.' in line or b".chunk" in line or b'"done"' in line):
        return False
    return any(map(is_piece, objects_of(line)))


def _listed(body: bytes) -> Stream | None:
    """The stream that some gateways make one list of; None: it is no such list."""
    try:
        events = bounded.received(body, largest=LARGEST)
    except (ValueError, RecursionError):
        return None
    if not any(map(is_piece, events)):
        return None
    pieces = Pieces()
    for event in events:
        if isinstance(event, dict):
            pieces.take(StreamEvent(event))
    return Stream(pieces)


def _is_object(data: bytes) -> bool:
    return data.rstrip().endswith(b"}") and object_of(data) is not None
