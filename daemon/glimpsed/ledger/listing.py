"""What discovery compares its listings with, and tells the ledger of them."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.kept import Kept, ToKeep
from glimpsed.ledger.part import (
    CHUNK,
    FORGET_ANSWERS,
    NEVER_READ,
    by_directory,
    chunks,
    key_of,
    same_version,
    written_from,
    written_text,
)
from glimpsed.ledger.queue import OUTDATED
from glimpsed.ledger.schema import PathText, directories, files, folders
from glimpsed.ledger.spending import Spending
from glimpsed.ledger.values import Adopted, GoneRow, Known
from glimpsed.model import FileKey, State, Version

_KNOWN = sa.select(files.c.name, files.c.size, files.c.mtime_ns, files.c.state).where(
    files.c.folder == sa.bindparam("in_folder"), files.c.directory == sa.bindparam("in_directory")
)
# One step down the index `files_path` a directory, however many files are in it.
_DIRECTORIES = sa.text("""
WITH RECURSIVE found(directory) AS (
  SELECT (SELECT directory FROM files WHERE folder = :folder ORDER BY directory LIMIT 1)
  UNION ALL
  SELECT (SELECT directory FROM files WHERE folder = :folder AND directory > found.directory
    ORDER BY directory LIMIT 1)
  FROM found WHERE found.directory IS NOT NULL)
SELECT directory FROM found WHERE directory IS NOT NULL""").columns(directory=PathText())
_HERE = (
    (files.c.folder == sa.bindparam("in_folder"))
    & (files.c.directory == sa.bindparam("in_directory"))
    & files.c.name.in_(sa.bindparam("names", expanding=True))
)
_IGNORED_ROWS = sa.select(
    files.c.folder, files.c.directory, files.c.name, files.c.size, files.c.mtime_ns
).where(NEVER_READ, files.c.question.is_(None), files.c.written.is_(None))
_IGNORED_HERE = _IGNORED_ROWS.where(_HERE, files.c.state == "done")
_IGNORED = _IGNORED_ROWS.where(
    files.c.folder == sa.bindparam("in_folder"),
    files.c.mtime_ns.in_(sa.bindparam("times", expanding=True)),
    (files.c.state == "done") | ((files.c.state == "gone") & (files.c.was == "done")),
)
_VANISHED = (
    sa.update(files)
    .where(_HERE, files.c.state.not_in(("gone", "handing")))  # who hands it over finds out where it went
    .values(state="gone", was=files.c.state, changed=sa.bindparam("at"), due=None, owner=None)
    .returning(files.c.id, files.c.folder, files.c.directory, files.c.name, files.c.was, files.c.written)
)
_RENAMED = (
    sa.update(files)
    .where(_HERE, files.c.state == "gone")
    .values(was=None, written=None, changed=sa.bindparam("at"))
)
_THERE: tuple[State, ...] = ("queued", "running", "answered", "handing", "done", "failed")


class Listing(Kept, Spending):
    """What is known of a folder, and what a listing of it showed."""

    def known(self, folder: str, directory: str) -> dict[str, Known]:
        """Every name that the ledger has for this directory, those that are gone too."""
        with self._database.read() as c:
            rows = c.execute(_KNOWN, {"in_folder": folder, "in_directory": directory})
            return {row.name: Known(Version(row.size, row.mtime_ns), row.state) for row in rows}

    def directories(self, folder: str) -> set[str]:
        """Every directory that has a row, to find those that are not on disk any more."""
        with self._database.read() as c:
            return set(c.execute(_DIRECTORIES, {"folder": folder}).scalars())

    def root(self, folder: str) -> tuple[int, int] | None:
        """(st_dev, st_ino) of the folder's root as this host saw it last; None: it never did."""
        if (value := self.noted(self._here("root", folder))) is None:
            return None
        device, inode = value.split(":")
        return int(device), int(inode)

    def set_root(self, folder: str, identity: tuple[int, int]) -> None:
        """Remember `root`."""
        self.note(self._here("root", folder), f"{identity[0]}:{identity[1]}")

    def target_mount(self, folder: str) -> str | None:
        """Where what this host moved last, as the folder's ``move_to`` says, is mounted; None: it never did."""
        return self.noted(self._here("target", folder))

    def set_target_mount(self, folder: str, mount: str) -> None:
        """Remember `target_mount`."""
        self.note(self._here("target", folder), mount)

    def _here(self, what: str, folder: str) -> str:
        host = self.owner.rsplit(":", 2)[0]
        return f"{what}:{host}:{folder}"

    def has_files(self, folder: str) -> bool:
        """Whether there is any in it that is not gone; what was moved out of it lies above: in ``..``."""
        moved = (files.c.directory == "..") | ((files.c.directory >= "../") & (files.c.directory < "..0"))
        some = (
            sa.select(files.c.id).where(files.c.folder == folder, files.c.state.in_(_THERE), ~moved).limit(1)
        )
        with self._database.read() as c:
            return c.scalar(some) is not None

    def fingerprints(self, folder: str) -> dict[str, bytes]:
        """Discovery's digests of directories of which everything is in the ledger."""
        with self._database.read() as c:
            statement = sa.select(directories.c.directory, directories.c.digest)
            rows = c.execute(statement.where(directories.c.folder == folder))
            return {row.directory: row.digest for row in rows}

    def set_fingerprints(self, folder: str, digests: Mapping[str, bytes | None]) -> None:
        """Remember digests of directories; None forgets one."""
        keep = [
            {"folder": folder, "directory": d, "digest": v}
            for d, v in sorted(digests.items())
            if v is not None
        ]
        drop = sorted(d for d, v in digests.items() if v is None)
        put = self._put(directories, "digest")
        with self._database.write() as c:
            for rows in chunks(keep, 10 * CHUNK):
                c.execute(put, rows)
            for names in chunks(drop, CHUNK):
                c.execute(
                    sa.delete(directories).where(
                        directories.c.folder == folder, directories.c.directory.in_(names)
                    )
                )

    def seen(self, folder: str) -> float | None:
        """Since when this folder is listed, in epoch seconds; None: it never was."""
        with self._database.read() as c:
            since: float | None = c.scalar(sa.select(folders.c.first_seen).where(folders.c.name == folder))
            return since

    def first_seen(self, folder: str, now: float) -> bool:
        """True the very first time that this folder is listed at all."""
        insert = self._insert(folders)
        statement = insert.on_conflict_do_update(
            index_elements=[folders.c.name],
            set_={"first_seen": insert.excluded.first_seen},
            where=folders.c.first_seen.is_(None),
        ).returning(folders.c.name)
        with self._database.write() as c:
            return c.execute(statement, {"name": folder, "first_seen": now}).first() is not None

    def adopt(self, adopted: Sequence[Adopted], now: float) -> int:
        """Files that have their sidecars already are done. Returns how many that was news of.

        A version that somebody works on at this moment, or that is done, is left alone.
        """
        rows = {a.key: _done_row(a, now) for a in adopted}
        return self._put_done(rows, {a.key: a for a in adopted})

    def ignore(
        self, found: Mapping[FileKey, Version], now: float, *, instead_of: Sequence[FileKey] = ()
    ) -> int:
        """Files that were there before glimpsed and are not to be asked about (``existing: ignore``).

        `instead_of` is where they were until they were renamed.
        """
        for place, names in by_directory(instead_of):
            where = {"in_folder": place["folder"], "in_directory": place["directory"], "names": names}
            with self._database.write() as c:
                c.execute(sa.delete(files).where(_HERE, NEVER_READ), where)
        return self._put_done({key: _done_row(Adopted(key, v, ()), now) for key, v in found.items()}, {})

    def ignored(self, folder: str, versions: Collection[Version]) -> dict[Version, list[FileKey]]:
        """Where files of these versions are, or were, that `ignore` was told of."""
        found: dict[Version, list[FileKey]] = {}
        with self._database.read() as c:
            for some in chunks(sorted({version.mtime_ns for version in versions}), CHUNK):
                for row in c.execute(_IGNORED, {"in_folder": folder, "times": some}):
                    version = Version(row.size, row.mtime_ns)
                    if version in versions:
                        found.setdefault(version, []).append(key_of(row))
        return found

    def ignored_here(self, keys: Collection[FileKey]) -> dict[FileKey, Version]:
        """Those of these files that `ignore` was told of, and of which version."""
        found: dict[FileKey, Version] = {}
        with self._database.read() as c:
            for place, names in by_directory(keys):
                where = {"in_folder": place["folder"], "in_directory": place["directory"], "names": names}
                for row in c.execute(_IGNORED_HERE, where):
                    found[key_of(row)] = Version(row.size, row.mtime_ns)
        return found

    def vanished(self, keys: Sequence[FileKey], now: float) -> list[GoneRow]:
        """These files were deleted. Returns the rows that were not gone before, as they were.

        What was answered is kept in case the file comes back, and not found by a search meanwhile.
        """
        gone: list[GoneRow] = []
        for place, names in by_directory(keys):
            where = {"in_folder": place["folder"], "in_directory": place["directory"], "names": names}
            with self._database.write() as c:
                rows = c.execute(_VANISHED, {**where, "at": now}).all()
                if rows:
                    c.execute(OUTDATED, place)
            gone += [GoneRow(key_of(row), row.was, written_from(row.written)) for row in rows]
        return gone

    def renamed(self, key: FileKey, now: float) -> None:
        """A file has another name by now, and its sidecars went with it: should it come back, it needs them anew."""
        self.vanished([key], now)
        where = {"in_folder": key.folder, "in_directory": key.directory, "names": [key.name]}
        with self._database.write() as c:
            c.execute(_RENAMED, {**where, "at": now})

    def _put_done(self, rows: Mapping[FileKey, dict[str, Any]], adopted: Mapping[FileKey, Adopted]) -> int:
        count = 0
        for keys in chunks(sorted(rows), 10 * CHUNK):
            with self._database.write() as c:
                taken = c.execute(self._adopt, [rows[key] for key in keys]).all()
                for ids in chunks([row.id for row in taken], CHUNK):
                    c.execute(FORGET_ANSWERS, {"ids": ids})
                told = {row.id: adopted[key] for row in taken if (key := key_of(row)) in adopted}
                if paid := [a for a in told.values() if a.paid]:
                    self._pay_again(c, paid)
                answered = [
                    ToKeep(id_, a.answer, a.question) for id_, a in told.items() if a.answer is not None
                ]
                claims = {row.id: row.claims for row in taken}
                known = [(one.file, claims[one.file], one.answer) for one in answered]
                self._note_readings(c, known)
                self._note_reviews(c, known)
                for some in chunks(answered if self.keep != 0 else [], CHUNK):
                    self._keep_answers(c, some)
            count += len(taken)
        return count

    @functools.cached_property
    def _adopt(self) -> Any:
        insert = self._insert(files)
        new = insert.excluded
        state = files.c.state
        busy_or_done = sa.or_(*(state == one for one in ("running", "answered", "handing", "done")))
        kept = ("id", "folder", "directory", "name", "claims")
        return insert.on_conflict_do_update(
            index_elements=[files.c.folder, files.c.directory, files.c.name],
            set_={column.name: new[column.name] for column in files.c if column.name not in kept},
            where=~(
                (same_version(new) & busy_or_done) | ((state == "handing") & files.c.problem.is_not(None))
            ),
        ).returning(files.c.id, files.c.folder, files.c.directory, files.c.name, files.c.claims)


def _done_row(adopted: Adopted, now: float) -> dict[str, Any]:
    return {
        "folder": adopted.key.folder,
        "directory": adopted.key.directory,
        "name": adopted.key.name,
        "size": adopted.version.size,
        "mtime_ns": adopted.version.mtime_ns,
        "state": "done",
        "changed": now,
        "due": None,
        "priority": 0,
        "fresh": 0,
        "round": 0,
        "anew": 0,
        "claims": 0,
        "attempts": 0,
        "retries": 0,
        "cut_off": 0,
        "sha256": bytes.fromhex(adopted.sha256) if adopted.sha256 else None,
        "question": adopted.question,
        "written": written_text(adopted.written),
    }
