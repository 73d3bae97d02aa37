"""Hearing that somebody else wrote to a ledger in PostgreSQL: LISTEN and NOTIFY."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import sqlalchemy as sa

from glimpsed.errors import LedgerUnavailable
from glimpsed.words import cause

CHANNEL = "glimpsed"


def tell(connection: sa.Connection, teller: str) -> None:
    """Wake the others when this transaction is committed."""
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, teller)))


class Listener:
    """A connection of its own that collects what the others told."""

    def __init__(self, engine: sa.Engine, teller: str, options: dict[str, Any]) -> None:
        self._engine = engine
        self._psycopg = engine.dialect.loaded_dbapi
        self._options = options  # for connecting, where the URL does not say otherwise
        self._teller = teller  # news of our own are no news
        self._lock = threading.Lock()
        self._connection: Any = None  # psycopg's
        self._heard = 0

    def heard(self) -> int:
        """A number that grows with the others' news; also after an interruption, which may have hidden some.

        Does not wait. Raises `LedgerUnavailable` when the database is away.
        """
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._listening()
                    self._heard += 1
                notes = list(self._connection.notifies(timeout=0))
            except self._psycopg.Error as e:
                self._drop()
                raise LedgerUnavailable(f"the ledger's database does not answer ({cause(e)})") from e
            self._heard += sum(note.payload != self._teller for note in notes)
            return self._heard

    def close(self) -> None:
        """Hear no more."""
        with self._lock:
            self._drop()

    def _listening(self) -> Any:
        positional, named = self._engine.dialect.create_connect_args(self._engine.url)
        connection = self._psycopg.connect(*positional, **{**self._options, **named}, autocommit=True)
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):  # it may be broken, that is why it goes
                self._connection.close()
            self._connection = None
