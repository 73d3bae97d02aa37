"""How well a page was read, against what it says. Pure."""

from __future__ import annotations

import bisect
import itertools
import re
from collections import Counter
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

_MARKS = str.maketrans({"，": ",", "。": ".", "；": ";", "：": ":", "（": "(", "）": ")", "’": "'", "‘": "'"})


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of the page, 0 to 1."""

    errors: float  # of the characters, line breaks being spaces
    found: float  # of the words
    together: float  # of the words stand in one with their neighbour
    order: float  # of the words found come after those that they should


def score(read: str, truth: str, *, spaced: bool = True) -> Score:
    """`spaced`: words are apart (not so in Chinese, where each character counts as one)."""
    got, wanted = _plain(read), _plain(truth)
    if not spaced:
        got, wanted = got.replace(" ", ""), wanted.replace(" ", "")
    words = wanted.split() if spaced else list(wanted)
    there = got.split() if spaced else list(got)
    missing = Counter(words) - Counter(there)
    return Score(
        errors=min(1.0, Levenshtein.distance(got, wanted) / max(1, len(wanted))),
        found=1 - sum(missing.values()) / max(1, len(words)),
        together=_together(there, words) / max(1, len(words)) if spaced else 0.0,
        order=_order(there, words),
    )


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.translate(_MARKS)).strip()


def _together(there: list[str], words: list[str]) -> int:
    known = set(words)
    pairs = {one + other for one, other in itertools.pairwise(words)}
    return sum(word in pairs and word not in known for word in there)


def _order(there: list[str], words: list[str]) -> float:
    """How many of the words that the page says once, and that were found once, come in the right order."""
    once = {word for word, count in Counter(words).items() if count == 1}
    place = {word: number for number, word in enumerate(words) if word in once}
    seen = Counter(there)
    places = [place[word] for word in there if word in place and seen[word] == 1]
    longest: list[int] = []
    for number in places:
        at = bisect.bisect_left(longest, number)
        longest[at : at + 1] = [number]
    return len(longest) / len(places) if places else 1.0
