"""Words as PDF text that nobody sees, pure: where they stand, as wide as they are, in the order in which they are read.

Each word is a string of its own, stretched to its box, with a space behind it. PDF programs take letters of Arabic and
Hebrew to be drawn from left to right, and turn them: so that is how they are drawn.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from glimpsed.searchable.words import PlacedLine, Point, is_right_to_left

FONT = "GlimpsedWords"  # its name among a page's resources
# Of the font's size: width of a letter and a space, depth below the line.
ADVANCE, SPACE, DESCENT = 0.5, 0.25, 0.2
_SMALLEST = 1.0  # pt
_DIAGONAL = 0.02  # what rises more than this share of its width, poppler takes letter by letter
_HALVES = range(0xD800, 0xE000)  # no characters: these codes are free for what lies beyond the first 65,536
_LEFT_TO_RIGHT = frozenset({"L", "EN", "AN"})
_SPECIAL = re.compile(rb"[()\\]")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


class Codes:
    """Which code stands for a character: its own number, or a free one. All that were asked for are remembered."""

    def __init__(self) -> None:
        self.used: dict[int, str] = {}
        self._free = iter(_HALVES)
        self._beyond: dict[str, int] = {}

    def string(self, text: str) -> bytes:
        """A PDF string: packed, it is a third shorter than in hexadecimal digits."""
        if text.isascii():
            self.used.update(zip(map(ord, text), text, strict=True))
            codes = text.encode("utf-16-be")
        else:
            codes = b"".join(self._code(character).to_bytes(2, "big") for character in text)
        return b"(" + _SPECIAL.sub(rb"\\\g<0>", codes).replace(b"\r", rb"\r") + b")"

    def _code(self, character: str) -> int:
        code = ord(character)
        if code in _HALVES:
            character, code = "\N{REPLACEMENT CHARACTER}", 0xFFFD
        if code > 0xFFFF:
            code = self._beyond.setdefault(character, next(self._free, 0xFFFD))
        self.used[code] = character
        return code


def layer(lines: Iterable[PlacedLine], place: Callable[[Point], Point], codes: Codes) -> bytes:
    """The content stream; `place` is from the words' measure to the page's own, in points."""
    parts = list(_parts(lines, place, codes))
    return b"\n".join([b"BT", b"3 Tr", *parts, b"ET"]) if parts else b""


def _parts(lines: Iterable[PlacedLine], place: Callable[[Point], Point], codes: Codes) -> Iterator[bytes]:
    known: tuple[float, str] = (0.0, "")  # size and direction
    at = (0.0, 0.0)
    for line in lines:
        for word in line:
            text = _drawn(word.text)
            if not text:
                continue
            top_left, bottom_right, bottom_left = _corners([place(corner) for corner in word.quad])
            width, height = math.dist(bottom_left, bottom_right), math.dist(bottom_left, top_left)
            size = max(_SMALLEST, round(2 * height) / 2)
            angle = math.atan2(bottom_right[1] - bottom_left[1], bottom_right[0] - bottom_left[0])
            cosine, sine = math.cos(angle), math.sin(angle)
            start = (bottom_left[0] - sine * DESCENT * height, bottom_left[1] + cosine * DESCENT * height)
            direction = _direction(angle)
            if size != known[0]:
                yield f"/{FONT} {_number(size)} Tf".encode()
            if direction != known[1]:
                yield f"{direction} {_number(start[0])} {_number(start[1])} Tm".encode()
                at = round(start[0], 1), round(start[1], 1)
            else:
                x, y = start[0] - at[0], start[1] - at[1]
                across, up = round(x * cosine + y * sine), round(y * cosine - x * sine, 1)
                yield f"{across} {_number(up)} Td".encode()
                at = at[0] + across * cosine - up * sine, at[1] + across * sine + up * cosine
            known = size, direction
            stretch = 100 * width / (ADVANCE * size * len(text))
            yield b"%d Tz%s Tj" % (max(1, round(stretch)), codes.string(text + " "))


@functools.lru_cache(maxsize=100)  # most words of a page have the same
def _direction(angle: float) -> str:
    cosine, sine = math.cos(angle), math.sin(angle)
    return f"{_number(cosine, 4)} {_number(sine, 4)} {_number(-sine, 4)} {_number(cosine, 4)}"


def _corners(quad: Sequence[Point]) -> tuple[Point, Point, Point]:
    """(top left, bottom right, bottom left) of where a word is drawn.

    A word on a steep slant would be taken for its letters. It is drawn level in its middle: found and copied as a word, though
    poppler's order of such words is its own.
    """
    top_left, _, bottom_right, bottom_left = quad
    size = math.dist(bottom_left, top_left)
    x, y = bottom_right[0] - bottom_left[0], bottom_right[1] - bottom_left[1]
    if min(abs(x), abs(y)) <= _DIAGONAL * max(abs(x), abs(y)):
        return top_left, bottom_right, bottom_left
    middle = (top_left[0] + bottom_right[0]) / 2, (top_left[1] + bottom_right[1]) / 2
    across, up = (math.copysign(1, x), 0.0) if abs(x) > abs(y) else (0.0, math.copysign(1, y))
    half = max(abs(x), abs(y)) / 2  # wider ones would run into each other
    high = min(2 * size, size + min(abs(x), abs(y))) / 2

    def corner(along: float, above: float) -> Point:
        return (
            middle[0] + along * half * across - above * high * up,
            middle[1] + along * half * up + above * high * across,
        )

    return corner(-1, 1), corner(1, -1), corner(-1, -1)


def _number(value: float, digits: int = 1) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _drawn(text: str) -> str:
    """A word's characters from left to right."""
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    if not is_right_to_left(shown):
        return shown
    runs: list[str] = []  # what runs from left to right stays together
    for cluster in _clusters(shown):
        ahead = unicodedata.bidirectional(cluster[0]) in _LEFT_TO_RIGHT
        if ahead and runs and unicodedata.bidirectional(runs[-1][0]) in _LEFT_TO_RIGHT:
            runs[-1] += cluster
        else:
            runs.append(cluster if ahead else cluster.translate(_MIRRORED))
    return "".join(reversed(runs))


def _clusters(text: str) -> list[str]:
    """Letters with the marks above and below them."""
    found: list[str] = []
    for character in text:
        if found and unicodedata.combining(character):
            found[-1] += character
        else:
            found.append(character)
    return found
