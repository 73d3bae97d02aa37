"""From where something stands on a page as it is seen to where that is in the page's own measure, pure."""

from __future__ import annotations

from dataclasses import dataclass

from glimpsed.searchable.words import Point


@dataclass(frozen=True, slots=True)
class Frame:
    """What is seen of a page, in points of its own measure, and how it is turned before it is shown."""

    left: float
    bottom: float
    right: float
    top: float
    rotate: int = 0  # degrees clockwise: 0, 90, 180 or 270

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as it is seen."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotate in (90, 270) else (width, height)

    def inside(self, across: float, down: float) -> Point:
        """The point at these shares of the width from the left, and of the height from the top, as it is seen."""
        if self.rotate == 90:
            across, down = down, 1 - across
        elif self.rotate == 180:
            across, down = 1 - across, 1 - down
        elif self.rotate == 270:
            across, down = 1 - down, across
        return self.left + across * (self.right - self.left), self.top - down * (self.top - self.bottom)

    def seen(self, x: float, y: float) -> Point:
        """`inside` undone: the shares of a point of the page's own measure."""
        across = (x - self.left) / max(1e-6, self.right - self.left)
        down = (self.top - y) / max(1e-6, self.top - self.bottom)
        if self.rotate == 90:
            return 1 - down, across
        if self.rotate == 180:
            return 1 - across, 1 - down
        return (down, 1 - across) if self.rotate == 270 else (across, down)


# What a picture's own square becomes, (a b c d e f) of PDF, so that it is upright, for each orientation of EXIF.
UPRIGHT: dict[int, tuple[int, int, int, int, int, int]] = {
    1: (1, 0, 0, 1, 0, 0),
    2: (-1, 0, 0, 1, 1, 0),
    3: (-1, 0, 0, -1, 1, 1),
    4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1),
    7: (0, 1, 1, 0, 0, 0),
    8: (0, 1, -1, 0, 1, 0),
}
