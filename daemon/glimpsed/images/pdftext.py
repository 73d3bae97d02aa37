"""The text that a PDF page has itself, in the order in which a person reads it (pypdfium2)."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import string
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, TypeAlias

from pypdfium2 import raw

from glimpsed.images import glyphs, usable
from glimpsed.images.glyphs import Glyph
from glimpsed.images.overlay import Filled
from glimpsed.images.sight import Sight, doubtful
from glimpsed.ocr import order, rows
from glimpsed.ocr.box import Box

Point: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Point, Point, Point, Point]
# Its code, whether it has a box, and the box (left, top, right, bottom).
Letter: TypeAlias = tuple[int, int, float, float, float, float]
# The numbers of its first and its last letter, its text, its box, the left side of its last letter.
Run: TypeAlias = tuple[int, int, str, float, float, float, float, float]

_END: Letter = 0, 0, math.inf, 0.0, 0.0, 0.0
MOST = 200_000  # characters of one page that are looked at
_JOINED = {
    "\x02": "-",
    "\ufffe": "-",
    "\u00ad": "-",
}  # what PDFium and others say for a hyphen at the end of a line
# Ligatures of Latin letters, and letters of Hebrew and Arabic by their shape in the word: what is meant is the letters.
_SHAPES = (range(0xFB00, 0xFDF0), range(0xFE70, 0xFEFD))
_SAMPLED = 8  # one character in so many is asked whether its font says which it is
_LAM = "\N{ARABIC LETTER LAM}"
_PLAIN = {ord(letter): letter for letter in string.ascii_letters}
_SPACE = ord(" ")
_ADJACENT = 0.1  # of a letter's height: so near stands the next one of a word
_BLOCK = 2048  # characters that are asked for at once


def _plain(function: Any, result: Any) -> Any:
    """A function of PDFium that takes its arguments as they are: checking them takes longer than most functions do."""
    return ctypes.PYFUNCTYPE(result)(ctypes.cast(function, ctypes.c_void_p).value or 0)


_CODE = _plain(raw.FPDFText_GetUnicode, ctypes.c_uint)
_ITEM = _plain(raw.FPDFText_GetTextObject, ctypes.c_void_p)
_BOX = _plain(raw.FPDFText_GetLooseCharBox, ctypes.c_int)
_ORIGIN = _plain(raw.FPDFText_GetCharOrigin, ctypes.c_int)
_UNMAPPED = _plain(raw.FPDFText_HasUnicodeMapError, ctypes.c_int)


@dataclass(frozen=True, slots=True)
class Text:
    """A page's own text and what it is good for."""

    text: str
    nature: usable.Nature | None


def read(page: Any, typed: Sequence[Filled] = ()) -> Text:
    """The page's text, with what was `typed` into its fields."""
    hidden, pictures, curves = _drawn(page)
    by_angle, unmapped = _glyphs(page, hidden)
    count = sum(map(_letter_count, by_angle.values()))
    main, *others = _angles(by_angle)
    pieces = glyphs.pieces(by_angle[main])
    pieces += [box for filled in typed for box in _fields(*filled, main)]
    texts = [_text(pieces), *(_text(glyphs.pieces(by_angle[angle])) for angle in others)]
    text = "\n".join(filter(None, texts))
    found = usable.PageFindings(text, unmapped, round(hidden * count), pictures, curves)
    return Text(text, usable.nature(found))


def lines(page: Any, typed: Sequence[Filled] = ()) -> list[tuple[str, Quad]]:
    """The page's text in the order of `read`, each piece with its corners in the page's own points.

    Clockwise from the top left of the text as it is read.
    """
    by_angle, _ = _glyphs(page, _drawn(page)[0])
    main, *others = _angles(by_angle)
    found = []
    for turn in (main, *others):
        pieces = glyphs.pieces(by_angle[turn])
        if turn == main:
            pieces += [box for filled in typed for box in _fields(*filled, main)]
        for column in order.columns(pieces):
            for row in rows.rows(column):
                found += [(box.text, _corners(box, turn)) for box in sorted(row, key=lambda b: b.left)]
    return found


def _glyphs(page: Any, hidden: float) -> tuple[dict[int, list[Glyph]], int]:
    """What is on the page, and, unless an OCR program's layer is most of it, seen there."""
    textpage = page.get_textpage()
    try:
        letters = _letters(textpage)
        if hidden <= usable.HIDDEN and textpage.count_chars() and doubtful(page):
            letters = _seen(letters, textpage, Sight(page))
        return _marks(textpage, letters, page.get_bbox())
    finally:
        textpage.close()


def _fields(text: str, rect: tuple[float, float, float, float], turn: int) -> list[Box]:
    """What somebody typed, line by line."""
    left, top, right, bottom = _upright(*rect, turn)
    lines = text.splitlines()
    height = (bottom - top) / max(1, len(lines))
    boxes = [Box(left, top + n * height, right, top + (n + 1) * height, line) for n, line in enumerate(lines)]
    return [box for box in boxes if box.text.strip()]


def _angles(by_angle: dict[int, list[Glyph]]) -> list[int]:
    """Quarters that text is turned by, most of it first."""
    return sorted(by_angle, key=lambda angle: -_letter_count(by_angle[angle])) or [0]


def _letter_count(marks: Sequence[Glyph]) -> int:
    return sum(len(mark.text) for mark in marks)


def _corners(box: Box, turn: int) -> Quad:
    """`_upright` undone, corner by corner."""
    left, bottom, right, top = box.left, -box.bottom, box.right, -box.top
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    for _ in range(turn):
        corners = [(-y, x) for x, y in corners]
    one, two, three, four = corners
    return one, two, three, four


def _text(pieces: Sequence[Box]) -> str:
    return "\n".join(line for column in order.columns(pieces) for line in rows.lines(column))


def _marks(
    textpage: Any, letters: Iterator[Letter], shown: tuple[float, float, float, float]
) -> tuple[dict[int, list[Glyph]], int]:
    """Glyphs by how many quarters they are turned, each turned upright; and how many have no meaning, about.

    What lies beyond what is `shown` of the page (left, bottom, right, top) is not read: nobody sees it.
    """
    handle, matrix = textpage.raw, raw.FS_MATRIX()
    plainly, where = ctypes.byref(handle.contents), _where(textpage)
    found: dict[int, list[Glyph]] = defaultdict(list)
    unmapped, turn, size = 0, 0, 1.0
    ended, end_left, end_right = 0, math.inf, -math.inf  # the last glyph, and its sides
    written: Any = None  # what it was written with: one font, one direction
    for number, last, text, left, top, right, bottom, last_left in _runs(letters):
        if left >= shown[2] or right <= shown[0] or bottom >= shown[3] or top <= shown[1]:
            continue
        item = _ITEM(plainly, number)
        if item is not None and item != written:
            written = item
            raw.FPDFText_GetMatrix(handle, number, matrix)
            turn = round(math.degrees(math.atan2(matrix.b, matrix.a)) / 90) % 4
            size = max(1.0, raw.FPDFText_GetFontSize(handle, number) * math.hypot(matrix.a, matrix.b))
        for sample in range(number + -number % _SAMPLED, last + 1, _SAMPLED):
            unmapped += _SAMPLED * (_UNMAPPED(plainly, sample) == 1)
        here = where(number)
        marks, start, end, base = found[turn], left, right, -here[1]
        if turn:
            start, _, end, _ = _upright(left, bottom, right, top, turn)
            _, base, _, _ = _upright(*here, *here, turn)
        overlaps = left <= end_right and right >= end_left
        # The next letter of a ligature; an Arabic lam comes before its alef.
        if marks and overlaps and here == where(ended):
            before = marks.pop()
            text = text + before.text if text == _LAM else before.text + text  # noqa: PLW2901 - what is meant
            start, end = min(before.left, start), max(before.right, end)
        marks.append(Glyph(text, start, end, base, size))
        ended, end_left, end_right = last, last_left, right
    return found, unmapped


def _where(textpage: Any) -> Callable[[int], Point]:
    """Tells where a character stands."""
    handle, x, y = ctypes.byref(textpage.raw.contents), ctypes.c_double(), ctypes.c_double()
    to_x, to_y = ctypes.byref(x), ctypes.byref(y)

    def where(number: int) -> Point:
        _ORIGIN(handle, number, to_x, to_y)
        return x.value, y.value

    return where


def _runs(letters: Iterator[Letter]) -> Iterator[Run]:
    """What has a place, with plain letters and single spaces between them as one: most of a line, which is then looked at once.

    What stands in a line from right to left keeps its order within, so a space at the end is by itself.
    """
    number, last, text, left, top, right, bottom, last_left = 0, 0, "", 0.0, 0.0, 0.0, 0.0, 0.0
    slack, word = 0.0, (0.0, 0.0)  # the sides of the letter before a space
    plain = spaced = False  # whether the one at hand may go on; whether it ends in a space
    for at, (code, boxed, its_left, its_top, its_right, its_bottom) in enumerate(chain(letters, (_END,))):
        letter = _PLAIN.get(code)
        if (
            plain
            and (letter or (code == _SPACE and not spaced))
            and -slack < its_left - right < slack
            and its_bottom == bottom  # on the same line, in the same size
            and its_top == top
        ):
            if spaced := letter is None:
                word = last_left, right
            text += letter or " "
            last, last_left, right = at, its_left, its_right
            continue
        if spaced:
            yield number, last - 1, text[:-1], left, top, word[1], bottom, word[0]
            number, text, left = last, " ", last_left
        if text:
            yield number, last, text, left, top, right, bottom, last_left
        text = (letter or _character(code) or "") if boxed else ""
        number = last = at
        left, top, right, bottom = last_left, _, _, _ = its_left, its_top, its_right, its_bottom
        plain, spaced, slack = letter is not None, False, _ADJACENT * (top - bottom)


def _letters(textpage: Any) -> Iterator[Letter]:
    """What PDFium says of each character, asked for many at a time: a loop of Python's takes longer than the answers."""
    handle, count = repeat(ctypes.byref(textpage.raw.contents)), min(textpage.count_chars(), MOST)
    boxes, to_box = _buffers()
    for start in range(0, count, _BLOCK):
        numbers = range(start, min(start + _BLOCK, count))
        codes = map(_CODE, handle, numbers)
        boxed = list(map(_BOX, handle, numbers, to_box))
        sides = memoryview(boxes).cast("B").cast("f").tolist()
        yield from zip(codes, boxed, *(sides[side::4] for side in range(4)), strict=False)


def _seen(letters: Iterator[Letter], textpage: Any, sight: Sight) -> Iterator[Letter]:
    """The letters; in place of those that nobody sees, none."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    for number, letter in enumerate(letters):
        code, boxed, start, high, end, low = letter
        if boxed and not chr(min(code, 0x10FFFF)).isspace() and not sight.crossed(start, low, end, high):
            raw.FPDFText_GetCharBox(textpage.raw, number, left, right, bottom, top)
            if not sight.marked(left.value, bottom.value, right.value, top.value):
                yield 0, 0, start, high, end, low
                continue
        yield letter


@functools.cache
def _buffers() -> tuple[Any, list[Any]]:
    """Boxes of a block of characters, and where each is; PDFium has one thread at a time."""
    boxes = (raw.FS_RECTF * _BLOCK)()
    return boxes, [ctypes.byref(boxes, ctypes.sizeof(raw.FS_RECTF) * number) for number in range(_BLOCK)]


@functools.cache
def _character(code: int) -> str | None:
    """A character as it is read; None for what is no character, or ends a line."""
    if (code < 0x20 and code != 2) or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return None
    text = chr(code)
    if text in _JOINED:
        return "-"
    return unicodedata.normalize("NFKC", text) if any(code in shapes for shapes in _SHAPES) else text


def _upright(
    left: float, bottom: float, right: float, top: float, turn: int
) -> tuple[float, float, float, float]:
    """A box of the page as (left, top, right, bottom) of the page turned so that its text stands upright.

    PDF's y grows upwards; `turn` is in quarters against the clock.
    """
    for _ in range(turn):
        left, bottom, right, top = bottom, -right, top, -left
    return left, -top, right, -bottom


# -- what else is on the page


def _drawn(page: Any) -> tuple[float, float, int]:
    """The share of text objects that nobody sees, the share of the page under pictures, and how many curves there are."""
    width, height = page.get_size()
    area = max(1.0, width * height)
    seen = unseen = curves = 0
    pictures = 0.0
    for item in itertools.islice(page.get_objects(max_depth=3), 20_000):
        if item.type == raw.FPDF_PAGEOBJ_TEXT:
            if raw.FPDFTextObj_GetTextRenderMode(item.raw) == raw.FPDF_TEXTRENDERMODE_INVISIBLE:
                unseen += 1
            else:
                seen += 1
        elif item.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            share = max(0.0, right - left) * max(0.0, top - bottom) / area
            pictures += share
            if share > 0.8:  # what was drawn before lies under it
                seen, unseen = 0, seen + unseen
        elif item.type == raw.FPDF_PAGEOBJ_PATH:
            curves += max(1, raw.FPDFPath_CountSegments(item.raw) // 8)
    return unseen / max(1, seen + unseen), min(1.0, pictures), curves
