"""Whether two readings of one value mean the same, pure.

What two readers write of one invoice differs in ways that nobody minds: `1.234,50` and `1234.5`, `5 Sept 2024` and
`2024-09-05`, white space, case, full width letters, the form of quotes and dashes. A value is read as everything that
it may mean (`amounts`, `moments`), and two values are the same where they share a meaning.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from glimpsed.evaluate import moments
from glimpsed.evaluate.amounts import Amount, amount
from glimpsed.evaluate.moments import moment
from glimpsed.evaluate.numerals import in_figures

_LONGEST = 64  # characters of a number by which something is known
_ALIKE = str.maketrans(
    dict.fromkeys("‘’‚‛ʼ′`´", "'") | dict.fromkeys("“”„‟«»″", '"') | dict.fromkeys("‐‑‒–—―−﹣", "-")
)
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
EAST = "\u2e80-\u9fff\uf900-\ufaff"  # scripts that have no spaces
_SPACE_THERE = re.compile(rf"(?<=[{EAST}]) | (?=[{EAST}])")
_FRACTION = re.compile(r"\d \d+/\d")
_TRUTH = dict.fromkeys(("true", "yes", "ja", "oui", "sí", "wahr", "是"), True) | dict.fromkeys(
    ("false", "no", "nein", "non", "falsch", "否"), False
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where two readings differ: dotted, lists by index from 0; None where a reading lacks it."""

    path: str
    value: Any
    other: Any


def differences(value: Any, other: Any, path: str = "") -> Iterator[Difference]:
    """Where the second reading means something else, in the order of the first. Lists compare place by place."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*value, *other]):
            yield from differences(value.get(key), other.get(key), _below(path, key))
    elif isinstance(value, list) and isinstance(other, list):
        for number, (one, two) in enumerate(zip_longest(value, other)):
            yield from differences(one, two, _below(path, number))
    elif not same(value, other):
        yield Difference(path, value, other)


def fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each single value with its path, as `differences` names it; empty lists and objects have none."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from fields(below, _below(path, key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from fields(below, _below(path, number))
    else:
        yield path, value


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same. Nothing is also an empty text, a dash, and a list or object of nothing."""
    if nothing(one) or nothing(other):
        return nothing(one) and nothing(other)
    if isinstance(one, Mapping | list) or isinstance(other, Mapping | list):
        return type(one) is type(other) and next(differences(one, other), None) is None
    first, second = plain(str(one)), plain(str(other))
    if isinstance(one, bool) or isinstance(other, bool):
        return first == second or _same_truth(one, other)
    if first == second or _run_together(first, second):
        return True
    here, there = moment(in_figures(first)), moment(in_figures(second))
    if here is not None and there is not None:
        return here.same(there)
    return _number(one, first).same(_number(other, second))


def nothing(value: Any) -> bool:
    """Whether a value says that there is none."""
    if isinstance(value, Mapping):
        return all(map(nothing, value.values()))
    if isinstance(value, list):
        return all(map(nothing, value))
    if isinstance(value, str):
        text = plain(value)
        return not text.strip("-") or text in {"n/a", "n.a.", "null"}
    return value is None


def plain(text: str) -> str:
    """A text without what nobody minds: width and form of its characters, case, white space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).translate(_ALIKE)
        text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
        text = _SPACE_THERE.sub("", " ".join(text.split()))
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.casefold().split())


def day(text: str) -> dt.date | None:
    """The day that a text names, and nothing else; None where its order is anybody's guess."""
    return moments.day(in_figures(plain(text)))


def amounts(text: str) -> frozenset[Decimal]:
    """The numbers that a text may mean when it is a number with or without a currency; else none."""
    found = amount(plain(text))
    return frozenset() if found.unit else found.figures


def truth(text: str) -> bool | None:
    """What a word for yes or no means."""
    return _TRUTH.get(plain(text))


def _same_truth(one: Any, other: Any) -> bool:
    """Of a boolean and a word for it; two that are both of JSON are compared as what they are."""
    read = [truth(value) if isinstance(value, str) else value for value in (one, other)]
    return isinstance(read[0], bool) and read[0] is read[1]


def _number(value: Any, text: str) -> Amount:
    """JSON's numbers mean exactly one."""
    return amount(text) if isinstance(value, str) else Amount(frozenset({Decimal(str(value))}))


def _run_together(one: str, other: str) -> bool:
    """Numbers by which something is known (an IBAN, an order, 5kg) are the same with spaces and without."""
    short, long = (one, other) if " " not in one else (other, one)
    if " " in short or len(long) > _LONGEST or short != long.replace(" ", ""):
        return False
    letters = any(c.isalpha() for c in short)
    return any(c.isdigit() for c in short) and (letters or len(short) >= 6) and not _FRACTION.search(long)


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
