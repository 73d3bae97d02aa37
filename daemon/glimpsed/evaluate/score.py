"""How right the answers of one model to one prompt were, from files whose right answers are known; pure.

Counts are exact: fields by `meaning`, characters and words by Levenshtein's distance over all files together, as
speech and text recognition are measured (a long page weighs more than a short one).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rapidfuzz.distance import Levenshtein

from glimpsed.evaluate import meaning

_INDEX = re.compile(r"\.\d+(?=\.|$)")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is right for a file: the object that its folder's schema describes, or its text."""

    data: Any = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model made of a file; `error` instead of an answer where there was none."""

    data: Any = None
    text: str = ""
    error: str | None = None
    schema_failed: bool = False
    seconds: float = 0.0
    cost: float | None = 0.0


@dataclass(slots=True)
class FieldScore:
    """How often a field was right, said otherwise, or left out."""

    right: int = 0
    wrong: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """One model and prompt over all files. Rates are None where no file's text is known."""

    files: int
    fields: dict[str, FieldScore]
    cer: float | None  # edits of characters by the characters of the right texts
    wer: float | None  # the same of words
    schema_failures: int
    errors: int
    seconds: float  # the median file's
    cost_per_1000: float | None  # None: a price is missing

    @property
    def right(self) -> float | None:
        """The share of what is right: of all fields, and of all characters where there are only texts."""
        counts = self.fields.values()
        every = sum(f.right + f.wrong + f.missing for f in counts)
        if every:
            return sum(f.right for f in counts) / every
        return None if self.cer is None else max(0.0, 1.0 - self.cer)


@dataclass(slots=True)
class _Edits:
    edits: int = 0
    length: int = 0

    def add(self, right: Sequence[str], read: Sequence[str]) -> None:
        self.edits += Levenshtein.distance(right, read)
        self.length += len(right)

    @property
    def rate(self) -> float | None:
        return self.edits / self.length if self.length else None


@dataclass(slots=True)
class _Sums:
    fields: dict[str, FieldScore] = field(default_factory=dict)
    characters: _Edits = field(default_factory=_Edits)
    words: _Edits = field(default_factory=_Edits)


def score(results: Iterable[tuple[Truth, Reading]]) -> Score:
    """Reckon up the readings of all files. A file without an answer has all its fields missing, all its text wrong."""
    pairs = list(results)
    sums = _Sums()
    for known, reading in pairs:
        if known.data is not None:
            _count(sums.fields, known.data, reading.data)
        if known.text is not None:
            right, read = (" ".join(text.split()) for text in (known.text, reading.text))
            sums.characters.add(right, read)
            sums.words.add(right.split(), read.split())
    costs = [reading.cost for _, reading in pairs]
    seconds = sorted(reading.seconds for _, reading in pairs)
    return Score(
        files=len(pairs),
        fields=sums.fields,
        cer=sums.characters.rate,
        wer=sums.words.rate,
        schema_failures=sum(reading.schema_failed for _, reading in pairs),
        errors=sum(reading.error is not None for _, reading in pairs),
        seconds=seconds[len(seconds) // 2] if seconds else 0.0,
        cost_per_1000=_per_1000(costs),
    )


def _count(fields: dict[str, FieldScore], right: Any, read: Any) -> None:
    """Each value of either; of a list's entries together, under the name without their numbers."""
    expected, found = dict(meaning.fields(right)), dict(meaning.fields(read))
    for path in dict.fromkeys([*expected, *found]):
        if not path or (path not in expected and meaning.nothing(found[path])):  # no object, or no such field
            continue
        counts = fields.setdefault(_INDEX.sub("", path), FieldScore())
        value = found.get(path)
        if meaning.same(expected.get(path), value):
            counts.right += 1
        elif meaning.same(value, None):
            counts.missing += 1
        else:
            counts.wrong += 1


def _per_1000(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return None if len(known) < len(costs) or not costs else 1000 * sum(known) / len(costs)
