"""The ledger: the only queue, and the memory of what is done and paid for (DESIGN 2, 8 and 12).

    offer ──> queued ──claim──> running ──answered──> answered ──done──> done
                ^  ^               │ │                    │
                │  └──retry, lease out┘ └──failed──> failed   └──blocked, lease out: claimed again, written again

`queue` holds offers, claims and leases, `finish` the ends of a job, `handing` its hand-over, `listing` what discovery compares with,
`memory` what daemons share of the models, `hosts` who they are, `queries` and `search` what commands ask,
`look` what `check` finds out without opening it for work.
All of it is synchronous and may be called from several threads at once.
"""

from __future__ import annotations

from glimpsed.clock import Clock
from glimpsed.ledger.engine import Database
from glimpsed.ledger.finish import local_day
from glimpsed.ledger.handing import Handing
from glimpsed.ledger.hosts import Hosts, this_process
from glimpsed.ledger.listing import Listing
from glimpsed.ledger.memory import Memory
from glimpsed.ledger.queries import Queries
from glimpsed.ledger.queue import LEASE
from glimpsed.ledger.schema import prepare
from glimpsed.ledger.search import Search
from glimpsed.ledger.timekeeping import keep_time
from glimpsed.ledger.values import Adopted, Daemon, FileRow, GoneRow, Hit, Known, Paused, Spend

__all__ = [
    "LEASE",
    "Adopted",
    "Daemon",
    "FileRow",
    "GoneRow",
    "Hit",
    "Known",
    "Ledger",
    "Paused",
    "Spend",
    "local_day",
    "open_ledger",
]


class Ledger(Handing, Listing, Memory, Hosts, Queries, Search):
    """Everything the program may ask of its ledger; each part is a module of this package.

    Every method may raise `LedgerUnavailable` (the database is away: ask again) or `LedgerError`.
    """

    @property
    def where(self) -> str:
        """The database as it may be shown: the path of its file, or its URL without the password."""
        return self._database.where

    def close(self) -> None:
        """Close the database's connections."""
        self._database.close()


def open_ledger(
    url: str, *, search: bool = True, owner: str | None = None, clock: Clock | None = None
) -> Ledger:
    """Open the ledger at this SQLAlchemy URL; create it, or bring it forward to this version.

    Raises `LedgerError` for one that is newer, damaged or not ours, `LedgerUnavailable` when the database
    is away. `owner` stands for another process, `clock` for another host's, in tests.
    """
    owner, clock = owner or this_process(), clock or Clock()
    database = Database(url, owner)
    try:
        with database.write() as connection:
            prepare(connection, database.where)
            keep_time(connection, clock, opening=True)
    except BaseException:
        database.close()
        raise
    return Ledger(database, owner, clock, search=search)
