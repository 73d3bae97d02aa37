from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.evaluate import meaning
from glimpsed.evaluate.score import Known, Reading, score

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
                Known(data=known),
                Reading(data={"total": "12,50", "items": [{"price": 1}, {"price": 9}]}, seconds=2),
            ),
            (
                Known(data=known),
                Reading(data={"total": "12,50", "items": [{"price": 1}]}, seconds=3, cost=0.02),
            ),
            (Known(data=known), Reading(error="refused", seconds=9)),
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
            (Known(text="abcd efgh"), Reading(text="abcd  efgx\n")),
            (Known(text="x"), Reading(text="")),
        ]
    )
    assert found.cer == pytest.approx(2 / 10)
    assert found.wer == pytest.approx(2 / 3)
    assert found.fields == {}
