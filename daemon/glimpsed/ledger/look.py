"""Whether a ledger can be used, without creating, changing or migrating anything: for `glimpsed check`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import pool

from glimpsed.disk.owner import denied
from glimpsed.errors import LedgerError
from glimpsed.ledger import engine
from glimpsed.ledger.schema import refuse_strangers

PATIENCE = 5.0  # seconds that a lock may last
THOROUGH = 10.0  # seconds that are spent on looking for damage: a large ledger is read in part
_STEPS = 20_000  # of SQLite's machine between two looks at the clock


def look(url: str) -> None:
    """Raises `LedgerError` for a ledger that is damaged, newer, or another program's; what is not there is fine.

    Raises `LedgerUnavailable` for a database that is locked or does not answer.
    """
    parsed = engine.parsed(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "").absolute()
        if path.exists():
            _file(path)
        return
    database = engine.Database(url, "check")
    try:
        with database.read() as connection:
            refuse_strangers(connection, database.where)
    finally:
        database.close()


def _file(path: Path) -> None:
    if not os.access(path, os.R_OK | os.W_OK):
        raise LedgerError(f"the ledger {path} cannot be written: {denied(path)}")
    # Without a log nobody has it open, and a look that takes no locks leaves no files behind either.
    in_use = Path(f"{path}-wal").exists()
    with _opened(path, "mode=ro" if in_use else "immutable=1") as connection:
        refuse_strangers(connection, str(path))
        _search_for_damage(connection, path)
    if in_use:
        with _opened(path, "mode=rw") as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("ROLLBACK")


@contextlib.contextmanager
def _opened(path: Path, how: str) -> Iterator[sa.Connection]:
    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(path))}?{how}"
        return sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)

    only = sa.create_engine("sqlite://", creator=connect, poolclass=pool.NullPool, hide_parameters=True)
    with engine.translated(str(path)), only.connect() as connection:
        yield connection


def _search_for_damage(connection: sa.Connection, path: Path) -> None:
    until = time.monotonic() + THOROUGH
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    except sa.exc.OperationalError:
        if time.monotonic() > until:
            return
        raise
    finally:
        driver.set_progress_handler(None, 0)
    if found != "ok":
        reason = " ".join(found.replace("*** in database main ***", "").split())
        raise LedgerError(f"{path} is damaged: {reason}. {engine.MOVE_AWAY}")
