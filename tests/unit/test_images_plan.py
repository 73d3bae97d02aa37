"""Sizing is arithmetic: never larger, never cut, always within what the model takes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.images import plan
from glimpsed.images.plan import Target
from glimpsed.vision import families

SIDES = st.integers(1, 20_000)
NAMES = st.sampled_from([f.name for f in families.FAMILIES] + ["unknown", "local"])
BANDS = st.one_of(st.sampled_from(["none", "auto"]), st.integers(2, 20))
TARGETS = st.builds(
    Target,
    max_edge=st.integers(64, 16_384),
    max_bytes=st.integers(10_000, 5_000_000),
    bands=BANDS,
    family=NAMES,
    quality=st.integers(50, 95),
)


@given(SIDES, SIDES, TARGETS)
def test_a_layout_fits_never_enlarges_and_loses_no_row(width: int, height: int, to: Target) -> None:
    found = plan.layout(width, height, to)
    assert 1 <= found.width <= min(width, to.max_edge)
    assert 1 <= found.height <= height
    assert found.rows[0][0] == 0
    assert found.rows[-1][1] == found.height
    for top, bottom in found.rows:
        assert 0 < bottom - top <= to.max_edge
    for (_, end), (start, _) in itertools.pairwise(found.rows):
        assert start <= end


@given(SIDES, SIDES, TARGETS)
def test_a_layout_keeps_the_shape(width: int, height: int, to: Target) -> None:
    found = plan.layout(width, height, to)
    # Rounding moves each side by half a pixel at most.
    assert abs(found.width * height - found.height * width) <= 0.5 * (width + height) + 1 or 1 in {
        found.width,
        found.height,
    }


@given(SIDES, SIDES, TARGETS.filter(lambda to: to.bands == "none"))
def test_a_page_in_one_piece_is_as_large_as_it_may_be(width: int, height: int, to: Target) -> None:
    found = plan.layout(width, height, to)
    assert max(found.width, found.height) == min(max(width, height), to.max_edge)
    assert found.rows == ((0, found.height),)


@given(st.integers(200, 20_000), st.integers(200, 20_000), st.integers(2, 20), st.integers(400, 4096))
def test_as_many_bands_as_asked_for_that_overlap_by_a_line_or_more(
    width: int, height: int, count: int, edge: int
) -> None:
    found = plan.layout(width, height, Target(edge, 700_000, bands=count))
    assert len(found.rows) == count
    if found.height > 40 * count:
        shared = [end - start for (_, end), (start, _) in itertools.pairwise(found.rows)]
        rows = found.rows[0][1]
        # Each of two bands is rounded up, and the page to the nearest.
        assert all(abs(overlap - plan.OVERLAP * rows) <= 3 for overlap in shared)


@given(SIDES, SIDES, TARGETS)
def test_attempts_only_get_smaller_quality_first_and_stay_legible(
    width: int, height: int, to: Target
) -> None:
    tries = list(plan.attempts(width, height, to))
    assert (tries[0].width, tries[0].height, tries[0].quality) == (width, height, to.quality)
    for before, after in itertools.pairwise(tries):
        if (after.width, after.height) == (before.width, before.height):
            assert after.quality < before.quality
        else:
            assert max(after.width, after.height) <= max(before.width, before.height)
    assert min(max(t.width, t.height) for t in tries) >= min(max(width, height), plan.LEGIBLE)


@given(TARGETS)
def test_each_rung_is_smaller_as_jpeg_encoded_anew_and_the_ladder_ends(to: Target) -> None:
    rungs = [to]
    while (below := plan.shrunk(rungs[-1])) is not None:
        assert below.max_edge < rungs[-1].max_edge
        assert below.max_bytes <= rungs[-1].max_bytes
        assert below.media_types == {"image/jpeg"}
        assert not below.as_is
        rungs.append(below)
    assert [rung.max_edge for rung in rungs[1:]] == [edge for edge in plan.LADDER if edge < to.max_edge]


@given(SIDES, SIDES, st.integers(1, 2_000_000), TARGETS)
def test_what_goes_out_as_it_is_needs_no_change(width: int, height: int, size: int, to: Target) -> None:
    if plan.fits(width, height, size, "image/jpeg", to):
        found = plan.layout(width, height, to)
        assert (found.width, found.height, len(found.rows)) == (width, height, 1)
        assert size <= to.max_bytes
    assert not plan.fits(width, height, size, "image/tiff", to)


@pytest.mark.parametrize(
    ("family", "size", "bands"),
    [
        ("gpt-4o", (2480, 3508), 3),  # A4 at 300 dpi, which it would see as 768 by 1086
        ("gpt-4o", (1000, 1400), 2),
        ("gpt-4o", (760, 1000), 1),  # seen as it is
        ("claude", (2480, 3508), 1),  # 1108 by 1568
        ("gemini", (2480, 3508), 1),
        ("doubao", (2480, 3508), 1),
        ("gpt-4.1-mini", (2480, 3508), 2),
        ("gpt-4o", (600, 4000), 2),  # a receipt
    ],
)
def test_auto_cuts_a_page_only_where_the_model_would_not_see_its_print(
    family: str, size: tuple[int, int], bands: int
) -> None:
    assert plan.bands(*size, Target(2048, 700_000, bands="auto", family=family)) == bands


@given(SIDES, SIDES, NAMES, st.integers(512, 4096))
def test_auto_never_makes_a_page_harder_to_read(width: int, height: int, family: str, edge: int) -> None:
    to = Target(edge, 700_000, bands="auto", family=family)
    count = plan.bands(width, height, to)
    assert 1 <= count <= plan.MOST_BANDS
    if count > 1:
        whole = plan.layout(width, height, Target(edge, 700_000))
        assert plan.layout(width, height, to).width >= whole.width


def entry(**keys: Any) -> ModelEntry:
    return ModelEntry(name="m", **{"base_url": "https://example.org/v1", "model": "gpt-4o", **keys})


def folder(**keys: Any) -> Folder:
    return Folder(name="f", path=Path("/srv/f"), **keys)


def test_a_target_is_what_the_config_says_within_what_the_family_takes() -> None:
    to = plan.target(entry(), folder(bands=4, keep_metadata=True))
    assert (to.max_edge, to.max_bytes, to.bands, to.keep_metadata, to.family) == (
        2048,
        700_000,
        4,
        True,
        "gpt-4o",
    )
    assert {"image/jpeg", "image/png"} <= to.media_types
    assert plan.target(entry(model="claude-sonnet-4"), folder()).max_edge == 1568
    assert plan.target(entry(model="claude-sonnet-4", max_edge=4000), folder()).max_edge == 4000
    assert plan.target(entry(model="claude-sonnet-4", max_edge=16384), folder()).max_edge == 8000
    assert plan.target(entry(model="doubao-1.5-vision", max_edge=16384), folder()).max_edge == 6000
    assert plan.target(entry(model="claude-sonnet-4", max_bytes=9_000_000), folder()).max_bytes == 3_700_000


def test_the_embedded_model_gets_pages_of_the_size_that_it_reads_best_however_many_bytes() -> None:
    to = plan.target(ModelEntry(name="local", api="local"), folder())
    assert to.max_edge == 7500
    assert to.max_bytes > 10_000_000


def test_what_was_learnt_and_the_size_of_a_request_are_shared_by_its_pictures() -> None:
    assert plan.target(entry(), folder(), max_edge=1024).max_edge == 1024
    assert plan.target(entry(), folder(), pages=4, max_bytes=1_000_000).max_bytes == 250_000
    assert plan.target(entry(), folder(bands=2), pages=4, max_bytes=1_000_000).max_bytes == 125_000
    assert plan.target(entry(max_bytes=5_000_000), folder(), pages=50).max_bytes == 37_000_000 // 50
