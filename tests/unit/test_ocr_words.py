"""Where words end is seen in the picture of their line: a gap is a space, the room of a mark in its cell is not."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.ocr.page import ReadWord

np = pytest.importorskip("numpy")
cuts = importlib.import_module("glimpsed.ocr.cuts")

HEIGHT = 40
LETTER = 18  # px of ink; a mark has 2


def _drawn(picture: Any, c: str, start: int, end: int) -> None:
    """Of an L and a T all but the stem is a hair near the edge."""
    middle = (start + end) // 2
    stems = {"L": [start, start + 1], "T": [middle, middle + 1]}.get(c, [start, start + 1, end - 2, end - 1])
    bar = {"L": slice(HEIGHT - 5, HEIGHT - 4), "T": slice(4, 5)}.get(c, slice(18, 22))
    picture[4 : HEIGHT - 4, stems] = 0
    picture[bar, start:end] = 0


def line(text: str, *, cell: int | None) -> tuple[Any, Any]:
    """A picture of the text, an H for each letter but L and T, in cells of one width or set close; where the engine saw each."""
    spans = []
    x = 10
    for c in text:
        ink = 2 if c in ".,:" else LETTER
        room = cell or (12 if c == " " else ink + 3)
        if c != " ":
            start = x + (room - ink) // 2
            spans.append((start, start + ink))
        x += room
    picture = np.full((HEIGHT, x + 10, 3), 255, np.uint8)
    for c, (start, end) in zip(text.replace(" ", ""), spans, strict=True):
        _drawn(picture, c, start, end)
    steps = [(start + end) // 2 for start, end in spans]
    return picture, SimpleNamespace(word_cols=[steps], line_txt_len=picture.shape[1])


def read(text: str, cell: int | None) -> str:
    """Of an engine that saw each letter and no space."""
    picture, found = line(text, cell=cell)
    return " ".join(word.text for word in cuts.words(picture, text.replace(" ", ""), found))


NUMBER = st.from_regex(r"\A[0-9]{1,4}([.,:][0-9]{2,3}){0,3}\Z")


@given(NUMBER, st.sampled_from([20, 22, 24, None]))
def test_a_number_stays_whole_in_whatever_face_it_is_set(number: str, cell: int | None) -> None:
    assert read(number, cell) == number


@given(st.lists(st.from_regex(r"\A[a-z]{3,8}\Z"), min_size=2, max_size=5), st.sampled_from([20, 22, None]))
def test_words_that_the_engine_ran_together_are_apart(words: list[str], cell: int | None) -> None:
    assert read(" ".join(words), cell) == " ".join(words)


@pytest.mark.parametrize("cell", [20, 22, None])
@pytest.mark.parametrize(
    "text", ["rooms 14, 15 and 16", "at 10.30, 11.45 or noon", "was it noon. Then, on 24.11.2026, at 10:30"]
)
def test_a_space_after_a_mark_is_one_also_between_numbers(text: str, cell: int | None) -> None:
    assert read(text, cell) == text


@pytest.mark.parametrize("cell", [20, 22, 24, None])
@pytest.mark.parametrize("text", ["it was all included.", "and then, on Friday,"])
def test_a_mark_at_the_end_of_a_line_stands_with_its_word(text: str, cell: int | None) -> None:
    assert read(text, cell) == text


@given(st.lists(st.from_regex(r"\A[LT]{0,2}[a-z]{3,8}\Z"), min_size=2, max_size=5))
def test_the_room_beside_the_stem_of_a_capital_is_no_space(words: list[str]) -> None:
    assert read(" ".join(words), None) == " ".join(words)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_pixel_is_as_dark_as_the_darkest_of_its_colours(height: int, width: int, seed: int) -> None:
    """A blue or a red letter is ink as a black one is."""
    cut = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    darkest = cuts._darkest(cut)
    assert darkest.dtype == np.uint8
    assert (darkest == cut.min(axis=2)).all()


@pytest.mark.parametrize(
    ("one", "gap", "other", "read"),
    [
        ("议会讨论河", 0.3, "上新桥", ["议会讨论河上新桥"]),
        ("夜に集まり、", 0.7, "川に架かる", ["夜に集まり、川に架かる"]),
        ("品名", 1.2, "数量", ["品名", "数量"]),
        ("the new", 0.3, "bridge", ["the", "new", "bridge"]),
        ("电话", 0.3, "Phone", ["电话", "Phone"]),
        ("시의회는", 0.3, "모여", ["시의회는", "모여"]),
    ],
)
def test_where_a_line_of_chinese_was_cut_to_be_read_no_space_is_meant(
    one: str, gap: float, other: str, read: list[str]
) -> None:
    height, at = 40, 0.0
    parts: list[list[ReadWord]] = []
    for text, room in ((one, 0.0), (other, gap)):
        at += room * height
        part = []
        for word in text.split():
            part.append(ReadWord(word, at, at + 30 * len(word)))
            at += 30 * len(word) + 0.3 * height
        at -= 0.3 * height
        parts.append(part)
    found = cuts.run_on(parts, height)
    assert [word.text for word in found] == read
    assert (found[0].start, found[-1].end) == (0.0, at)
