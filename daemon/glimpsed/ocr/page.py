"""A page as the OCR process read it, on its way to the daemon."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Self

from glimpsed.region import Box

Point = tuple[float, float]
_ON_END = 1.5  # times as high as wide: a line that runs from top to bottom


@dataclass(frozen=True, slots=True)
class ReadWord:
    """What stands between two spaces."""

    text: str
    start: float  # of the line's length, where it is one of a `ReadLine`
    end: float


@dataclass(frozen=True, slots=True)
class ReadLine:
    """What stands in one box."""

    quad: list[list[float]]  # four corners in px of the turned picture, clockwise from the top left
    text: str
    confidence: float
    words: list[ReadWord]

    def part(self, start: float, end: float) -> list[Point]:
        """The corners of the part between two points of its length, 0 to 1."""
        corners = self.quad
        across = max(math.dist(corners[0], corners[1]), math.dist(corners[2], corners[3]))
        down = max(math.dist(corners[0], corners[3]), math.dist(corners[1], corners[2]))
        if down >= _ON_END * across:  # read from top to bottom
            corners = [*corners[1:], corners[0]]
        top_left, top_right, bottom_right, bottom_left = corners
        return [
            (a[0] + (b[0] - a[0]) * at, a[1] + (b[1] - a[1]) * at)
            for a, b in ((top_left, top_right), (bottom_left, bottom_right))
            for at in (start, end)
        ]


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was read."""

    lines: list[ReadLine]
    width: int  # px of the turned picture
    height: int
    turned: int  # degrees clockwise that it was turned by
    ink: bool  # something is printed or drawn on it
    strange: bool  # lines of print, in letters that the engine does not know

    def as_sent(self, points: Iterable[Point]) -> Box:
        """The box around points of the turned picture, in fractions of the picture as it came."""
        return unturned(((x / self.width, y / self.height) for x, y in points), self.turned)

    def to_json(self) -> bytes:
        """For the pipe."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """From the pipe. Raises ValueError, TypeError or KeyError for anything else."""
        found = json.loads(data)
        lines = [
            ReadLine(**{**line, "words": [ReadWord(**w) for w in line["words"]]}) for line in found["lines"]
        ]
        return cls(**{**found, "lines": lines})


def unturned(points: Iterable[Point], turned: int) -> Box:
    """The box around points of a picture that was turned clockwise by so many degrees, as it was before; all in fractions."""
    before = [_BEFORE[turned](x, y) for x, y in points]
    xs, ys = zip(*before, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


# By how many degrees clockwise a picture was turned -> where a point of it was before; fractions.
_BEFORE: dict[int, Callable[[float, float], Point]] = {
    0: lambda x, y: (x, y),
    90: lambda x, y: (y, 1 - x),
    180: lambda x, y: (1 - x, 1 - y),
    270: lambda x, y: (1 - y, x),
}
