"""How far two readings of one file agree, and where they do not (DESIGN 15), pure.

Fields of a schema are compared by what they mean, texts word by word. Plain OCR answers no question: what an answer
has of amounts, dates and numbers is looked for in what it read; where an answer has none of these, their words are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from glimpsed.evaluate.meaning import EAST, amounts, day, differences, fields, plain, same
from glimpsed.model import Answer, Doubt, DoubtfulField, DoubtfulWords

MOST = 200  # differences that are listed; the agreement counts all
_LONGEST = 5000  # words of a text that are aligned; of a longer one, so many at a time
# Dates and numbers with white space in them.
_SPACED = re.compile(
    r"\b\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?[日号]?"
    r"|\b\d{1,2}(?:st|nd|rd|th|\.)?\s(?:of\s)?[^\W\d]{3,10}\.?,?\s\d{4}\b"
    r"|\b[^\W\d]{3,10}\.?\s\d{1,2}(?:st|nd|rd|th)?,?\s\d{4}\b"
    r"|(?<!\S)[+\-−]?\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:[.,]\d+)?(?!\w)"
)
_NUMBER = re.compile(r"[+\-−]?\d[\d.,'’]*")
_LESS = re.compile(r"\([^()\n\d]{0,4}\d[\d.,'’ ]*[^()\n\d]{0,4}\)|[\-−–]\s?[€$£¥]?\s?\d[\d.,'’]*")
_EASTERN_DAY = re.compile(
    r"[〇零一二三四五六七八九]{4}\s?年\s?[一二三四五六七八九十]{1,2}\s?月\s?[一二三四五六七八九十]{1,3}\s?[日号]"
)
_WORD = re.compile(rf"[{EAST}]|[^\s{EAST}]+")  # of scripts without spaces, each character
# Characters that a value has at least, and per cent, to be looked for as one that was misread.
_FUZZY, _ALIKE = 5, 75.0
_AROUND = ".,:;!?()[]{}<>\"'„“”«»…|"


def doubt(answer: Answer, reading: Answer, *, by: str, plain_text: bool) -> Doubt | None:
    """Where this second reading differs from the answer; None: nowhere. `plain_text`: of an OCR engine."""
    if plain_text:
        return _looked_for(answer, _whole(reading), by)
    if _data(answer) is not None:
        return _fields(_data(answer), _data(reading), by)
    return _words(_whole(answer), _whole(reading), by)


def _data(answer: Answer) -> Any:
    """What a schema asked for, located as in the JSON sidecar; None without a schema."""
    if answer.pages is None or answer.data is None:
        return answer.data
    return {"pages": [{"data": page.data} for page in answer.pages]}


def _whole(answer: Answer) -> str:
    return "\n".join(page.text for page in answer.pages) if answer.pages else answer.text


def _fields(data: Any, other: Any, by: str) -> Doubt | None:
    found = [DoubtfulField(path=d.path, value=d.value, other=d.other) for d in differences(data, other)]
    values = {path for path, _ in fields(data)} | {path for path, _ in fields(other)}
    return _doubt(by, len(values | {one.path for one in found}), len(found), fields=found)


def _looked_for(answer: Answer, text: str, by: str) -> Doubt | None:
    """Each amount, date and number of the answer, in a text that was read without a question."""
    read = Figures(text)
    data = _data(answer)
    if data is not None:
        values = [(path, value) for path, value in fields(data) if _is_figure(value)]
        lost = [DoubtfulField(path=path, value=value) for path, value in values if not read.has(str(value))]
        return _doubt(by, len(values), len(lost), fields=lost)
    words = list(dict.fromkeys(figures(_whole(answer))))
    if not words:
        return _words(_whole(answer), text, by)
    missing = [DoubtfulWords(value=word) for word in words if not read.has(word)]
    return _doubt(by, len(words), len(missing), words=missing)


def figures(text: str) -> Iterator[str]:
    """The dates, amounts and numbers in a text, as they stand there: whatever has a digit."""
    last = 0
    for spaced in _SPACED.finditer(text):
        yield from _single(text[last : spaced.start()])
        yield spaced[0]
        last = spaced.end()
    yield from _single(text[last:])


def _single(text: str) -> Iterator[str]:
    for word in text.split():
        if any(c.isdigit() for c in word):
            yield word.strip(_AROUND)


def _is_figure(value: Any) -> bool:
    """Whether a value is an amount, a date or a number: plain words need not stand on the page as they are."""
    if isinstance(value, bool) or value is None:
        return False
    text = str(value)
    known = bool(amounts(text)) or day(text) is not None
    return known or (any(c.isdigit() for c in text) and len(text.split()) == 1)


class Figures:
    """What has a digit in a text that was read, by what it means."""

    def __init__(self, text: str) -> None:
        found = [*figures(text), *_LESS.findall(text), *_EASTERN_DAY.findall(text)]
        found += [number for word in found for number in _NUMBER.findall(word)]  # of what is run together
        self._words = {_bare(word) for word in found}
        self._days = {day(word) for word in found} - {None}
        self._amounts = {amount for word in found for amount in amounts(word)}
        self._text = _bare(text)

    def has(self, value: str) -> bool:
        """Whether this value stands in the text, in whatever form."""
        bare, date = _bare(value), day(value)
        if date in self._days or bare in self._words or not self._amounts.isdisjoint(amounts(value)):
            return True
        # An engine may have run it together with its neighbour; what has no figures was not among the words.
        whole = len(bare) >= 4 or not any(c.isdigit() for c in bare)
        return whole and bare in self._text


def lines_with(values: Sequence[str], lines: Sequence[str]) -> list[list[int]]:
    """For each of these values, the lines where it stands, in whatever form it does; else the one that is most like it.

    What is doubtful is not read there as it is, after all.
    """
    read, bare = [Figures(line) for line in lines], [_bare(line) for line in lines]
    found = []
    for value in values:
        wanted = _bare(value)
        there: list[int] = []
        if any(c.isdigit() for c in wanted) or len(wanted) > 2:
            there = [at for at, line in enumerate(read) if line.has(value)]
        if not there and len(wanted) >= _FUZZY:
            alike = process.extractOne(wanted, bare, scorer=fuzz.partial_ratio, score_cutoff=_ALIKE)
            there = [alike[2]] if alike else []
        found.append(there)
    return found


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", plain(text))


def _words(text: str, other: str, by: str) -> Doubt | None:
    one, two = list(_WORD.finditer(text)), list(_WORD.finditer(other))
    compared = differing = 0
    found: list[DoubtfulWords] = []
    for start in range(0, max(len(one), len(two)), _LONGEST):
        some, others = one[start : start + _LONGEST], two[start : start + _LONGEST]
        for value, there in _aligned(some, others):
            size = max(len(value), len(there))
            compared += size
            here, beside = _said(value), _said(there)
            if not same(here, beside):
                differing += size
                found.append(DoubtfulWords(value=here, other=beside or None))
    return _doubt(by, compared, differing, words=found)


def _said(words: list[re.Match[str]]) -> str:
    """As they stand there, in one line."""
    return " ".join(words[0].string[words[0].start() : words[-1].end()].split()) if words else ""


def _aligned(
    one: list[re.Match[str]], two: list[re.Match[str]]
) -> Iterator[tuple[list[re.Match[str]], list[re.Match[str]]]]:
    """Words beside words: single ones that are alike, and between these all that is not."""
    i = j = 0
    for block in Levenshtein.opcodes([plain(word[0]) for word in one], [plain(word[0]) for word in two]):
        if block.tag != "equal":
            continue
        if block.src_start > i or block.dest_start > j:
            yield one[i : block.src_start], two[j : block.dest_start]
        yield from (([word], [word]) for word in one[block.src_start : block.src_end])
        i, j = block.src_end, block.dest_end
    if one[i:] or two[j:]:
        yield one[i:], two[j:]


def _doubt(
    by: str,
    compared: int,
    differing: int,
    *,
    fields: list[DoubtfulField] | None = None,
    words: list[DoubtfulWords] | None = None,
) -> Doubt | None:
    if not differing:
        return None
    agreement = max(0.0, round(1 - differing / max(compared, differing), 4))
    return Doubt(
        by=by, agreement=agreement, fields=tuple((fields or [])[:MOST]), words=tuple((words or [])[:MOST])
    )
