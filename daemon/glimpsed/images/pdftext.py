"""The text that a PDF page has itself, in the order in which a person reads it (pypdfium2)."""

from __future__ import annotations

import ctypes
import functools
import math
import string
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat
from operator import itemgetter
from typing import Any, TypeAlias

from pypdfium2 import raw

from glimpsed.images import glyphs, usable
from glimpsed.images.direct import direct
from glimpsed.images.drawn import Coverage, Sides, Survey, survey
from glimpsed.images.glyphs import Glyph
from glimpsed.images.overlay import Filled
from glimpsed.images.sight import Sight
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
_NEAR = 2.0  # points: what is drawn further from a letter neither hides it nor is its ground
_BLOCK = 2048  # characters that are asked for at once


_CODE = direct(raw.FPDFText_GetUnicode, ctypes.c_uint)
_ITEM = direct(raw.FPDFText_GetTextObject, ctypes.c_void_p)
_BOX = direct(raw.FPDFText_GetLooseCharBox, ctypes.c_int)
_TIGHT = direct(raw.FPDFText_GetCharBox, ctypes.c_int)
_ORIGIN = direct(raw.FPDFText_GetCharOrigin, ctypes.c_int)
_MATRIX = direct(raw.FPDFText_GetMatrix, ctypes.c_int)
_SIZE = direct(raw.FPDFText_GetFontSize, ctypes.c_double)
_UNMAPPED = direct(raw.FPDFText_HasUnicodeMapError, ctypes.c_int)
_FONT = direct(raw.FPDFTextObj_GetFont, ctypes.c_void_p, ctypes.c_void_p)
_EMBEDDED = direct(raw.FPDFFont_GetIsEmbedded, ctypes.c_int, ctypes.c_void_p)
_OUTLINE = direct(raw.FPDFFont_GetGlyphPath, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_float)


@dataclass(frozen=True, slots=True)
class Text:
    """A page's own text and what it is good for."""

    text: str
    nature: usable.Nature | None


def read(page: Any, typed: Sequence[Filled] = ()) -> Text:
    """The page's text, with what was `typed` into its fields."""
    drawn = survey(page)
    own = _own(page, drawn)
    count = sum(map(_letter_count, own.by_angle.values()))
    main, *others = _angles(own.by_angle)
    pieces = glyphs.pieces(own.by_angle[main])
    pieces += [box for filled in typed for box in _fields(*filled, main)]
    texts = [_text(pieces), *(_text(glyphs.pieces(own.by_angle[angle])) for angle in others)]
    text = "\n".join(filter(None, texts))
    found = usable.PageFindings(text, own.unmapped, round(own.hidden * count), drawn.pictures, drawn.curves)
    return Text(text, usable.nature(found))


def lines(page: Any, typed: Sequence[Filled] = ()) -> list[tuple[str, Quad]]:
    """The page's text in the order of `read`, each piece with its corners in the page's own points.

    Clockwise from the top left of the text as it is read.
    """
    by_angle = _own(page, survey(page)).by_angle
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


@dataclass(frozen=True, slots=True)
class _Own:
    """A page's glyphs by how many quarters they are turned, each turned upright."""

    by_angle: dict[int, list[Glyph]]
    unmapped: int  # of them have no meaning, about
    hidden: float  # the share of them that nobody sees


def _own(page: Any, drawn: Survey) -> _Own:
    """What is seen on the page; all there is where an OCR program's layer, invisible or under its scan, is most of it."""
    textpage = page.get_textpage()
    try:
        letters, hidden = list(_letters(textpage)), drawn.unseen
        if hidden <= usable.HIDDEN and (unseen := _unseen(page, textpage, letters, drawn)):
            gone = len(unseen) / sum(1 for letter in letters if _has_ink(letter))
            if gone > usable.HIDDEN and drawn.pictures > usable.SCAN:
                hidden = gone
            else:
                for number in unseen:
                    letters[number] = 0, 0, *letters[number][2:]
        return _Own(*_marks(textpage, letters, page.get_bbox()), hidden)
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


def _marks(textpage: Any, letters: Iterable[Letter], shown: Sides) -> tuple[dict[int, list[Glyph]], int]:
    """Glyphs by how many quarters they are turned, each turned upright; and how many have no meaning, about.

    What lies beyond what is `shown` of the page (left, bottom, right, top) is not read: nobody sees it.
    """
    handle, matrix = textpage.raw, raw.FS_MATRIX()
    plainly, to_matrix, where = ctypes.byref(handle.contents), ctypes.byref(matrix), _where(textpage)
    found: dict[int, list[Glyph]] = defaultdict(list)
    unmapped, turn, size = 0, 0, 1.0
    # The last letter's sides, and where it stands.
    end_left, end_right, ended = math.inf, -math.inf, (0.0, 0.0)
    written: Any = None  # what it was written with: one font, one direction
    for number, last, text, left, top, right, bottom, last_left in _runs(letters):
        if left >= shown[2] or right <= shown[0] or bottom >= shown[3] or top <= shown[1]:
            continue
        item = _ITEM(plainly, number)
        if item is not None and item != written:
            written = item
            _MATRIX(plainly, number, to_matrix)
            turn = round(math.degrees(math.atan2(matrix.b, matrix.a)) / 90) % 4
            size = max(1.0, _SIZE(plainly, number) * math.hypot(matrix.a, matrix.b))
        if (sample := number + -number % _SAMPLED) <= last:
            samples = range(sample, last + 1, _SAMPLED)
            unmapped += _SAMPLED * sum(_UNMAPPED(plainly, sample) == 1 for sample in samples)
        here = where(number)
        marks, start, end, base = found[turn], left, right, -here[1]
        if turn:
            start, _, end, _ = _upright(left, bottom, right, top, turn)
            _, base, _, _ = _upright(*here, *here, turn)
        # The next letter of a ligature; an Arabic lam comes before its alef.
        if here == ended and left <= end_right and right >= end_left and marks:
            before = marks.pop()
            text = text + before.text if text == _LAM else before.text + text  # noqa: PLW2901 - what is meant
            start, end = min(before.left, start), max(before.right, end)
        marks.append(Glyph(text, start, end, base, size))
        end_left, end_right, ended = last_left, right, here if number == last else where(last)
    return found, unmapped


def _where(textpage: Any) -> Callable[[int], Point]:
    """Tells where a character stands."""
    handle, x, y = ctypes.byref(textpage.raw.contents), ctypes.c_double(), ctypes.c_double()
    to_x, to_y = ctypes.byref(x), ctypes.byref(y)

    def where(number: int) -> Point:
        _ORIGIN(handle, number, to_x, to_y)
        return x.value, y.value

    return where


def _runs(letters: Iterable[Letter]) -> Iterator[Run]:
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


def _unseen(page: Any, textpage: Any, letters: Sequence[Letter], drawn: Survey) -> list[int]:
    """The numbers of letters that nobody sees. The page, or the part of it that is in doubt, is drawn for this."""
    plainly, places = ctypes.byref(textpage.raw.contents), drawn.places
    if not letters or (not drawn.doubtful and places.blank):
        return []
    items = list(map(_ITEM, repeat(plainly), range(len(letters))))
    _, _, lefts, tops, rights, bottoms = zip(*letters, strict=True)
    met = places.meeting(lefts, bottoms, rights, tops)
    doubtful = [
        number
        for number, (item, covered) in enumerate(zip(items, met, strict=True))
        if (covered or item in drawn.doubtful) and item is not None and _has_ink(letters[number])
    ]
    boxes = [(lefts[n], bottoms[n], rights[n], tops[n]) for n in doubtful]
    part = _around(boxes, page.get_bbox())
    if part is None:
        return []
    beside = _beside(drawn, boxes, page.get_bbox())
    # Of several texts of the same letters in the same place, like one and its shadow, PDFium tells of the first.
    told_of = {items[number] for number in doubtful} | (drawn.texts - set(items))
    sight = Sight(page, part, told_of - drawn.shapes, beside)
    tight = [ctypes.c_double() for _ in range(4)]
    found, to = [], [ctypes.byref(side) for side in tight]
    for number in doubtful:
        _, _, start, high, end, low = letters[number]
        if items[number] in drawn.shapes:
            seen = sight.uneven(start, low, end, high)
        elif not (seen := sight.crossed(start, low, end, high)):
            _TIGHT(plainly, number, *to)
            left, right, bottom, top = (side.value for side in tight)
            seen = sight.marked(left, bottom, right, top) or _lacks_font(items[number], letters[number][0])
        if not seen:
            found.append(number)
    return found


def _lacks_font(item: int, code: int) -> bool:
    """Whether a letter cannot be drawn here: its font is neither in the file nor on this machine, as Chinese ones are often."""
    font = _FONT(item)
    return bool(font) and _EMBEDDED(font) == 0 and not _OUTLINE(font, code, 10.0)


def _beside(drawn: Survey, boxes: Sequence[Sides], shown: Sides) -> list[int]:
    """What is drawn nowhere near any of the boxes."""
    if not drawn.others:
        return []
    near = Coverage(shown)
    for (bottom, top), row in groupby(boxes, key=itemgetter(1, 3)):
        lefts, _, rights, _ = zip(*row, strict=True)
        near.mark((min(lefts) - _NEAR, bottom - _NEAR, max(rights) + _NEAR, top + _NEAR))
    items, places = zip(*drawn.others, strict=True)
    return [
        item for item, met in zip(items, near.meeting(*zip(*places, strict=True)), strict=True) if not met
    ]


def _around(boxes: Sequence[Sides], shown: Sides) -> Sides | None:
    """What holds all boxes, as far as it is `shown`; None: nothing is."""
    if not boxes:
        return None
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    left, bottom = max(shown[0], min(lefts)), max(shown[1], min(bottoms))
    right, top = min(shown[2], max(rights)), min(shown[3], max(tops))
    return (left, bottom, right, top) if left < right and bottom < top else None


def _has_ink(letter: Letter) -> bool:
    code, boxed, left, top, right, bottom = letter
    return (
        boxed != 0 and math.isfinite(left + top + right + bottom) and not chr(min(code, 0x10FFFF)).isspace()
    )


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
