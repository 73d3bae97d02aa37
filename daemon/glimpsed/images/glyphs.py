"""From glyphs on a page to pieces of lines, pure: words, spaces between them, and the direction they are read in."""

from __future__ import annotations

import functools
import itertools
import math
import statistics
import unicodedata
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from glimpsed.ocr.box import Box

_WORD_GAP = 0.7  # of the font's size: words of a line that are further apart are cells
_SPACED_GAP = 1.0  # the same, where the gap is made of spaces
_CHARACTER_GAP = 0.2  # of the font's size: further apart are two words, also without a space between
_FEWEST, _EVEN = 4, 0.03  # gaps between letters that tell how they are set, and how alike they are
_RAISED = 0.45  # of the font's size: so much above or below a line its small figures may stand


class Glyph(NamedTuple):  # made for each letter: three times as fast as a frozen dataclass
    """A glyph where it stands, in points: one character, or several of a ligature; y grows downwards."""

    text: str
    left: float
    right: float
    base: float  # the y that its line stands on
    size: float  # of its font


def pieces(marks: Sequence[Glyph]) -> list[Box]:
    """Words that follow one another on a line, together; columns of vertical writing as lines."""
    if _is_vertical(marks):
        return _vertical(marks)
    return [box for line in _lines(marks) for box in map(_box, _runs(line)) if box.text]


def _lines(marks: Sequence[Glyph]) -> list[list[Glyph]]:
    """Glyphs that stand on the same line, raised and lowered ones too, from left to right."""
    lines: list[list[Glyph]] = []
    base = size = -math.inf  # of the first of the line
    for mark in sorted(marks, key=attrgetter("base")):
        above = mark.base - base
        if above < _RAISED * size or above < _RAISED * mark.size:
            lines[-1].append(mark)
        else:
            lines.append([mark])
            base, size = mark.base, mark.size
    return [sorted(line, key=attrgetter("left", "right")) for line in lines]


def _runs(line: Sequence[Glyph]) -> Iterator[list[Glyph]]:
    """Cut where a gap is wider than one between words, also where it is made of spaces."""
    run: list[Glyph] = []
    end = ink = -math.inf  # of the last mark, and of the last that is no space
    last = None
    for mark in line:
        text, left, right, _, size = mark
        blank = text.isspace()
        if blank and not run:
            continue
        if run and not blank and (left - end > _WORD_GAP * size or left - ink > _SPACED_GAP * size):
            yield run
            run, end, ink, last = [], -math.inf, -math.inf, None
        end = max(end, right)
        ink = ink if blank else max(ink, right)
        # Printed twice, to look bold: all of it, or some words of it.
        if last is not None and left < last.right - 0.5 * size and text in last.text and text != " ":
            continue
        if last is not None and abs(left - last.left) < 0.1 * size and text.startswith(last.text):
            run.pop()
        run.append(mark)
        last = mark
    if run:
        yield run


def _box(run: list[Glyph]) -> Box:
    while run[-1].text.isspace():  # the first is none
        run.pop()
    texts = _texts(run, _CHARACTER_GAP)
    if len(texts) >= 2 * len(run) - 1 - len(run) // 3 and (gap := _letterspaced(run)):
        texts = _texts(run, gap + _CHARACTER_GAP)
    heights = {(m.base, m.size) for m in run}  # mostly one
    return Box(
        run[0].left,
        min(base - 0.8 * size for base, size in heights),
        max(m.right for m in run),
        max(base + 0.2 * size for base, size in heights),
        " ".join("".join(_logical(texts)).split()),
    )


def _texts(run: Sequence[Glyph], apart: float) -> list[str]:
    """The glyphs' texts, with a space wherever two are further apart, in parts of the font's size."""
    texts: list[str] = []
    before, end = "", math.inf  # the letter before and where it ends
    for text, left, right, _, size in run:
        if left - end > apart * size and not (_is_east(before) and _is_east(text)):
            texts.append(" ")
        texts.append(text)
        before, end = text, right
    return texts


def _letterspaced(run: Sequence[Glyph]) -> float:
    """How far apart all letters are set, in parts of the font's size, as in a heading; 0 where they are not."""
    gaps = [
        (two.left - one.right) / two.size
        for one, two in itertools.pairwise(run)
        if not (one.text.isspace() or two.text.isspace())
    ]
    if len(gaps) < _FEWEST or 2 * sum(mark.text.isalpha() for mark in run) < len(run):
        return 0.0  # figures may stand beside one another for themselves
    usual = statistics.median(gaps)
    return usual if sum(abs(gap - usual) < _EVEN for gap in gaps) > 0.6 * len(gaps) else 0.0


def _logical(texts: Sequence[str]) -> list[str]:
    """Glyphs from left to right, as they are read: Arabic and Hebrew from right to left, numbers among them not."""
    if "".join(texts).isascii():
        return list(texts)
    kinds = [_direction(text) for text in texts]
    if "R" not in kinds:
        return list(texts)
    pairs = list(zip(kinds, texts, strict=True))
    right, left = (sum(len(text) for kind, text in pairs if kind == of) for of in "RL")
    backwards = right > left
    if backwards:
        pairs.reverse()
    found: list[str] = []
    for against, group in itertools.groupby(_settled(pairs, backwards=backwards), key=lambda pair: pair[0]):
        part = [text for _, text in group]
        found += reversed(part) if against else part
    return found


def _settled(pairs: Sequence[tuple[str, str]], *, backwards: bool) -> Iterator[tuple[bool, str]]:
    """(whether it runs against the line's direction, text): what has none goes with the line, but within a number."""
    against = {"L", "N"} if backwards else {"R"}
    for number, (kind, text) in enumerate(pairs):
        before, after = (pairs[n][0] if 0 <= n < len(pairs) else "" for n in (number - 1, number + 1))
        inside = (
            kind == "-" and before in against and after in against and (not text.isspace() or before == after)
        )
        yield kind in against or inside, text


@functools.cache
def _direction(text: str) -> str:
    """R, L, N for digits, - for what has no direction of its own."""
    kind = unicodedata.bidirectional(text[0])
    return {"R": "R", "AL": "R", "L": "L", "EN": "N", "AN": "N"}.get(kind, "-")


def _is_vertical(marks: Sequence[Glyph]) -> bool:
    """Chinese or Japanese from top to bottom: most characters stand below the one before."""
    if "".join(m.text for m in marks).isascii():
        return False
    pairs = [
        (one, two) for one, two in itertools.pairwise(marks) if _is_east(one.text) and _is_east(two.text)
    ]
    below = sum(
        two.base - one.base > 0.5 * one.size and abs(two.left - one.left) < 0.5 * one.size
        for one, two in pairs
    )
    return len(pairs) > 3 and below > 0.6 * len(pairs)


def _vertical(marks: Sequence[Glyph]) -> list[Box]:
    """Columns from right to left, as lines from top to bottom."""
    columns: list[list[Glyph]] = []
    for mark in sorted(marks, key=lambda m: -(m.left + m.right)):
        if columns and columns[-1][0].left <= (mark.left + mark.right) / 2 <= columns[-1][0].right:
            columns[-1].append(mark)
        else:
            columns.append([mark])
    size = statistics.median(m.size for m in marks)
    texts = ("".join(m.text for m in sorted(column, key=lambda m: m.base)) for column in columns)
    return [Box(0.0, 2 * size * n, 1000.0, 2 * size * n + size, text) for n, text in enumerate(texts)]


@functools.cache
def _is_east(text: str) -> bool:
    return unicodedata.east_asian_width(text[0]) in "WF"
