from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from glimpsed.images import plan
from glimpsed.images.picture import upright
from glimpsed.region import Region, turned

ORIENTATION = 0x0112
SIZE = (90, 60)


@given(st.integers(1, 8), st.integers(0, 79), st.integers(0, 49), st.integers(1, 10), st.integers(1, 10))
def test_a_box_of_the_upright_page_is_where_the_file_has_it(
    orientation: int, left: int, top: int, width: int, height: int
) -> None:
    stored = Image.new("L", SIZE)
    stored.paste(255, (left, top, left + width, top + height))
    stored.getexif()[ORIENTATION] = orientation
    upright = ImageOps.exif_transpose(stored)
    found = upright.getbbox()
    assert found is not None
    across, down = upright.size
    fractions = found[0] / across, found[1] / down, found[2] / across, found[3] / down
    assert Region(*SIZE, orientation).box(fractions) == (left, top, left + width, top + height)


@given(st.integers(1, 8), st.integers(2, 6), st.floats(0, 1), st.floats(0, 1))
def test_a_band_tells_the_same_place_as_the_whole_page(
    orientation: int, bands: int, x: float, y: float
) -> None:
    to = plan.Target(max_edge=1000, max_bytes=1, bands=bands)
    layout = plan.layout(2480, 3508, to)
    whole = Region(2480, 3508, orientation).box((x, y, x, y))
    for top, bottom in layout.rows:
        region = Region(2480, 3508, orientation, top / layout.height, bottom / layout.height)
        within = (y - region.top) / (region.bottom - region.top)
        if 0 <= within <= 1:
            there = region.box((x, within, x, within))
            assert all(abs(a - b) <= 1 for a, b in zip(there, whole, strict=True))


def test_what_an_engine_sees_beyond_the_edge_ends_at_the_edge() -> None:
    assert Region(100, 200).box((-0.1, 0.5, 1.2, 1.01)) == (0, 100, 100, 200)


@given(st.integers(1, 8), st.sampled_from([0, 90, 180, 270]))
def test_an_orientation_and_a_turn_are_one_orientation(orientation: int, degrees: int) -> None:
    stored = Image.linear_gradient("L").resize(SIZE)
    stored.paste(7, (3, 5, 20, 11))
    expected = upright(stored, orientation).rotate(-degrees, expand=True)
    assert upright(stored, turned(orientation, degrees)).tobytes() == expected.tobytes()


@given(
    st.integers(1, 8),
    st.tuples(st.integers(0, 2000), st.integers(0, 3000), st.integers(0, 2000), st.integers(0, 3000)),
)
def test_a_box_of_the_page_is_seen_where_the_picture_shows_it(
    orientation: int, corners: tuple[int, int, int, int]
) -> None:
    left, right = sorted((corners[0], corners[2]))
    top, bottom = sorted((corners[1], corners[3]))
    region = Region(2000, 3000, orientation)
    seen = region.seen((left, top, right, bottom))
    assert all(0 <= fraction <= 1 for fraction in seen)
    assert region.box(seen) == (left, top, right, bottom)
