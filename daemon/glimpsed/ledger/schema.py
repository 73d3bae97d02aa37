"""The ledger's tables, and the steps that bring an older ledger to this version.

One row in `files` a file, for ever: rows that are done are what prevents paying twice. ``due`` drives the
queue: it is the time from which somebody may claim the row, so for a row that somebody has it is the end
of the lease, and for a row with nothing to do it is null. A crash, a retry and a second host are all the
same: a due time that passed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.errors import LedgerError
from glimpsed.ledger.engine import no_unicode

VERSION_ROW = "version"
BEGAN = "began"  # when this ledger was made, epoch seconds
_ADVISORY_LOCK = 0x676C696D70736564  # 'glimpsed': one daemon at a time creates or migrates
# Of what each word says where it stands, nothing is kept: two thirds of the room. What is a word is said by `words`.
_FULL_TEXT = (
    """CREATE VIRTUAL TABLE said USING fts5(body, content='', tokenize='ascii', detail=none, columnsize=0)"""
)

Step = Callable[[sa.Connection], None]


class PathText(sa.types.TypeDecorator[str]):
    """A path or name as the bytes that the file system has: it need not be UTF-8, nor any text."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        """To the database."""
        del dialect
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> str | None:
        """From the database."""
        del dialect
        return None if value is None else os.fsdecode(value)


metadata = sa.MetaData()
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER is SQLite's own row id
_Float: sa.Double[float] = sa.Double()

about = sa.Table(
    "glimpsed",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("directory", PathText, nullable=False),
    sa.Column("name", PathText, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    # Gone: its state before, should the file come back; failed: `handing`, if it was that.
    sa.Column("was", sa.Text),
    sa.Column("changed", _Float, nullable=False),  # when the state last changed
    sa.Column("due", _Float),  # see the module's docstring; 0: at once
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("fresh", sa.SmallInteger, nullable=False),  # 1: arrived while watched; or HELD
    # When `redo` or `retry` asked for it, epoch seconds; 0: neither.
    sa.Column("round", sa.BigInteger, nullable=False),
    sa.Column("anew", sa.SmallInteger, nullable=False),  # 1: by `redo`, so no answer is used again
    sa.Column("owner", sa.Text),  # who has the lease
    sa.Column("claims", sa.Integer, nullable=False),  # counts claims: a lease lost and won again is another
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("cut_off", sa.Integer, nullable=False),
    sa.Column("problem", sa.Text),  # to be failed with this reason, not asked; `handing`: IN_COMMAND or null
    sa.Column("reason", sa.Text),
    sa.Column("advice", sa.Text),
    sa.Column("sha256", sa.LargeBinary),
    sa.Column("question", sa.Text),
    sa.Column("written", sa.Text),  # [[name, size, mtime_ns], …]
    sa.Column("stem", PathText),  # what it was called before `rename_to`; null: what it is called now
    sa.UniqueConstraint("folder", "directory", "name", name="files_path"),
    # By itself SQLite gives the number of the last row again, once that is deleted, and whoever was still busy with that would
    # hold the lease of another file. Ledgers of 0.2.0 and older go on without.
    sqlite_autoincrement=True,
)
# Answers that are paid for and not on disk, or not handed over, yet. Page 0 is the whole answer, the others single pages.
HELD = -1  # in `fresh`: it arrived with too many others, and waits for `approve`
HANDED = -2  # what was done of a hand-over, as a JSON list
IN_COMMAND = "in command"  # a row that is handed over: what comes of its image now is our doing
answers = sa.Table(
    "answers",
    metadata,
    sa.Column("file", _Id, primary_key=True, autoincrement=False),
    sa.Column("page", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.Text, nullable=False),
)

# Questions by their fingerprints, a handful for all answers; '' is that of an answer that was adopted.
questions = sa.Table(
    "questions",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("asked", sa.Text, nullable=False),
    sa.Column("facts", sa.LargeBinary, nullable=False),  # see `ledger.packed`
    sa.UniqueConstraint("asked", name="questions_asked"),
)

# Answers by content and question, for as long as `keep_answers` says, whatever becomes of files and sidecars.
# What they are found by is in SQLite's table `said`, by id; in PostgreSQL it is a column `vector`.
kept = sa.Table(
    "kept",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("question", _Id, nullable=False),
    sa.Column("file", _Id, nullable=False),  # that got it last
    sa.Column("at", sa.BigInteger, nullable=False),  # when it was given, by the ledger's clock
    sa.Column("indexed", sa.SmallInteger, nullable=False),  # 1: the search finds it; HIDDEN: it is not to
    sa.Column("body", sa.LargeBinary, nullable=False),  # see `ledger.packed`
    sa.UniqueConstraint("sha256", "question", name="kept_answer"),
)

# Files that a second model reads (`verify_with`), and what came of that. Of an asking that `claim` names: when the file is
# claimed again, for another version or by `redo`, it says nothing any more.
verifications = sa.Table(
    "verifications",
    metadata,
    sa.Column("file", _Id, primary_key=True, autoincrement=False),
    sa.Column("claim", sa.Integer, nullable=False),  # the file's `claims` when it was answered
    sa.Column("due", _Float),  # as in `files`; null: it was read, or given up
    sa.Column("owner", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("agreement", _Float),  # null: not read yet, or nobody could read it
    sa.Column("doubtful", sa.SmallInteger, nullable=False),
    # JSON, until the sidecar has it; a list: of pages, the others are still to be read.
    sa.Column("reading", sa.Text),
)

# What people corrected or confirmed, by the same rule.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("file", _Id, primary_key=True, autoincrement=False),
    sa.Column("claim", sa.Integer, nullable=False),
    sa.Column("at", _Float, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("before", sa.LargeBinary, nullable=False),  # the model's own answer, as `ledger.kept` packs it
)

folders = sa.Table(
    "folders",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("first_seen", _Float),
    sa.Column("held", _Float),  # since when its backlog waits to be approved
)

directories = sa.Table(
    "directories",
    metadata,
    sa.Column("folder", sa.Text, primary_key=True),
    sa.Column("directory", PathText, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
)

spend = sa.Table(
    "spend",
    metadata,
    sa.Column("day", sa.Text, primary_key=True),  # local time
    sa.Column("folder", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Column("answers", sa.Integer, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost", _Float, nullable=False),
)

# By hour, sums of what was measured: see `ledger.hours`.
hours = sa.Table(
    "hours",
    metadata,
    sa.Column("hour", _Id, primary_key=True, autoincrement=False),  # since 1970
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("times", _Id, nullable=False),
    sa.Column("total", _Float, nullable=False),
)

learned = sa.Table(
    "learned",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("fact", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),  # JSON
    sa.Column("at", _Float, nullable=False),
)

pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", _Float, nullable=False),
    sa.Column("until", _Float),
    sa.Column("next_probe", _Float),
)

# Requests and tokens sent, by model and second: what several daemons share of `requests_per_minute`.
paces = sa.Table(
    "paces",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("second", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
)

daemons = sa.Table(
    "daemons",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("since", _Float, nullable=False),
    sa.Column("beat", _Float, nullable=False),
    sa.Column("report", sa.Text, nullable=False),  # JSON
)

# What version 1 had instead of `kept`: only the text, page by page. It is emptied meanwhile (`ledger.older`).
texts = sa.Table(
    "texts",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("file", _Id, nullable=False),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("file", "page", name="texts_page"),
)

# As text, which both databases read: for `sa.Index` to take a condition, it imports every dialect that has one.
INDEXES = (
    # The order of DESIGN 8 within (folder, fresh); `queue.claim` merges the heads of these.
    "CREATE INDEX files_claim ON files (folder, fresh, priority DESC, mtime_ns, id) WHERE due IS NOT NULL",
    # Leases and retries only: a row that was just offered is due at 0, and so costs nothing here.
    "CREATE INDEX files_due ON files (due) WHERE due > 0",
    "CREATE INDEX files_owner ON files (owner) WHERE owner IS NOT NULL",
    "CREATE INDEX files_state ON files (folder, state, changed)",
    "CREATE INDEX files_content ON files (sha256) WHERE sha256 IS NOT NULL",
    # What was never read is found again by its version (`listing.ignored`).
    "CREATE INDEX files_ignored ON files (folder, mtime_ns, size) WHERE sha256 IS NULL AND due IS NULL",
    "CREATE INDEX kept_file ON kept (file)",
    "CREATE INDEX kept_at ON kept (at)",
    "CREATE INDEX kept_unindexed ON kept (id) WHERE indexed = 0",
    "CREATE INDEX verifications_due ON verifications (due) WHERE due IS NOT NULL",
    "CREATE INDEX verifications_doubtful ON verifications (file) WHERE doubtful = 1",
)

# A claim walks over what earlier ones left dead at the head of `files_claim`: with PostgreSQL's own limit that would
# be a fifth of the table. The index is cleaned also where few pages have dead rows, as when the oldest came together.
_VACUUM = """ALTER TABLE files SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
  vacuum_index_cleanup = on)"""


def _keep_answers(c: sa.Connection) -> None:
    """To version 2: `again`, which said three things by its sign, becomes `round` and `anew`; answers are kept.

    What models gave that is no answer goes: nobody ever read it. Rows that nobody asked for anew are not written to. What
    takes long, to keep the answers that there are, is done meanwhile (`ledger.older`).
    """
    postgresql = c.dialect.name == "postgresql"
    binary = "BYTEA" if postgresql else "BLOB"
    key, number = ("BIGSERIAL", "BIGINT") if postgresql else ("INTEGER", "INTEGER")
    kept_questions = f"""CREATE TABLE questions (id {key} NOT NULL PRIMARY KEY, asked TEXT NOT NULL, facts {binary} NOT NULL,
      CONSTRAINT questions_asked UNIQUE (asked))"""
    kept_answers = f"""CREATE TABLE kept (id {key} NOT NULL PRIMARY KEY, sha256 {binary} NOT NULL,
      question {number} NOT NULL, file {number} NOT NULL, at BIGINT NOT NULL, indexed SMALLINT NOT NULL,
      body {binary} NOT NULL, CONSTRAINT kept_answer UNIQUE (sha256, question))"""
    for statement in (
        "ALTER TABLE files RENAME COLUMN again TO round",
        "ALTER TABLE files ADD COLUMN anew SMALLINT NOT NULL DEFAULT 0",
        "UPDATE files SET anew = CASE WHEN round > 0 THEN 1 ELSE 0 END, round = abs(round) WHERE round <> 0",
        "DELETE FROM answers WHERE page = -1",
        kept_questions,
        kept_answers,
        "CREATE INDEX kept_file ON kept (file)",
        "CREATE INDEX kept_at ON kept (at)",
        "CREATE INDEX kept_unindexed ON kept (id) WHERE indexed = 0",
        "CREATE INDEX files_ignored ON files (folder, mtime_ns, size) WHERE sha256 IS NULL AND due IS NULL",
        *(["ALTER TABLE texts DROP COLUMN vector"] if postgresql else []),
    ):
        c.exec_driver_sql(statement)
    _create_full_text(c)


def _read_twice(c: sa.Connection) -> None:
    """To version 3: second readings and reviews."""
    postgresql = c.dialect.name == "postgresql"
    binary, double = ("BYTEA", "DOUBLE PRECISION") if postgresql else ("BLOB", "DOUBLE")
    number = "BIGINT" if postgresql else "INTEGER"
    for statement in (
        f"""CREATE TABLE verifications (file {number} NOT NULL PRIMARY KEY, claim INTEGER NOT NULL, due {double},
          owner TEXT, tries INTEGER NOT NULL, agreement {double}, doubtful SMALLINT NOT NULL, reading TEXT)""",
        f"""CREATE TABLE reviews (file {number} NOT NULL PRIMARY KEY, claim INTEGER NOT NULL, at {double} NOT NULL,
          by TEXT NOT NULL, before {binary} NOT NULL)""",
        "CREATE INDEX verifications_due ON verifications (due) WHERE due IS NOT NULL",
        "CREATE INDEX verifications_doubtful ON verifications (file) WHERE doubtful = 1",
    ):
        c.exec_driver_sql(statement)


def _measured(c: sa.Connection) -> None:
    """To version 4: measures by hour."""
    number, double = (
        ("BIGINT", "DOUBLE PRECISION") if c.dialect.name == "postgresql" else ("INTEGER", "DOUBLE")
    )
    c.exec_driver_sql(
        f"""CREATE TABLE hours (hour {number} NOT NULL, what TEXT NOT NULL, times {number} NOT NULL,
          total {double} NOT NULL, PRIMARY KEY (hour, what))"""
    )


def _renamed(c: sa.Connection) -> None:
    """To version 5: what a file was called before we renamed it."""
    binary = "BYTEA" if c.dialect.name == "postgresql" else "BLOB"
    c.exec_driver_sql(f"ALTER TABLE files ADD COLUMN stem {binary}")


# STEPS[n] brings a ledger of version n + 1 to version n + 2. A step never changes once it is released.
STEPS: tuple[Step, ...] = (_keep_answers, _read_twice, _measured, _renamed)


def prepare(
    connection: sa.Connection, where: str, steps: Sequence[Step] = STEPS, *, now: float | None = None
) -> None:
    """Create the tables, or bring an older ledger forward, within the transaction that is open.

    `now`: epoch seconds, of which a new one takes note.
    Raises `LedgerError` for a ledger of a newer program, and for a database that is none of ours.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    version = refuse_strangers(connection, where, steps)
    if version is None:
        metadata.create_all(connection)
        for index in INDEXES:
            connection.exec_driver_sql(index)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_VACUUM)
        _create_full_text(connection)
        connection.execute(sa.insert(about), {"name": VERSION_ROW, "value": str(1 + len(steps))})
        if now is not None:
            connection.execute(sa.insert(about), {"name": BEGAN, "value": repr(now)})
        return
    for step in steps[version - 1 :]:
        step(connection)
    if version <= len(steps):
        change = sa.update(about).where(about.c.name == VERSION_ROW)
        connection.execute(change, {"value": str(1 + len(steps))})


def refuse_strangers(connection: sa.Connection, where: str, steps: Sequence[Step] = STEPS) -> int | None:
    """The ledger's version, None for an empty database. Raises `LedgerError` as `prepare` does."""
    version = _version(connection, where)
    if version is None and connection.dialect.name == "postgresql":
        # One that is there goes on: it may hold Latin names only, and what was paid for.
        encoding = str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())
        if encoding != "UTF8":
            raise no_unicode(where, encoding)
    newest = 1 + len(steps)
    if version is not None and version > newest:
        raise LedgerError(
            f"{where}: a newer glimpsed made this ledger (version {version}, this program knows up to {newest}). "
            f"Update glimpsed, or point 'state' elsewhere."
        )
    return version


def _version(connection: sa.Connection, where: str) -> int | None:
    """The ledger's version; None for a database without one."""
    present = set(sa.inspect(connection).get_table_names())
    if about.name not in present:
        strangers = present if connection.dialect.name == "sqlite" else present & set(metadata.tables)
        if strangers:
            raise LedgerError(
                f"{where} is a database of another program (it has a table '{min(strangers)}')."
            )
        return None
    value: Any = connection.scalar(sa.select(about.c.value).where(about.c.name == VERSION_ROW))
    if value is None or not str(value).isdigit():
        raise LedgerError(f"{where} has a table 'glimpsed' that is not this program's.")
    return int(value)


def _create_full_text(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_FULL_TEXT)
        return
    connection.exec_driver_sql("ALTER TABLE kept ADD COLUMN vector tsvector")
    connection.exec_driver_sql("CREATE INDEX kept_vector ON kept USING gin (vector)")
