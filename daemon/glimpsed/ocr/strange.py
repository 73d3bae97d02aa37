"""Whether a page is in a script that the engine does not know, by what it read of it, and how surely; pure.

Of such a page it reads either hardly anything, or what looks alike in letters that it knows: rubbish, which it is unsure of.
The figures are measured on 27 scripts, upright and on their head, and on print in known ones, blurred, noisy or tiny.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimpsed.ocr.page import ReadLine

SURE = 0.5  # of a reading: below that it is none
PRINT = 4.0  # heights: a line of print is as long
LONG, AMOUNT = 8.0, 12.0  # heights, likewise: one line alone tells, or several together
LEGIBLE = (
    0.75  # of a reading: print in known scripts is read at least so surely for as long as it can be read
)
SPARSE, UNSURE = (
    0.9,
    0.91,
)  # characters for each height, and how sure: of a known script one of the two is always more
FIGURES = 0.8  # likewise, where there is no letter among them
MIXED = 0.5  # of what is read well: of a page half of which is in another script more is not
FORMULA = 8  # letters that may stand beside one another in formulas

_HALF_KNOWN = re.compile("[\u0370-\u04ff]")  # Greek and Cyrillic: the engine knows a few letters of them
_WORD = re.compile(r"[^\W\d_]{2,}")
_VIETNAMESE = re.compile("[đơư]", re.IGNORECASE)
VIETNAMESE = 0.02  # of all letters: in Vietnamese 0.03 and more, in Croatian or Sami at most 0.013
_VOWEL = re.compile("[aeiouyr]")  # r is one in Croatian
BARE = 0.08  # of all words, without any vowel as they are read: in Vietnamese 0.15 and more …
DIFFERENT = 3  # … of which so many differ: in Filipino all are "ng"

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


def is_read(line: ReadLine) -> bool:
    """Whether the engine read anything there."""
    return line.confidence >= SURE and bool(line.text.strip())


def is_strange(boxes: Array, lines: Sequence[ReadLine]) -> bool:
    """Lines of print, of which too much could not be read. `boxes`: their corners, px."""
    if not lines:
        return False
    text = " ".join(line.text for line in lines if is_read(line))
    if _is_half_known(text) or _is_vietnamese(text):
        return True
    sides = np.linalg.norm(boxes[:, [0, 1]] - boxes[:, [1, 2]], axis=2)
    heights = np.maximum(sides[:, 1], 1.0)
    lengths = sides[:, 0] / heights
    print_ = lengths > PRINT
    if not print_.any() or heights[print_].std() > 0.5 * heights[print_].mean():
        return False  # words here and there, as on a photo
    well = np.array([_is_well_read(line, length) for line, length in zip(lines, lengths, strict=True)])
    good, other = lengths[print_ & well].sum(), lengths[print_ & ~well]
    enough = len(other) and (other.max() > LONG or other.sum() > AMOUNT)
    return bool(enough and other.sum() > MIXED * good)


def _is_half_known(text: str) -> bool:
    """Of a text in these scripts the engine reads what looks Latin, too; a formula has single letters of them."""
    known = sum(map(len, filter(_HALF_KNOWN.search, _WORD.findall(text))))
    return known > FORMULA and known > 0.2 * sum(c.isalpha() for c in text)


def _is_vietnamese(text: str) -> bool:
    """Vowels with two marks or a dot below are unknown, and are left out, quite surely: words are left that have no vowel.

    Measured on texts in 108 languages, whole and three lines at a time: all in Vietnamese are told, nine tenths of the parts, no other.
    """
    if len(_VIETNAMESE.findall(text)) <= VIETNAMESE * sum(c.isalpha() for c in text):
        return False
    words = _WORD.findall(text.lower())
    bare = [word for word in words if not _VOWEL.search(unicodedata.normalize("NFD", word))]
    return len(bare) > BARE * len(words) and len(set(bare)) >= DIFFERENT


def _is_well_read(line: ReadLine, length: float) -> bool:
    """Whether what was read of a line, so many heights long, may be what stands there.

    Of Hebrew, Armenian, Georgian and Tamil the engine reads 0.1 to 0.85 characters for each height, 0.67 to 0.9 sure; of any
    script that it knows, also blurred, noisy or handwritten, at least 1.2, and 0.94 sure. Of Russian it is sure: of its figures.
    """
    if not is_read(line) or line.confidence < LEGIBLE:
        return False
    characters = len("".join(line.text.split()))
    if not any(c.isalpha() for c in line.text):
        return characters >= FIGURES * length
    return line.confidence >= UNSURE or characters >= SPARSE * length
