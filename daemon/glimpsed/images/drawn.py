"""What is drawn on a PDF page, object by object, and which of its text may be out of sight (pypdfium2).

Most pages need not be drawn to know that all of their text is seen: it is dark, or of a clear colour, on the paper or on a
light ground. In doubt is text that is white, clipped, transparent; and any in a place where something else is drawn.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from ctypes import c_float, c_int, c_uint, c_void_p
from dataclasses import dataclass
from typing import Any, TypeAlias

from PIL import Image, ImageDraw
from pypdfium2 import raw

from glimpsed.images.direct import direct
from glimpsed.images.overlay import covers

Sides: TypeAlias = tuple[float, float, float, float]  # left, bottom, right, top; points
Matrix: TypeAlias = tuple[float, float, float, float, float, float]

_OBJECTS = 20_000  # that are looked at, and with more of them nothing is in doubt
_DEEPEST = 3  # forms within one another
# Of 255: text with less of any colour than the one is seen where there is more of all than the other.
_CLEAR, _LIGHT = 128, 160
_LINE = 2.0  # points: what is no wider hides no letter
_SQUARE, _SQUARES = 1.0, 1000  # points of a square at least; squares along a side at most
_UNKNOWN = 12.0  # points around text whose font does not say how high its letters are
_FLAT = 0.1  # points
_DRAWS_NOTHING = raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_CLIP
_AS_IT_IS: Matrix = 1.0, 0.0, 0.0, 1.0, 0.0, 0.0

_COUNT = direct(raw.FPDFPage_CountObjects, c_int, c_void_p)
_GET = direct(raw.FPDFPage_GetObject, c_void_p, c_void_p, c_int)
_WITHIN = direct(raw.FPDFFormObj_CountObjects, c_int, c_void_p)
_GET_WITHIN = direct(raw.FPDFFormObj_GetObject, c_void_p, c_void_p, c_uint)
_TYPE = direct(raw.FPDFPageObj_GetType, c_int, c_void_p)
_MATRIX = direct(raw.FPDFPageObj_GetMatrix, c_int, c_void_p, c_void_p)
_BOUNDS = direct(raw.FPDFPageObj_GetBounds, c_int, c_void_p, *[c_void_p] * 4)
_CLIP = direct(raw.FPDFPageObj_GetClipPath, c_void_p, c_void_p)
_CLIPS = direct(raw.FPDFClipPath_CountPaths, c_int, c_void_p)
_TRANSPARENT = direct(raw.FPDFPageObj_HasTransparency, c_int, c_void_p)
_COLOUR = direct(raw.FPDFPageObj_GetFillColor, c_int, c_void_p, *[c_void_p] * 4)
_WIDTH = direct(raw.FPDFPageObj_GetStrokeWidth, c_int, c_void_p, c_void_p)
_MODE = direct(raw.FPDFTextObj_GetTextRenderMode, c_int, c_void_p)
_DRAWING = direct(raw.FPDFPath_GetDrawMode, c_int, c_void_p, c_void_p, c_void_p)
_SEGMENTS = direct(raw.FPDFPath_CountSegments, c_int, c_void_p)

# What the functions above write to; PDFium has one thread at a time.
_SIDES = c_float(), c_float(), c_float(), c_float()
_PARTS = c_uint(), c_uint(), c_uint(), c_uint()
_FILL, _STROKE, _WIDE, _TURN = c_int(), c_int(), c_float(), raw.FS_MATRIX()
_TO_SIDES, _TO_PARTS = tuple(map(ctypes.byref, _SIDES)), tuple(map(ctypes.byref, _PARTS))
_TO_FILL, _TO_STROKE, _TO_WIDE, _TO_TURN = map(ctypes.byref, (_FILL, _STROKE, _WIDE, _TURN))


class Coverage:
    """Which squares of a page are covered: what meets nothing that was marked on it overlaps none of that."""

    def __init__(self, box: Sides) -> None:
        self.left, bottom, right, self.top = box
        self.side = max(_SQUARE, (right - self.left) / _SQUARES, (self.top - bottom) / _SQUARES)
        across, down = (length / self.side for length in (right - self.left, self.top - bottom))
        self.squares = Image.new("L", (math.ceil(across) + 1, math.ceil(down) + 1))
        self.pencil = ImageDraw.Draw(self.squares)
        self.blank = True

    def mark(self, sides: Sides) -> None:
        """All squares that a rectangle touches, as far as they are on the page."""
        start, high, end, low = self._squares(sides)
        if start < end and high < low:
            self.pencil.rectangle((start, high, end - 1, low - 1), fill=255)
            self.blank = False

    def meets(self, sides: Sides) -> bool:
        """Whether a rectangle touches a square that was marked."""
        return not self.blank and self.squares.crop(self._squares(sides)).getbbox() is not None

    def meeting(
        self,
        lefts: Sequence[float],
        bottoms: Sequence[float],
        rights: Sequence[float],
        tops: Sequence[float],
    ) -> Iterator[bool]:
        """The same for each of many that stand in rows, as letters do: what is marked along a row is looked up once."""
        most, _, rows = self.squares.width, *self.squares.getprojection()
        down, across = bytes(rows), functools.cache(self._across)

        @functools.cache
        def marks(bottom: float, top: float) -> bytes:
            high, low = self._rows(bottom, top)
            return across(high, low) if down.find(1, high, low) >= 0 else b""

        for left, bottom, right, top in zip(lefts, bottoms, rights, tops, strict=True):
            if row := marks(bottom, top):
                start = self._square(left - self.left, most)
                end = self._square(right - self.left + self.side, most)
                yield row.find(1, start, end) >= 0
            else:
                yield False

    def _across(self, high: int, low: int) -> bytes:
        """1 for each square across in whose column any of these rows is marked."""
        row = self.squares.crop((0, high, self.squares.width, low))
        return bytes(row.getprojection()[0])

    def _squares(self, sides: Sides) -> tuple[int, int, int, int]:
        left, bottom, right, top = sides
        width = self.squares.width
        start, end = self._square(left - self.left, width), self._square(right - self.left + self.side, width)
        high, low = self._rows(bottom, top)
        return start, high, max(start, end), low

    def _rows(self, bottom: float, top: float) -> tuple[int, int]:
        height = self.squares.height
        high = self._square(self.top - top, height)
        return high, max(high, self._square(self.top - bottom + self.side, height))

    def _square(self, length: float, most: int) -> int:
        return int(min(most, max(0.0, length / self.side)))  # 0 of what is no number


@dataclass(frozen=True, slots=True)
class Survey:
    """What is on a page."""

    unseen: float  # share of the text objects that draw nothing: an OCR program's
    pictures: float  # share of the page under pictures, 1 at most
    curves: int
    texts: frozenset[int]  # by their handles
    doubtful: frozenset[int]  # of them, wherever they stand
    # That draw nothing themselves: transparent ones, and what clips that which is drawn next.
    shapes: frozenset[int]
    places: Coverage  # where any text is in doubt
    others: tuple[tuple[int, Sides], ...]  # what is no text, by its handle, and where it is


def survey(page: Any) -> Survey:
    """Looks at the objects of a page, in the order in which they are drawn."""
    box = page.get_bbox()
    area = max(1.0, page.get_width() * page.get_height())
    places, texts = Coverage(box), _Texts(box)
    curves, pictures, others = 0, 0.0, list[tuple[int, Sides]]()
    for item, kind, matrix, plain in itertools.islice(_objects(page), _OBJECTS):
        if kind == raw.FPDF_PAGEOBJ_TEXT:
            texts.add(item, matrix, plain=plain)
            continue
        sides = _sides(item, matrix)
        others.append((item, sides))
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            pictures += (sides[2] - sides[0]) * (sides[3] - sides[1]) / area
        elif kind == raw.FPDF_PAGEOBJ_PATH:
            curves += max(1, _SEGMENTS(item) // 8)
            if _thin(item, sides, matrix) or (_light(item, matrix) and not texts.meet(sides)):
                continue
        places.mark(sides)
    for sides in covers(page):
        places.mark(sides)
    if _COUNT(page.raw) >= _OBJECTS:
        texts.doubtful, places = set(), Coverage(box)
    return Survey(
        texts.invisible / max(1, len(texts.all)),
        min(1.0, pictures),
        curves,
        frozenset(texts.all),
        frozenset(texts.doubtful),
        frozenset(texts.shapes),
        places,
        tuple(others),
    )


class _Texts:
    """The texts that were drawn so far: only what comes after lies over them."""

    def __init__(self, box: Sides) -> None:
        self.invisible = 0
        self.all, self.doubtful, self.shapes = set[int](), set[int](), set[int]()
        self._covered, self._new = Coverage(box), list[tuple[int, Matrix]]()

    def add(self, item: int, matrix: Matrix, *, plain: bool) -> None:
        mode = _MODE(item)
        self.all.add(item)
        self.invisible += mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE
        self._new.append((item, matrix))
        if not (plain and mode == raw.FPDF_TEXTRENDERMODE_FILL and _shown(item) and _clear(item)):
            self.doubtful.add(item)
            if mode in _DRAWS_NOTHING or _is_transparent(item):
                self.shapes.add(item)

    def meet(self, sides: Sides) -> bool:
        """Whether any of them is there."""
        for item, matrix in self._new:
            left, bottom, right, top = _sides(item, matrix)
            slack = _UNKNOWN if top - bottom < _FLAT or right - left < _FLAT else 0.0
            self._covered.mark((left - slack, bottom - slack, right + slack, top + slack))
        self._new.clear()
        return self._covered.meets(sides)


def _objects(page: Any) -> Iterator[tuple[int, int, Matrix, bool]]:
    """All but forms: each with its kind, the matrix of the form that it is in, and whether that is drawn as it is."""
    handle = ctypes.cast(page.raw, c_void_p)
    for number in range(_COUNT(handle)):
        yield from _within(_GET(handle, number), _AS_IT_IS, _DEEPEST, plain=True)


def _within(item: int, matrix: Matrix, depth: int, *, plain: bool) -> Iterator[tuple[int, int, Matrix, bool]]:
    kind = _TYPE(item)
    if kind != raw.FPDF_PAGEOBJ_FORM:
        yield item, kind, matrix, plain
    elif depth > 1:
        _MATRIX(item, _TO_TURN)
        inner = _product((_TURN.a, _TURN.b, _TURN.c, _TURN.d, _TURN.e, _TURN.f), matrix)
        plain = plain and _shown(item)
        for number in range(_WITHIN(item)):
            yield from _within(_GET_WITHIN(item, number), inner, depth - 1, plain=plain)


def _product(one: Matrix, two: Matrix) -> Matrix:
    a, b, c, d, e, f = two
    (ma, mb), (mc, md), (me, mf) = ((x * a + y * c, x * b + y * d) for x, y in (one[0:2], one[2:4], one[4:6]))
    return ma, mb, mc, md, me + e, mf + f


def _sides(item: int, matrix: Matrix) -> Sides:
    """Where an object is on the page."""
    if not _BOUNDS(item, *_TO_SIDES):
        return 0.0, 0.0, 0.0, 0.0
    left, bottom, right, top = (side.value for side in _SIDES)
    if matrix is _AS_IT_IS:
        return left, bottom, right, top
    a, b, c, d, e, f = matrix
    xs = [x * a + y * c + e for x in (left, right) for y in (bottom, top)]
    ys = [x * b + y * d + f for x in (left, right) for y in (bottom, top)]
    return min(xs), min(ys), max(xs), max(ys)


def _shown(item: int) -> bool:
    """Whether all of it is drawn as it is: opaque, and no clip cuts anything off (PDFium drops those that do not)."""
    return not _TRANSPARENT(item) and _CLIPS(_CLIP(item)) < 0


def _clear(item: int) -> bool:
    """Whether it is text of a colour that is seen on any light ground."""
    return min(_colour(item), default=_CLEAR) < _CLEAR


def _is_transparent(item: int) -> bool:
    return bool(_COLOUR(item, *_TO_PARTS)) and not _PARTS[3].value


def _light(item: int, matrix: Matrix) -> bool:
    """Whether it is a ground that text of a clear colour is seen on."""
    return not _strokes(item, matrix) and min(_colour(item), default=0) > _LIGHT


def _thin(item: int, sides: Sides, matrix: Matrix) -> bool:
    """Whether it is a line, or lines around something: too thin to hide a letter."""
    if _strokes(item, matrix):
        return False
    return not _FILL.value or min(sides[2] - sides[0], sides[3] - sides[1]) <= _LINE


def _strokes(item: int, matrix: Matrix) -> bool:
    """Whether a path is drawn with a line that may hide a letter; `_FILL` then says whether it is filled."""
    _DRAWING(item, _TO_FILL, _TO_STROKE)
    if not _STROKE.value:
        return False
    _WIDTH(item, _TO_WIDE)
    return bool(_WIDE.value * max(math.hypot(*matrix[0:2]), math.hypot(*matrix[2:4])) > _LINE)


def _colour(item: int) -> tuple[int, ...]:
    """Of what is filled, as it looks on white; none for a pattern."""
    if not _COLOUR(item, *_TO_PARTS):
        return ()
    red, green, blue, alpha = _PARTS[0].value, _PARTS[1].value, _PARTS[2].value, _PARTS[3].value
    if alpha == 255:
        return red, green, blue
    return tuple(255 - (255 - part) * alpha // 255 for part in (red, green, blue))
