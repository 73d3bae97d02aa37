"""What waits for `approve`: a new folder's backlog, and arrivals that were too many at once."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from glimpsed.ledger.part import CHUNK, Part, chunks, file_row
from glimpsed.ledger.schema import HELD, files, folders
from glimpsed.ledger.values import FileRow

_ARRIVALS_HELD = (files.c.fresh == HELD) & files.c.due.is_not(None)
_SOME_HELD = sa.exists().where(files.c.folder == folders.c.name, _ARRIVALS_HELD)
_BACKLOG_HELD = (
    (files.c.fresh == 0)
    & files.c.due.is_not(None)
    & sa.exists().where(folders.c.name == files.c.folder, folders.c.held > 0)
)
# As the index `files_content` says.
_READ = sa.text("sha256 IS NOT NULL")
_SIZES = sa.select(files.c.size).where(_READ).scalar_subquery()
_LET_THROUGH = (
    sa.update(files)
    .where(
        files.c.id == sa.bindparam("row"), files.c.mtime_ns == sa.bindparam("at"), files.c.due.is_not(None)
    )
    .values(fresh=1)
)


class Holding(Part):
    """Rows that nobody claims until somebody says that they may cost what they do."""

    def hold(self, folder: str, now: float) -> None:
        """The backlog of this folder waits for `approve`; arrivals are served."""
        insert = self._insert(folders)
        put = insert.on_conflict_do_update(
            index_elements=[folders.c.name],
            set_={"held": sa.func.coalesce(folders.c.held, insert.excluded.held)},
        )
        with self._database.write() as c:
            c.execute(put, {"name": folder, "held": now})

    def approve(self, folder: str | None = None, *, unlisted: bool = False) -> list[str]:
        """Release the backlog of a folder, or of all, and its arrivals. Returns the folders that waited.

        `unlisted`: also where nothing waits. Else that stays held: nobody can approve what has not been listed yet.
        """
        which = sa.true() if folder is None else folders.c.name == folder
        waits = sa.exists().where(
            files.c.folder == folders.c.name, files.c.fresh == 0, files.c.due.is_not(None)
        )
        some = sa.true() if unlisted else waits
        released = sa.update(folders).where(folders.c.held.is_not(None), which, some).values(held=None)
        arrivals = (
            sa.update(files).where(files.c.folder == sa.bindparam("of"), _ARRIVALS_HELD).values(fresh=1)
        )
        with self._database.write() as c:
            self._database.tell(c)
            names = set(c.execute(released.returning(folders.c.name)).scalars())
            for name in c.execute(sa.select(folders.c.name).where(which, _SOME_HELD)).scalars().all():
                c.execute(arrivals, {"of": name})
                names.add(name)
            return sorted(names)

    def held(self) -> dict[str, float]:
        """The folders of which a backlog or arrivals wait, and since when."""
        came = sa.select(sa.func.min(files.c.changed)).where(files.c.folder == folders.c.name, _ARRIVALS_HELD)
        since = sa.func.coalesce(folders.c.held, came.scalar_subquery())
        with self._database.read() as c:
            rows = c.execute(sa.select(folders.c.name, since.label("since")).where(since.is_not(None)))
            return {row.name: row.since for row in rows}

    def held_back(self, names: Collection[str]) -> dict[str, int]:
        """How many files of these folders wait for `approve`, by folder."""
        held = sa.select(folders.c.name).where(folders.c.held > 0, folders.c.name.in_(names))
        backlog = (
            sa.select(files.c.folder, sa.func.count().label("number"))
            .where(
                (files.c.folder.in_(held) & (files.c.fresh == 0) & files.c.due.is_not(None))
                | (files.c.folder.in_(names) & _ARRIVALS_HELD)
            )
            .group_by(files.c.folder)
        )
        with self._database.read() as c:
            return {row.folder: row.number for row in c.execute(backlog)}

    def release_few(self, folder: str, most: int) -> int:
        """The arrivals of a folder that wait are released, if they are at most so many. Returns how many."""
        mine = (files.c.folder == folder) & _ARRIVALS_HELD
        with self._database.write() as c:
            count = c.execute(sa.select(sa.func.count()).select_from(files).where(mine)).scalar_one()
            if count > most:
                return 0
            self._database.tell(c)
            return c.execute(sa.update(files).where(mine).values(fresh=1)).rowcount

    def any_read(self) -> bool:
        """Whether the content of any file was ever read: without one, there is no answer to use again."""
        with self._database.read() as c:
            return c.scalar(sa.select(files.c.id).where(_READ).limit(1)) is not None

    def held_alike(self, folder: str, after: int, limit: int) -> list[FileRow]:
        """What waits for `approve` and has the size of a file that was read before, so that it may be that file again.

        So many in the order of their ids, after this one. Of all others it is certain that they have to be asked about.
        """
        page = (
            sa.select(files)
            .where(
                files.c.folder == folder,
                files.c.id > after,
                files.c.anew == 0,
                _ARRIVALS_HELD | _BACKLOG_HELD,
                files.c.size.in_(_SIZES),
            )
            .order_by(files.c.id)
            .limit(limit)
        )
        with self._database.read() as c:
            return [file_row(row) for row in c.execute(page)]

    def waiting_alike(
        self, folder: str, after: tuple[float, int], limit: int
    ) -> tuple[list[FileRow], tuple[float, int] | None]:
        """What came into the queue after this (time, row) and has the size of a file that was read before.

        Also where it is to be gone on from; None: there is no more for now.
        """
        changed, last = after
        page = (
            sa.select(files)
            .where(
                files.c.folder == folder,
                files.c.state == "queued",
                files.c.changed >= changed,
                (files.c.changed > changed) | (files.c.id > last),
                files.c.anew == 0,
                files.c.size.in_(_SIZES),
            )
            .order_by(files.c.changed, files.c.id)
            .limit(limit)
        )
        with self._database.read() as c:
            rows = [file_row(row) for row in c.execute(page)]
        return rows, (rows[-1].changed, rows[-1].id) if rows else None

    def let_through(self, rows: Collection[FileRow]) -> None:
        """These need no question: they are claimed like other arrivals. One that is another version by now waits on."""
        with self._database.write() as c:
            for some in chunks(sorted(rows, key=lambda row: row.id), CHUNK):
                c.execute(_LET_THROUGH, [{"row": row.id, "at": row.version.mtime_ns} for row in some])
            self._database.tell(c)
