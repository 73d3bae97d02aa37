"""Whether two readings of one value mean the same, pure.

What two readers write of one invoice differs in ways that nobody minds: `1.234,50` and `1234.5`, `5 Sept 2024` and
`2024-09-05`, white space, case, full width letters. A value is read as everything that it may mean, and two values
are the same where they share a meaning. A date whose order nobody can tell (`05/09/2024`) means no day, only itself.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any

_LONGEST = 64  # characters of what may be a number or a date
_MONTHS = (
    "jan januar january janvier janv enero ene gennaio gen januari janeiro jänner",
    "feb februar february février fevrier févr febrero febbraio februari fevereiro fev",
    "mar märz maerz march mars marzo maart março mrz",
    "apr april avril avr abril abr aprile",
    "may mai mayo maggio mag mei maio",
    "jun juni june juin junio giugno giu junho",
    "jul juli july juillet juil julio luglio lug julho",
    "aug august août aout agosto ago augustus",
    "sep sept september septembre septiembre settembre set setembro",
    "oct okt oktober october octobre octubre ottobre ott out outubro",
    "nov november novembre noviembre novembro",
    "dec dez dezember december décembre decembre déc diciembre dic dicembre desember dezembro",
)
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_CURRENCIES = {
    "€": "eur", "$": "usd", "us$": "usd", "£": "gbp", "¥": "cny", "元": "cny", "円": "jpy", "rmb": "cny",
    "eur": "eur", "euro": "eur", "usd": "usd", "gbp": "gbp", "chf": "chf", "cny": "cny", "jpy": "jpy",
    "fr.": "chf", "kr": "kr", "zł": "pln", "pln": "pln",
}  # fmt: skip
_FIGURES = re.compile(r"[+\-−]?\d[\d.,'’ \u00a0\u202f]*-?")
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[t ][\d:.]+(?:z|[+-][\d:]+)?)?")
_EAST = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]?")
_DAY_FIRST = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}|\d{2})")
_EITHER = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})")
_NAMED = (
    re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|\.)?[\s-]*(?:of |de |di )?(?P<month>[^\W\d]+)\.?,?[\s-]*(?:de )?(?P<year>\d{4})"),
    re.compile(r"(?P<month>[^\W\d]+)\.?[\s-]*(?P<day>\d{1,2})(?:st|nd|rd|th)?,?[\s-]+(?P<year>\d{4})"),
)  # fmt: skip


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
    """Whether two values mean the same. Nothing, an empty text and an empty list all mean nothing."""
    if _nothing(one) or _nothing(other):
        return _nothing(one) and _nothing(other)
    if isinstance(one, Mapping | list) or isinstance(other, Mapping | list):
        return type(one) is type(other) and next(differences(one, other), None) is None
    if isinstance(one, bool) or isinstance(other, bool):
        return plain(str(one)) == plain(str(other))
    first, second = plain(str(one)), plain(str(other))
    return first == second or _share(first, second)


def plain(text: str) -> str:
    """A text without what nobody minds: width and form of its characters, case, white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def day(text: str) -> dt.date | None:
    """The day that a text names, and nothing else; None where its order is anybody's guess."""
    text = plain(text)
    if len(text) > _LONGEST:
        return None
    if (found := _ISO.fullmatch(text) or _EAST.fullmatch(text)) is not None:
        return _date(*map(int, found.groups()))
    if (found := _DAY_FIRST.fullmatch(text)) is not None:
        number, month, year = map(int, found.groups())
        return _date(year + 2000 if year < 100 else year, month, number)
    if (found := _EITHER.fullmatch(text)) is not None:
        return _in_either_order(*map(int, found.groups()))
    named = (pattern.fullmatch(text) for pattern in _NAMED)
    found = next((f for f in named if f is not None and f["month"] in _MONTH), None)
    return _date(int(found["year"]), _MONTH[found["month"]], int(found["day"])) if found else None


def _in_either_order(first: int, second: int, year: int) -> dt.date | None:
    """Day and month where only one order makes a date, or both the same."""
    if first != second and max(first, second) <= 12:
        return None
    return _date(year, min(first, second), max(first, second))


def amounts(text: str) -> frozenset[Decimal]:
    """The numbers that a text may mean when it is a number with or without a currency; else none."""
    figures, _ = _amount(plain(text))
    return figures


def _share(one: str, other: str) -> bool:
    days = day(one), day(other)
    if days[0] is not None or days[1] is not None:
        return days[0] == days[1]
    (figures, currency), (others, other_currency) = _amount(one), _amount(other)
    if currency and other_currency and currency != other_currency:
        return False
    return not figures.isdisjoint(others)


def _amount(text: str) -> tuple[frozenset[Decimal], str | None]:
    """What a text may mean as a number, and its currency where it names one."""
    if len(text) > _LONGEST or (found := _FIGURES.search(text)) is None:
        return frozenset(), None
    around = (text[: found.start()] + text[found.end() :]).strip()
    if around not in {"", "%"} and around not in _CURRENCIES:
        return frozenset(), None
    figures = frozenset(_numbers(found[0].strip()))
    return figures, _CURRENCIES.get(around, around or None)


def _numbers(figures: str) -> Iterator[Decimal]:
    """Each number that figures with marks may stand for: `1.234` is 1234 or 1.234, `1.234,50` only 1234.5."""
    figures = figures.replace("−", "-")
    if figures.endswith("-"):
        figures = f"-{figures[:-1]}"
    if re.match(r"[+-]?0\d", figures):  # a number of an invoice or a telephone, not an amount
        return
    figures = re.sub(r"[ '’\u00a0\u202f](?=\d{3}(?:\D|$))", "", figures).strip()
    for thousands, mark in ((",", "."), (".", ",")):
        whole, _, fraction = figures.partition(mark)
        grouped = thousands in whole
        if grouped and not re.fullmatch(rf"[+-]?\d{{1,3}}(?:\{thousands}\d{{3}})+", whole):
            continue
        try:
            yield Decimal(whole.replace(thousands, "") + (f".{fraction}" if fraction else ""))
        except InvalidOperation:
            continue


def _date(year: int, month: int, number: int) -> dt.date | None:
    try:
        return dt.date(year, month, number)
    except ValueError:
        return None


def _nothing(value: Any) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
