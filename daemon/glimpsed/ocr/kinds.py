"""Whether two sides of a page are blocks of lines, or the columns of a table, by what kind of text each line is; pure.

In a table the kind goes with the column: names here, figures there. In a list of addresses it goes with the line:
beside a name stands a name, beside a street a street. How far two columns agree line by line, beyond what they would if
each had its kinds in any order, is Cohen's kappa.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Sequence

from glimpsed.ocr.box import Box

_FEWEST = 6  # lines that stand beside one another
_AGREED = 0.6  # of kappa, which is 0 where agreement is chance, and 1 where it is complete
# From one kind to another, down the page: a table has one below its heading, and one above its sums.
_CHANGES = 3
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_KINDS = re.compile(r"a+|9+|@")
_BESIDE = 0.3  # of a line's height between the middles of lines that stand beside one another


@functools.lru_cache(maxsize=512)  # of a page, whose lines are compared over and over
def kind(text: str) -> str:
    """What letters, figures and @ it has, one after the other: `9a` for `27 Quay Street`, `a9` for `Tel. 0431`."""
    plain = _DIGITS.sub("9", _LETTERS.sub("a", text))
    found = "".join(part[0] for part in _KINDS.findall(plain))
    return "".join(letter for letter, _ in itertools.groupby(found))


def alike(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether the kinds of two neighbouring sides, both from the top, go with the lines, not with the columns."""
    if min(len(left), len(right)) < _FEWEST:
        return False
    pairs = _beside(left, right)
    if len(pairs) < _FEWEST or len(pairs) < 0.6 * min(len(left), len(right)):
        return False
    changes = sum(one != other for one, other in itertools.pairwise(pairs))
    texts = sum("a" in one and "a" in other for one, other in pairs)
    return changes >= _CHANGES and texts >= 0.6 * len(pairs) and kappa(pairs) >= _AGREED


def kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Cohen's, of pairs of kinds; 0 where all are of one kind."""
    firsts, seconds = (Counter(kinds) for kinds in zip(*pairs, strict=True))
    chance = sum(count * seconds[one] for one, count in firsts.items()) / len(pairs) ** 2
    agreed = sum(one == other for one, other in pairs) / len(pairs)
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0


def _beside(left: Sequence[Box], right: Sequence[Box]) -> list[tuple[str, str]]:
    """The kinds of lines that stand beside one another, from the top."""
    rest = [(box.middle, box.text) for box in right]
    found = []
    at = 0
    for box in left:
        middle, slack = box.middle, _BESIDE * box.height
        while at < len(rest) and rest[at][0] < middle - slack:
            at += 1
        if at < len(rest) and abs(rest[at][0] - middle) <= slack:
            found.append((kind(box.text), kind(rest[at][1])))
            at += 1
    return found
