"""Everything the program may ask of its ledger, in one object, and how it is opened."""

from __future__ import annotations

from glimpsed.clock import Clock
from glimpsed.ledger.browse import Browse
from glimpsed.ledger.engine import Database
from glimpsed.ledger.handing import HandingOver
from glimpsed.ledger.holding import Holding
from glimpsed.ledger.hosts import Hosts, this_process
from glimpsed.ledger.hours import Hours
from glimpsed.ledger.listing import Listing
from glimpsed.ledger.memory import OfModels
from glimpsed.ledger.older import Older
from glimpsed.ledger.others import Others
from glimpsed.ledger.queries import Queries
from glimpsed.ledger.schema import prepare
from glimpsed.ledger.search import Search
from glimpsed.ledger.timekeeping import keep_time


class Ledger(HandingOver, Others, Listing, Older, Holding, OfModels, Hosts, Queries, Search, Browse, Hours):
    """Everything the program may ask of its ledger; each part is a module of this package.

    Every method may raise `LedgerUnavailable` (the database is away: ask again) or `LedgerError`.
    """

    @property
    def where(self) -> str:
        """The database as it may be shown: the path of its file, or its URL without the password."""
        return self._database.where

    @property
    def on_server(self) -> bool:
        """Whether a server keeps it, which may take what it is asked and never answer."""
        return self._database.postgresql

    def close(self) -> None:
        """Close the database's connections."""
        self._database.close()


def open_ledger(
    url: str,
    *,
    search: bool = True,
    keep: float | None = None,
    owner: str | None = None,
    clock: Clock | None = None,
) -> Ledger:
    """Open the ledger at this SQLAlchemy URL; create it, or bring it forward to this version.

    Raises `LedgerError` for one that is newer, damaged or not ours, `LedgerUnavailable` when the database
    is away. `keep`: seconds that answers are kept. `owner` stands for another process, `clock` for another host's, in tests.
    """
    owner, clock = owner or this_process(), clock or Clock()
    database = Database(url, owner)
    try:
        with database.write() as connection:
            prepare(connection, database.where, now=clock.wall())
            keep_time(connection, clock, opening=True)
    except BaseException:
        database.close()
        raise
    return Ledger(database, owner, clock, search=search, keep=keep)
