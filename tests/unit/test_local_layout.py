from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.ocr import layout
from glimpsed.ocr.box import Box

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
    boxes = [*row(100, (420, 700, "world")), *row(104, (50, 400, "hello")), *row(150, (50, 100, "next"))]
    assert layout.text(boxes) == "hello world\nnext"


def test_columns_of_running_text_are_read_one_after_the_other() -> None:
    expected = [f"left {n}" for n in range(12)] + [f"right {n}" for n in range(12)]
    assert layout.text(columns(12)).split("\n") == expected


def test_four_narrow_columns_at_the_same_heights_are_no_table() -> None:
    ragged = (0.91, 0.78, 1.0, 0.9, 0.87, 0.93, 0.56, 0.95)  # of a column's width, as measured
    width = 8.6 * HEIGHT
    boxes = [
        box
        for n in range(24)
        for box in row(
            100 + 40 * n,
            *(
                (at, at + width * ragged[(n + 3 * number) % 8], f"{number} {n}")
                for number, at in enumerate((50.0, 340.0, 630.0, 920.0))
            ),
        )
    ]
    assert layout.text(boxes).split("\n") == [f"{number} {n}" for number in range(4) for n in range(24)]


def test_a_headline_and_a_footer_across_columns_keep_their_place() -> None:
    boxes = [*row(20, (50, 1400, "headline")), *columns(12), *row(700, (300, 1100, "footer"))]
    lines = layout.text(boxes).split("\n")
    assert lines[0] == "headline"
    assert lines[-1] == "footer"
    assert lines[1:13] == [f"left {n}" for n in range(12)]


def test_a_table_is_read_row_by_row() -> None:
    assert layout.text(TABLE).split("\n") == [
        "Schrauben M4      200   4,00",
        "Muttern           100   2,50",
        "Unterlegscheiben  500   1,25",
        "Versand             1   5,90",
        "Summe                  13,65",
    ]


def test_figures_stay_under_their_heading_also_under_a_wide_one_in_chinese() -> None:
    heading = row(60, (50, 200, "品名"), (640, 765, "数量"), (860, 1000, "单价 (EUR)"))
    first, second, *_ = layout.text([*heading, *TABLE]).split("\n")
    assert first == "品名              数量  单价 (EUR)"
    assert second == "Schrauben M4       200        4,00"


def test_a_sentence_above_and_below_a_table_does_not_widen_it() -> None:
    boxes = [*row(20, (50, 1000, "what stands above it")), *TABLE, *row(340, (50, 800, "and below"))]
    lines = layout.text(boxes).split("\n")
    assert (lines[0], lines[1], lines[-1]) == (
        "what stands above it",
        "Schrauben M4      200   4,00",
        "and below",
    )


def test_the_values_of_a_form_stand_beside_their_keys() -> None:
    form = [
        box
        for n, (key, value) in enumerate(
            [("Name", "Anna Berg"), ("Street", "Harbour Street 27"), ("Town", "Bristol")]
        )
        for box in row(100 + 50 * n, (50, 60 + 20 * len(key), key), (400, 400 + 15 * len(value), value))
    ]
    assert layout.text(form).split("\n") == [
        "Name    Anna Berg",
        "Street  Harbour Street 27",
        "Town    Bristol",
    ]


def test_words_of_a_line_that_were_found_apart_are_one_space_apart() -> None:
    assert layout.text(row(100, (50, 200, "wide"), (220, 400, "words"))) == "wide words"


def paragraph(
    rng: random.Random,
    left: float,
    top: float,
    width: float,
    lines: int,
    name: str,
    *,
    height: float = HEIGHT,
) -> list[Box]:
    """Lines as print has them: ragged to the right, each sixth the end of a paragraph."""
    found = []
    for n in range(lines):
        share = rng.uniform(0.1, 0.9) if n % 6 == 5 else rng.uniform(0.84, 1.0)
        y = top + 1.3 * height * n + rng.uniform(-1, 1)
        found.append(Box(left + rng.uniform(-1, 1), y, left + share * width, y + height, f"{name}{n}"))
    return found


def side_by_side(rng: random.Random, count: int, top: float, lines: int, name: str) -> list[Box]:
    gap = rng.uniform(0.7, 3) * HEIGHT
    width = (2400 - gap * (count - 1)) / count
    return [
        box
        for n in range(count)
        for box in paragraph(rng, 50 + n * (width + gap), top, width, lines, f"{name}{n}.")
    ]


LEADING = 1.3 * HEIGHT


def heading_over_columns(rng: random.Random, count: int, lines: int) -> list[Box]:
    return [*paragraph(rng, 50, 20, 1500, 1, "heading"), *side_by_side(rng, count, 90, lines, "c")]


def columns_over_fewer_columns(rng: random.Random, count: int, lines: int) -> list[Box]:
    below = 20 + lines * LEADING + 40
    return [*side_by_side(rng, count + 1, 20, lines, "a"), *side_by_side(rng, count, below, lines, "b")]


def full_width_over_columns(rng: random.Random, count: int, lines: int) -> list[Box]:
    text = paragraph(rng, 50, 20, 2400, lines, "p")
    return [*text, *side_by_side(rng, count, 20 + lines * LEADING + 40, lines, "c")]


def parts_under_headings(rng: random.Random, count: int, lines: int) -> list[Box]:
    return [
        box
        for part in range(6)
        for top in [20 + part * (lines * LEADING + 120)]
        for box in [
            *paragraph(rng, 50, top, 2300, 1, f"h{part}."),
            *side_by_side(rng, count, top + 60, lines, f"s{part}."),
        ]
    ]


def box_of_facts(rng: random.Random, count: int, lines: int) -> list[Box]:
    text = paragraph(rng, 50, 20, 1500, 3 * lines, "m")
    return [*text, *paragraph(rng, 1650, 20, 600, 2 * lines, "i", height=0.8 * HEIGHT)]


@settings(max_examples=60)
@given(
    st.sampled_from(
        [
            heading_over_columns,
            columns_over_fewer_columns,
            full_width_over_columns,
            parts_under_headings,
            box_of_facts,
        ]
    ),
    st.integers(2, 4),
    st.integers(8, 20),
    st.integers(0, 2**32),
)
def test_every_column_is_read_to_its_end_before_the_next(
    layout_of: Callable[[random.Random, int, int], list[Box]], count: int, lines: int, seed: int
) -> None:
    rng = random.Random(seed)
    page = layout_of(rng, count, lines)
    mixed = rng.sample(page, len(page))
    assert layout.text(mixed).split("\n") == [box.text for box in page]


@settings(max_examples=60)
@given(rows=st.integers(2, 60), cells=st.integers(2, 7), seed=st.integers(0, 2**32))
def test_a_table_of_any_shape_is_read_row_by_row(rows: int, cells: int, seed: int) -> None:
    rng = random.Random(seed)
    lefts = [50 + n * 400 for n in range(cells)]
    table = [
        [Box(x, 40 * n, x + rng.uniform(40, 230), 40 * n + HEIGHT, f"{n}/{i}") for i, x in enumerate(lefts)]
        for n in range(rows)
    ]
    found = [box for line in table for box in line]
    text = layout.text(rng.sample(found, len(found)))
    assert [line.split() for line in text.split("\n")] == [[box.text for box in line] for line in table]


def address(rng: random.Random, lines: int, name: str) -> list[str]:
    """As many lines as a block has, each of its kind."""
    number = rng.randint(10, 99)
    return [
        f"{name} {rng.choice(('Weber', 'Kurz', 'Whitfield'))}",
        f"{rng.choice(('Quay Street', 'Mill Lane', 'Kaistrasse'))} {number}",
        f"241{number} {rng.choice(('Kiel', 'Northport', 'Bad Oldesloe'))}",
        f"Tel. 0431 55 {number}",
        f"{rng.choice(('info', 'post'))}@north{number}.example",
    ][:lines]


@settings(max_examples=60)
@given(
    blocks=st.integers(3, 9),
    lines=st.integers(3, 5),
    sides=st.integers(2, 3),
    seed=st.integers(0, 2**32),
)
def test_addresses_side_by_side_are_read_one_column_after_the_other(
    blocks: int, lines: int, sides: int, seed: int
) -> None:
    rng = random.Random(seed)
    page = []
    for side in range(sides):
        for block in range(blocks):
            for n, said in enumerate(address(rng, lines, f"Anna{'ABCDEFGHI'[block]}{'XYZ'[side]}")):
                y = (block * (lines + 1.5) + n) * 1.3 * HEIGHT
                x = 50 + side * 700
                page.append(Box(x, y, x + len(said) * 0.4 * HEIGHT, y + HEIGHT, said))
    read = layout.text(rng.sample(page, len(page)))
    assert [" ".join(line.split()) for line in read.split("\n")] == [box.text for box in page]


KEYS = ("Name", "Street", "Town", "Phone", "E-mail")


@settings(max_examples=60)
@given(blocks=st.integers(3, 9), lines=st.integers(3, 5), seed=st.integers(0, 2**32))
def test_the_same_addresses_as_values_of_a_form_stay_beside_their_keys(
    blocks: int, lines: int, seed: int
) -> None:
    rng = random.Random(seed)
    page, wanted = [], []
    for block in range(blocks):
        for n, (key, said) in enumerate(zip(KEYS, address(rng, lines, "Anna"), strict=False)):
            y = (block * (lines + 1.5) + n) * 1.3 * HEIGHT
            page.append(Box(50, y, 50 + len(key) * 0.4 * HEIGHT, y + HEIGHT, key))
            page.append(Box(600, y, 600 + len(said) * 0.4 * HEIGHT, y + HEIGHT, said))
            wanted.append(f"{key} {said}")
    read = layout.text(rng.sample(page, len(page)))
    assert [" ".join(line.split()) for line in read.split("\n")] == wanted


@settings(max_examples=60)
@given(rows=st.integers(4, 60), seed=st.integers(0, 2**32))
def test_a_table_of_names_and_figures_under_headings_with_sums_is_read_row_by_row(
    rows: int, seed: int
) -> None:
    rng = random.Random(seed)
    table = [["Item", "North", "South", "Remark"]]
    table += [
        [f"Article {n}", f"{rng.randint(1, 999)}", f"{rng.randint(1, 999)}.50", "per piece"]
        for n in range(rows)
    ]
    table.append(["Sum", "totals", "totals", "net"])
    page = [
        Box(x, 40 * n, x + len(cell) * 0.4 * HEIGHT, 40 * n + HEIGHT, cell)
        for n, line in enumerate(table)
        for x, cell in zip((50, 400, 700, 1000), line, strict=True)
    ]
    read = layout.text(rng.sample(page, len(page)))
    assert [line.split() for line in read.split("\n")] == [" ".join(line).split() for line in table]


def test_few_cells_of_like_width_are_no_columns_of_text() -> None:
    widths = [(230, 60, 90), (225, 228, 90), (40, 222, 80), (229, 225, 85), (80, 229, 70)]
    page = [
        Box(50 + 400 * i, 40 * n, 50 + 400 * i + width, 40 * n + HEIGHT, f"{n}/{i}")
        for n, line in enumerate(widths)
        for i, width in enumerate(line)
    ]
    read = layout.text(page)
    assert [line.split() for line in read.split("\n")] == [[f"{n}/{i}" for i in range(3)] for n in range(5)]


def test_boxes_without_any_order_are_put_into_one_in_bounded_time() -> None:
    rng = random.Random(1)
    found = [
        Box(x, y, x + rng.uniform(0, 900), y + rng.uniform(1, 60), "x")
        for x, y in ((rng.uniform(0, 3000), rng.uniform(0, 3000)) for _ in range(3000))
    ]
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        text = layout.text(found)
    finally:
        sys.setprofile(None)
    assert text.count("x") == len(found)
    assert calls < 500 * len(found)  # each box a few hundred times, not once for each other box


@given(degrees=st.floats(-4, 4), page=st.sampled_from([TABLE, columns(12)]))
def test_a_slant_of_the_page_does_not_mix_up_its_lines(degrees: float, page: list[Box]) -> None:
    angle = math.radians(degrees)
    askew = layout.boxes([quad(box, angle) for box in page], [box.text for box in page])
    assert layout.text(askew) == layout.text(page)


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
