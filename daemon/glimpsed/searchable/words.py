"""Words where they stand on a page: what an OCR engine saw, and what goes into a text layer."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

from glimpsed.formats.sniff import Kind

Point: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Point, Point, Point, Point]

_NARROW, _WIDE = frozenset("iljtfrI1|!.,:;'`()[]"), frozenset("mwMW@%—…")
_THIN, _BROAD, _FULL = 0.55, 1.5, 1.9  # widths of letters, of that of an n
_RIGHT_TO_LEFT = frozenset({"R", "AL"})


@dataclass(frozen=True, slots=True)
class SearchableTask:
    """What is to be made."""

    kind: Kind
    outputs: Sequence[str]
    length: int  # bytes of JSON before the file


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word and its corners in px of the upright page: clockwise from the top left of the word as it is read upright."""

    text: str
    quad: Quad

    @property
    def height(self) -> float:
        """Across the line."""
        return (math.dist(self.quad[0], self.quad[3]) + math.dist(self.quad[1], self.quad[2])) / 2

    @property
    def width(self) -> float:
        """Along the line."""
        return (math.dist(self.quad[0], self.quad[1]) + math.dist(self.quad[3], self.quad[2])) / 2

    def scaled(self, across: float, down: float) -> Self:
        """In another measure."""
        one, two, three, four = ((x * across, y * down) for x, y in self.quad)
        return replace(self, quad=(one, two, three, four))

    def part(self, start: float, end: float) -> Quad:
        """The corners of what stands between two shares of its width, which may lie beyond it."""
        top_left, top_right, bottom_right, bottom_left = self.quad
        return (
            between(top_left, top_right, start),
            between(top_left, top_right, end),
            between(bottom_left, bottom_right, end),
            between(bottom_left, bottom_right, start),
        )


PlacedLine: TypeAlias = tuple[PlacedWord, ...]  # in the order in which they are read


@dataclass(frozen=True, slots=True)
class PageWords:
    """What stands on a page."""

    number: int  # from 1
    width: float  # px, or any other measure: the words' corners are in the same
    height: float
    lines: tuple[PlacedLine, ...] = ()

    def scaled(self, width: float, height: float) -> Self:
        """The same page in another measure."""
        across, down = width / max(1e-6, self.width), height / max(1e-6, self.height)
        lines = tuple(tuple(word.scaled(across, down) for word in line) for line in self.lines)
        return replace(self, width=width, height=height, lines=lines)

    def to_json(self) -> list[Any]:
        """For the pipe."""
        return [
            self.number,
            self.width,
            self.height,
            [[[w.text, w.quad] for w in line] for line in self.lines],
        ]

    @classmethod
    def from_json(cls, found: Sequence[Any]) -> Self:
        """From the pipe."""
        number, width, height, lines = found
        return cls(number, width, height, tuple(tuple(_word(*w) for w in line) for line in lines))


def _word(text: str, quad: Sequence[Sequence[float]]) -> PlacedWord:
    top_left, top_right, bottom_right, bottom_left = ((float(x), float(y)) for x, y in quad)
    return PlacedWord(text, (top_left, top_right, bottom_right, bottom_left))


def between(one: Point, other: Point, share: float) -> Point:
    """A point on the way from one to the other."""
    return one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share


def upright(left: float, top: float, right: float, bottom: float) -> Quad:
    """The corners of a box whose text runs from left to right."""
    return (left, top), (right, top), (right, bottom), (left, bottom)


def bounds(words: Iterable[PlacedWord]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of all of them."""
    points = [point for word in words for point in word.quad]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def is_right_to_left(text: str) -> bool:
    """Whether a word is read from right to left: Arabic, Hebrew."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in text)


def divided(text: str, quad: Quad) -> PlacedLine:
    """A line of text as its words, in a box as wide as all of them: by how wide letters usually are."""
    whole = PlacedWord(text, quad)
    texts = text.split()
    space = 0.6
    widths = [sum(map(_width, word)) for word in texts]
    total = sum(widths) + space * (len(texts) - 1)
    if not texts or total <= 0:
        return ()
    if is_right_to_left(text):
        texts, widths = texts[::-1], widths[::-1]
    words, at = [], 0.0
    for word, width in zip(texts, widths, strict=True):
        words.append(PlacedWord(word, whole.part(at / total, (at + width) / total)))
        at += width + space
    return tuple(words[::-1] if is_right_to_left(text) else words)


def _width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return _FULL
    if unicodedata.combining(character):
        return 0.0
    if character in _NARROW:
        return _THIN
    return _BROAD if character in _WIDE else 1.2 if character.isupper() else 1.0
