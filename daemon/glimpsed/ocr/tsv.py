"""Tesseract's table of words, which it writes before the text where both are wanted; pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

ARGUMENTS = ("-c", "tessedit_create_txt=1", "-c", "tessedit_create_tsv=1")
_COLUMNS = 12  # level, page, block, paragraph, line, word, left, top, width, height, confidence, text
_PAGE, _WORD = "1", "5"  # levels
_CERTAIN = 0.85  # confidence of a word


@dataclass(frozen=True, slots=True)
class TsvWord:
    """A word, its box (left, top, right, bottom) in fractions of the picture, and how sure it is, 0 to 1."""

    text: str
    box: tuple[float, float, float, float]
    confidence: float


@dataclass(frozen=True, slots=True)
class Sureness:
    """How sure tesseract is of what it read of a page."""

    characters: int
    mean: float  # of its characters, 0 to 1
    certain: float  # share of them, 0 to 1, that are in words that are right nearly always

    @classmethod
    def of(cls, lines: list[list[TsvWord]]) -> Sureness:
        """Of all the words of a page."""
        counts = [(len(word.text), word.confidence) for line in lines for word in line]
        characters = sum(count for count, _ in counts)
        shares = [(count / characters, sure) for count, sure in counts]
        return cls(
            characters,
            sum(share * sure for share, sure in shares),
            sum(share for share, sure in shares if sure > _CERTAIN),
        )


def parted(written: str) -> tuple[str, list[list[TsvWord]]]:
    """The text, and the words of each line. Raises ValueError for another table than is known."""
    head, _, rest = written.partition("\n")
    if head.count("\t") != _COLUMNS - 1:
        raise ValueError(head)
    rows = list(
        itertools.takewhile(lambda row: len(row) == _COLUMNS, (x.split("\t") for x in rest.split("\n")))
    )
    text = rest.split("\n", len(rows))[-1]
    return text, list(_lines(rows))


def _lines(rows: list[list[str]]) -> Iterator[list[TsvWord]]:
    width, height = next(((int(row[8]), int(row[9])) for row in rows if row[0] == _PAGE), (1, 1))
    words = (row for row in rows if row[0] == _WORD and row[11].strip())
    for _, line in itertools.groupby(words, key=lambda row: row[1:5]):
        yield [_word(row, width, height) for row in line]


def _word(row: list[str], width: int, height: int) -> TsvWord:
    left, top, across, down = (int(number) for number in row[6:10])
    box = (left / width, top / height, (left + across) / width, (top + down) / height)
    return TsvWord(row[11].strip(), box, max(0.0, float(row[10]) / 100))
