"""Whether a PDF page's own text can stand for the page, pure.

`digital`: real text, and enough of it for what is drawn. `layer`: real text, but an OCR program's, invisible over a
scan: somebody else's reading. None: no text, too little for what is drawn (a scan with a stamped page number, letters
drawn as curves), or garbage (no Unicode for its glyphs, shifted codes). Sums, not lists of producers.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Nature = Literal["digital", "layer"]

_BAD = 0.05  # of the characters at most may have no meaning
HIDDEN = 0.5  # of the characters at least are invisible in a layer
SCAN = 0.8  # of a page, at least, is under the pictures of a scan
_PLAIN = 0.65  # of the longer words at least look like words of some language
_JUDGED = 8  # words, at least, that a judgement about a language rests on
_VOWEL_SHARE = 0.27  # of Latin letters at least
_CURVES = 5  # curves a character: letters drawn as outlines have some 20
_PRIVATE = frozenset({"Co", "Cn", "Cs"})
_WORDS = re.compile(r"\S{4,}")
_LETTERS = re.compile(r"[^\W\d_]+(?:['’\-‐][^\W\d_]+)*")
_VOWELS = frozenset("aeiouyäöüàáâãåæèéêëìíîïòóôõøœùúûýÿıőűąęėįųūāēīōăâî")
_TRIMMED = ".,;:!?()[]{}\"'«»„“”‘’…*–—-/"


@dataclass(frozen=True, slots=True)
class PageFindings:
    """What was found on a page."""

    text: str
    unmapped: int = 0  # characters whose font does not say which they are
    hidden: int = 0  # characters that are drawn invisibly, or under a picture
    pictures: float = 0.0  # share of the page that pictures cover, 0 to 1
    curves: int = 0  # drawn that are no text


def nature(page: PageFindings) -> Nature | None:
    """What the page's text is good for; see the module."""
    characters = [c for c in page.text if not c.isspace()]
    if (
        not characters
        or _bad(characters) + page.unmapped > _BAD * len(characters)
        or not _is_language(page.text)
    ):
        return None
    if page.hidden > HIDDEN * len(characters):
        return "layer"
    return "digital" if len(characters) - page.hidden >= _enough(page) else None


def _enough(page: PageFindings) -> float:
    """Characters that a page with so much drawn on it has when its text is what it says."""
    if page.pictures >= SCAN:
        least = 600  # a scan with a stamp; a brochure on a photo has more text
    elif page.pictures >= 0.3:
        least = 100
    else:
        least = 2
    return max(least, page.curves / _CURVES if page.curves > 500 else 0)


def _bad(characters: list[str]) -> int:
    return sum(
        count
        for c, count in Counter(characters).items()
        if c == "\N{REPLACEMENT CHARACTER}" or unicodedata.category(c) in _PRIVATE or ord(c) < 32
    )


def _is_language(text: str) -> bool:
    """Whether most longer words are words or numbers: shifted codes make `7KLV LV D OLQH` of `This is a line`."""
    words = [word.strip(_TRIMMED) for word in _WORDS.findall(text)]
    words = [word for word in words if len(word) > 3]
    if len(words) < _JUDGED:
        return True  # too few to say; how much there is of it is asked elsewhere
    return sum(map(_is_word, words)) >= _PLAIN * len(words) and _has_vowels(words)


def _has_vowels(words: list[str]) -> bool:
    """Whether Latin letters are mixed as in any language: some four of ten are vowels, in shifted codes two."""
    letters = [c for word in words for c in word.casefold() if "a" <= c <= "z" or c in _VOWELS]
    return len(letters) < 5 * _JUDGED or sum(c in _VOWELS for c in letters) >= _VOWEL_SHARE * len(letters)


def _is_word(word: str) -> bool:
    if not word.isascii() and not any("a" <= c.casefold() <= "z" for c in word):
        return True  # another script: its letters have been told from private ones above
    if not word.isalpha() and any(c.isdigit() for c in word):
        return bool(re.fullmatch(r"[\d.,:/%€$£+\-–'’()]+", word)) or len(word) > 12
    if not word.isalpha() and not _LETTERS.fullmatch(word):
        return "@" in word or "." in word or "/" in word
    rest = word[1:]
    cased = rest.islower() or word.isupper() or not rest.isupper()
    return cased and not _VOWELS.isdisjoint(word.casefold())
