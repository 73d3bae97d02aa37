"""Which budgets are used up, and until when. Pure: what was spent and the time are arguments.

Days and months are local time. A model without a price, and a local one, spends nothing that counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from glimpsed.config.schema import Config, Limit
from glimpsed.ledger import Spend, local_day

DIGITS = 6  # of an amount, behind the point


@dataclass(frozen=True, slots=True)
class Reached:
    """A budget that is used up."""

    of: str  # "all", "model NAME" or "folder NAME"
    period: str  # "day" or "month"
    spent: float
    limit: float
    currency: str
    until: float  # epoch seconds

    @property
    def which(self) -> tuple[str, str, float, float]:
        """The same for as long as nothing but what was spent is another."""
        return self.of, self.period, self.limit, self.until

    @property
    def reason(self) -> str:
        """One line for the log and for ``status``."""
        whose = "" if self.of == "all" else f" of {self.of}"
        digits = 2 if self.limit >= 0.1 else 4
        spent = f"{self.spent:.{digits}f} of {self.limit:.{digits}f} {self.currency}"
        when = dt.datetime.fromtimestamp(self.until).astimezone().strftime("%Y-%m-%d %H:%M")
        return f"the budget{whose} for this {self.period} is used up ({spent}); goes on {when}"


def reached(config: Config, spent: Sequence[Spend], now: float) -> list[Reached]:
    """The budgets that are used up, from this month's spending."""
    currency = config.budget.currency
    mine = [s for s in spent if s.currency == currency]
    found = list(_used_up("all", config.budget, mine, now, currency))
    for name, model in config.models.items():
        found += _used_up(f"model {name}", model.budget, [s for s in mine if s.model == name], now, currency)
    for name, folder in config.folders.items():
        found += _used_up(
            f"folder {name}", folder.budget, [s for s in mine if s.folder == name], now, currency
        )
    return found


def concerned(found: Iterable[Reached], folder: str, model: str) -> Reached | None:
    """The used-up budget, if any, under which this folder may not ask this model; the longest-lasting."""
    names = {"all", f"model {model}", f"folder {folder}"}
    return max((r for r in found if r.of in names), key=lambda r: r.until, default=None)


def _used_up(
    of: str, limit: Limit | None, spent: Sequence[Spend], now: float, currency: str
) -> Iterator[Reached]:
    if limit is None:
        return
    today = local_day(now)
    # To the digits that costs are kept in: ten times 0.1 add up to a little less than 1.
    day = round(sum(s.cost for s in spent if s.day == today), DIGITS)
    month = round(sum(s.cost for s in spent), DIGITS)
    if limit.per_day is not None and day >= limit.per_day:
        yield Reached(of, "day", day, limit.per_day, currency, next_day(now))
    if limit.per_month is not None and month >= limit.per_month:
        yield Reached(of, "month", month, limit.per_month, currency, next_month(now))


def next_day(now: float) -> float:
    """The next local midnight, in epoch seconds."""
    tomorrow = dt.datetime.fromtimestamp(now).astimezone().date() + dt.timedelta(days=1)
    return dt.datetime.combine(tomorrow, dt.time()).timestamp()


def next_month(now: float) -> float:
    """The first of the next month, local midnight, in epoch seconds."""
    today = dt.datetime.fromtimestamp(now).astimezone().date()
    first = (today.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return dt.datetime.combine(first, dt.time()).timestamp()
