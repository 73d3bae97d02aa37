"""What an OCR engine saw, as words of the upright page: boxes are in px of the page as it is stored, pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from glimpsed.model import Line as Seen
from glimpsed.searchable.words import PlacedLine, PlacedWord, Point, Quad, between, divided

ToldLine = list[Any]  # a line on its way to the process: page, degrees, margin, each word's text and box

_TURNED = frozenset({5, 6, 7, 8})
_SLANTED = 0.004  # radians: less makes no difference
_STEEPEST = 0.5  # radians, about 30 degrees: boxes tell no more
_MARGIN = 0.12  # of a box of rapidocr's, which widens what it found
_LONG = 4.0  # heights: shorter lines do not tell how a page slants


def told(line: Seen, turned: int, *, loose: bool = False) -> ToldLine:
    """A line for the process. `turned`: degrees clockwise by which the page was turned before it was read.

    `loose`: its boxes have a margin above and below the print.
    """
    words = [[word.text, word.box] for word in line.words] or [[line.text, line.box]]
    return [line.page, turned, _MARGIN if loose else 0.0, words]


def lines(found: Sequence[ToldLine], width: int, height: int, orientation: int) -> tuple[PlacedLine, ...]:
    """The lines of one page, on the page as it is seen. `width`, `height`: as it is stored, px."""
    rows = []
    for _, turned, margin, words in found:
        rows.append(
            [
                (str(text), _trimmed(_read(_upright(box, width, height, orientation), turned), margin))
                for text, box in words
            ]
        )
    slant = _slant(rows)
    out: list[PlacedLine] = []
    for row in rows:
        placed = tuple(PlacedWord(text, _slanted(quad, slant)) for text, quad in row)
        out.append(divided(placed[0].text, placed[0].quad) if len(placed) == 1 else placed)
    return tuple(line for line in out if line)


def size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Of the page as it is seen."""
    return (height, width) if orientation in _TURNED else (width, height)


def _upright(
    box: Sequence[float], width: int, height: int, orientation: int
) -> tuple[float, float, float, float]:
    """A box of the stored page as (left, top, right, bottom) of the one that is seen."""
    left, top, right, bottom = box
    if orientation == 1:
        return left, top, right, bottom
    one, other = (_point(x, y, width, height, orientation) for x, y in ((left, top), (right, bottom)))
    return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])


def _point(x: float, y: float, width: int, height: int, orientation: int) -> Point:
    return {
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }.get(orientation, (x, y))


def _read(box: tuple[float, float, float, float], turned: int) -> Quad:
    """The corners from the text's own top left, on a page that was turned so much to be read."""
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    start = -turned // 90 % 4
    one, two, three, four = corners[start:] + corners[:start]
    return one, two, three, four


def _trimmed(quad: Quad, margin: float) -> Quad:
    """Without so much of its height above and below."""
    if not margin:
        return quad
    top_left, top_right, bottom_right, bottom_left = quad
    return (
        between(top_left, bottom_left, margin),
        between(top_right, bottom_right, margin),
        between(bottom_right, top_right, margin),
        between(bottom_left, top_left, margin),
    )


def _slant(rows: Sequence[Sequence[tuple[str, Quad]]]) -> float:
    """The page's angle in radians, by the first and the last word of its long lines."""
    angles = []
    for row in rows:
        if len(row) < 2:
            continue
        first, last = row[0][1], row[-1][1]
        along, across = _axes(first)
        start, end = _middle(first), _middle(last)
        run = (end[0] - start[0]) * along[0] + (end[1] - start[1]) * along[1]
        rise = (end[0] - start[0]) * across[0] + (end[1] - start[1]) * across[1]
        if abs(run) > _LONG * PlacedWord("", first).height:
            angles.append(math.atan2(rise, run) if run > 0 else math.atan2(-rise, -run))
    slant = statistics.median(angles) if len(angles) > 2 else 0.0
    return slant if _SLANTED < abs(slant) < _STEEPEST else 0.0


def _axes(quad: Quad) -> tuple[Point, Point]:
    """Along the text, and across it downwards; each of length one."""
    (x, y), (right, bottom) = quad[0], quad[1]
    length = max(1e-6, math.hypot(right - x, bottom - y))
    along = ((right - x) / length, (bottom - y) / length)
    return along, (-along[1], along[0])


def _middle(quad: Quad) -> Point:
    return sum(x for x, _ in quad) / 4, sum(y for _, y in quad) / 4


def _slanted(quad: Quad, slant: float) -> Quad:
    """The slanting box of which this is the upright one around it: w cos + h sin wide, w sin + h cos high."""
    if not slant:
        return quad
    word = PlacedWord("", quad)
    cosine, sine = math.cos(slant), abs(math.sin(slant))
    spread = cosine * cosine - sine * sine
    width = (word.width * cosine - word.height * sine) / spread
    height = (word.height * cosine - word.width * sine) / spread
    if width <= 0 or height <= 0.3 * word.height:
        width, height = word.width, max(0.3 * word.height, word.height - word.width * sine)
    along, across = _axes(quad)
    along = (
        along[0] * math.cos(slant) + across[0] * math.sin(slant),
        along[1] * math.cos(slant) + across[1] * math.sin(slant),
    )
    across = (-along[1], along[0])
    x, y = _middle(quad)

    def corner(one: float, other: float) -> Point:
        return (
            x + one * along[0] * width / 2 + other * across[0] * height / 2,
            y + one * along[1] * width / 2 + other * across[1] * height / 2,
        )

    return corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)
