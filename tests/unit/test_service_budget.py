from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config.schema import Budget, Config, Folder, Limit, ModelEntry
from glimpsed.ledger import Spend, local_day
from glimpsed.service.budget import Reached, concerned, next_day, next_month, reached

NOW = dt.datetime(2026, 11, 22, 15, 0).astimezone().timestamp()


def config(**limits: object) -> Config:
    models = {"m": ModelEntry(base_url="https://x/v1", budget=limits.get("model"))}  # type: ignore[arg-type]
    folders = {"f": Folder(path="/f", model="m", budget=limits.get("folder"))}  # type: ignore[arg-type]
    return Config(models=models, folders=folders, budget=limits.get("top") or Budget())  # type: ignore[arg-type]


def spend(
    cost: float, *, day: str = local_day(NOW), folder: str = "f", model: str = "m", currency: str = "USD"
) -> Spend:
    return Spend(day, folder, model, currency, 1, 1, 1, cost)


def test_without_a_limit_nothing_is_ever_reached() -> None:
    assert not config().limits
    assert reached(config(), [spend(1e9)], NOW) == []


def test_a_day_counts_today_alone_and_a_month_all_of_it() -> None:
    limits = config(top=Budget(per_day=2, per_month=5))
    earlier = spend(4.0, day=local_day(NOW - 86_400))
    assert reached(limits, [earlier, spend(0.5)], NOW) == []
    (day,) = reached(limits, [spend(2.0)], NOW)
    assert (day.period, day.of, day.until) == ("day", "all", next_day(NOW))
    (month,) = reached(limits, [earlier, spend(1.0)], NOW)
    assert (month.period, month.until) == ("month", next_month(NOW))


@given(st.integers(1, 400), st.integers(1, 999_999))
def test_many_small_costs_reach_a_budget_of_just_as_much(times: int, millionths: int) -> None:
    cost = millionths / 1e6
    total = 0.0
    for _ in range(times):  # as a ledger adds
        total += cost
    limits = config(top=Budget(per_day=round(times * millionths / 1e6, 6)))
    assert [one.period for one in reached(limits, [spend(total)], NOW)] == ["day"]
    assert reached(limits, [spend(total - cost)], NOW) == []


def test_the_budget_of_a_model_or_folder_concerns_only_that() -> None:
    found = reached(config(folder=Limit(per_day=1)), [spend(1.0)], NOW)
    assert concerned(found, folder="f", model="m") is not None
    assert concerned(found, folder="other", model="m") is None
    found = reached(config(model=Limit(per_day=1)), [spend(1.0)], NOW)
    assert concerned(found, folder="other", model="m") is not None
    assert concerned(found, folder="other", model="free") is None


def test_another_currency_does_not_count() -> None:
    assert reached(config(top=Budget(per_day=1)), [spend(9.0, currency="CNY")], NOW) == []


def test_the_reason_names_the_amounts_and_when_it_goes_on() -> None:
    (one,) = reached(config(top=Budget(per_day=1)), [spend(1.5)], NOW)
    assert "1.50 of 1.00 USD" in one.reason
    assert "2026-11-23 00:00" in one.reason


@given(st.floats(0, 4e9))
def test_tomorrow_and_next_month_are_ahead_and_at_local_midnight(now: float) -> None:
    for later, most in ((next_day(now), 2 * 86_400), (next_month(now), 33 * 86_400)):
        assert now < later <= now + most
        local = dt.datetime.fromtimestamp(later).astimezone()
        assert local.hour <= 1  # midnight, or the first hour that a clock change left
        assert (local.minute, local.second) == (0, 0)


def test_a_budget_of_parts_of_a_cent_is_not_told_as_none() -> None:
    found = Reached("all", "day", 0.0051, 0.004, "USD", 0.0)
    assert "(0.0051 of 0.0040 USD)" in found.reason
    assert "(1.02 of 1.00 USD)" in Reached("all", "day", 1.02, 1, "USD", 0.0).reason
