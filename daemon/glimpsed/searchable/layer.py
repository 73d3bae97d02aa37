"""Words as PDF text that nobody sees, pure: where they stand, as wide as they are, in the order in which they are read.

Each word is a string of its own, stretched to its box, with a space behind it. PDF programs take letters of Arabic and
Hebrew to be drawn from left to right, and turn them: so that is how they are drawn.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from glimpsed.searchable.words import Line, Point, is_right_to_left

FONT = "GlimpsedWords"  # its name among a page's resources
ADVANCE, SPACE, DESCENT = (
    0.5,
    0.25,
    0.2,
)  # of the font's size: width of a letter and a space, depth below the line
_SMALLEST = 1.0  # pt
_HALVES = range(0xD800, 0xE000)  # no characters: these codes are free for what lies beyond the first 65,536
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_LEFT_TO_RIGHT = frozenset({"L", "EN", "AN"})
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


class Codes:
    """Which code stands for a character: its own number, or a free one. All that were asked for are remembered."""

    def __init__(self) -> None:
        self.used: dict[int, str] = {}
        self._free = iter(_HALVES)
        self._beyond: dict[str, int] = {}

    def string(self, text: str) -> str:
        """A PDF string, in hexadecimal digits."""
        return "".join(f"{self._code(character):04X}" for character in text)

    def _code(self, character: str) -> int:
        code = ord(character)
        if code in _HALVES:
            character, code = "\N{REPLACEMENT CHARACTER}", 0xFFFD
        if code > 0xFFFF:
            code = self._beyond.setdefault(character, next(self._free, 0xFFFD))
        self.used[code] = character
        return code


def layer(lines: Iterable[Line], place: Callable[[Point], Point], codes: Codes) -> bytes:
    """The content stream; `place` is from the words' measure to the page's own, in points."""
    parts = list(_parts(lines, place, codes))
    return "\n".join(["BT", "3 Tr", *parts, "ET"]).encode() if parts else b""


def _parts(lines: Iterable[Line], place: Callable[[Point], Point], codes: Codes) -> Iterator[str]:
    known: tuple[float, str] = (0.0, "")  # size and direction
    at = (0.0, 0.0)
    for line in lines:
        for word in line:
            text = _drawn(word.text)
            if not text:
                continue
            top_left, _, bottom_right, bottom_left = (place(corner) for corner in word.quad)
            width, height = math.dist(bottom_left, bottom_right), math.dist(bottom_left, top_left)
            size = max(_SMALLEST, round(2 * height) / 2)
            angle = math.atan2(bottom_right[1] - bottom_left[1], bottom_right[0] - bottom_left[0])
            cosine, sine = math.cos(angle), math.sin(angle)
            start = (bottom_left[0] - sine * DESCENT * height, bottom_left[1] + cosine * DESCENT * height)
            direction = f"{_number(cosine, 4)} {_number(sine, 4)} {_number(-sine, 4)} {_number(cosine, 4)}"
            if size != known[0]:
                yield f"/{FONT} {_number(size)} Tf"
            if direction != known[1]:
                yield f"{direction} {_number(start[0])} {_number(start[1])} Tm"
                at = round(start[0], 1), round(start[1], 1)
            else:
                x, y = start[0] - at[0], start[1] - at[1]
                across, up = round(x * cosine + y * sine, 1), round(y * cosine - x * sine, 1)
                yield f"{_number(across)} {_number(up)} Td"
                at = at[0] + across * cosine - up * sine, at[1] + across * sine + up * cosine
            known = size, direction
            stretch = 100 * width / (ADVANCE * size * len(text))
            yield f"{_number(max(1.0, stretch), 0)} Tz <{codes.string(text + ' ')}> Tj"


def _number(value: float, digits: int = 1) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _drawn(text: str) -> str:
    """A word's characters from left to right."""
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
