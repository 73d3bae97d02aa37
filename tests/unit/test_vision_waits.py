"""The wait that a gateway asks for, however it writes that."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.vision import waits

NOW = 1_800_000_000.0
UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7), ("7.5", 7.5), (6, 6), ("6s", 6), ("0m6.5s", 6.5), ("1m30s", 90), ("2h", 7200), ("500ms", 0.5),
        ("1h2m3s", 3723), ("34.5 seconds", 34.5), ("1 minute and 30 seconds", 90), ("-3", 0),
        ("1800000030", 30), ("1800000030000", 30), (1800000030000, 30), ("1799999999", 0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30), ("2027-01-15T08:00:30Z", 30), ("2027-01-15 08:00:30+00:00", 30),
        ("in 20 seconds", 20), ("PT1M30S", 90), ("P1DT2H", 93_600), ("pt0.5s", 0.5), ("0:30", 30), ("00:01:30", 90),
        ("7;", 7), ("7, 7", 7), ("7,9", 9), ('7; comment="a 60 s rate"', 7), ("7 sec.", 7), ("P", None), ("PT", None), ("1:2:3:4", None),
        ("soon", None), ("", None), ("nan", None), ("inf", None), (None, None), (True, None), ("6 parrots", None),
    ],
)  # fmt: skip
def test_every_way_of_writing_it(text: object, seconds: float | None) -> None:
    assert waits.seconds(text, NOW) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x-retry-after": "30"}, 30.0),
        ({"x-ratelimit-retry-after": "30s"}, 30.0),
        ({"retry-after-seconds": "30"}, 30.0),
        ({"retry-after": "7", "x-retry-after": "30"}, 7.0),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"x-should-retry": "true"}, None),
    ],
)
def test_a_longer_name_of_the_header(headers: dict[str, str], wait: float | None) -> None:
    assert waits.of_headers(headers, NOW, limited=False) == wait


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Limit 30000, Used 29000, Requested 3000. Please try again in 6.5s.", 6.5),
        ("Please retry after 20 seconds", 20),
        ("try again in 1h2m3s, or upgrade", 3723),
        ("Retry-After: 12", 12),
        ("Your quota resets in 2 hours", 7200),
        ("请20秒后重试", 20),
        ("请在 20 秒后重试", 20),
        ("请等待 2 分钟", 120),
        ("2小时后再试", 7200),
        ("20秒後に再試行してください", 20),
        ("20초 후 다시 시도하세요", 20),
        ("Bitte in 20 Sekunden erneut versuchen", 20),
        ("Réessayez dans 2 minutes", 120),
        ("Inténtelo de nuevo en 20 segundos", 20),
        ("Повторите через 20 секунд", 20),
        ("cooldown 20s", 20),
        ("Out of call volume quota. Quota will be replenished in 01:12:55.", 4375),
        ("Next request allowed in 15 seconds", 15),
        ("Please wait for 30 more seconds", 30),
        ("Back off 30 seconds", 30),
        ("请30s后重试", 30),
        ("Try again at 01:12:55", None),
        ("5 requests allowed in 60 seconds", None),
        ("30 requests in 60 seconds are allowed", None),
        ("每 60 秒 30 次", None),
        ("the request timed out after 30 s", None),
        ("Invoice 30s try", None),
        ("", None),
    ],
)
def test_a_wait_in_words(message: str, seconds: float | None) -> None:
    assert waits.in_words(message) == seconds


@pytest.mark.parametrize("ours", [-86_400, -20, 0, 20, 365 * 86_400])
@pytest.mark.parametrize("name", ["retry-after", "x-ratelimit-reset"])
@pytest.mark.parametrize(
    "moment", ["1800000030", "1800000030000", "Fri, 15 Jan 2027 08:00:30 GMT", "2027-01-15T08:00:30Z"]
)
def test_a_moment_is_by_the_senders_clock_whatever_ours_says(moment: str, name: str, ours: float) -> None:
    headers = {name: moment, "date": "Fri, 15 Jan 2027 08:00:00 GMT"}
    assert waits.of_headers(headers, NOW + ours, limited=True) == 30


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("You will regain access on 2027-01-15 at 08:00:30 UTC.", 30),
        ("Try again after 2027-01-15T08:00:30Z", 30),
        ("Your limit will reset at 2027-01-15 16:00:30+0800", 30),
        ("The limit was reset at 2026-01-15T08:00:30.250Z", 0),
        ("Your limit will reset at 2027-01-15 16:00:30", None),
        ("The model is available since version 2027-01-15", None),
    ],
)
def test_a_moment_in_words(message: str, seconds: float | None) -> None:
    assert waits.in_words(message, NOW) == (None if seconds is None else pytest.approx(seconds))
    assert waits.in_words(message) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"ratelimit": "limit=10, remaining=0, reset=20"},
        {"ratelimit": '"default";r=0;t=20'},
        {"ratelimit-reset": "20"},
        {"x-rate-limit-reset": "20"},
        {"x-ratelimit-reset-after": "20"},
        {"x-ms-retry-after-ms": "20000"},
    ],
)
def test_a_header_says_it_under_many_names(headers: dict[str, str]) -> None:
    assert waits.of_headers(headers, NOW, limited=True) == 20


def test_of_several_rates_the_one_that_is_used_up_counts() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "9m",
        "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6s",
    }  # fmt: skip
    assert waits.of_headers(headers, NOW, limited=True) == 6
    assert waits.of_headers(headers, NOW, limited=False) is None
    assert waits.of_headers(headers | {"retry-after": "2"}, NOW, limited=True) == 2
    assert waits.of_headers({"x-ratelimit-reset": "1800000005000"}, NOW, limited=True) == 5


def test_a_date_is_read_by_the_senders_own_clock() -> None:
    headers = {"retry-after": "Fri, 15 Jan 2027 09:00:30 GMT", "date": "Fri, 15 Jan 2027 09:00:00 GMT"}
    assert waits.of_headers(headers, NOW, limited=False) == 30


@given(st.lists(st.tuples(st.integers(0, 5000), st.sampled_from(list(UNITS))), min_size=1, max_size=4, unique_by=lambda p: p[1]),
       st.sampled_from(["", " ", ", "]))  # fmt: skip
def test_any_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]], between: str) -> None:
    text = between.join(f"{number}{unit}" for number, unit in parts)
    assert waits.seconds(text, NOW) == pytest.approx(sum(number * UNITS[unit] for number, unit in parts))


@given(st.integers(0, 10**9))
def test_any_moment_is_the_same_in_seconds_in_milliseconds_and_as_a_date(ahead: int) -> None:
    moment = int(NOW) + ahead
    forms = [str(moment), str(moment * 1000), email.utils.formatdate(moment, usegmt=True)]
    assert [waits.seconds(form, NOW) for form in forms] == [ahead] * 3


@given(st.text(max_size=300), st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date", "x-ratelimit-reset"]), st.text(max_size=40)))  # fmt: skip
def test_any_text_gives_a_wait_or_none(text: str, headers: dict[str, str]) -> None:
    for found in (
        waits.seconds(text, NOW),
        waits.in_words(text),
        waits.of_headers(headers, NOW, limited=True),
    ):
        assert found is None or found >= 0
