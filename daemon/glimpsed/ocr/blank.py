"""Whether a scanned page has nothing on it: a scanner's empty back, with its dust, holes and shine-through; pure.

In doubt there is something: a page that was sent in vain costs a little, one that was left out is lost.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

EDGE = 1170  # px of the longer side that is looked at: 100 to the inch on A4
_INK = 0.72  # of the paper's brightness: darker is ink; what shines through from the other side is lighter
_MOST = 0.004  # of the pixels: more ink is no dust, and is not looked at piece by piece
_SPECK = 0.0045  # of the longer side: 1.3 mm on A4
_RIM = 0.004  # of the page's width and height: what scaling has mixed with what lies beyond
_HOLES = 0.12  # of the longer side from the edge: where punches and staples go
# Shares of ink: of a line at the edge that is no paper, of one that is nothing else, of paper.
_GROUND, _SOLID, _CLEAR = 0.5, 0.9, 0.03
_BETWEEN = (0.55, 0.8)  # of the paper's brightness: neither ground nor paper
_STEEPEST = 0.08  # of the side, at most, is a wedge
_DUST = 0.006  # of a row
_SIDES = (
    None,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270,
)  # top, right, bottom, left come to the top
_HOLE = (0.011, 0.035)  # of the longer side: 3 to 10 mm on A4


@dataclass(frozen=True, slots=True)
class Blot:
    """A connected piece of ink; px."""

    left: int
    top: int
    right: int  # one beyond
    bottom: int
    area: int

    @property
    def size(self) -> int:
        """Of its longer side."""
        return max(self.right - self.left, self.bottom - self.top)


def is_blank(page: Image.Image) -> bool:
    """Whether nothing is written or drawn on it. A picture of about `EDGE` px."""
    return mark(page) is None


def mark(page: Image.Image) -> tuple[int, int, int, int] | None:
    """Where there is anything written or drawn on a page (left, top, right, bottom); None on a blank one. As `is_blank`."""
    grey = page.convert("L")
    width, height = grey.size
    whole = 0, 0, width, height
    longer = max(width, height)
    paper = _paper(grey)
    if paper < 90:  # a dark page: a photo, a cover
        return whole
    ink = grey.point([255 if value < paper * _INK else 0 for value in range(256)])
    left, top = round(width * _RIM), round(height * _RIM)
    ink = ink.crop((left, top, width - left, height - top))
    if _is_parted(grey, paper):
        inner = paper_in(ink)
        left, top, ink = left + inner[0], top + inner[1], ink.crop(inner)
    if ink.histogram()[255] > _MOST * ink.width * ink.height + _holes(longer):
        return whole
    found = [blot for blot in blots(ink) if not _is_dirt(blot, ink.width, ink.height, longer)]
    if not found:
        return None
    return (
        left + min(blot.left for blot in found),
        top + min(blot.top for blot in found),
        left + max(blot.right for blot in found),
        top + max(blot.bottom for blot in found),
    )


def _is_parted(grey: Image.Image, paper: float) -> bool:
    """Whether there is ink, paper, and hardly anything between: of a photograph nothing dark is beside a page."""
    low, high = _BETWEEN
    between = sum(grey.histogram()[round(low * paper) : round(high * paper)])
    return between < 0.01 * grey.width * grey.height


def paper_in(ink: Image.Image) -> tuple[int, int, int, int]:
    """The box of the page without the dark ground that a scanner shows beside it, in a picture of 0 and 255."""
    left, top, right, bottom = 0, 0, *ink.size
    for beyond in (_solid, _wedge):
        part = ink.crop((left, top, right, bottom))
        above, after, below, before = (
            beyond(part if turn is None else part.transpose(turn)) for turn in _SIDES
        )
        if above + below >= part.height or before + after >= part.width:
            break
        left, top, right, bottom = left + before, top + above, right - after, bottom - below
    return left, top, right, bottom


def _solid(ink: Image.Image) -> int:
    """How many rows from the top are ink all along."""
    return next((n for n, share in enumerate(_shares(ink)) if share < _SOLID), ink.height)


def _wedge(ink: Image.Image) -> int:
    """How many rows from the top have ink beside a page that lies askew: less in each, and nothing that was not above."""
    rows = _shares(ink)
    if rows[0] < _GROUND:
        return 0
    new = _shares(ImageChops.subtract(ink, ImageChops.offset(ink, 0, 1).filter(ImageFilter.MaxFilter(3))))
    rest = statistics.median(rows) + _CLEAR
    end = next((n for n in range(1, len(rows)) if rows[n] <= rest or new[n] > _DUST), len(rows))
    return end if end <= _STEEPEST * len(rows) else 0


def _shares(picture: Image.Image) -> list[float]:
    """How much of each row is 255; nothing is less than some pixels."""
    return [value / 255 for value in picture.resize((1, picture.height), Image.Resampling.BOX).tobytes()]


def blots(ink: Image.Image) -> Iterator[Blot]:
    """The connected pieces of a picture of 0 and 255, corners included."""
    width, height = ink.size
    data = bytearray(ink.tobytes())
    start = data.find(255)
    while start >= 0:
        data[start] = 0
        todo, left, right, top, bottom, area = [start], width, 0, height, 0, 0
        while todo:
            at = todo.pop()
            y, x = divmod(at, width)
            left, right, top, bottom, area = (
                min(left, x),
                max(right, x),
                min(top, y),
                max(bottom, y),
                area + 1,
            )
            for ny in range(max(0, y - 1), min(height, y + 2)):
                for near in range(ny * width + max(0, x - 1), ny * width + min(width, x + 2)):
                    if data[near]:
                        data[near] = 0
                        todo.append(near)
        yield Blot(left, top, right + 1, bottom + 1, area)
        start = data.find(255, start)


def _paper(grey: Image.Image) -> float:
    """The brightness of the paper: that of the middle pixel."""
    return float(statistics.median_grouped(grey.resize((60, 60), Image.Resampling.BOX).tobytes()))


def _holes(longer: int) -> float:
    """Pixels of four punched holes of 6 mm."""
    return 4 * (0.022 * longer) ** 2


def _is_dirt(blot: Blot, width: int, height: int, longer: int) -> bool:
    """A speck of dust, a hole, or a shadow that runs along the edge."""
    if blot.size <= max(2, round(_SPECK * longer)):
        return True
    across, down = blot.right - blot.left, blot.bottom - blot.top
    if min(blot.left, blot.top, width - blot.right, height - blot.bottom) <= 1:
        return min(across, down) <= 0.03 * longer
    x, y = (blot.left + blot.right) / 2, (blot.top + blot.bottom) / 2
    near = min(x, y, width - x, height - y) < _HOLES * longer
    round_ = 0.75 < across / down < 1.33 and blot.area > 0.65 * across * down
    return near and round_ and _HOLE[0] * longer <= blot.size <= _HOLE[1] * longer
