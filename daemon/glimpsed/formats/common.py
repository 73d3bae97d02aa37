"""What the formats have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TypeAlias

# (offset, length); never short, unless it asks beyond the end.
Read: TypeAlias = "Callable[[int, int], bytes]"

CHUNK = 1 << 20
# What is beyond has been written by mistake; what is this near to 1 is 1.
_LEAST, _MOST, _SQUARE = 0.2, 5.0, 0.02
_WINDOW = 1 << 12


class NotPlain(Exception):
    """Not whole, not known, or not simple enough to be sent without a decoder."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels, as they are stored: before any orientation."""

    width: int
    height: int


def stretch(across: float, down: float) -> float:
    """How much taller than wide a pixel is, at these resolutions; 1 for what makes no sense, or hardly a difference."""
    if across <= 0 or down <= 0 or not _LEAST <= across / down <= _MOST:
        return 1.0
    return across / down if abs(across / down - 1) > _SQUARE else 1.0


def square(across: float, down: float) -> bool:
    """Whether pixels are square at these resolutions, as far as anybody could see."""
    return stretch(across, down) == 1.0


def reader(file: IO[bytes]) -> Read:
    """Of an open file."""

    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return read


def windowed(read: Read, size: int) -> Read:
    """The same, but for formats of many small pieces: what comes next is already there."""
    start, window = 0, b""

    def windowed_read(offset: int, length: int) -> bytes:
        nonlocal start, window
        if length > _WINDOW:
            return read(offset, length)
        if not start <= offset <= offset + length <= start + len(window):
            start, window = offset, bytes(read(offset, max(0, min(_WINDOW, size - offset))))
        return window[offset - start : offset - start + length]

    return windowed_read


def find(read: Read, pattern: bytes, start: int, size: int) -> int:
    """Where these few bytes stand first, -1 when nowhere."""
    carry = b""
    for at in range(start, size, CHUNK):
        chunk = carry + read(at, min(CHUNK, size - at))
        if (found := chunk.find(pattern)) >= 0:
            return at - len(carry) + found
        carry = chunk[1 - len(pattern) :]
    return -1


def joined(data: bytes, ranges: list[tuple[int, int]]) -> bytes:
    """Those ranges of the data, in one copy; the data itself when that is all of it."""
    view = memoryview(data)
    merged = [ranges[0]]
    for start, end in ranges[1:]:
        if start == merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return data if merged == [(0, len(data))] else b"".join(view[start:end] for start, end in merged)
