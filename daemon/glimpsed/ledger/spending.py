"""What was spent: sums by local day, folder, model and currency."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.part import Part
from glimpsed.ledger.schema import BEGAN, about, spend
from glimpsed.ledger.values import Adopted
from glimpsed.model import Usage


@dataclass(frozen=True, slots=True)
class Bill:
    """What a request cost, and whether it gave an answer."""

    folder: str
    entry: str
    usage: Usage
    answered: int = 0


class Spending(Part):
    """Adds to the sums, in the transaction of what was paid for."""

    def _pay(self, c: sa.Connection, bills: Iterable[Bill], now: float) -> None:
        """Add to the day's sums, each once."""
        self._add_up(c, ((local_day(now), bill) for bill in bills))

    def _pay_again(self, c: sa.Connection, adopted: Sequence[Adopted]) -> None:
        """What an earlier ledger had counted, which is lost: its answers are older than this one."""
        began = c.scalar(sa.select(about.c.value).where(about.c.name == BEGAN))
        if began is not None:  # a ledger of before that was noted has all its sums
            self._add_up(
                c,
                (
                    (local_day(paid.at), Bill(one.key.folder, paid.entry, paid.usage, paid.answered))
                    for one in adopted
                    for paid in one.paid
                    if paid.at < float(began)
                ),
            )

    def _add_up(self, c: sa.Connection, bills: Iterable[tuple[str, Bill]]) -> None:
        sums: dict[tuple[str, str, str, str], list[float]] = {}
        for day, bill in bills:
            usage = bill.usage
            key = day, bill.folder, bill.entry, usage.currency or ""
            amounts = bill.answered, usage.input_tokens, usage.output_tokens, usage.cost or 0.0
            sums[key] = [a + b for a, b in zip(sums.get(key, (0, 0, 0, 0.0)), amounts, strict=True)]
        rows = [
            {
                "day": day,
                "folder": folder,
                "model": entry,
                "currency": currency,
                "answers": amounts[0],
                "input_tokens": amounts[1],
                "output_tokens": amounts[2],
                "cost": amounts[3],
            }
            for (day, folder, entry, currency), amounts in sorted(sums.items())  # two hosts never deadlock
        ]
        if rows:
            c.execute(self._add_spend, rows)

    @functools.cached_property
    def _add_spend(self) -> Any:
        return self._add(spend, "answers", "input_tokens", "output_tokens", "cost")


def local_day(now: float) -> str:
    """The local day, as budgets count it: ``2026-11-22``."""
    return time.strftime("%Y-%m-%d", time.localtime(now))
