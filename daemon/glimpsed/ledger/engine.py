"""Opening the database, its transactions, and what its errors mean.

SQLite runs in WAL mode with ``synchronous=NORMAL``: a commit survives the death of the process at any
instruction, and a power cut never damages the file, but may take back the last commits. Taking back a
claim or a due time costs nothing. The one commit that must survive a power cut too holds an answer that
was paid for: `Database.write` with ``durable=True`` runs it with ``synchronous=FULL``, an fsync of the
log (field notes, section 6: 2,200 of those a second, against 26,000).

One connection writes, so threads queue up for it inside the process instead of polling the file lock;
other connections read. PostgreSQL has one pool for both, and every commit is durable.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc, pool

from glimpsed import words
from glimpsed.disk.owner import denied
from glimpsed.errors import LedgerError, LedgerReplaced, LedgerUnavailable, MissingExtra
from glimpsed.ledger.news import Listener, tell
from glimpsed.redact import password_runs_on

BUSY = 15.0  # seconds that SQLite waits for another process's transaction
MOVE_AWAY = "Move it away, glimpsed then adopts the sidecars that are there."
_READERS = 4
_SCRUB_TRIES, _SCRUB_PAUSE = 50, 0.1
_OLD_BLOCKS = 500  # of 4 KB
_OLD_INDEX = "SELECT count(*) FROM sqlite_master WHERE name = 'words'"
# But for what FTS5 must find of it to drop it: below 11 are its own notes.
_OLD_INDEX_SOME = "DELETE FROM words_data WHERE id IN (SELECT id FROM words_data WHERE id > 10 LIMIT ?)"
_EMPTY_LOG = "PRAGMA wal_checkpoint(TRUNCATE)"
_PG_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,
    # A server that vanished without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Database:
    """The connections of one ledger."""

    def __init__(self, url: str, owner: str) -> None:
        self._owner = owner
        self._listener: Listener | None = None
        place = parsed(url)
        self.where = told(place)
        self.postgresql = place.get_backend_name() == "postgresql"
        if self.postgresql:
            options = {k: v for k, v in _PG_CONNECT.items() if k not in place.query}
            self._writer = self._reader = _postgresql(place, options)
            self._listener = Listener(self._writer, owner, options)
        else:
            self.where = str(_create_file(place))
            self._writer, self._reader = _sqlite(place)
            self._files: dict[str, tuple[int, int]] = {}  # by name: the file, its log, the log's index
            self._largest = 0  # bytes that the file had
        self._write_lock = contextlib.nullcontext() if self.postgresql else threading.Lock()

    @contextlib.contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sa.Connection]:
        """A transaction that writes; committed at the end of the block, rolled back when it raises.

        `durable`: the commit also survives a power cut. Raises as `translated`.
        """
        with (
            translated(self.where),
            self._write_lock,
            self._writer.connect() as connection,
            connection.begin(),
        ):
            if not self.postgresql:
                if durable != connection.info.get("durable", False):  # it cannot change within a transaction
                    connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                    connection.info["durable"] = durable
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, and sees one state of the ledger. Raises as `translated`."""
        with translated(self.where), self._reader.connect() as connection, connection.begin():
            if not self.postgresql:
                connection.exec_driver_sql("BEGIN")
            yield connection

    def tell(self, connection: sa.Connection) -> None:
        """What this transaction writes is news to the others; SQLite tells them by itself."""
        if self.postgresql:
            tell(connection, self._owner)

    def news(self) -> int:
        """A number that changes when another process, or another `Database`, wrote what concerns us."""
        if self._listener is not None:
            return self._listener.heard()
        with translated(self.where), self._write_lock, self._writer.connect() as connection:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def refuse_another(self) -> None:
        """Raises `LedgerReplaced` when a file of the ledger is not there any more, is another one, or was cut off.

        SQLite would go on with what is open, and whoever comes later begin anew beside it. What only the log has,
        which without its name nobody would find, is put into the database first.
        """
        if self.postgresql:
            return
        for name in (self.where, f"{self.where}-wal", f"{self.where}-shm"):
            try:
                status = os.stat(name)
            except FileNotFoundError:
                found = None
            except OSError:  # a file system in trouble says nothing about the file
                continue
            else:
                found = status.st_dev, status.st_ino
            if found is not None and self._files.setdefault(name, found) == found:
                if name == self.where:
                    self._refuse_less(status.st_size)
                continue
            if name in self._files or name == self.where:
                if name != self.where:
                    self._checkpoint()
                what = "is not there any more" if found is None else "is another file now"
                raise LedgerReplaced(f"the ledger's file {name} {what}")

    def _refuse_less(self, size: int) -> None:
        """Raises `LedgerReplaced` when the file is smaller than it was, and not because somebody had it vacuumed.

        SQLite would go on with what it remembers, and fill the rest with zeros.
        """
        if size < self._largest:
            try:
                with self.read() as c:
                    told = c.exec_driver_sql("PRAGMA page_count").scalar_one()
                    told *= c.exec_driver_sql("PRAGMA page_size").scalar_one()
            except LedgerError:  # what is left is no database
                told = self._largest
            if size < told:
                raise LedgerReplaced(f"the ledger's file {self.where} was cut off")
        self._largest = size

    def scrub(self) -> None:
        """Have what was deleted leave the database's files: the index's old parts, and the log.

        PostgreSQL's own vacuum does that, in its time.
        """
        if self.postgresql:
            return
        while self.drop_old_index(_OLD_BLOCKS):
            pass
        with translated(self.where), self._write_lock, self._writer.connect() as connection:
            connection.exec_driver_sql("INSERT INTO said(said) VALUES ('optimize')")
            for _ in range(_SCRUB_TRIES):  # a daemon that is just reading holds the log
                if not connection.exec_driver_sql(_EMPTY_LOG).one()[0]:
                    break
                time.sleep(_SCRUB_PAUSE)

    def drop_old_index(self, blocks: int) -> int:
        """So many blocks of the index that version 1 had over its texts; how many that was, 0 when there are no more.

        To drop it at once would hold up everybody else for as long as it takes to overwrite it.
        """
        if self.postgresql:
            return 0
        with self.write() as connection:
            if not connection.exec_driver_sql(_OLD_INDEX).scalar_one():
                return 0
            gone = connection.exec_driver_sql(_OLD_INDEX_SOME, (blocks,)).rowcount
            if gone < blocks:
                connection.exec_driver_sql("DROP TABLE words")
            return gone

    def empty_log(self) -> None:
        """Have the log hold nothing that has been deleted since, unless somebody is just reading it."""
        if not self.postgresql:
            with translated(self.where), self._write_lock, self._writer.connect() as connection:
                connection.exec_driver_sql(_EMPTY_LOG)

    def _checkpoint(self) -> None:
        with (
            contextlib.suppress(LedgerError, LedgerUnavailable),
            translated(self.where),
            self._write_lock,
            self._writer.connect() as connection,
        ):
            connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)")

    @property
    def log_file(self) -> str | None:
        """SQLite's write-ahead log; None with PostgreSQL."""
        return None if self.postgresql else f"{self.where}-wal"

    def close(self) -> None:
        """Close all connections, once what is just being written is written."""
        if self._listener is not None:
            self._listener.close()
        self._reader.dispose()
        # Whoever waits for its one connection meanwhile would wait until the pool's time limit.
        with self._write_lock:
            self._writer.dispose()


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the database's exceptions into `LedgerUnavailable` (wait) or `LedgerError` (waiting won't help)."""
    try:
        yield
    except exc.TimeoutError as e:
        raise LedgerUnavailable(f"{where}: all connections are busy") from e
    except exc.DBAPIError as e:
        raise meaning(where, e) from e


def meaning(where: str, error: exc.DBAPIError) -> LedgerError | LedgerUnavailable:
    """What a database error means; only its first line is told, since the others may quote rows."""
    cause = error.orig
    message = f"{where}: {words.cause(cause or error)}"
    if isinstance(cause, sqlite3.Error):
        if "no such module" in message:
            return LedgerError(f"{message}; this Python's SQLite lacks the full-text search FTS5")
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return LedgerError(f"{message}. {MOVE_AWAY}")
        waits = isinstance(cause, sqlite3.OperationalError)
    else:
        waits = error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError)
    return LedgerUnavailable(message) if waits else LedgerError(message)


def parsed(url: str) -> sa.URL:
    """The URL of a ledger, with its driver. Raises `LedgerError` for one that cannot be a ledger's."""
    if password_runs_on(url):
        raise LedgerError(
            "'state' has more than one @: in its name and password write @ as %40, and % as %25"
        )
    try:
        place = sa.make_url(url)
    except (exc.ArgumentError, ValueError):  # which may quote a part of the password
        raise LedgerError(
            "'state' is no database URL like sqlite:////var/lib/glimpsed/ledger.db or "
            "postgresql+psycopg://NAME:PASSWORD@HOST/DATABASE"
        ) from None
    backend = place.get_backend_name()
    if backend == "sqlite" and place.database in (None, "", ":memory:"):
        raise LedgerError("'state' must name a file: a ledger in memory would forget what was paid for")
    if backend == "postgresql":
        return place.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise LedgerError(f"'state' must be a sqlite or postgresql URL, not {backend}")
    return place


def told(place: sa.URL) -> str:
    """The URL without its password: that may stand in the query as well."""
    return place.set(query={}).render_as_string(hide_password=True)


def no_unicode(where: str, encoding: str) -> LedgerError:
    """What is said of a database that cannot hold whatever a file is called."""
    return LedgerError(
        f"{where}: the database's encoding is {encoding}, which not every file name and answer can be "
        f"written in. Make one with: createdb --template=template0 --encoding=UTF8"
    )


def _create_file(url: sa.URL) -> Path:
    """The database file, made for our eyes only if it is new: it holds what the images say.

    One that is there is not opened: to close any descriptor of a file drops all POSIX locks that this process has on
    it, SQLite's too, and the next command that ends would take itself for the last one and delete the log.
    """
    path = Path(url.database or "").absolute()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(os.path.realpath(path), flags, 0o600))
        hindrance = _hindrance(path)
    except OSError as e:
        hindrance = e.errno
    if hindrance:
        why = denied(path) if hindrance == errno.EACCES else os.strerror(hindrance)
        raise LedgerError(f"the ledger {path} cannot be written: {why}")
    return path


def _hindrance(path: Path) -> int | None:
    """The errno that opening it to write would end with."""
    if path.is_dir():
        return errno.EISDIR
    if os.access(path, os.R_OK | os.W_OK):
        return None
    return errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES


def _sqlite(url: sa.URL) -> tuple[sa.Engine, sa.Engine]:
    options: dict[str, Any] = {"hide_parameters": True, "connect_args": {"timeout": BUSY}}
    writer = sa.create_engine(url, **options, pool_size=1, max_overflow=0, pool_reset_on_return=None)
    reader = sa.create_engine(url, **options, pool_size=_READERS, max_overflow=_READERS)
    for engine in (writer, reader):
        sa.event.listen(engine, "do_connect", _what_is_there)
        sa.event.listen(engine, "connect", _configure_sqlite)
    return writer, reader


def _what_is_there(dialect: object, record: object, arguments: list[Any], named: dict[str, Any]) -> None:
    """Only a file that is there is opened: SQLite would make an empty one in the place of one that was deleted."""
    del dialect, record
    path = urllib.parse.quote(os.fsencode(Path(arguments[0]).absolute()))
    arguments[0], named["uri"] = f"file://{path}?mode=rw", True


def _configure_sqlite(connection: Any, record: pool.ConnectionPoolEntry) -> None:
    del record
    # Transactions begin where this module says so, not where sqlite3 guesses.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA cache_size=-16000")  # 16 MB, whatever the length of the queue
    cursor.execute("PRAGMA wal_autocheckpoint=4000")  # 16 MB: bulk offers change the same pages many times
    # What is deleted is overwritten: nothing of what an image says stays behind.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute("PRAGMA journal_size_limit=67108864")  # the log shrinks again after a bulk offer
    cursor.close()


def _postgresql(url: sa.URL, connect: dict[str, Any]) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url, hide_parameters=True, connect_args=connect, pool_size=_READERS, max_overflow=_READERS
        )
    except ModuleNotFoundError as e:
        raise MissingExtra("A ledger in PostgreSQL", "postgres") from e

    def in_characters(connection: Any, record: pool.ConnectionPoolEntry) -> None:
        del record
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":  # psycopg reads bytes from it
            connection.close()
            raise no_unicode(told(url), "SQL_ASCII")

    sa.event.listen(engine, "connect", in_characters, insert=True)  # before SQLAlchemy asks anything itself
    return engine
