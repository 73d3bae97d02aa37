"""What all parts of the ledger stand on: the database, this process's name, and a row's small print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from glimpsed.clock import Clock
from glimpsed.ledger.engine import Database
from glimpsed.ledger.schema import about, answers, files, kept, questions
from glimpsed.ledger.values import FileRow
from glimpsed.model import FileKey, Version, Written

# Which question an adopted answer is to, only it can tell: it stands for files of the folder that it was found in, where the
# question is the same, and not for those of another one that have the same content.
_owner = files.alias("owner")
ITS_OWN: sa.ColumnElement[bool] = (questions.c.asked != "") | sa.exists().where(
    _owner.c.id == kept.c.file, _owner.c.folder == files.c.folder
)

T = TypeVar("T")
CHUNK = 500  # names in one statement
HOUR = 3_600_000_000_000  # ns
ZONES = 26 * HOUR  # from the first on earth to the last

# As the index `files_ignored` says.
NEVER_READ = sa.text("files.sha256 IS NULL AND files.due IS NULL")
# The condition under which a worker may still change a row: it has the lease that it was given.
HELD_LEASE = (
    (files.c.id == sa.bindparam("job"))
    & (files.c.owner == sa.bindparam("mine"))
    & (files.c.claims == sa.bindparam("claim"))
)
FORGET_ANSWERS = sa.delete(answers).where(answers.c.file.in_(sa.bindparam("ids", expanding=True)))


class Part:
    """Base of the ledger's parts."""

    def __init__(
        self, database: Database, owner: str, clock: Clock, *, search: bool, keep: float | None = None
    ) -> None:
        self._database = database
        self.clock = clock  # that of all due times, leases, pauses and rates in the ledger
        self.keep = keep  # seconds that answers are kept; 0: no longer than they are needed; None: for ever
        self._search = search and keep != 0
        self.owner = owner  # "host:pid:world-start" of this process

    def _insert(self, table: sa.Table) -> Any:
        """An INSERT that knows ON CONFLICT, in the database's dialect."""
        if not self._database.postgresql:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - half as long to import as all of the rest

        return postgresql.insert(table)

    def _put(self, table: sa.Table, *columns: str) -> Any:
        """An INSERT that puts these columns into the row, if there is one."""
        insert = self._insert(table)
        new = {name: insert.excluded[name] for name in columns}
        return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=new)

    def _add(self, table: sa.Table, *columns: str) -> Any:
        """An INSERT that adds these columns to those of the row, if there is one."""
        insert = self._insert(table)
        sums = {name: table.c[name] + insert.excluded[name] for name in columns}
        return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums)

    def noted(self, name: str) -> str | None:
        """What `note` kept under this name."""
        with self._database.read() as c:
            value: str | None = c.scalar(sa.select(about.c.value).where(about.c.name == name))
            return value

    def note(self, name: str, value: str, *, tell: bool = False) -> None:
        """Remember a value, beside what the ledger knows of itself; `tell` the other daemons of it."""
        with self._database.write() as c:
            c.execute(self._put(about, "value"), {"name": name, "value": value})
            if tell:
                self._database.tell(c)


def written_text(written: Sequence[Written]) -> str | None:
    """Sidecars as the row keeps them: short, and whatever their names."""
    if not written:
        return None
    rows = [[w.name, w.size, w.mtime_ns, *([w.digest] if w.digest else [])] for w in written]
    return json.dumps(rows, separators=(",", ":"))


def written_from(text: str | None) -> tuple[Written, ...]:
    """`written_text` read back."""
    return tuple(Written(*w) for w in json.loads(text)) if text else ()


def clean(text: str | None) -> str | None:
    """Text that both databases take: valid UTF-8, without NUL."""
    if text is None:
        return None
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")


def is_file(key: FileKey) -> sa.ColumnElement[bool]:
    """Whether a row is this file's."""
    return (files.c.folder == key.folder) & (files.c.directory == key.directory) & (files.c.name == key.name)


def key_of(row: sa.Row[*tuple[Any, ...]]) -> FileKey:
    """The key of a row with folder, directory and name."""
    return FileKey(row.folder, f"{row.directory}/{row.name}" if row.directory else row.name)


def file_row(row: sa.Row[*tuple[Any, ...]]) -> FileRow:
    """A whole row of `files` as a value."""
    return FileRow(
        key=key_of(row),
        version=Version(row.size, row.mtime_ns),
        state=row.state,
        changed=row.changed,
        attempts=row.attempts,
        reason=row.reason,
        advice=row.advice,
        due=row.due,
        sha256=row.sha256.hex() if row.sha256 else None,
        question=row.question,
        written=written_from(row.written),
        was=row.was,
        id=row.id,
    )


def by_directory(keys: Iterable[FileKey]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Keys as ({folder, directory}, names), in one order everywhere, so that two hosts never deadlock."""
    for (folder, directory), group in groupby(sorted(set(keys)), lambda k: (k.folder, k.directory)):
        for names in chunks([k.name for k in group], CHUNK):
            yield {"folder": folder, "directory": directory}, names


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def same_version(new: Any) -> sa.ColumnElement[bool]:
    """Whether a row names the same version of its file as these columns (those that an INSERT excluded)."""
    same: sa.ColumnElement[bool] = (files.c.size == new.size) & (files.c.mtime_ns == new.mtime_ns)
    return same
