"""What each hour was like: how long files were in each stage, how many waited. For the live page's charts."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.part import Part
from glimpsed.ledger.schema import files, hours, verifications

KEPT = 60 * 24  # hours that are kept
_WAITING = ("queued", "running", "answered", "handing")
_COUNT = (
    sa.select(sa.func.count())
    .select_from(files)
    .where(files.c.folder == sa.bindparam("folder"), files.c.state.in_(_WAITING))
)


@dataclass(frozen=True, slots=True)
class Hour:
    """One kind of measure in one hour: how often it was taken, and the sum of what was found."""

    hour: int  # since 1970
    what: str  # a stage, in seconds; QUEUE: files that wait
    times: int
    total: float

    @property
    def mean(self) -> float:
        """On average."""
        return self.total / self.times


QUEUE = "queue"


class Hours(Part):
    """Sums by hour, to which every daemon adds once in a while."""

    def add_hour(self, found: Mapping[str, tuple[int, float]], now: float) -> None:
        """Measures by what they are of: how many, and their sum. Those that are too old go."""
        hour = int(now // 3600)
        rows = [
            {"hour": hour, "what": what, "times": times, "total": total}
            for what, (times, total) in sorted(found.items())
        ]
        with self._database.write() as c:
            c.execute(self._add_hours, rows)
            c.execute(sa.delete(hours).where(hours.c.hour < hour - KEPT))

    @functools.cached_property
    def _add_hours(self) -> Any:
        return self._add(hours, "times", "total")

    def hours_since(self, since: float) -> list[Hour]:
        """All that is known from this time on."""
        with self._database.read() as c:
            which = sa.select(hours).where(hours.c.hour >= int(since // 3600))
            return [Hour(*row) for row in c.execute(which.order_by(hours.c.hour))]

    def waiting(self, folders: Iterable[str]) -> int:
        """How many files of these folders have not got through yet."""
        with self._database.read() as c:
            return sum(c.scalar(_COUNT, {"folder": folder}) or 0 for folder in folders)

    def agreement_by_hour(self, since: float) -> list[Hour]:
        """How far second readers agreed about the answers of each hour, from 0 to 1."""
        hour = sa.cast(sa.func.floor(files.c.changed / 3600), sa.BigInteger).label("hour")
        read = (
            sa.select(hour, sa.func.count(), sa.func.sum(verifications.c.agreement))
            .join_from(verifications, files, verifications.c.file == files.c.id)
            .where(
                verifications.c.agreement.is_not(None),
                verifications.c.claim == files.c.claims,
                # For SQLite's planner, which else goes through all files that are done.
                files.c.id.in_(sa.select(verifications.c.file)),
                files.c.changed + 0 >= since,
                files.c.state.concat("") == "done",
            )
        )
        with self._database.read() as c:
            found = c.execute(read.group_by(hour).order_by(hour)).all()
            return [Hour(at, "agreement", times, total) for at, times, total in found]
