"""What the commands ask and order beside a running daemon: counts, failures, retry, redo, history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from glimpsed.ledger.part import (
    CHUNK,
    FORGET_ANSWERS,
    Part,
    by_directory,
    chunks,
    file_row,
    is_file,
    key_of,
    written_text,
)
from glimpsed.ledger.schema import answers, files, folders, reviews
from glimpsed.ledger.values import FileRow
from glimpsed.model import FileKey, PageRecord, State, Written

_COUNT = (
    sa.select(sa.func.count())
    .select_from(files)
    .where(files.c.folder == sa.bindparam("folder"), files.c.state == sa.bindparam("state"))
)
STATES: tuple[State, ...] = ("queued", "running", "answered", "handing", "done", "failed", "gone")
_ROWS = 5000  # rows changed in one transaction, so that the daemon's own are not held up

_REUSABLE = (  # asked for every file: put together once
    sa.select(files.c.folder, files.c.directory, files.c.name)
    .where(
        files.c.sha256 == sa.bindparam("hash"),
        (files.c.question == sa.bindparam("asked")) | files.c.question.is_(None),
        files.c.state.in_(("done", "handing"))
        | ((files.c.state == "gone") & files.c.was.in_(("done", "handing"))),
    )
    .order_by(files.c.question.is_(None), files.c.changed.desc(), files.c.id.desc())
    .limit(sa.bindparam("most"))
)
# Of many at once: most files are like no other.
_SEEN = sa.select(files.c.sha256).where(files.c.sha256.in_(sa.bindparam("hashes", expanding=True))).distinct()

# Back to the start; sidecars stay on record, to be replaced. A lease that somebody has is lost by this.
_ANEW: dict[str, Any] = {
    "state": "queued",
    "was": None,
    "due": 0.0,
    "owner": None,
    "attempts": 0,
    "retries": 0,
    "cut_off": 0,
    "problem": None,
    "reason": None,
    "advice": None,
    "sha256": None,
    "question": None,
}
# Of a file that is done, what is on record of its answer stays: whoever cancels has it again.
_ANSWERED = (files.c.state == "done") | ((files.c.state == "queued") & (files.c.was == "done"))
_REDONE = {
    **_ANEW,
    "was": sa.case((_ANSWERED, "done")),
    "sha256": sa.case((_ANSWERED, files.c.sha256)),
    "question": sa.case((_ANSWERED, files.c.question)),
}
_CANCELLED: dict[str, Any] = {
    "state": "done",
    "was": None,
    "due": None,
    "round": 0,
    "anew": 0,
    "retries": 0,
    "cut_off": 0,
    "reason": None,
}
# To be handed over again: the answer, and what was done of it already, stay.
_HANDED_AGAIN: dict[str, Any] = {
    "state": "handing",
    "was": None,
    "due": 0.0,
    "retries": 0,
    "cut_off": 0,
    "reason": None,
    "advice": None,
}
_HANDING: sa.ColumnElement[bool] = files.c.was == "handing"
_SOME: sa.BindParameter[Any] = sa.bindparam("some", expanding=True)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What rows are chosen by."""

    folder: sa.ColumnElement[str]
    state: sa.ColumnElement[str]


_INDEXED = _Columns(files.c.folder, files.c.state)
# Hidden from SQLite's planner, which takes an index for them at any price, and sorts all that it finds by id.
_BARE = _Columns(files.c.folder.concat(""), files.c.state.concat(""))
# Without what it says of the file, where the prompt names it.
_PLAIN = sa.func.substr(files.c.question, 1, 64)
_ADOPTED = files.c.question.is_(None) & files.c.written.is_not(None)


def _called(folder: str, directory: str, beginning: str) -> sa.Select[Any]:
    """One range of the index, up to 'a/', which no name is, since '/' follows '.'; 'a-b' is in it too."""
    span = (files.c.name >= beginning) & (files.c.name < f"{beginning}/")
    named = span & ((files.c.name == beginning) | (files.c.name >= f"{beginning}."))
    columns = sa.select(files.c.folder, files.c.directory, files.c.name)
    return columns.where(
        files.c.folder == folder, files.c.directory == directory, named, files.c.state != "gone"
    )


Which: TypeAlias = Callable[[_Columns], sa.ColumnElement[bool]]


class Queries(Part):
    """Reads for people, and rows put back into the queue."""

    def counts(self, names: Iterable[str]) -> dict[str, dict[State, int]]:
        """How many files are in which state, by folder.

        Asked one by one, which an index answers in half the time of a GROUP BY: it looks at no column.
        """
        with self._database.read() as c:
            return {
                name: {state: c.scalar(_COUNT, {"folder": name, "state": state}) or 0 for state in STATES}
                for name in names
            }

    def folders(self) -> list[str]:
        """The folders that were ever watched, by name."""
        with self._database.read() as c:
            return list(c.execute(sa.select(folders.c.name).order_by(folders.c.name)).scalars())

    def waiting_since(self, folder: str) -> float | None:
        """Since when the oldest queued file of a folder waits, from the index alone; None: none does."""
        which = (files.c.folder == folder) & (files.c.state == "queued")
        with self._database.read() as c:
            since: float | None = c.scalar(sa.select(sa.func.min(files.c.changed)).where(which))
            return since

    def find(self, key: FileKey) -> FileRow | None:
        """One file."""
        with self._database.read() as c:
            row = c.execute(sa.select(files).where(is_file(key))).one_or_none()
            return None if row is None else file_row(row)

    def beneath(self, folder: str, directory: str) -> list[FileKey]:
        """Every file of a directory and those below it."""
        here: sa.ColumnElement[bool] = sa.true()
        if directory:
            # One range of the index, from 'a' up to 'a0', since '0' follows '/'; 'a-b' is in it too.
            span = (files.c.directory >= directory) & (files.c.directory < f"{directory}0")
            here = span & ((files.c.directory == directory) | (files.c.directory > f"{directory}/"))
        with self._database.read() as c:
            columns = sa.select(files.c.folder, files.c.directory, files.c.name)
            rows = c.execute(columns.where(files.c.folder == folder, here, files.c.state != "gone"))
            return [key_of(row) for row in rows]

    def called(self, folder: str, directory: str, beginning: str) -> list[FileKey]:
        """The files of a directory that are called so, or so and an ending."""
        with self._database.read() as c:
            return [key_of(row) for row in c.execute(_called(folder, directory, beginning))]

    def rewritten(self, row: FileRow, written: Sequence[Written]) -> bool:
        """The sidecars of a done file were written anew.

        False, and nothing of the kind: it has been answered, reviewed or written anew since `row` was read.
        """
        same = (
            (files.c.size == row.version.size)
            & (files.c.mtime_ns == row.version.mtime_ns)
            & (files.c.changed == row.changed)
            & files.c.written.is_not_distinct_from(written_text(row.written))
        )
        change = sa.update(files).where(is_file(row.key), files.c.state == "done", same)
        with self._database.write() as c:
            return bool(c.execute(change.values(written=written_text(written))).rowcount)

    def done_files(self, folder: str) -> Iterator[FileRow]:
        """Every done file of a folder, as they were first seen; read in pages, so that nobody waits meanwhile."""
        last = 0
        while found := self.done_page(folder, last, _ROWS):
            yield from (row for _, row in found)
            last = found[-1][0]

    def done_page(self, folder: str, after: int, limit: int) -> list[tuple[int, FileRow]]:
        """So many done files of a folder with their ids, in the order of these, after this one."""
        columns = _INDEXED if self._database.postgresql else _BARE
        page = sa.select(files).where(columns.folder == folder, columns.state == "done", files.c.id > after)
        with self._database.read() as c:
            return [(row.id, file_row(row)) for row in c.execute(page.order_by(files.c.id).limit(limit))]

    def all_reusable(self, several: Sequence[tuple[str, str]], *, limit: int = 10) -> list[list[FileKey]]:
        """For each (content, question): files that got an answer to that, also those that are gone.

        And those that were adopted: which question theirs was, only their sidecars can tell.
        """
        hashes = [bytes.fromhex(sha256) for sha256, _ in several]
        with self._database.read() as c:
            seen = set(c.execute(_SEEN, {"hashes": hashes}).scalars())
            return [
                [key_of(row) for row in c.execute(_REUSABLE, {"hash": hash_, "asked": asked, "most": limit})]
                if hash_ in seen
                else []
                for hash_, (_, asked) in zip(hashes, several, strict=True)
            ]

    def requeue(self, keys: Sequence[FileKey] | None = None, *, folder: str | None = None, now: float) -> int:
        """Failed files go back into the queue: these, those of a folder, or all. Returns how many.

        What could not be handed over is handed over again, and not asked about.
        """
        handing = self._anew(
            lambda columns: (columns.state == "failed") & _HANDING,
            keys,
            folder,
            {"changed": now},
            _HANDED_AGAIN,
        )
        return handing + self._anew(lambda columns: columns.state == "failed", keys, folder, _retried(now))

    def requeue_other_questions(self, folder: str, question: str, *, now: float) -> int:
        """`requeue` those that failed for another question than this. Returns how many."""
        other = files.c.sha256.is_(None) & files.c.question.is_not(None) & (question != _PLAIN)
        return self._anew(lambda columns: (columns.state == "failed") & other, None, folder, _retried(now))

    def redo(
        self,
        keys: Sequence[FileKey] | None = None,
        *,
        folder: str | None = None,
        now: float,
        reviewed: bool = False,
    ) -> int:
        """Ask again about these files, or all of a folder, whatever was answered. Returns how many.

        `reviewed`: also where somebody corrected or confirmed the answer.
        """
        return self._anew(
            lambda columns: (columns.state != "gone") & _open_to(reviewed),
            keys,
            folder,
            _redone(now),
            _REDONE,
        )

    def redo_page(self, key: FileKey, others: Sequence[PageRecord], *, now: float) -> int:
        """Ask again about a file that is done, but for these pages, which keep their answers. Returns how many files."""
        again = sa.update(files).where(is_file(key), files.c.state == "done").values(_REDONE | _redone(now))
        with self._database.write() as c:
            ids = list(c.execute(again.returning(files.c.id)).scalars())
            for id_ in ids:
                c.execute(FORGET_ANSWERS, {"ids": [id_]})
                rows = [
                    {"file": id_, "page": record.answer.page, "body": record.model_dump_json()}
                    for record in others
                ]
                if rows:
                    c.execute(sa.insert(answers), rows)
            self._database.tell(c)
            return len(ids)

    def cancel_redo(
        self, keys: Sequence[FileKey] | None = None, *, folder: str | None = None, now: float
    ) -> int:
        """What `redo` put into the queue and nobody has claimed is done again, with its old answer. Returns how many.

        What had no answer, because it had failed, stays in the queue.
        """
        return self._anew(
            lambda columns: (columns.state == "queued") & (files.c.was == "done"),
            keys,
            folder,
            {"changed": now},
            _CANCELLED,
        )

    def stale(self, folder: str, questions: Collection[str], *, reviewed: bool = False) -> tuple[int, int]:
        """How many files of a folder have an answer to none of these questions, and how many `adopted` has."""
        which = _stale(folder, questions, reviewed=reviewed)(_INDEXED)
        counts = sa.select(sa.func.count().filter(which), sa.func.count().filter(_ADOPTED))
        with self._database.read() as c:
            of_others, unknown = c.execute(
                counts.where(files.c.folder == folder, files.c.state == "done")
            ).one()
            return of_others, unknown

    def stale_files(self, folder: str, questions: Collection[str], *, limit: int) -> list[FileRow]:
        """Some of those that `stale` counts, for an estimate."""
        with self._database.read() as c:
            rows = c.execute(sa.select(files).where(_stale(folder, questions)(_INDEXED)).limit(limit))
            return [file_row(row) for row in rows]

    def adopted(self, folder: str) -> list[FileKey]:
        """Done files whose question nobody knows but their sidecars."""
        columns = sa.select(files.c.folder, files.c.directory, files.c.name)
        which = columns.where(files.c.folder == folder, files.c.state == "done", _ADOPTED)
        with self._database.read() as c:
            return [key_of(row) for row in c.execute(which)]

    def redo_stale(
        self, folder: str, questions: Collection[str], now: float, *, reviewed: bool = False
    ) -> int:
        """Ask again about what `stale` counts. Returns how many."""
        which = _stale(folder, questions, reviewed=reviewed)
        return self._anew(which, None, None, _redone(now), _REDONE)

    def _anew(
        self,
        which: Which,
        keys: Sequence[FileKey] | None,
        folder: str | None,
        change: dict[str, Any],
        anew: dict[str, Any] = _ANEW,
    ) -> int:
        columns = _INDEXED if self._database.postgresql else _BARE
        here = which(columns)
        if keys is not None:
            named = (_named(place, names) for place, names in by_directory(keys))
            return sum(self._requeue_rows(here & these, anew | change) for these in named)
        return self._requeue_rows(
            here if folder is None else here & (columns.folder == folder), anew | change
        )

    def _requeue_rows(self, which: sa.ColumnElement[bool], change: dict[str, Any]) -> int:
        """A page of rows at a time, in the order of their ids: memory and locks stay small."""
        page = sa.select(files.c.id).where(which).order_by(files.c.id).limit(_ROWS)
        change_some = sa.update(files).where(files.c.id.in_(_SOME), which).values(change)
        forget = change["state"] != "handing"
        last = count = 0
        while True:
            with self._database.write() as c:
                ids = list(c.execute(page.where(files.c.id > last)).scalars())
                for few in chunks(ids, CHUNK):
                    count += c.execute(change_some, {"some": few}).rowcount
                    if forget:
                        c.execute(FORGET_ANSWERS, {"ids": few})
                if not ids:
                    return count
                self._database.tell(c)
            last = ids[-1]


def _retried(now: float) -> dict[str, Any]:
    """Asked for the first time, as to reuse, but not again: a gateway may repeat the old error to the old key."""
    return {"changed": now, "round": int(now), "anew": 0}


def _redone(now: float) -> dict[str, Any]:
    """Asked whatever was answered."""
    return {"changed": now, "round": int(now), "anew": 1}


def _named(place: dict[str, Any], names: Sequence[str]) -> sa.ColumnElement[bool]:
    here = (files.c.folder == place["folder"]) & (files.c.directory == place["directory"])
    named: sa.ColumnElement[bool] = here & files.c.name.in_(names)
    return named


def _open_to(reviewed: bool) -> sa.ColumnElement[bool]:
    """Rows that may be asked about anew: not those with a review of the answer that they have."""
    if reviewed:
        return sa.true()
    return ~sa.exists().where(reviews.c.file == files.c.id, reviews.c.claim == files.c.claims)


def _stale(folder: str, questions: Collection[str], *, reviewed: bool = False) -> Which:
    """Done, and the question is known and none of these: what was adopted without one is no reason to pay."""
    of_others = files.c.question.is_not(None) & _PLAIN.not_in(list(questions)) & _open_to(reviewed)
    return lambda columns: (columns.folder == folder) & (columns.state == "done") & of_others
