"""Second readings (`verify_with`) and reviews: what is known of how far an answer can be trusted (DESIGN 13 and 15).

A file that is done is due to be read a second time by a row in `verifications`: claimed under a lease, tried again by a
due time, as the queue does it. Its sidecars stand meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from glimpsed.ledger.finish import Finish, less
from glimpsed.ledger.kept import ToKeep, verification
from glimpsed.ledger.packed import pack, unpack
from glimpsed.ledger.part import CHUNK, chunks, file_row, is_file, written_text
from glimpsed.ledger.schema import files, reviews, verifications
from glimpsed.ledger.spending import Bill
from glimpsed.ledger.values import FileRow, SecondReading
from glimpsed.model import Answer, FileKey, Job, PageRecord, Usage, Version, Written, shown

# How the question begins that a second reading is kept under; a colon follows, and who read it.
SECOND = "second"
_CURRENT = (verifications.c.file == files.c.id) & (verifications.c.claim == files.c.claims)
_REVIEWED = (reviews.c.file == files.c.id) & (reviews.c.claim == files.c.claims)
# Hidden from SQLite's planner, which would go through all files that are done instead of the few that are wanted here.
_FOLDER, _DONE = files.c.folder.concat(""), files.c.state.concat("") == "done"
_ONE: sa.ColumnElement[int] = sa.literal_column("1")  # as the index has it
_DOUBTFUL = files.c.id.in_(sa.select(verifications.c.file).where(verifications.c.doubtful == _ONE)) & _DONE
_AMONG_REVIEWED = files.c.id.in_(sa.select(reviews.c.file)) & _DONE
_PAGES = TypeAdapter(tuple[PageRecord, ...])
_WANTED: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)


class Second(Finish):
    """Answers that are read a second time, by a model or by people."""

    def to_verify(self, job: Job, *, agreement: float | None = None, doubtful: bool = False) -> None:
        """A second model is to read this file once it is done; with an `agreement`, it has: the answer is a copy."""
        with self._database.write() as c:
            c.execute(self._put_verification, verification(job.id, job.claim, agreement, doubtful=doubtful))

    def claim_readings(
        self, folders: Collection[str], limit: int, now: float, lease: float
    ) -> list[SecondReading]:
        """Files of these folders that are done and to be read a second time, under a lease."""
        due = (
            sa.select(files, verifications.c.tries, verifications.c.reading)
            .join_from(verifications, files, _CURRENT)
            .where(verifications.c.due <= now, _DONE, _FOLDER.in_(_WANTED))
            .order_by(verifications.c.due, files.c.id)
            .limit(limit)
        )
        if self._database.postgresql:
            due = due.with_for_update(of=verifications, skip_locked=True)
        with self._database.write() as c:
            rows = c.execute(due, {"wanted": list(folders)}).all()
            if rows:
                these = verifications.c.file.in_([row.id for row in rows])
                c.execute(sa.update(verifications).where(these).values(due=now + lease, owner=self.owner))
        return [_second_reading(row) for row in rows]

    def renew_readings(self, numbers: Sequence[int], now: float, lease: float) -> None:
        """They are being read still."""
        with self._database.write() as c:
            for some in chunks(numbers, CHUNK):
                ours = verifications.c.file.in_(some) & (verifications.c.owner == self.owner)
                c.execute(sa.update(verifications).where(ours).values(due=now + lease))

    def page_read(self, job: Job, records: Sequence[PageRecord], now: float) -> bool:
        """One page more, the last of these, is read and paid for; it survives a power cut once this returns.

        False: it is not ours to read any more.
        """
        last = records[-1]
        with self._database.write(durable=True) as c:
            self._pay(c, [Bill(job.key.folder, last.model.entry, last.usage)], now)
            reading = _PAGES.dump_json(tuple(records)).decode()
            mine = sa.update(verifications).where(*_held(job, self.owner))
            return bool(c.execute(mine.values(reading=reading)).rowcount)

    def read_second(
        self,
        job: Job,
        entry: str,
        usage: Usage,
        *,
        agreement: float,
        doubtful: bool,
        reading: str,
        seen: Answer | None = None,
        paid: Sequence[PageRecord] = (),
        now: float,
    ) -> None:
        """It was read, and is paid for; survives a power cut. Until `reading_told`, it is due all the same.

        Pages that are `paid` have been counted already. What was `seen`, with its place on the pages, is kept among the
        other answers about the content.
        """
        # Who has corrected it meanwhile knows better.
        known = sa.exists().where(reviews.c.file == job.id, reviews.c.claim == job.claim)
        found = {
            "agreement": agreement,
            "doubtful": sa.case((known, 0), else_=int(doubtful)),
            "reading": reading,
        }
        with self._database.write(durable=True) as c:
            left = less(usage, [page.usage for page in paid])
            self._pay(c, [Bill(job.key.folder, entry, left)], now)
            c.execute(sa.update(verifications).where(*_held(job, self.owner)).values(found))
            if seen is not None and self.keep != 0:
                self._keep_answers(c, [ToKeep(job.id, seen, f"{SECOND}:{entry}", found=False)])

    def reading_told(self, job: Job, row: FileRow, answer: Answer, written: Sequence[Written]) -> bool:
        """The sidecar has what came of the second reading, and so has the answer that is kept.

        False, and nothing of the kind: it has been answered, reviewed or written anew since `row` was read.
        """
        reviewed = sa.exists().where(_REVIEWED)
        same = (
            (files.c.id == job.id)
            & (files.c.claims == job.claim)
            & (files.c.state == "done")
            & files.c.written.is_not_distinct_from(written_text(row.written))
            & ~reviewed
        )
        with self._database.write() as c:
            if not c.execute(sa.update(files).where(same).values(written=written_text(written))).rowcount:
                return False
            done = sa.update(verifications).where(*_held(job, self.owner))
            told: dict[str, Any] = {"due": None, "owner": None, "reading": None}
            if answer.doubt is not None:  # when it was read, somebody had corrected it, who has undone that
                told["doubtful"] = 1
            if c.execute(done.values(told)).rowcount:
                self._replace_answer(c, row, answer)
                self._database.tell(c)
            return True

    def reading_later(self, job: Job, due: float | None, *, tries: int) -> None:
        """Not now: at this time, or never again."""
        with self._database.write() as c:
            change: dict[str, Any] = {"due": due, "owner": None, "tries": tries}
            if due is None:  # nobody reads the other pages
                reading = verifications.c.reading
                change["reading"] = sa.case((reading.startswith("["), sa.null()), else_=reading)
            c.execute(sa.update(verifications).where(*_held(job, self.owner)).values(change))

    def reading_left(self, job: Job, row: FileRow) -> None:
        """Never, as somebody knows better than `row`'s answer; but should that be undone by now, at once."""
        same = sa.exists().where(
            files.c.id == job.id, files.c.written.is_not_distinct_from(written_text(row.written))
        )
        with self._database.write() as c:
            due = sa.case((same, sa.null()), else_=0.0)
            c.execute(sa.update(verifications).where(*_held(job, self.owner)).values(due=due, owner=None))

    def next_reading(self, folders: Collection[str]) -> float | None:
        """When the next file of these is due to be read a second time; None: none is."""
        due = (
            sa.select(sa.func.min(verifications.c.due))
            .join_from(verifications, files, _CURRENT)
            .where(verifications.c.due.is_not(None), _DONE, _FOLDER.in_(_WANTED))
        )
        with self._database.read() as c:
            first: float | None = c.scalar(due, {"wanted": list(folders)})
            return first

    def doubtful(self, folder: str) -> int:
        """How many answers of a folder a second reader read otherwise, and nobody has reviewed."""
        count = (
            sa.select(sa.func.count())
            .select_from(verifications.join(files, _CURRENT))
            .where(_DOUBTFUL, _FOLDER.in_([folder]))
        )
        with self._database.read() as c:
            return c.scalar(count) or 0

    def doubtful_files(
        self,
        folder: str | None = None,
        *,
        after: int = 0,
        limit: int = 100,
        since: float = 0.0,
        until: float = 1e18,
    ) -> list[tuple[int, FileRow]]:
        """Those that `doubtful` counts, with their ids, in the order of these, after this one."""
        page = sa.select(files).join_from(verifications, files, _CURRENT).where(_DOUBTFUL, files.c.id > after)
        if folder is not None:
            page = page.where(_FOLDER.in_([folder]))
        if since > 0 or until < 1e18:
            page = page.where(files.c.changed.between(since, until))
        with self._database.read() as c:
            return [(row.id, file_row(row)) for row in c.execute(page.order_by(files.c.id).limit(limit))]

    def agreement(self, key: FileKey) -> float | None:
        """How far the second reader agreed about a file; None: it did not read it, or not this version."""
        one = sa.select(verifications.c.agreement).join_from(verifications, files, _CURRENT)
        with self._database.read() as c:
            found: float | None = c.scalar(one.where(is_file(key)))
            return found

    # -- reviews

    def review(
        self, row: FileRow, old: Answer, new: Answer, written: Sequence[Written], at: float, by: str | None
    ) -> bool:
        """Somebody corrected or confirmed the answer of a done file: that is its answer from now on.

        Nobody (None): the model's own answer counts again, with the doubt that there was.

        False: it has been answered, reviewed or written anew since `row` was read.
        """
        same = (files.c.changed == row.changed) & (files.c.state == "done")
        sidecars = files.c.written.is_not_distinct_from(written_text(row.written))
        this = sa.select(files.c.id, files.c.claims).where(is_file(row.key), same, sidecars)
        with self._database.write(durable=True) as c:
            found = c.execute(this).one_or_none()
            if found is None:
                return False
            if by is None:
                c.execute(sa.delete(reviews).where(reviews.c.file == found.id))
            else:
                before = self._own(old)
                values = {"file": found.id, "claim": found.claims, "at": at, "by": by, "before": before}
                c.execute(self._put_review, values)
            self._put_doubt(c, found.id, new if by is None else None)
            c.execute(sa.update(files).where(files.c.id == found.id).values(written=written_text(written)))
            self._replace_answer(c, row, new)
            self._database.tell(c)
            return True

    def review_comes_along(self, job: Job, answer: Answer) -> None:
        """Somebody reviewed the answer that this file gets, as that of another, or as its own before it was touched."""
        mine = answer.reused_from == f"{job.key.folder}/{shown(job.key.path)}"
        before = (
            sa.select(reviews.c.before)
            .join_from(reviews, files, files.c.id == reviews.c.file)
            .where(files.c.sha256 == bytes.fromhex(answer.source.sha256))
            .where(files.c.id == job.id if mine else _REVIEWED & (files.c.id != job.id))
            .order_by(sa.func.length(reviews.c.before).desc())
            .limit(1)
        )
        with self._database.write() as c:
            self._note_reviews(c, [(job.id, job.claim, answer)], c.scalar(before) or b"")

    def _own(self, answer: Answer) -> bytes:
        return b"" if self.keep == 0 else pack(answer)  # `keep_answers: never`: no answer's text stays

    def reviewed(self, key: FileKey) -> bool:
        """Whether somebody reviewed the answer that this file has."""
        return self._before(key) is not None

    def count_reviewed(self, folder: str) -> int:
        """How many done files of a folder have an answer that somebody reviewed."""
        count = sa.select(sa.func.count()).select_from(reviews.join(files, _REVIEWED))
        with self._database.read() as c:
            return c.scalar(count.where(_FOLDER.in_([folder]), _AMONG_REVIEWED)) or 0

    def reviewed_files(self, folder: str) -> list[FileRow]:
        """The done files of a folder whose answer somebody reviewed."""
        which = sa.select(files).join_from(reviews, files, _REVIEWED)
        with self._database.read() as c:
            rows = c.execute(which.where(_FOLDER.in_([folder]), _AMONG_REVIEWED).order_by(files.c.id))
            return [file_row(row) for row in rows]

    def own_answer(self, key: FileKey) -> Answer | None:
        """What the model itself answered about a file that was reviewed; None where nobody knows any more."""
        before = self._before(key)
        return unpack(before[0], before[1].hex()) if before and before[0] and before[1] else None

    def _before(self, key: FileKey) -> tuple[bytes, bytes | None] | None:
        """As it was packed, and the content's hash."""
        one = sa.select(reviews.c.before, files.c.sha256).join_from(reviews, files, _REVIEWED)
        this = one.where(is_file(key), files.c.state == "done")
        with self._database.read() as c:
            row = c.execute(this).one_or_none()
            return None if row is None else (row.before, row.sha256)

    def forget_review(self, row: FileRow, answer: Answer) -> None:
        """The model's own answer counts again."""
        this = sa.select(files.c.id).where(is_file(row.key))
        with self._database.write() as c:
            if (file := c.scalar(this)) is None:
                return
            c.execute(sa.delete(reviews).where(reviews.c.file == file))
            self._put_doubt(c, file, answer)
            self._replace_answer(c, row, answer)

    def _put_doubt(self, c: sa.Connection, file: int, own: Answer | None) -> None:
        """As the model's own answer says, which counts again; None: somebody knows better.

        Nobody has read that answer a second time, or told what was read, while somebody knew better: that is due again.
        """
        this = sa.update(verifications).where(verifications.c.file == file)
        c.execute(this.values(doubtful=int(own is not None and own.doubt is not None)))
        if own is not None:
            untold = verifications.c.agreement.is_(None) | verifications.c.reading.is_not(None)
            c.execute(this.where(untold, verifications.c.due.is_(None)).values(due=0.0))


def _held(job: Job, owner: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        verifications.c.file == job.id,
        verifications.c.claim == job.claim,
        verifications.c.owner == owner,
    )


def _second_reading(row: Any) -> SecondReading:
    pages: tuple[PageRecord, ...] = ()
    reading = row.reading
    if reading is not None and reading.startswith("["):
        pages, reading = _PAGES.validate_json(reading), None
    return SecondReading(_job(row, pages), file_row(row), row.tries, reading)


def _job(row: Any, pages: tuple[PageRecord, ...]) -> Job:
    found = file_row(row)
    return Job(
        id=row.id,
        key=found.key,
        version=Version(row.size, row.mtime_ns),
        attempts=0,
        retries=0,
        cut_off=0,
        fresh=bool(row.fresh),
        round=row.round,
        claim=row.claims,
        pages=pages,
    )
