from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from ocr_score import score

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=1, max_size=30)


@given(WORDS)
def test_what_is_read_as_it_stands_is_without_fault_however_its_lines_break(words: list[str]) -> None:
    found = score("\n".join(words), " ".join(words))
    assert (found.errors, found.found, found.together, found.order) == (0, 1, 0, 1)


@pytest.mark.parametrize(
    ("read", "errors", "found", "together", "order"),
    [
        ("", 1, 0, 0, 1),
        ("onetwo three four", 1 / 18, 0.5, 0.25, 1),
        ("one two three", 5 / 18, 0.75, 0, 1),
        ("three four one two", None, 1, 0, 0.5),
    ],
)
def test_each_fault_has_its_figure(
    read: str, errors: float | None, found: float, together: float, order: float
) -> None:
    result = score(read, "one two three four")
    assert errors is None or result.errors == pytest.approx(errors)
    assert (result.found, result.together, result.order) == pytest.approx((found, together, order))


def test_chinese_is_counted_by_characters() -> None:
    assert score("港务局来 信", "港务局来信", spaced=False).errors == 0
    assert score("港务来信", "港务局来信", spaced=False).found == pytest.approx(0.8)
