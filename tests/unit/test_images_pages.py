"""Which pages are sent, and which have nothing on them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from glimpsed.config.units import page_ranges
from glimpsed.images.pages import chosen
from glimpsed.ocr.blank import is_blank


@pytest.mark.parametrize(
    ("ranges", "count", "pages"),
    [
        ("all", 3, [1, 2, 3]),
        ("1-3", 2, [1, 2]),
        ("1-2,-1", 9, [1, 2, 9]),
        ("-1", 1, [1]),
        ("-2", 5, [4]),
        ("3,1,2-3", 9, [1, 2, 3]),
        ("7", 5, []),
        ("-9", 5, []),
    ],
)
def test_pages_are_named_from_both_ends(ranges: str, count: int, pages: list[int]) -> None:
    assert chosen(ranges, count) == pages


part = st.one_of(
    st.integers(1, 999).map(str),
    st.integers(1, 999).map(lambda n: f"-{n}"),
    st.tuples(st.integers(1, 999), st.integers(0, 999)).map(lambda t: f"{t[0]}-{t[0] + t[1]}"),
)


@given(st.lists(part, min_size=1, max_size=6).map(", ".join), st.integers(1, 500))
def test_each_page_is_sent_once_and_in_order(text: str, count: int) -> None:
    pages = chosen(page_ranges(text), count)
    assert pages == sorted(set(pages))
    assert all(1 <= page <= count for page in pages)


@pytest.mark.parametrize("text", ["", "0", "1-", "3-1", "a", "1;2", "--1", "1-2-3", "1,", True, 1.5, "1" * 9])
def test_what_names_no_pages_is_an_error(text: object) -> None:
    with pytest.raises(ValueError, match="must"):
        page_ranges(text)


def paper(width: int = 827, height: int = 1170, shade: int = 245) -> Image.Image:
    dice = random.Random(1)
    page = Image.new("L", (width, height), shade)
    noise = Image.frombytes("L", (width // 8, height // 8), dice.randbytes((width // 8) * (height // 8)))
    return Image.blend(page, noise.resize(page.size), 0.03)


def written(
    page: Image.Image, text: str, at: tuple[int, int] = (100, 150), size: int = 17, ink: int = 30
) -> Image.Image:
    ImageDraw.Draw(page).text(at, text, fill=ink, font=ImageFont.load_default(size))
    return page


def punched(page: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(page)
    for y in (430, 745):
        draw.ellipse((35, y, 58, y + 23), fill=20)
    return page


def dusty(page: Image.Image) -> Image.Image:
    dice = random.Random(2)
    draw = ImageDraw.Draw(page)
    for _ in range(60):
        x, y = dice.randrange(page.width), dice.randrange(page.height)
        draw.rectangle((x, y, x + dice.randrange(3), y + dice.randrange(3)), fill=40)
    return page


def shone_through(page: Image.Image) -> Image.Image:
    other = written(Image.new("L", page.size, 255), "What stands on the other side\n" * 30, ink=0)
    mirrored = other.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(1.5))
    return Image.blend(page, Image.composite(page, Image.new("L", page.size, 150), mirrored), 0.5)


def shadowed(page: Image.Image) -> Image.Image:
    ImageDraw.Draw(page).rectangle((0, 0, page.width, 14), fill=0)
    ImageDraw.Draw(page).rectangle((page.width - 10, 0, page.width, page.height), fill=10)
    return page


def on_black(page: Image.Image, angle: float = 0, at: tuple[int, int] = (40, 50)) -> Image.Image:
    """Smaller than the scanner's glass, and askew."""
    small = page.resize((page.width - 2 * at[0], page.height - 2 * at[1]))
    mask = Image.new("L", small.size, 255).rotate(angle, expand=True)
    whole = Image.new("L", page.size, 12)
    turned = small.rotate(angle, expand=True)
    whole.paste(turned, ((page.width - turned.width) // 2, (page.height - turned.height) // 2), mask)
    return whole


def night(height: int) -> Image.Image:
    """Dark above, and light below with hardly an edge between."""
    page = Image.new("L", (827, 1170), 235)
    page.paste(
        Image.linear_gradient("L").resize((827, height)).point(lambda value: value * 235 // 255), (0, 0)
    )
    return page


EMPTY = [paper, lambda: punched(paper()), lambda: dusty(paper()), lambda: shone_through(paper()),
         lambda: shadowed(paper()), lambda: shadowed(dusty(punched(paper(shade=215)))),
         lambda: on_black(paper()), lambda: on_black(dusty(punched(paper())), 1.5), lambda: on_black(paper(), -3, (60, 75)),
         lambda: on_black(paper(), at=(200, 20))]  # fmt: skip
USED = [
    lambda: written(paper(), "A line of text."),
    lambda: written(paper(), "3", at=(410, 1110), size=16),  # a page's number, and no more
    lambda: written(punched(dusty(paper())), "Paid, 3 May", ink=110),  # in pencil
    lambda: Image.linear_gradient("L").resize((827, 1170)),
    lambda: Image.new("L", (827, 1170), 20),
    lambda: written(shone_through(paper()), "Seen. K."),
    lambda: written(paper(), "47", at=(790, 10), size=17),  # by hand, in the corner
    lambda: written(paper(), "Terms overleaf", at=(80, 1140), size=12),
    lambda: on_black(written(paper(), "Copy", at=(400, 600))),
    lambda: on_black(written(paper(), "Copy", at=(60, 20)), 1.5),
    lambda: night(400),
    lambda: written(shadowed(paper()), "white on a band", at=(300, 40)),
]


@pytest.mark.parametrize("number", range(len(EMPTY)))
def test_an_empty_back_is_blank_whatever_the_scanner_adds(number: int) -> None:
    assert is_blank(EMPTY[number]())


@pytest.mark.parametrize("number", range(len(USED)))
def test_a_page_with_little_on_it_is_not_blank(number: int) -> None:
    assert not is_blank(USED[number]())
