"""Which letters of a PDF page are seen on it: what has the colour of its ground, or lies under a bar, leaves no trace."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from typing import Any

from PIL import Image, ImageChops
from pypdfium2 import raw

_SCALE = 1.5  # px a point: the sides of a bar over a word are told from the word's
_PIXELS = 3_000_000  # at most; what is larger is drawn smaller
_CONTRAST = 6  # of 255, between neighbours: less is seen by nobody
_SEEN = [0] * (_CONTRAST + 1) + [255] * (255 - _CONTRAST)
_TALL = 120  # px: a column's mark of 255 stays one in the mean of so many
_OBJECTS = 20_000  # that are looked at, and with more of them the page is not drawn for this
_DARK, _LIGHT = 128, 160  # of 255: text that is darker than the one is seen on what is lighter than the other
_LINE = 2.0  # points: what is no wider hides no letter


def doubtful(page: Any) -> bool:
    """Whether anything of the page may be out of sight: all but dark text, lines, and a light ground beneath it."""
    text = False
    for item in itertools.islice(page.get_objects(max_depth=3), _OBJECTS):
        if item.type == raw.FPDF_PAGEOBJ_FORM:
            continue
        if item.type == raw.FPDF_PAGEOBJ_TEXT:
            text = True
            plain = _dark(item.raw)
        else:
            # Within a form, its own matrix may enlarge it.
            path = item.type == raw.FPDF_PAGEOBJ_PATH and item.level == 0
            plain = path and (_thin(item.raw) or (not text and _light(item.raw)))
        if not plain:
            return bool(raw.FPDFPage_CountObjects(page.raw) < _OBJECTS)
    return False


def _dark(item: Any) -> bool:
    """Whether it is text that is seen on any light ground."""
    return (
        raw.FPDFTextObj_GetTextRenderMode(item) == raw.FPDF_TEXTRENDERMODE_FILL
        and raw.FPDFClipPath_CountPaths(raw.FPDFPageObj_GetClipPath(item)) <= 0
        and max(_colour(item), default=_DARK) < _DARK
    )


def _light(item: Any) -> bool:
    """Whether it is a ground that dark text is seen on."""
    return min(_colour(item), default=0) > _LIGHT


def _thin(item: Any) -> bool:
    """Whether it is a line, or lines around something: too thin to hide a letter."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(item, fill, stroke)
    if stroke.value:
        width = ctypes.c_float()
        raw.FPDFPageObj_GetStrokeWidth(item, width)
        if width.value > _LINE:
            return False
    if not fill.value:
        return True
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    raw.FPDFPageObj_GetBounds(item, left, bottom, right, top)
    return min(right.value - left.value, top.value - bottom.value) <= _LINE


def _colour(item: Any) -> tuple[int, ...]:
    """Of what is filled, as it looks on white; none for a pattern."""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not raw.FPDFPageObj_GetFillColor(item, red, green, blue, alpha):
        return ()
    return tuple(255 - (255 - part.value) * alpha.value // 255 for part in (red, green, blue))


class Sight:
    """A page as it is drawn, and where on it two neighbours differ."""

    def __init__(self, page: Any) -> None:
        self.left, bottom, right, self.top = page.get_bbox()
        width, height = right - self.left, self.top - bottom
        scale = min(_SCALE, math.sqrt(_PIXELS / max(1.0, width * height)))
        bitmap = page.render(scale=scale, rotation=-page.get_rotation() % 360, rev_byteorder=True)
        self.edges = edges(bitmap.to_pil().convert("RGB"))
        self.across, self.down = self.edges.width / width, self.edges.height / height
        self._columns = functools.lru_cache(maxsize=64)(self._profile)

    def crossed(self, left: float, bottom: float, right: float, top: float) -> bool:
        """Whether there is ink in the middle of a letter's loose box, in points: nearly all have some."""
        height = top - bottom
        high, low = self._rows(bottom + 0.3 * height, top - 0.3 * height)
        if low - high > _TALL:
            return self.marked(left, bottom, right, top)
        margin = 0.15 * (right - left)  # the side of a bar over a word stands between two letters
        start, end = self._sides(left + margin, right - margin)
        return any(self._columns(high, low)[start:end])

    def marked(self, left: float, bottom: float, right: float, top: float) -> bool:
        """Whether anything is seen in a box, in points."""
        (start, end), (high, low) = self._sides(left, right), self._rows(bottom, top)
        return self.edges.crop((start, high, end, low)).getbbox() is not None

    def _profile(self, high: int, low: int) -> bytes:
        strip = self.edges.crop((0, high, self.edges.width, low))
        return strip.reduce((1, low - high)).tobytes()

    def _sides(self, left: float, right: float) -> tuple[int, int]:
        start = min(self.edges.width - 1, max(0, math.floor((left - self.left) * self.across)))
        return start, max(start + 1, min(self.edges.width, math.ceil((right - self.left) * self.across)))

    def _rows(self, bottom: float, top: float) -> tuple[int, int]:
        high = min(self.edges.height - 1, max(0, math.floor((self.top - top) * self.down)))
        return high, max(high + 1, min(self.edges.height, math.ceil((self.top - bottom) * self.down)))


def edges(picture: Image.Image) -> Image.Image:
    """255 where a pixel differs from its right or lower neighbour in any colour, else 0; a picture's last ones from none."""
    width, height = picture.size
    across, down = picture.copy(), picture.copy()
    across.paste(picture.crop((1, 0, width, height)), (0, 0))
    down.paste(picture.crop((0, 1, width, height)), (0, 0))
    differ = ImageChops.lighter(ImageChops.difference(picture, across), ImageChops.difference(picture, down))
    return functools.reduce(ImageChops.lighter, differ.split()).point(_SEEN)
