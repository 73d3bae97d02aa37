"""Which boxes of a page are read after which, pure: columns apart, rows of tables and forms together.

A page is cut at its gutters, strips that hardly any line crosses, with text on both sides that does not belong
together row by row. What crosses a gutter (a headline) parts what is above it from what is below. Each side is
then looked at in the same way, so that there may be any number of columns, and a side may have its own.
Where no gutter runs down the whole of a page, its upper and its lower part may each have some.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glimpsed.ocr import kinds
from glimpsed.ocr.box import Box

_FEWEST = 4  # lines that make a column
_LONG = 6.5  # heights of a line: less is a cell of a table, or a word; of four columns on A4 it is 7.1 to 8.1 (measured)
_FULL = 0.8  # of its column's width, at least, have three of five lines of running text
_RAGGED = 0.6  # the same of text in short lines: a poem, an address, an infobox
_ACROSS = 0.5  # of all lines may lie across a gutter: headlines, a summary, a paragraph over the whole width
# Of the lines of a narrow side stand at the height of one beside it: a table, not a box of text.
_ALIGNED = 0.6
_LEVELS = 30  # numbers of boxes across that are tried, from the fewest
_CUTS = 8  # gaps by height that are tried where no gutter runs down the whole of a page
_DEEPEST = 40  # cuts within one another: no page has as many, a made up one may


@dataclass(frozen=True, slots=True)
class Gutter:
    """A strip down a page, by its middle in px, and how many boxes lie across it."""

    x: float
    across: int


def columns(found: Sequence[Box], depth: int = 0) -> list[list[Box]]:
    """Groups of boxes to be read one after the other, each of them row by row."""
    boxes = sorted(found, key=lambda b: (b.middle, b.left))
    if not boxes or depth > _DEEPEST:
        return [boxes] if boxes else []
    gutter = _gutter(boxes)
    if (cut := _cut(boxes, gutter)) is not None:
        return [*columns(boxes[:cut], depth + 1), *columns(boxes[cut:], depth + 1)]
    return list(_around(boxes, gutter.x, depth + 1)) if gutter else [boxes]


def _around(boxes: list[Box], gutter: float, depth: int) -> Iterator[list[Box]]:
    """Left side before right side, between any two boxes that lie across."""
    left: list[Box] = []
    right: list[Box] = []
    for box in boxes:
        if box.left < gutter < box.right:
            yield from (*columns(left, depth), *columns(right, depth), [box])
            left, right = [], []
        else:
            (left if box.right <= gutter else right).append(box)
    yield from (*columns(left, depth), *columns(right, depth))


def _gutter(boxes: list[Box]) -> Gutter | None:
    """The strip that parts two neighbouring columns and that the fewest boxes cross; None: there is none."""
    if len(boxes) < 2 * _FEWEST:
        return None
    height = statistics.median(b.height for b in boxes)
    strips = sorted(_strips(boxes, height), key=lambda strip: strip.x)
    sides = _Sides(boxes, height)
    for most in sorted({strip.across for strip in strips})[:_LEVELS]:
        # Only those that as few cross: in the ragged edge of a column there are strips as well, but more cross them.
        chosen = [strip for strip in strips if strip.across <= most]
        xs = [-math.inf, *(strip.x for strip in chosen), math.inf]
        # Between neighbours that are the same as before, none fitted.
        new = [number for number, strip in enumerate(chosen) if strip.across == most]
        changed = {number + by for number in new for by in (-1, 0, 1)}.intersection(range(len(chosen)))
        fitting = [chosen[number] for number in sorted(changed) if sides.apart(*xs[number : number + 3])]
        if fitting:
            return min(fitting, key=lambda strip: strip.across)
    return None


class _Side:
    """What stands between two strips, from the top."""

    def __init__(self, boxes: list[Box], height: float) -> None:
        self.boxes, self._height = boxes, height

    @functools.cached_property
    def ends(self) -> tuple[float, float]:
        """Top and bottom."""
        return min(b.top for b in self.boxes), max(b.bottom for b in self.boxes)

    @functools.cached_property
    def filled(self) -> float:
        """How much of the column's width three of five lines take up; 0 where that is no more than a word or a number.

        All but one where there are few: three of five cells are of a width by chance.
        """
        width = max(b.right for b in self.boxes) - min(b.left for b in self.boxes)
        usual = sorted(b.width for b in self.boxes)[max(0, len(self.boxes) * 2 // 5 - 1)]
        return usual / width if usual > _LONG * self._height else 0.0


class _Sides:
    """What stands between any two strips of a page, each looked at once."""

    def __init__(self, boxes: list[Box], height: float) -> None:
        self._boxes, self._height = boxes, height
        self._order = sorted(range(len(boxes)), key=lambda n: boxes[n].left)
        self._lefts = [boxes[n].left for n in self._order]
        self._between = functools.cache(self._found)

    def apart(self, before: float, strip: float, after: float) -> bool:
        """Whether what is left and right of a strip, up to those beside it, is read one after the other.

        Lines of text are, not the cells of a table's rows.
        """
        left, right = self._between(before, strip), self._between(strip, after)
        if left is None or right is None or not _side_by_side(left, right):
            return False
        if min(left.filled, right.filled) > _FULL:
            return (
                True  # also where the lines of both stand at the same heights, as those of columns mostly do
            )
        if kinds.alike(left.boxes, right.boxes):
            return True  # as are blocks of short lines: addresses
        running, other = (left, right) if left.filled > right.filled else (right, left)
        return running.filled > _RAGGED and not _aligned(running.boxes, other.boxes)

    def _found(self, start: float, end: float) -> _Side | None:
        """Without boxes that cross one of the strips; None where there are too few."""
        first, last = bisect.bisect_right(self._lefts, start), bisect.bisect_right(self._lefts, end)
        if last - first < _FEWEST:
            return None
        within = sorted([n for n in self._order[first:last] if self._boxes[n].right <= end])
        return _Side([self._boxes[n] for n in within], self._height) if len(within) >= _FEWEST else None


def _strips(boxes: list[Box], height: float) -> list[Gutter]:
    """Strips without a box of either side, one for each stretch that the same boxes cross."""
    lefts, rights = sorted(b.left for b in boxes), sorted(b.right for b in boxes)
    found: dict[tuple[int, int], Gutter] = {}
    for right in dict.fromkeys(rights):
        before = bisect.bisect_right(rights, right)
        start = bisect.bisect_left(lefts, right + height / 2)
        across = len(boxes) - before - (len(boxes) - start)
        if across <= _ACROSS * len(boxes) and before < len(boxes) and start < len(boxes):
            following = lefts[start]
            found[before, start] = Gutter((right + min(following, right + 2 * height)) / 2, across)
    return list(found.values())


def _aligned(running: list[Box], other: list[Box]) -> bool:
    """Whether the other's lines stand where the running text's do, as the cells of a table or the values of a form."""
    middles = sorted(b.middle for b in running)
    there = 0
    for box in other:
        at = bisect.bisect_left(middles, box.middle)
        near = min(abs(middle - box.middle) for middle in middles[max(0, at - 1) : at + 1])
        there += near < 0.2 * box.height
    return there > _ALIGNED * len(other)


def _side_by_side(left: _Side, right: _Side) -> bool:
    """Whether the two share at least half of the shorter one's height."""
    (top, bottom), (other_top, other_bottom) = left.ends, right.ends
    shorter = min(bottom - top, other_bottom - other_top)
    return min(bottom, other_bottom) - max(top, other_top) > 0.5 * shorter


def _cut(boxes: list[Box], whole: Gutter | None) -> int | None:
    """After how many boxes, from the top, the page is parted by height; None: it is not.

    Where either part has gutters that fewer boxes cross than that of the whole, as with three columns above two.
    """
    if len(boxes) < 4 * _FEWEST or (whole is not None and whole.across == 0):
        return None
    gaps: list[tuple[float, int]] = []
    bottom = boxes[0].bottom
    for number, box in enumerate(boxes[1:], 1):
        if (gap := box.top - bottom) > 0:
            gaps.append((gap, number))
        bottom = max(bottom, box.bottom)
    fewest = whole.across if whole else len(boxes)
    best = None
    for _, number in sorted(gaps, reverse=True)[:_CUTS]:
        amiss, parted = 0, False
        for part in (boxes[:number], boxes[number:]):
            if amiss < fewest:
                gutter = _gutter(part) if len(part) >= 3 * _FEWEST else None
                amiss += _amiss(part, gutter, whole)
                parted = parted or gutter is not None
        if parted and amiss < fewest:
            best, fewest = number, amiss
    return best


def _amiss(part: list[Box], gutter: Gutter | None, whole: Gutter | None) -> int:
    """How many boxes of a part speak against parting it from the rest: they cross its gutter, or belong beside the whole's.

    All of them, and more, where it has no gutter and would need one.
    """
    if gutter is not None:
        return gutter.across
    if any(b.middle - a.middle <= 0.5 * a.height for a, b in itertools.pairwise(part)):
        return 2 * len(part)
    return sum(not b.left < whole.x < b.right for b in part) if whole else 0
