"""The boxes that the embedded OCR's detector gave for a page of each layout (`tests/benchmarks/ocr_boxes.py`) are read in their order."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.ocr import layout, order
from glimpsed.ocr.box import Box

Corners = list[tuple[float, float]]
Line = tuple[Corners, str]


def kept() -> dict[str, list[Line]]:
    """By layout, in the order in which they are to be read."""
    pages: dict[str, list[Line]] = {}
    for part in (Path(__file__).parents[1] / "ocr_boxes.txt").read_text("utf-8").split("\n\n"):
        name, *lines = part.strip().split("\n")
        pages[name.removeprefix("# ")] = [line(one) for one in lines]
    return pages


def line(written: str) -> Line:
    *numbers, text = written.split(" ", 8)
    x, y = ([float(number) for number in numbers[start::2]] for start in (0, 1))
    return list(zip(x, y, strict=True)), text


PAGES = kept()


def read(lines: list[Line]) -> list[str]:
    """The words in the order in which they are read."""
    return layout.text(layout.boxes([quad for quad, _ in lines], [text for _, text in lines])).split()


def words(lines: list[Line]) -> list[str]:
    return [word for _, text in lines for word in text.split()]


@pytest.mark.parametrize("name", PAGES)
def test_each_layout_is_read_in_its_order(name: str) -> None:
    assert read(PAGES[name]) == words(PAGES[name])


@settings(max_examples=50)
@given(
    name=st.sampled_from(sorted(PAGES)),
    seed=st.integers(0, 2**32),
    scale=st.floats(0.3, 4),
    degrees=st.floats(-2, 2),
    shift=st.tuples(st.floats(0, 500), st.floats(0, 500)),
)
def test_it_is_so_however_large_the_page_is_how_it_lies_and_in_which_order_its_lines_are_found(
    name: str, seed: int, scale: float, degrees: float, shift: tuple[float, float]
) -> None:
    rng = random.Random(seed)
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))

    def moved(x: float, y: float) -> tuple[float, float]:
        x, y = x + rng.uniform(-1, 1), y + rng.uniform(-1, 1)  # of which the detector is never sure
        return scale * (x * cosine - y * sine) + shift[0], scale * (x * sine + y * cosine) + shift[1]

    page = [([moved(*corner) for corner in quad], text) for quad, text in PAGES[name]]
    assert read(rng.sample(page, len(page))) == words(PAGES[name])


@settings(max_examples=30)
@given(name=st.sampled_from(sorted(PAGES)), seed=st.integers(0, 2**32))
def test_the_rest_of_a_page_keeps_its_order_where_the_detector_missed_a_line(name: str, seed: int) -> None:
    rng = random.Random(seed)
    page = list(PAGES[name])
    page.pop(rng.randrange(len(page)))
    assert read(page) == words(page)


def test_a_strip_between_the_same_two_is_not_judged_at_each_level_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0

    def apart(*_: object) -> bool:
        nonlocal compared
        compared += 1
        return False

    monkeypatch.setattr(order._Sides, "apart", apart)
    dice = random.Random(1)
    boxes = [
        Box(20.0 * dice.random(), 14.0 * n, 100 + 300 * dice.random(), 14.0 * n + 10, "") for n in range(40)
    ]
    boxes += [Box(450 + 20 * dice.random(), 14.0 * n, 600, 14.0 * n + 10, "12") for n in range(40)]
    assert order._gutter(boxes) is None
    assert 10 < compared < 100  # at each level anew: 465
