from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from glimpsed.errors import Verdict
from glimpsed.model import FileKey, Job, Version
from glimpsed.pipeline import backoff

unit = st.floats(0, 1, exclude_max=True)


def job(retries: int = 0, cut_off: int = 0) -> Job:
    return Job(
        1, FileKey("f", "a.png"), Version(1, 1), attempts=0, retries=retries, cut_off=cut_off, fresh=True
    )


@given(st.integers(0, 10), unit, st.none() | st.floats(0, 100_000))
def test_the_wait_is_jitter_under_a_doubling_ceiling_but_never_shorter_than_the_api_asked_up_to_an_hour(
    retries: int, dice: float, asked: float | None
) -> None:
    again = backoff.again(job(retries), Verdict("retry", "busy", retry_after=asked), lambda: dice)
    assert again.after is not None
    least = min(asked or 0, 3600.0)
    assert again.after >= least
    ceiling = min(backoff.LONGEST, 2.0**retries)
    assert again.after <= max(ceiling, least)


@given(st.integers(0, 1_000_000), unit)
def test_a_row_with_a_wild_count_does_not_overflow(retries: int, dice: float) -> None:
    again = backoff.again(job(retries), Verdict("retry", "busy"), lambda: dice)
    assert (again.after is None) == (retries + 1 >= backoff.MOST_RETRIES)


def test_the_twelfth_retry_verdict_is_the_last_and_they_span_about_half_an_hour() -> None:
    waits = [backoff.again(job(n), Verdict("retry", "busy"), lambda: 1.0).after for n in range(12)]
    assert waits[11] is None
    assert 25 * 60 <= sum(w for w in waits[:11] if w is not None) <= 35 * 60


def test_two_cut_off_requests_end_it_whatever_else_was_retried() -> None:
    first = backoff.again(job(), Verdict("retry", "HTTP 524", cut_off=True), lambda: 0.5)
    assert first.after is not None
    second = backoff.again(job(1, first.cut_off), Verdict("retry", "HTTP 524", cut_off=True), lambda: 0.5)
    assert second.after is None


@given(st.integers(-5, 10_000))
def test_a_share_in_trouble_is_tried_again_within_a_minute(failures: int) -> None:
    assert 1.0 <= backoff.share_pause(failures) <= 60.0


@given(st.integers(0, 11), unit)
def test_a_server_that_cannot_be_reached_costs_a_file_no_try(retries: int, dice: float) -> None:
    again = backoff.unreached(job(retries, cut_off=1), lambda: dice)
    assert again.after is not None
    assert (again.after <= backoff.FIRST, again.retries, again.cut_off) == (True, retries, 1)
