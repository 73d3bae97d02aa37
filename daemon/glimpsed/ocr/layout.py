"""From boxes of text to a page of text, pure: lines, columns, and bands joined."""

from __future__ import annotations

import difflib
import math
import re
import statistics
from collections.abc import Sequence

from glimpsed.ocr import order, rows
from glimpsed.ocr.box import Box

Point = Sequence[float]

_EDGE = 3.0  # px
_NO_DIGIT = re.compile(r"\D")
_ALIKE = 0.8  # of difflib's ratio


def boxes(quads: Sequence[Sequence[Point]], texts: Sequence[str]) -> list[Box]:
    """Upright boxes from four corners each (clockwise from the top left), the page's slant turned back."""
    slant = _slant(quads)
    return [_upright(quad, text, slant) for quad, text in zip(quads, texts, strict=True) if text.strip()]


def uncut(quads: Sequence[Sequence[Point]], height: int, band: tuple[int, int] | None) -> list[bool]:
    """Which boxes lie whole in their band: what the cut runs through is whole in the band next to it."""
    number, count = band or (1, 1)
    top = _EDGE if number > 1 else -math.inf
    bottom = height - _EDGE if number < count else math.inf
    return [all(top <= y <= bottom for _, y in quad) for quad in quads]


def text(found: Sequence[Box]) -> str:
    """The page's text in reading order: column after column, a line break after each line."""
    return "\n".join(line for column in order.columns(found) for line in rows.lines(column))


def in_order(found: Sequence[Box]) -> list[Box]:
    """The boxes as `text` reads them."""
    return [
        box
        for column in order.columns(found)
        for row in rows.rows(column)
        for box in sorted(row, key=lambda b: b.left)
    ]


def joined(bands: Sequence[str]) -> str:
    """The text of a page from its overlapping bands, each line once.

    Where two bands share lines, the upper one ends and the lower one goes on; whatever either cut in
    half at its edge lies beyond that and falls away.
    """
    lines: list[str] = []
    for band in bands:
        below = band.split("\n") if band else []
        end, start = _seam(lines, below)
        lines = lines[:end] + below[start:]
    return "\n".join(lines)


def _slant(quads: Sequence[Sequence[Point]]) -> float:
    """The page's angle in radians: what the long lines have in common."""
    angles = []
    for top_left, top_right, _, bottom_left in quads:
        across = math.dist(top_left, top_right)
        if across > 5 * math.dist(top_left, bottom_left):
            angles.append(math.atan2(top_right[1] - top_left[1], top_right[0] - top_left[0]))
    return statistics.median(angles) if angles else 0.0


def _upright(quad: Sequence[Point], text: str, slant: float) -> Box:
    sine, cosine = math.sin(-slant), math.cos(-slant)
    points = [(x * cosine - y * sine, x * sine + y * cosine) for x, y in quad]
    middle_left, middle_right = (points[0][1] + points[3][1]) / 2, (points[1][1] + points[2][1]) / 2
    middle = (middle_left + middle_right) / 2
    half = (math.dist(points[0], points[3]) + math.dist(points[1], points[2])) / 4
    xs = [x for x, _ in points]
    return Box(min(xs), middle - half, max(xs), middle + half, text.strip())


def _seam(upper: list[str], lower: list[str]) -> tuple[int, int]:
    """Where to end the upper lines and start the lower ones: at the longest run that both have.

    Bands share a tenth of their height, so the run is looked for in the last and first fifth of the lines;
    and it comes to within a line of both edges, or it is something that the page says twice.
    """
    best, seam = 0, (len(upper), 0)
    for i in range(max(0, len(upper) - _reach(upper)), len(upper)):
        for j in range(min(2, len(lower))):
            run = _run(upper[i:], lower[j : _reach(lower)])
            if run > best and len(upper) - (i + run) <= 1:
                best, seam = run, (i, j)
    return seam


def _reach(lines: list[str]) -> int:
    return 2 + len(lines) // 5


def _run(upper: list[str], lower: list[str]) -> int:
    """How many lines the two have in common from their starts on."""
    run = 0
    while run < min(len(upper), len(lower)) and _alike(upper[run], lower[run]):
        run += 1
    return run


def _alike(one: str, other: str) -> bool:
    """The same line, read twice: letters may differ a little, numbers (rows of a table) not.

    How wide a table's columns are depends on the rows of each band.
    """
    one, other = " ".join(one.split()), " ".join(other.split())
    if one == other or _NO_DIGIT.sub("", one) != _NO_DIGIT.sub("", other):
        return one == other
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return min(len(one), len(other)) > 3 and matcher.quick_ratio() > _ALIKE and matcher.ratio() > _ALIKE
