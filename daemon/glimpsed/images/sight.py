"""Which letters of a PDF page are seen on it: the others leave no trace when their text is taken away (pypdfium2)."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterable, Iterator
from ctypes import c_int, c_void_p
from typing import Any

from PIL import Image, ImageChops
from pypdfium2 import raw

from glimpsed.images.direct import direct
from glimpsed.images.drawn import Sides

_SCALE = 1.5  # px a point: letters of 3 points leave a trace
_PIXELS = 3_000_000  # at most; what is larger is drawn smaller
_AROUND = 2.0  # points of the page around what is looked at
_CONTRAST = 6  # of 255: less is seen by nobody
_TRACE = [0] * (_CONTRAST + 1) + [255] * (255 - _CONTRAST)
_SET_ACTIVE = direct(raw.FPDFPageObj_SetIsActive, c_int, c_void_p, c_int)


class Sight:
    """A part of a page, and where on it some of its texts leave a trace."""

    def __init__(self, page: Any, part: Sides, texts: Iterable[int], beside: Iterable[int]) -> None:
        """`texts` are the handles of those that are asked about, `part` is where they stand, `beside` what is nowhere near."""
        box = page.get_bbox()
        width, height = box[2] - box[0], box[3] - box[1]
        area = (part[2] - part[0] + 2 * _AROUND) * (part[3] - part[1] + 2 * _AROUND)
        scale = min(_SCALE, math.sqrt(_PIXELS / max(1.0, area)))
        # The page's sides are not to be cut off, nor is more of it than there is.
        inwards = part[0] - box[0], part[1] - box[1], box[2] - part[2], box[3] - part[3]
        cut = [
            max(0.0, min(side - _AROUND, most))
            for side, most in zip(inwards, (width - 2, height - 2) * 2, strict=True)
        ]
        look = functools.partial(_picture, page, scale, cut)
        self.across, self.down = math.ceil(width * scale) / width, math.ceil(height * scale) / height
        self.left = box[0] + math.ceil(cut[0] * scale) / self.across
        self.top = box[3] - math.ceil(cut[3] * scale) / self.down
        with _without(beside):
            self.shown = look()
            with _without(texts):
                ground = look()
        self.trace = trace(self.shown, ground)
        self._middle = functools.cache(self._profile)
        self._columns = functools.cache(self._across)

    def crossed(self, left: float, bottom: float, right: float, top: float) -> bool:
        """Whether there is a trace in the middle of a letter's loose box, in points: nearly all that are seen leave one."""
        margin = 0.15 * (right - left)  # the letters beside it may be seen
        start, end = self._sides(left + margin, right - margin)
        return self._middle(bottom, top).find(1, start, end) >= 0

    def marked(self, left: float, bottom: float, right: float, top: float) -> bool:
        """Whether there is a trace in a box, in points."""
        (start, end), (high, low) = self._sides(left, right), self._rows(bottom, top)
        return self.trace.crop((start, high, end, low)).getbbox() is not None

    def uneven(self, left: float, bottom: float, right: float, top: float) -> bool:
        """Whether anything is seen in a box, in points: what an OCR program read, or what is drawn through letters."""
        (start, end), (high, low) = self._sides(left, right), self._rows(bottom, top)
        bands = [band.tobytes() for band in self.shown.crop((start, high, end, low)).split()]
        return any(max(band) - min(band) > _CONTRAST for band in bands)

    def _profile(self, bottom: float, top: float) -> bytes:
        """1 for each px across in whose column there is a trace in the middle of a row of letters: they stand in rows."""
        height = top - bottom
        return self._columns(*self._rows(bottom + 0.3 * height, top - 0.3 * height))

    def _across(self, high: int, low: int) -> bytes:
        return bytes(self.trace.crop((0, high, self.trace.width, low)).getprojection()[0])

    def _sides(self, left: float, right: float) -> tuple[int, int]:
        start = min(self.trace.width - 1, max(0, math.floor((left - self.left) * self.across)))
        return start, max(start + 1, min(self.trace.width, math.ceil((right - self.left) * self.across)))

    def _rows(self, bottom: float, top: float) -> tuple[int, int]:
        high = min(self.trace.height - 1, max(0, math.floor((self.top - top) * self.down)))
        return high, max(high + 1, min(self.trace.height, math.ceil((self.top - bottom) * self.down)))


@contextlib.contextmanager
def _without(items: Iterable[int]) -> Iterator[None]:
    """Nothing of these is drawn meanwhile."""
    for item in items:
        _SET_ACTIVE(item, 0)
    try:
        yield
    finally:
        for item in items:
            _SET_ACTIVE(item, 1)


def _picture(page: Any, scale: float, cut: list[float]) -> Image.Image:
    bitmap = page.render(scale=scale, rotation=-page.get_rotation() % 360, crop=cut)
    picture: Image.Image = bitmap.to_pil()
    return picture


def trace(one: Image.Image, other: Image.Image) -> Image.Image:
    """255 where two pictures differ in any colour, else 0."""
    bands = ImageChops.difference(one, other).split()
    return functools.reduce(ImageChops.lighter, bands).point(_TRACE)
