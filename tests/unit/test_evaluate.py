from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.evaluate import meaning
from glimpsed.evaluate.score import Reading, Truth, score

amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=2)
days = st.dates(dt.date(1900, 1, 1), dt.date(2099, 12, 31))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.234,50", 1234.5),
        ("1 234,50 €", "1,234.50"),
        ("EUR 12", "12.00"),
        ("5,00-", -5),
        ("10 %", "10"),
        ("5 Sept 2024", "2024-09-05"),
        ("05.09.2024", "September 5, 2024"),
        ("5. März 2024", "2024-03-05T00:00:00Z"),
        ("2024年9月5日", "5.9.24"),
        ("25/12/2024", "12/25/2024"),
        ("ＡＢＣ  Ltd", "abc ltd"),
        ("", None),
        ([], None),
        (True, "true"),
        ({"a": [1, "x"]}, {"a": ["1,0", "X"], "b": None}),
        # Figures of other scripts and of cheques.
        ("二〇二四年九月五日", "2024-09-05"),
        ("二零二四年十二月二十五日", "25.12.2024"),
        ("2024 年 9 月 5 日 星期四", "2024-9-5"),
        ("2024년 9월 5일", "5-Sep-24"),
        ("壹仟贰佰叁拾肆元伍角陆分", 1234.56),
        ("叁拾元整", "￥30.00"),
        ("两万五千元", "25,000元"),
        ("1.5万", 15000),
        ("一亿二千万", 120_000_000),
        ("百分之十九", "19%"),
        ("負五", -5),
        ("٣٤", 34),
        # Marks, signs and currencies.
        ("1’234’567.50", "1234567.5"),
        ("12,34,567.50", "1234567,5"),
        ("$1,234.50", "1234.5 USD"),
        ("¥1000", "1000円"),
        ("¥1000", "1000元"),
        ("CA$5", "$5"),
        ("(1,234.50)", -1234.5),
        ("($5.00)", "-$5"),
        ("$-5", "−5,00 USD"),
        ("5,-", "5"),
        ("Fr. 5.–", "5.00 CHF"),
        ("19 %", 0.19),
        ("19 Prozent", "19%"),
        ("5,0 kg", "5kg"),
        (".5", 0.5),
        (1.234, "1,234"),
        (1e20, 10**20),
        ("DE12 3456 7890", "DE1234567890"),
        # Times.
        ("2024-09-05T10:00:00Z", "2024-09-05T12:00:00+02:00"),
        ("2024-09-05T23:30-05:00", "2024-09-06T04:30:00.000Z"),
        ("5 Sept 2024, 2:30 pm", "2024-09-05 14:30"),
        ("14:30:00", "14:30 Uhr"),
        ("Thursday, 5 September 2024", "Do, 05.09.2024"),
        ("05/09/2024", "5/9/24"),  # of whatever order, they are one
        ("12.03.55", "1955-03-12"),
        ("20240905", "2024-09-05"),
        # Nothing, and yes.
        ({"a": {"b": "", "c": [None]}}, None),
        ("N/A", None),
        ("–", None),
        (True, "yes"),
        (False, "否"),
        ("O’Brien", "O'Brien"),
        ("北京 市", "北京市"),
        ([[1, [2]]], [["1", ["2.0"]]]),
    ],
)
def test_what_means_the_same_is_the_same(one: Any, other: Any) -> None:
    assert meaning.same(one, other)
    assert meaning.same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("05/09/2024", "2024-09-05"),  # nobody can tell its order
        ("12 EUR", "12 USD"),
        ("00123", "123"),  # an invoice's number
        ("1.234,50", "1.234,5x"),
        ("100", "1000"),
        (None, "x"),
        (0, None),
        (["a", "b"], ["b", "a"]),
        (["a"], ["a", "b"]),
        ({"a": 1}, [1]),
        ("12.13.2024", "2024-12-13"),
        (True, 1),
        (1.234, 1234),  # JSON's numbers mean exactly one
        ("0.123", "123"),
        ("2024-09-05T10:00:00Z", "2024-09-05T15:00:00Z"),
        ("2024-09-05T10:00+02:00", "2024-09-05T10:00Z"),
        ("05/09/2024", "05.09.2024"),
        ("10:00", "10:01"),
        ("5,-", "-5"),
        ("(5)", "5"),
        ("-5", "5"),
        ("19%", "0.19%"),
        ("19%", "19 €"),
        ("¥1000", "$1000"),
        ("5 kg", "5 g"),
        ("12a", "12"),
        ("1,23,45", "12345"),
        ("12 34", "1234"),
        ("5 1/2", "51/2"),
        ("007", 7),
        ("三百五", "305"),  # 350 to most
        (False, None),
        ("0", ""),
        ("none", None),
    ],
)
def test_what_means_something_else_differs(one: Any, other: Any) -> None:
    assert not meaning.same(one, other)
    assert not meaning.same(other, one)


@given(amounts)
def test_an_amount_is_the_same_with_either_decimal_mark_and_with_groups(amount: Decimal) -> None:
    english = f"{amount:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    for text in (english, german, german.replace(".", " "), f"{german} €", f"{amount:.2f}"):
        assert meaning.same(text, float(amount)), text


@given(amounts, amounts)
def test_two_amounts_with_cents_are_the_same_only_if_they_are(one: Decimal, other: Decimal) -> None:
    assert meaning.same(f"{one:,.2f}", f"{other:.2f}") == (one == other)


@given(days)
def test_a_day_is_the_same_in_any_order_that_is_not_ambiguous(day: dt.date) -> None:
    for text in (
        f"{day:%d.%m.%Y}",
        f"{day:%d %B %Y}",
        f"{day:%b %d, %Y}",
        f"{day:%Y/%m/%d}",
        f"{day:%Y年%m月%d日}",
    ):
        assert meaning.same(text, day.isoformat()), text
    if day.day > 12:
        assert meaning.same(f"{day:%d/%m/%Y}", f"{day:%m/%d/%Y}")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=20,
)


@given(values, values)
def test_any_two_values_can_be_compared_and_the_order_does_not_matter(one: Any, other: Any) -> None:
    assert meaning.same(one, one)
    assert meaning.same(one, other) == meaning.same(other, one)
    assert (next(meaning.differences(one, other), None) is None) == meaning.same(one, other) or isinstance(
        one, dict | list
    )


@given(st.integers(0, 10**12 - 1))
def test_a_number_in_chinese_characters_is_the_same_in_figures(number: int) -> None:
    assert meaning.same(chinese(number), number), chinese(number)
    assert meaning.same(chinese(number), number + 1) is False


def chinese(number: int) -> str:
    """As on a cheque: with a zero wherever places are left out."""
    if number == 0:
        return "零"
    parts = [(number // scale % 10_000, unit) for scale, unit in ((10**8, "亿"), (10**4, "万"), (1, ""))]
    said = "".join(
        f"零{_below_ten_thousand(part)}{unit}" if part < 1000 else f"{_below_ten_thousand(part)}{unit}"
        for part, unit in parts
        if part
    )
    return said.lstrip("零")


def _below_ten_thousand(number: int) -> str:
    said = ""
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        figure = number // place % 10
        said += f"{'零一二三四五六七八九'[figure]}{unit if figure else ''}"
    return re.sub("零+", "零", said).strip("零")


moments = st.datetimes(timezones=st.just(dt.UTC)).filter(lambda at: 1000 < at.year < 9999)
offsets = st.integers(-14 * 4, 14 * 4).map(lambda quarters: dt.timezone(dt.timedelta(minutes=15 * quarters)))


@given(moments, moments, offsets)
def test_an_instant_is_the_same_in_any_zone_and_no_other_is(
    one: dt.datetime, other: dt.datetime, zone: dt.timezone
) -> None:
    one, other = one.replace(microsecond=0), other.replace(microsecond=0)
    assert meaning.same(one.isoformat(), one.astimezone(zone).isoformat())
    assert meaning.same(one.isoformat(), other.astimezone(zone).isoformat()) == (one == other)


@given(st.text("0123456789.,'-+ ()%$€元年月日:/TZ一二十百万点整角分 abc", max_size=70))
def test_no_text_that_is_nearly_a_number_or_a_date_is_too_much(text: str) -> None:
    meaning.day(text)
    assert all(number.is_finite() for number in meaning.amounts(text))
    assert meaning.same(text, text)


def test_differences_name_their_place() -> None:
    one = {"total": "10,00", "items": [{"price": 1}, {"price": 2}], "date": "2024-09-05"}
    other = {"total": 10, "items": [{"price": 1}, {"price": 3}], "supplier": "Berg"}
    assert [(d.path, d.value, d.other) for d in meaning.differences(one, other)] == [
        ("items.1.price", 2, 3),
        ("date", "2024-09-05", None),
        ("supplier", None, "Berg"),
    ]


def test_a_score_counts_fields_by_name_and_texts_by_their_length() -> None:
    known = {"total": 12.5, "items": [{"price": 1}, {"price": 2}], "note": None}
    found = score(
        [
            (
                Truth(data=known),
                Reading(data={"total": "12,50", "items": [{"price": 1}, {"price": 9}]}, seconds=2),
            ),
            (
                Truth(data=known),
                Reading(data={"total": "12,50", "items": [{"price": 1}]}, seconds=3, cost=0.02),
            ),
            (Truth(data=known), Reading(error="refused", seconds=9)),
        ]
    )
    counts = {name: (f.right, f.wrong, f.missing) for name, f in found.fields.items()}
    assert counts == {"total": (2, 0, 1), "items.price": (2, 1, 3), "note": (3, 0, 0)}
    assert (found.files, found.errors, found.seconds, found.cer) == (3, 1, 3, None)
    assert found.cost_per_1000 == pytest.approx(1000 * 0.02 / 3)
    assert found.right == pytest.approx(7 / 12)


def test_error_rates_are_those_of_all_texts_together() -> None:
    found = score(
        [
            (Truth(text="abcd efgh"), Reading(text="abcd  efgx\n")),
            (Truth(text="x"), Reading(text="")),
        ]
    )
    assert found.cer == pytest.approx(2 / 10)
    assert found.wer == pytest.approx(2 / 3)
    assert found.fields == {}


def test_nothing_where_nothing_is_known_is_no_field() -> None:
    found = score(
        [(Truth(data={"total": 1, "address": None}), Reading(data={"total": 1, "address": {"street": None}}))]
    )
    assert {name: (of.right, of.wrong, of.missing) for name, of in found.fields.items()} == {
        "total": (1, 0, 0),
        "address": (1, 0, 0),
    }
