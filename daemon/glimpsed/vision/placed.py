"""What an engine saw in pictures, as lines of the page that the pictures show. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from glimpsed.model import Image, Line, Word
from glimpsed.region import Region
from glimpsed.vision.engines import EngineReading, Seen

_SAME = 0.5  # of the smaller box: two bands show the same line


def lines(parts: Sequence[Image], read: Sequence[EngineReading]) -> list[Line]:
    """The lines of one page from its picture or its overlapping bands, each once."""
    found: list[Line] = []
    for part, reading in zip(parts, read, strict=True):
        region = part.region or Region(part.width, part.height)
        above = tuple(found)
        here = (_line(part.page, seen, region) for seen in reading.lines)
        found += [line for line in here if not any(_same(line, other) for other in above)]
    return found


def _line(page: int, seen: Seen, region: Region) -> Line:
    words = tuple(Word(text=word.text, box=region.box(word.box)) for word in seen.words)
    return Line(
        page=page,
        text=seen.text,
        box=region.box(seen.box),
        confidence=round(seen.confidence, 4),
        words=words,
    )


def _same(one: Line, other: Line) -> bool:
    (left, top, right, bottom), (left_, top_, right_, bottom_) = one.box, other.box
    shared = max(0, min(right, right_) - max(left, left_)) * max(0, min(bottom, bottom_) - max(top, top_))
    smaller = min((right - left) * (bottom - top), (right_ - left_) * (bottom_ - top_))
    return shared > _SAME * smaller
