from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.vision.engines import layout
from glimpsed.vision.engines.layout import Box

HEIGHT = 30.0


def row(y: float, *cells: tuple[float, float, str]) -> list[Box]:
    return [Box(left, y, right, y + HEIGHT, text) for left, right, text in cells]


def quad(box: Box, angle: float) -> list[list[float]]:
    """The box's corners on a page that lies askew."""
    sine, cosine = math.sin(angle), math.cos(angle)
    corners = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
    return [[x * cosine - y * sine, x * sine + y * cosine] for x, y in corners]


def columns(lines: int) -> list[Box]:
    return [
        box
        for n in range(lines)
        for box in row(100 + 40 * n, (50, 700, f"left {n}"), (760, 1400, f"right {n}"))
    ]


TABLE = [
    *row(100, (50, 400, "Schrauben M4"), (700, 760, "200"), (900, 1000, "4,00")),
    *row(140, (50, 300, "Muttern"), (705, 760, "100"), (910, 1000, "2,50")),
    *row(180, (50, 420, "Unterlegscheiben"), (700, 760, "500"), (900, 1000, "1,25")),
    *row(220, (50, 200, "Versand"), (740, 760, "1"), (900, 1000, "5,90")),
    *row(260, (50, 200, "Summe"), (890, 1000, "13,65")),
]


def test_a_line_in_several_boxes_is_one_line_from_left_to_right() -> None:
    boxes = [*row(100, (500, 700, "world")), *row(104, (50, 400, "hello")), *row(150, (50, 100, "next"))]
    assert layout.text(boxes) == "hello world\nnext"


def test_columns_of_running_text_are_read_one_after_the_other() -> None:
    expected = [f"left {n}" for n in range(12)] + [f"right {n}" for n in range(12)]
    assert layout.text(columns(12)).split("\n") == expected


def test_a_headline_and_a_footer_across_columns_keep_their_place() -> None:
    boxes = [*row(20, (50, 1400, "headline")), *columns(12), *row(700, (300, 1100, "footer"))]
    lines = layout.text(boxes).split("\n")
    assert lines[0] == "headline"
    assert lines[-1] == "footer"
    assert lines[1:13] == [f"left {n}" for n in range(12)]


def test_a_table_is_read_row_by_row() -> None:
    assert layout.text(TABLE).split("\n") == [
        "Schrauben M4 200 4,00",
        "Muttern 100 2,50",
        "Unterlegscheiben 500 1,25",
        "Versand 1 5,90",
        "Summe 13,65",
    ]


@settings(deadline=None)
@given(degrees=st.floats(-4, 4), page=st.sampled_from([TABLE, columns(12)]))
def test_a_slant_of_the_page_does_not_mix_up_its_lines(degrees: float, page: list[Box]) -> None:
    angle = math.radians(degrees)
    askew = layout.boxes([quad(box, angle) for box in page], [box.text for box in page])
    assert layout.text(askew) == layout.text(page)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 2000), st.floats(0, 2000), st.floats(0, 900), st.floats(0, 90), st.text(max_size=3)
        ),
        max_size=40,
    )
)
def test_whatever_an_engine_finds_every_piece_of_it_is_in_the_text_once(
    found: list[tuple[float, float, float, float, str]],
) -> None:
    quads = [[[x, y], [x + w, y], [x + w, y + h], [x, y + h]] for x, y, w, h, _ in found]
    text = layout.text(layout.boxes(quads, [text for *_, text in found]))
    kept = [text.strip() for *_, text in found if text.strip()]
    assert sorted("".join(text.split())) == sorted("".join("".join(kept).split()))


def test_nothing_found_is_no_text() -> None:
    assert layout.text(layout.boxes([], [])) == ""
    assert layout.joined([]) == ""
    assert layout.joined(["", ""]) == ""


PAGE = [
    f"line number {n} of a page about {word}"
    for n, word in enumerate(["ash", "oak", "elm", "fir", "yew", "bay", "fig", "box"] * 5)
]


@settings(deadline=None)
@given(st.integers(12, 20), st.integers(1, 4))
def test_bands_that_overlap_give_every_line_once(size: int, overlap: int) -> None:
    bands = []
    start = 0
    while True:
        bands.append(PAGE[start : start + size])
        if start + size >= len(PAGE):
            break
        start += size - overlap
    assert layout.joined(["\n".join(band) for band in bands]).split("\n") == PAGE


def test_lines_cut_in_half_at_a_bands_edge_fall_away() -> None:
    upper = ["first line here", "second line here", "third line here", "rrr iii nn"]
    lower = ["seccnd ljne", "third line here", "fourth line here"]
    assert layout.joined(["\n".join(upper), "\n".join(lower)]).split("\n") == [
        "first line here",
        "second line here",
        "third line here",
        "fourth line here",
    ]


def test_what_a_cut_runs_through_is_left_to_the_next_band() -> None:
    at = {
        name: quad(Box(0, top, 100, top + HEIGHT, name), 0) for name, top in (("t", 1), ("m", 40), ("b", 169))
    }
    whole = {
        band: [n for n, w in zip(at, layout.uncut(list(at.values()), 200, band), strict=True) if w]
        for band in (None, (1, 3), (2, 3), (3, 3))
    }
    assert whole == {None: ["t", "m", "b"], (1, 3): ["t", "m"], (2, 3): ["m"], (3, 3): ["m", "b"]}


def test_bands_without_a_common_line_are_put_one_below_the_other() -> None:
    assert (
        layout.joined(["alpha beta\ngamma delta", "one two\nthree four"])
        == "alpha beta\ngamma delta\none two\nthree four"
    )


def test_a_line_that_comes_again_is_not_taken_for_the_overlap() -> None:
    upper = ["Total", "Invoice one", "Item a 1.00", "Item b 2.00", "Item c 3.00"]
    lower = ["Item d 44.10", "Item e 57.23", "Invoice two", "Total", "end"]
    assert layout.joined(["\n".join(upper), "\n".join(lower)]).split("\n") == upper + lower
