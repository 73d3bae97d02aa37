"""Where a prepared picture lies on its page, and the page's own pixels: places found in the one are told in the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom

# EXIF orientation -> a point of the upright page, as the file has it; fractions of width and height.
_STORED: dict[int, Callable[[float, float], tuple[float, float]]] = {
    1: lambda x, y: (x, y),
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (y, 1 - x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (1 - y, x),
}


_BACK = {**{same: same for same in range(1, 9)}, 6: 8, 8: 6}  # the orientation that undoes this one
_QUARTER = {
    1: 6,
    6: 3,
    3: 8,
    8: 1,
    2: 7,
    7: 4,
    4: 5,
    5: 2,
}  # an orientation, and a quarter clockwise after it


def turned(orientation: int, degrees: int) -> int:
    """The EXIF orientation that does what this one does, and then turns by 0, 90, 180 or 270 degrees clockwise."""
    for _ in range(degrees // 90):
        orientation = _QUARTER[orientation]
    return orientation


@dataclass(frozen=True, slots=True)
class Region:
    """What a picture shows of a page: the whole, or a band of it."""

    width: int  # px of the page as the file has it, before any orientation (`Source` counts them so)
    height: int
    orientation: int = 1  # EXIF's: the picture shows the page turned by it
    top: float = 0.0  # of the upright page's height
    bottom: float = 1.0

    def box(self, found: Box) -> tuple[int, int, int, int]:
        """A box of the picture (fractions of its width and height) as px of the page in the file."""
        left, top, right, bottom = found
        height = self.bottom - self.top
        stored = _STORED[self.orientation]
        corners = [stored(x, self.top + y * height) for x, y in ((left, top), (right, bottom))]
        xs = sorted(min(max(x, 0.0), 1.0) * self.width for x, _ in corners)
        ys = sorted(min(max(y, 0.0), 1.0) * self.height for _, y in corners)
        return round(xs[0]), round(ys[0]), round(xs[1]), round(ys[1])

    def seen(self, box: tuple[int, int, int, int]) -> Box:
        """`box` undone: px of the page in the file as fractions of the picture's width and height."""
        left, top, right, bottom = box
        shown = _STORED[_BACK[self.orientation]]
        corners = [shown(x / self.width, y / self.height) for x, y in ((left, top), (right, bottom))]
        height = self.bottom - self.top
        xs = sorted(min(max(x, 0.0), 1.0) for x, _ in corners)
        ys = sorted(min(max((y - self.top) / height, 0.0), 1.0) for _, y in corners)
        return xs[0], ys[0], xs[1], ys[1]
