"""Differences of two readings, marked for the eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.web.differences import LONGEST, Pieces, differences

texts = st.text(st.sampled_from("aAb 1,.€日本\n\u0130")) | st.text()


def whole(pieces: Pieces, *, differing: bool = True) -> str:
    return "".join(text for text, differs in pieces if differing or not differs)


@given(texts, texts)
def test_both_texts_are_whole_and_what_is_not_marked_is_the_same_in_both(one: str, other: str) -> None:
    here, there = differences(one, other)
    assert (whole(here), whole(there)) == (one, other)
    assert whole(here, differing=False).casefold() == whole(there, differing=False).casefold()
    assert all(text for text, _ in here + there)


@given(texts)
def test_the_same_has_no_marks(text: str) -> None:
    here, there = differences(text, text)
    assert here == there == ([(text, False)] if text else [])


@pytest.mark.parametrize(
    ("one", "other", "marked"),
    [
        ("12.50", "72.50", ("1", "7")),
        ("Oak planks", "oak blanks", ("planks", "blanks")),
        ("发票号码", "发栗号码", ("票", "栗")),
        ("R-1", "", ("R-1", "")),
        ("two words", "twowords", ("two words", "twowords")),
    ],
)
def test_what_differs_is_marked_and_nothing_else(one: str, other: str, marked: tuple[str, str]) -> None:
    found = differences(one, other)
    assert tuple("".join(text for text, differs in pieces if differs) for pieces in found) == marked


def test_a_very_long_text_is_one_piece() -> None:
    one, other = "a " * LONGEST, "b " * LONGEST
    assert differences(one, other) == ([(one, True)], [(other, True)])
