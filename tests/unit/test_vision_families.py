"""Families: names are recognised, sizes and tokens are what the makers' formulas give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.vision.families import FAMILIES, LOCAL, UNKNOWN, Family, family, fit, text_tokens

A4 = (2480, 3508)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("gpt-4.1-nano-2025-04-14", "gpt-4.1-nano"),
        ("o4-mini", "o4-mini"),
        ("claude-sonnet-4-20250514", "claude"),
        ("anthropic/claude-3.5-sonnet", "claude"),
        ("gemini-2.5-flash", "gemini"),
        ("gemini-2.0-flash-thinking-exp-1219", "gemini"),
        ("doubao-1.5-vision-pro-250328", "doubao"),
        ("Doubao-Seed-1.6-vision", "doubao"),
        ("llava", "unknown"),
        ("", "unknown"),
    ],
)
def test_models_are_recognised_by_name(model: str, name: str) -> None:
    assert family(model).name == name


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", (512, 512), "low", 85),
        ("gpt-4o", (1024, 1024), "high", 765),  # the example of OpenAI's own page
        ("gpt-4o", (2048, 4096), "high", 1105),  # the other one
        ("gpt-4o", A4, "high", 85 + 170 * 2 * 3),
        ("gpt-4.1-mini", (1024, 1024), "high", 1659),  # 1024 patches × 1.62
        ("o4-mini", (32, 32), "high", 2),
        ("claude-sonnet-4", (1092, 1092), "high", 1590),
        ("claude-sonnet-4", A4, "high", 1600),
        ("gemini-2.5-flash", (384, 384), "high", 258),
        ("gemini-2.5-flash", (1536, 768), "high", 516),
        ("doubao-1.5-vision-pro", (784, 1000), "high", 1000),
        ("doubao-1.5-vision-pro", (6000, 6000), "high", 5120),
        ("doubao-1.5-vision-pro", (6000, 6000), "low", 1312),
    ],
)
def test_tokens_of_an_image(model: str, size: tuple[int, int], detail: str, tokens: int) -> None:
    assert family(model).tokens(size, detail) == tokens


def test_what_is_left_of_an_a4_scan() -> None:
    assert family("gpt-4o").seen(A4) == (768, 1086)
    assert family("claude-sonnet-4").seen(A4) == (1109, 1568)
    assert family("gemini-2.5-flash").seen(A4) == (2172, 3072)


sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))


@given(
    st.sampled_from([*FAMILIES, UNKNOWN, LOCAL]), sizes, st.sampled_from(["low", "high", "auto", "original"])
)
def test_nothing_is_seen_larger_than_it_was_and_tokens_are_bounded(
    kind: Family, size: tuple[int, int], detail: str
) -> None:
    width, height = kind.seen(size)
    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]
    assert 0 <= kind.tokens(size, detail) <= 200_000


@given(sizes, st.integers(1, 5000))
def test_fit_keeps_the_shape(size: tuple[int, int], edge: int) -> None:
    width, height = fit(size, edge)
    assert max(width, height) <= max(edge, 1)
    if max(size) <= edge:
        assert (width, height) == size
    assert abs(width * size[1] - height * size[0]) <= max(size)  # half a pixel of either side


def test_tokens_of_text() -> None:
    assert text_tokens("") == 0
    assert text_tokens("a" * 40) == 10
    assert text_tokens("发票号码") == 4
