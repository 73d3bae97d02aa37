"""What all daemons on one ledger share of the models: facts learnt, pauses, pace and money."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.part import Part, clean
from glimpsed.ledger.schema import learned, paces, pauses, spend
from glimpsed.ledger.spending import local_day
from glimpsed.ledger.values import Paused, Spend

WEEK = 7 * 86400.0  # seconds that a learnt fact is believed
_PACED = 120  # seconds of pace that are kept


class OfModels(Part):
    """Small tables, of a few rows each."""

    def learn(self, model_key: str, facts: Mapping[str, Any], now: float) -> None:
        """Remember facts about a (base_url, model, API), each for a week; None forgets one at once."""
        put = self._put(learned, "value", "at")
        with self._database.write() as c:
            for fact, value in sorted(facts.items()):
                if value is None:
                    c.execute(sa.delete(learned).where(learned.c.model == model_key, learned.c.fact == fact))
                else:
                    row = {"model": model_key, "fact": fact, "value": json.dumps(value), "at": now}
                    c.execute(put, row)
            self._database.tell(c)

    def all_learnt(self, now: float) -> dict[str, dict[str, Any]]:
        """The facts of every model that are still believed."""
        found: dict[str, dict[str, Any]] = {}
        with self._database.read() as c:
            for row in c.execute(sa.select(learned).where(learned.c.at.between(now - WEEK, now + WEEK))):
                found.setdefault(row.model, {})[row.fact] = json.loads(row.value)
        return found

    def forget(self, model_key: str | None = None) -> int:
        """Forget what was learnt about a model, or about all. Returns how many facts that was."""
        statement = sa.delete(learned)
        if model_key is not None:
            statement = statement.where(learned.c.model == model_key)
        with self._database.write() as c:
            self._database.tell(c)
            return c.execute(statement).rowcount

    def pause(self, pause: Paused) -> None:
        """A model pauses, or pauses differently from before."""
        row = {
            "model": pause.model,
            "reason": clean(pause.reason),
            "since": pause.since,
            "until": pause.until,
            "next_probe": pause.next_probe,
        }
        with self._database.write() as c:
            c.execute(self._put(pauses, "reason", "since", "until", "next_probe"), row)
            self._database.tell(c)

    def resume(self, model: str) -> bool:
        """A model goes on. False: it did not pause."""
        with self._database.write() as c:
            self._database.tell(c)
            return bool(c.execute(sa.delete(pauses).where(pauses.c.model == model)).rowcount)

    def pauses(self) -> dict[str, Paused]:
        """The models that pause."""
        with self._database.read() as c:
            return {row["model"]: Paused(**row) for row in c.execute(sa.select(pauses)).mappings()}

    def sent(self, model: str, requests: int, tokens: int, now: float) -> None:
        """Count requests towards this model's pace, for every daemon on this ledger."""
        with self._database.write() as c:
            self._count(c, model, requests, tokens, now)

    def _count(self, c: sa.Connection, model: str, requests: int, tokens: int, now: float) -> None:
        row = {"model": model, "second": int(now), "requests": requests, "tokens": tokens}
        c.execute(self._add(paces, "requests", "tokens"), row)
        c.execute(sa.delete(paces).where(paces.c.model == model, paces.c.second < int(now) - _PACED))

    def may_send(
        self, model: str, now: float, *, requests: int | None, tokens: int | None, cost: int = 0
    ) -> float:
        """Count one more request of `cost` tokens if this minute has room for it: 0. Else in how many seconds.

        `requests` and `tokens` are what all daemons together may send in any 60 s. Seconds are counted whole,
        so that a minute here is up to 61 s. A request that alone is more than the rate goes alone.
        """
        # Hosts' clocks differ a little.
        recent = sa.select(paces).where(
            paces.c.model == model, paces.c.second.between(int(now) - 60, int(now) + 60)
        )
        with self._database.write() as c:
            if self._database.postgresql:  # one daemon at a time
                c.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(model))))
            rows = c.execute(recent.order_by(paces.c.second)).all()
            if (wait := _wait(rows, now, requests, tokens, cost)) == 0:
                self._count(c, model, 1, cost, now)
            return wait

    def spend_today(self, now: float) -> list[Spend]:
        """What was spent on this local day, by folder, model and currency."""
        return self.spend_between(local_day(now), local_day(now))

    def spend_this_month(self, now: float) -> list[Spend]:
        """What was spent in this local month, by day, folder, model and currency.

        Also on days to come: to a daemon in a zone further east tomorrow has begun, and a clock may have been ahead.
        """
        month = local_day(now)[:8]
        return self.spend_between(f"{month}01", f"{month}31")

    def spend_between(self, first: str, last: str, *, folder: str | None = None) -> list[Spend]:
        """What was spent from one local day to another (``2026-11-22``), both included."""
        statement = sa.select(spend).where(spend.c.day.between(first, last)).order_by(spend.c.day)
        if folder is not None:
            statement = statement.where(spend.c.folder == folder)
        with self._database.read() as c:
            return [Spend(**row) for row in c.execute(statement).mappings()]


def _wait(
    rows: Sequence[sa.Row[*tuple[Any, ...]]], now: float, requests: int | None, tokens: int | None, cost: int
) -> float:
    """Seconds until enough of these are more than a minute old."""
    sent, used = 1 + sum(row.requests for row in rows), cost + sum(row.tokens for row in rows)
    wait = 0.0
    for row in rows:
        if (not requests or sent <= requests) and (not tokens or used <= tokens):
            break
        sent, used = sent - row.requests, used - row.tokens
        wait = max(0.01, row.second + 61.0 - now)
    return wait
