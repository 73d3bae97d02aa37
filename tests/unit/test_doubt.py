"""How far two readings agree: pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from glimpsed.evaluate.doubt import doubt, figures
from glimpsed.model import Answer, ModelUsed, PageAnswer, PromptUsed, Source, Usage

WORDS = st.lists(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8), max_size=30)


def answer(text: str = "", data: Any = None, pages: tuple[PageAnswer, ...] | None = None) -> Answer:
    return Answer(
        folder="inbox",
        source=Source(
            name="a.png",
            bytes=1,
            modified="",
            sha256="",
            media_type="image/png",
            width=1,
            height=1,
            pages=1,
        ),
        prompt=PromptUsed(sha256=""),
        model=ModelUsed(entry="m", api="chat", asked="m", answered="m"),
        sent=(),
        text=text,
        data=data,
        pages=pages,
        finish="stop",
        usage=Usage(),
        attempts=1,
        started="",
        finished="",
        seconds=0.0,
    )


def by_model(one: Answer, other: Answer) -> Any:
    return doubt(one, other, by="second", plain_text=False)


def by_ocr(one: Answer, text: str) -> Any:
    return doubt(one, answer(text), by="local", plain_text=True)


def test_fields_differ_where_they_mean_something_else() -> None:
    one = {"number": "R-17", "date": "2024-09-05", "items": [{"price": 12.5}, {"price": 3}], "note": None}
    two = {"number": "r-17", "date": "5 Sept 2024", "items": [{"price": "12,50"}, {"price": 4}], "note": ""}
    found = by_model(answer(data=one), answer(data=two))
    assert [(f.path, f.value, f.other) for f in found.fields] == [("items.1.price", 3, 4)]
    assert found.by == "second"
    assert found.agreement == pytest.approx(0.8)
    assert found.words == ()


def test_what_the_second_reader_lacks_is_null() -> None:
    found = by_model(answer(data={"a": "x", "b": "y"}), answer(data={"a": "x"}))
    assert [(f.path, f.value, f.other) for f in found.fields] == [("b", "y", None)]


def test_pages_of_their_own_are_named_as_in_the_sidecar() -> None:
    def of(*totals: int) -> Answer:
        pages = tuple(PageAnswer(page=n, text="", data={"total": total}) for n, total in enumerate(totals, 1))
        return answer(data=[page.data for page in pages], pages=pages)

    assert by_model(of(1, 2), of(1, 2)) is None
    assert [f.path for f in by_model(of(1, 2), of(1, 3)).fields] == ["pages.1.data.total"]


def test_texts_differ_word_by_word() -> None:
    found = by_model(answer("Total: 1.234,50 EUR\npaid in cash"), answer("total: 1234.5 eur paid by card"))
    assert [(w.value, w.other) for w in found.words] == [("in cash", "by card")]
    assert found.agreement == pytest.approx(4 / 6, abs=1e-3)


def test_a_script_without_spaces_differs_character_by_character() -> None:
    found = by_model(answer("今天 天气很好,我们去公园。"), answer("今天天气很坏,我们去公园。"))
    assert [(w.value, w.other) for w in found.words] == [("好", "坏")]
    assert found.agreement > 0.9


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (-1234.5, "Credit (1,234.50)"),
        ("-5,00 €", "Gutschrift - 5,00 EUR"),
        ("二〇二四年九月五日", "日期：二〇二四年九月五日"),
        ("2024-09-05", "日期：二〇二四年九月五日"),
        ("叁拾元整", "合计人民币叁拾元整"),
        ("Thursday, 5 September 2024", "Date: 05.09.2024"),
    ],
)
def test_ocr_finds_what_means_the_same(value: object, read: str) -> None:
    assert by_ocr(answer(data={"field": value}), read) is None
    assert by_ocr(answer(data={"field": value}), "Nothing of 17") is not None


@given(WORDS)
def test_a_text_agrees_with_itself_whatever_its_case_and_white_space(words: list[str]) -> None:
    assert by_model(answer(" ".join(words)), answer("\n\n".join(words))) is None


@given(WORDS, WORDS)
def test_agreement_is_a_share_and_everybody_sees_the_same_one(one: list[str], two: list[str]) -> None:
    there, back = (
        by_model(answer(" ".join(one)), answer(" ".join(two))),
        by_model(answer(" ".join(two)), answer(" ".join(one))),
    )
    assert (there is None) == (back is None)
    if there is not None:
        assert 0.0 <= there.agreement < 1.0


READ = """ACME GmbH             Rechnung Nr. R-2024-0381
Datum: 05.09.2024     Kunde 4711
12 Eichenbohlen     1.234,50 EUR
Summe netto 1 037,39"""


@pytest.mark.parametrize(
    "value",
    ["R-2024-0381", 1234.5, "1,234.50", "2024-09-05", "5 September 2024", 4711, "€ 1037.39", "12"],
)
def test_what_stands_on_the_page_in_any_form_is_found_in_what_ocr_read(value: object) -> None:
    assert by_ocr(answer(data={"field": value}), READ) is None


@pytest.mark.parametrize("value", ["R-2024-0382", 1234.6, "2024-09-06", 4712, "17"])
def test_what_does_not_is_not(value: object) -> None:
    found = by_ocr(answer(data={"supplier": "anything at all", "field": value}), READ)
    assert [(f.path, f.other) for f in found.fields] == [("field", None)]


def test_a_text_is_held_by_its_numbers_against_what_ocr_read() -> None:
    assert by_ocr(answer("The invoice R-2024-0381 of ACME is about € 1234.50."), READ) is None
    found = by_ocr(answer("The invoice R-2024-0381 of ACME is about € 1234.60."), READ)
    assert [w.value for w in found.words] == ["1234.60"]


def test_a_text_without_numbers_is_held_word_by_word() -> None:
    assert by_ocr(answer("oak planks"), "Oak planks") is None
    assert by_ocr(answer("oak planks"), "pine boards") is not None


@given(st.decimals(0, 10**9, places=2), st.sampled_from([",.", ".,", " ,", "'."]))
def test_an_amount_is_found_in_every_way_to_write_it(amount: Decimal, marks: str) -> None:
    thousands, point = marks
    written = f"{amount:,.2f}".replace(",", "\0").replace(".", point).replace("\0", thousands)
    assert by_ocr(answer(data={"total": float(amount)}), f"Total {written} EUR") is None


@given(st.text())
def test_figures_of_any_text_hold_digits(text: str) -> None:
    assert all(any(c.isdigit() for c in found) for found in figures(text))
