"""What files will cost, as arithmetic: worked examples, and what must hold for any folder."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config import Folder, ModelEntry, Price
from glimpsed.estimate import (
    ANSWER_SECONDS,
    OUTPUT_TOKENS,
    OVERHEAD,
    Estimate,
    Group,
    Past,
    Sampled,
    estimate,
    input_tokens,
    total,
)

A4 = Sampled(pages=1, width=2480, height=3508)
PRICE = Price(input=2.5, output=10.0)


def entry(**changes: object) -> ModelEntry:
    return ModelEntry.model_validate({"api": "chat", "model": "gpt-4o", "price": PRICE, **changes})


def folder(**changes: object) -> Folder:
    return Folder.model_validate({"path": Path("/srv/x"), "prompt": "x" * 40, **changes})


def test_an_a4_page_to_gpt_4o_counts_as_its_tiles_and_the_prompt() -> None:
    """2480 x 3508 is sent as 1448 x 2048, seen as 768 x 1086: 2 x 3 tiles of 170, and 85."""
    assert input_tokens(A4, folder(), entry()) == 85 + 6 * 170 + 10 + OVERHEAD


def test_low_detail_counts_the_base_alone() -> None:
    assert input_tokens(A4, folder(detail="low"), entry()) == 85 + 10 + OVERHEAD


def test_system_and_schema_are_sent_as_well() -> None:
    plain = input_tokens(A4, folder(), entry())
    assert input_tokens(A4, folder(system="y" * 400), entry()) == plain + 100
    assert input_tokens(A4, folder(schema={"type": "object"}), entry()) > plain


def test_pages_together_send_the_prompt_once_and_each_sends_it_again() -> None:
    three = Sampled(pages=3, width=2480, height=3508)
    image = 85 + 6 * 170
    assert input_tokens(three, folder(), entry()) == 3 * image + 10 + OVERHEAD
    assert input_tokens(three, folder(pages="each"), entry()) == 3 * (image + 10 + OVERHEAD)


def test_bands_are_counted_one_by_one() -> None:
    assert input_tokens(A4, folder(bands=3), entry()) > 2 * input_tokens(A4, folder(), entry())


def test_a_sample_stands_for_its_group() -> None:
    found = estimate([Group(1000, (A4, A4))], folder(), entry(), Past())
    each = 85 + 6 * 170 + 10 + OVERHEAD
    assert found == Estimate(
        files=1000,
        pages=1000,
        input_tokens=1000 * each,
        output_tokens=1000 * OUTPUT_TOKENS,
        cost=pytest.approx(1000 * (each * 2.5 + OUTPUT_TOKENS * 10) / 1e6),
        currency="USD",
        seconds=1000 * ANSWER_SECONDS / 8,
    )


def test_what_will_fail_unasked_costs_nothing() -> None:
    long = Sampled(pages=51, width=100, height=100)
    found = estimate([Group(3, (A4, None, long))], folder(max_pages=50), entry(), Past())
    assert (found.files, found.pages, found.output_tokens) == (3, 1, OUTPUT_TOKENS)


def test_answers_count_as_long_as_those_so_far_once_there_are_enough() -> None:
    group = [Group(10, (A4,))]
    assert estimate(group, folder(), entry(), Past(4, 4000)).output_tokens == 10 * OUTPUT_TOKENS
    assert estimate(group, folder(), entry(), Past(20, 4000)).output_tokens == 10 * 200


def test_an_output_limit_is_the_most_that_is_guessed() -> None:
    found = estimate([Group(10, (A4,))], folder(max_output_tokens=100), entry(), Past())
    assert found.output_tokens == 1000


def test_the_slowest_of_concurrency_and_rates_sets_the_time() -> None:
    group = [Group(600, (A4,))]
    assert estimate(group, folder(), entry(concurrency=1), Past()).seconds == 600 * ANSWER_SECONDS
    assert estimate(group, folder(), entry(requests_per_minute=6), Past()).seconds == 6000
    slow = estimate(group, folder(), entry(tokens_per_minute=1000), Past())
    assert slow.seconds == pytest.approx((slow.input_tokens + slow.output_tokens) * 60 / 1000, rel=1e-3)


def test_the_embedded_model_is_free_and_takes_time() -> None:
    local = ModelEntry(api="local", model="rapidocr")
    found = estimate([Group(100, (A4,))], folder(), local, Past(), cores=2)
    assert (found.cost, found.currency, found.input_tokens, found.output_tokens) == (0.0, None, 0, 0)
    assert found.seconds > 60


def test_without_a_price_the_cost_is_unknown_not_nothing() -> None:
    found = estimate([Group(1, (A4,))], folder(), entry(price=None), Past())
    assert (found.cost, found.currency) == (None, None)


def test_the_total_of_two_currencies_or_of_an_unknown_price_is_not_told() -> None:
    dollars = Estimate(files=1, cost=1.0, currency="USD")
    assert total([dollars, dollars]).cost == 2.0
    assert total([dollars, Estimate(files=1, cost=0.0)]) == Estimate(files=2, cost=1.0, currency="USD")
    assert total([dollars, Estimate(files=1, cost=1.0, currency="CNY")]).cost is None
    assert total([dollars, Estimate(files=1, cost=None)]).cost is None
    assert total([dollars, Estimate(files=0, cost=None)]).cost == 1.0
    assert total([]) == Estimate()


seen = st.builds(
    Sampled, pages=st.integers(1, 60), width=st.integers(1, 20_000), height=st.integers(1, 20_000)
)
groups = st.lists(
    st.builds(Group, files=st.integers(1, 10**6), sample=st.lists(seen | st.none(), max_size=4).map(tuple)),
    max_size=4,
)
models = st.sampled_from(["gpt-4o", "gpt-4.1-mini", "claude-sonnet-4", "gemini-2.5-flash", "who-knows"])


@given(groups, models, st.sampled_from(["together", "each"]), st.sampled_from(["none", "auto", 4]))
def test_any_estimate_is_finite_and_grows_with_the_number_of_files(
    some: list[Group], model: str, pages: str, bands: object
) -> None:
    settings_, model_entry = folder(pages=pages, bands=bands), entry(model=model)
    once = estimate(some, settings_, model_entry, Past())
    twice = estimate([Group(2 * g.files, g.sample) for g in some], settings_, model_entry, Past())
    assert once.files == sum(g.files for g in some)
    assert once.cost is not None
    assert math.isfinite(once.cost)
    assert math.isfinite(once.seconds)
    assert twice.input_tokens == pytest.approx(2 * once.input_tokens, abs=1)
    assert once.cost <= twice.cost  # type: ignore[operator]
