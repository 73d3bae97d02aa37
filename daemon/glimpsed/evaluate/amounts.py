"""Numbers in a text, with a currency, a per cent sign or a unit, whatever way they are written in; pure.

A text is read as every number that it may mean: `1.234` is 1234 or 1.234, `1.234,50` only 1234.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from glimpsed.evaluate.numerals import SCALES, in_figures

_LONGEST = 64  # characters of what may be a number
_CURRENCIES = {
    "eur": "€ eur euro euros 欧元 歐元",
    "usd": "$ us$ usd dollar dollars 美元",
    "cad": "$ c$ ca$ cad", "aud": "$ a$ au$ aud", "nzd": "$ nz$ nzd", "sgd": "$ s$ sgd", "mxn": "$ mx$ mxn",
    "hkd": "$ hk$ hkd 港元", "twd": "$ nt$ twd 元", "brl": "r$ brl",
    "gbp": "£ gbp pound pounds", "chf": "chf fr fr. sfr sfr.", "inr": "₹ rs rs. inr",
    "cny": "¥ 元 圆 圓 块 rmb cny 人民币 人民幣", "jpy": "¥ 円 圓 yen jpy 日元", "krw": "₩ 원 krw",
    "sek": "kr kr. sek", "nok": "kr kr. nok", "dkk": "kr kr. dkk", "pln": "zł pln", "czk": "kč czk", "huf": "ft huf",
    "rub": "₽ руб руб. rub", "try": "₺ tl try", "ils": "₪ ils", "thb": "฿ thb", "vnd": "₫ vnd", "uah": "₴ uah",
}  # fmt: skip
_CURRENCY: dict[str, frozenset[str]] = {}
for _code, _names in _CURRENCIES.items():
    for _name in _names.split():
        _CURRENCY[_name] = _CURRENCY.get(_name, frozenset()) | {_code}
_PER_CENT = frozenset({"%", "percent", "per cent", "prozent", "pct", "pct."})
_FIGURES = re.compile(r"(?:\d|[.,]\d)[\d.,' ]*")
_PARENTHESES = re.compile(r"([^()]*)\(([^()]*\d[^()]*)\)([^()]*)")
_SCALE = re.compile("|".join(sorted(SCALES, key=len, reverse=True)))
_UNIT = re.compile(r"[^\W\d_°µ]{1,8}[²³23]?(?:/[^\W\d_]{1,5}[²³]?)?|[°‰][cf]?|µ[gml]")
_MINUS = "-△▲"


@dataclass(frozen=True, slots=True)
class Amount:
    """What a text may mean as a number, and of what."""

    figures: frozenset[Decimal] = frozenset()
    currencies: frozenset[str] = frozenset()  # each that the sign may stand for; none: it names none
    per_cent: bool = False
    unit: str = ""

    def same(self, other: Amount) -> bool:
        """Whether both may be one. 19 % is what others write as 19, or as 0.19."""
        if self.unit != other.unit or (
            (self.per_cent or other.per_cent) and (self.currencies | other.currencies)
        ):
            return False
        if self.currencies and other.currencies and self.currencies.isdisjoint(other.currencies):
            return False
        if self.per_cent == other.per_cent:
            return not self.figures.isdisjoint(other.figures)
        per_cent, plain = (self, other) if self.per_cent else (other, self)
        return any(number in plain.figures or number / 100 in plain.figures for number in per_cent.figures)


def amount(text: str) -> Amount:
    """A text that is a number and what belongs to one; any other means none. The text is `plain` already."""
    if len(text) > _LONGEST:
        return Amount()
    text, sign = in_figures(text), 1
    if (inside := _PARENTHESES.fullmatch(text)) is not None:  # as accountants write what is less than nothing
        text, sign = "".join(inside.groups()), -1
    if (found := _FIGURES.search(text)) is None:
        return Amount()
    figures, before, after = found[0].strip(), text[: found.start()].strip(), text[found.end() :].strip()
    if figures[-1] in ".," and after.startswith("-"):  # 5,- is 5 without a cent
        figures, after = figures[:-1], after.lstrip("-").strip()
    before, less = _unsigned(before)
    after, less_after = _unsigned(after) if not less and after[:1] == "-" else (after, False)
    sign *= -1 if less or less_after else 1
    scale = 1
    if (scaled := _SCALE.match(after)) is not None:
        scale, after = SCALES[scaled[0]], after[scaled.end() :].strip()
    numbers = frozenset(number * sign * scale for number in _numbers(figures))
    return _of(numbers, before, after)


def _of(numbers: frozenset[Decimal], before: str, after: str) -> Amount:
    if (not before and after in _PER_CENT) or (not after and before == "%"):
        return Amount(numbers, per_cent=True)
    signs = [_CURRENCY.get(word) for word in (*before.split(), *after.split())]
    if not signs:
        return Amount(numbers)
    known = [sign for sign in signs if sign is not None]
    if len(known) == len(signs):
        currencies = frozenset.intersection(*known)
        return Amount(numbers, currencies) if currencies else Amount()
    return Amount(numbers, unit=after) if not before and _UNIT.fullmatch(after) else Amount()


def _unsigned(text: str) -> tuple[str, bool]:
    """What stands before figures or after them without a sign, and whether that is a minus."""
    if text[:1] and text[0] in _MINUS + "+":
        return text[1:].strip(), text[0] != "+"
    if text[-1:] and text[-1] in _MINUS + "+":
        return text[:-1].strip(), text[-1] != "+"
    return text, False


def _numbers(figures: str) -> Iterator[Decimal]:
    """Each number that figures with marks may stand for."""
    if re.match(r"0\d", figures):  # a number of an invoice or a telephone, not an amount
        return
    figures = re.sub(r"[ '](?=\d{3}(?:\D|$))", "", figures)
    for thousands, mark in ((",", "."), (".", ",")):
        whole, _, fraction = figures.partition(mark)
        if thousands in whole and not _grouped(whole, thousands):
            continue
        try:
            yield Decimal(whole.replace(thousands, "") + (f".{fraction}" if fraction else ""))
        except InvalidOperation:
            continue


def _grouped(whole: str, mark: str) -> bool:
    """By thousands; with commas also as in India: 12,34,567."""
    if re.fullmatch(rf"[1-9]\d{{0,2}}(?:\{mark}\d{{3}})+", whole):
        return True
    return mark == "," and re.fullmatch(r"[1-9]\d?(?:,\d\d)+,\d{3}", whole) is not None
