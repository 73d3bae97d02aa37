"""Leases on jobs: held, renewed, given back, and won again after a crash (DESIGN 8)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.part import HELD_LEASE, Part, is_file
from glimpsed.ledger.schema import answers, files
from glimpsed.model import Job

LEASE = 60.0  # seconds

# Which rows are ours, and stay so for the transaction; locked in one order, so that nobody deadlocks.
STILL_OURS = (
    sa.select(files.c.id, files.c.claims)
    .where(files.c.id.in_(sa.bindparam("ids", expanding=True)), files.c.owner == sa.bindparam("mine"))
    .order_by(files.c.id)
    .with_for_update()
)
_RENEW = (
    sa.update(files)
    .where(files.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(due=sa.bindparam("until"))
)
STATE_BACK = sa.case(
    (files.c.state == "answered", "answered"), (files.c.state == "handing", "handing"), else_="queued"
)
_BACK = sa.update(files).where(HELD_LEASE).values(state=STATE_BACK, owner=None, due=sa.bindparam("at"))
_ACQUIT = (
    sa.update(files)
    .where(
        sa.text("due > 0"),  # as `queue._NEXT_DUE`
        files.c.folder.concat("").in_(sa.bindparam("folders", expanding=True)),
        files.c.state == "queued",
        files.c.retries > 0,
    )
    .values(due=0.0, retries=0)
)


class Leases(Part):
    """What becomes of a job between its claim and its end."""

    def renew(self, ids: Collection[int], now: float, lease: float = LEASE) -> set[int]:
        """Keep these leases for another `lease` seconds. Returns the rows that are still ours."""
        if not ids:
            return set()
        with self._database.write() as c:
            ours = {row.id for row in c.execute(STILL_OURS, {"ids": sorted(ids), "mine": self.owner})}
            if ours:
                c.execute(_RENEW, {"ids": sorted(ours), "until": now + lease})
            return ours

    def retry(
        self,
        job: Job,
        due: float,
        reason: str,
        *,
        attempts: int,
        retries: int,
        cut_off: int,
        now: float,
    ) -> bool:
        """Back into the queue until `due`. False: the lease was lost, do nothing more."""
        change = {
            "reason": reason,
            "attempts": attempts,
            "retries": retries,
            "cut_off": cut_off,
            "changed": now,
        }
        return self._give_back(job, due, change)

    def acquit(self, folders: Collection[str]) -> int:
        """What waits to be tried again in these folders is due, with all its tries: it was the model's fault. How many."""
        with self._database.write() as c:
            return c.execute(_ACQUIT, {"folders": list(folders)}).rowcount

    def release(
        self,
        job: Job,
        *,
        due: float | None = None,
        attempts: int | None = None,
        retries: int | None = None,
    ) -> bool:
        """Back into the queue as if never claimed, at once or until `due`. False: the lease was lost."""
        counts = {"attempts": attempts, "retries": retries}
        return self._give_back(
            job, due or 0.0, {n: count for n, count in counts.items() if count is not None}
        )

    def regain(self, job: Job, part: int, *, until: float) -> Job | None:
        """What an earlier process did not get kept: its job under a lease again, if nobody has claimed the file since.

        Else under none: paid for and kept it is to be all the same. None: that answer, or page (`part`), has been kept, or
        the file is forgotten.
        """
        row = sa.select(files).where(is_file(job.key)).with_for_update()
        with self._database.write() as c:
            if (found := c.execute(row).one_or_none()) is None:
                return None
            same = (found.claims, found.size, found.mtime_ns) == (
                job.claim, job.version.size, job.version.mtime_ns
            )  # fmt: skip
            page = sa.select(answers.c.file).where(answers.c.file == found.id, answers.c.page == part)
            if same and (
                found.state in {"answered", "handing", "done"} or c.execute(page).first() is not None
            ):
                return None
            if not same or found.state not in {"queued", "running"}:
                return replace(job, id=found.id, claim=-1)
            lease = sa.update(files).where(files.c.id == found.id)
            c.execute(lease.values(state="running", owner=self.owner, due=until))
            return replace(job, id=found.id)

    def blocked(self, job: Job, due: float, reason: str) -> bool:
        """The sidecars cannot be written now: the answer waits in the row until `due`. False: lease lost."""
        return self._give_back(job, due, {"reason": reason})

    def _give_back(self, job: Job, due: float, change: dict[str, Any]) -> bool:
        with self._database.write() as c:
            statement = _BACK.values(change) if change else _BACK
            return bool(c.execute(statement, {"at": due, **self._lease(job)}).rowcount)

    def _lease(self, job: Job) -> dict[str, Any]:
        """The values of `HELD_LEASE`."""
        return {"job": job.id, "mine": self.owner, "claim": job.claim}
