"""Whether the file of an SQLite ledger still has the content that was put into it.

Somebody may copy a backup over it (`cp backup.db ledger.db`) under a daemon: by its number and size it is the same
file, and SQLite goes on with the pages that it remembers and its log has, until both contents are mixed up in it. What
tells is the ledger's clock (see `timekeeping`), which every heartbeat puts down: in the file it only goes forward, and
is never ahead of what the ledger says.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
import urllib.parse

from glimpsed.ledger.timekeeping import MARK

TRIES, PAUSE = 3, 0.5  # a checkpoint of somebody else's may be in the middle of its pages
_WRONG = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
)  # of which the first is: no such table


class FileContent:
    """What the file itself, without its log, must hold."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: str | None = None  # the clock's row, as it was put into the file

    def put_down(self, mark: str) -> None:
        """The log was put into the file, and this row of the clock with it."""
        self._known = mark

    def overwritten(self, newest: str | None) -> bool:
        """Whether it is not what was put there, nor put there since; `newest`: the clock's row as the ledger has it."""
        if self._known is None or self._goes_on(newest):
            return False
        modified = self._modified()
        for _ in range(TRIES - 1):
            time.sleep(PAUSE)
            if self._goes_on(newest) or self._modified() != modified:
                return False
        return True

    def drop_log(self) -> None:
        """Whoever opens the file next, or closes it, would put what belongs to the old content over the new one.

        By its name, as to close any descriptor of it would drop SQLite's locks.
        """
        with contextlib.suppress(OSError):
            os.truncate(f"{self._path}-wal", 0)

    def _goes_on(self, newest: str | None) -> bool:
        there = self._mark()
        if there is None or there == self._known:
            return True
        return bool(there) and _time(self._known) < _time(there) <= _time(newest or there)

    def _mark(self) -> str | None:
        """The clock's row in the file; empty when there is none, None when the file cannot be read just now.

        SQLite opens it, which knows what locks this process has on it; as `immutable` it looks at neither log nor cache.
        """
        place = f"file://{urllib.parse.quote(os.fsencode(self._path))}?mode=ro&immutable=1"
        try:
            with contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
                row = connection.execute(MARK).fetchone()
        except sqlite3.Error as e:
            return "" if getattr(e, "sqlite_errorcode", 0) & 0xFF in _WRONG else None
        return str(row[0]) if row else ""

    def _modified(self) -> int | None:
        with contextlib.suppress(OSError):
            return os.stat(self._path).st_mtime_ns
        return None


def _time(mark: str | None) -> float:
    """0 for a row that is none of ours."""
    try:
        return float(json.loads(mark or "[0]")[0])
    except (ValueError, TypeError, LookupError):
        return 0.0
