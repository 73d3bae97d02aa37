"""Answers outlive files: what was paid for, by content and question, whatever becomes of images and sidecars (DESIGN 8).

The index of the search is beside them: SQLite's in a table that knows no texts, PostgreSQL's in the row.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.packed import facts_of, gist_of, lettered, pack, pages_of, texts_of, unpack
from glimpsed.ledger.part import CHUNK, Part, by_directory, chunks, clean, is_file, key_of
from glimpsed.ledger.schema import answers, directories, files, kept, questions, reviews, texts, verifications
from glimpsed.ledger.values import FileRow, KeptAnswer
from glimpsed.ledger.words import indexed
from glimpsed.model import Answer, FileKey, Gist, Job, State

HIDDEN = 2  # `indexed`, of what no search is to find
_PENDING: tuple[State, ...] = ("queued", "running", "answered", "handing")  # whose answers are needed still
_SOME: sa.BindParameter[Any] = sa.bindparam("some", expanding=True)

_FIND = (
    sa.select(
        kept.c.sha256,
        kept.c.body,
        questions.c.asked,
        questions.c.facts,
        files.c.folder,
        files.c.directory,
        files.c.name,
    )
    .join_from(kept, files, files.c.id == kept.c.file)
    .join(questions, questions.c.id == kept.c.question)
    .where(kept.c.sha256.in_(_SOME))
)
# The files' own order; hidden from SQLite's planner, which else sorts all that are done.
_DONE = (
    sa.select(files.c.id, files.c.folder, files.c.directory, files.c.name, kept.c.body, questions.c.facts)
    .join_from(files, questions, questions.c.asked == sa.func.coalesce(files.c.question, ""), isouter=True)
    .join(
        kept,
        (kept.c.sha256 == files.c.sha256)
        & (kept.c.question == questions.c.id)
        & ((questions.c.asked != "") | (kept.c.file == files.c.id)),  # as `kept_for`
        isouter=True,
    )
    .where(
        files.c.folder.concat("") == sa.bindparam("of"),
        files.c.state.concat("") == "done",
        files.c.id > sa.bindparam("after"),
    )
    .order_by(files.c.id)
    .limit(CHUNK)
)
_SHARED = sa.select(files.c.sha256).where(
    files.c.sha256.in_(_SOME), files.c.id.not_in(sa.bindparam("ids", expanding=True)), files.c.state != "gone"
)
_THERE = sa.select(kept.c.id, kept.c.sha256, kept.c.question, kept.c.indexed).where(kept.c.sha256.in_(_SOME))
_TEXT = (
    sa.select(kept.c.id, kept.c.body, questions.c.facts)
    .join(questions, questions.c.id == kept.c.question)
    .where(kept.c.id.in_(_SOME))
)
_ASKED = sa.select(questions).where(questions.c.asked.in_(_SOME))
_INDEX = {
    "sqlite": sa.text("INSERT INTO said(rowid, body) VALUES (:id, :terms)"),
    "postgresql": sa.text(
        "UPDATE kept SET vector = array_to_tsvector(CAST(:terms AS text[])) WHERE id = :id"
    ),
}
_UNINDEX = sa.text("INSERT INTO said(said, rowid, body) VALUES ('delete', :id, :terms)")


@dataclass(frozen=True, slots=True)
class ToKeep:
    """An answer, the file that got it, and the question; None where that is not known, as of adopted files."""

    file: int
    answer: Answer
    question: str | None
    found: bool = True  # by a search


class Kept(Part):
    """What was answered, apart from whose answer it was."""

    def _keep_answers(self, c: sa.Connection, several: Sequence[ToKeep]) -> None:
        """In the transaction that has them survive a power cut. One that was only used again changes hands."""
        asked = self._questions(c, several)
        wanted = {
            (bytes.fromhex(one.answer.source.sha256), asked[one.question or ""].id): one for one in several
        }
        hashes = {"some": [sha256 for sha256, _ in wanted]}
        before = {(row.sha256, row.question): row for row in c.execute(_THERE, hashes)}
        handed = [  # not of those that were adopted: what was asked there may be something else
            key
            for key, one in wanted.items()
            if one.question and one.answer.reused_from is not None and key in before
        ]
        for key in sorted(handed):  # two hosts never deadlock
            change = sa.update(kept).where(kept.c.id == before[key].id)
            c.execute(change.values(file=wanted[key].file))
        new = {key: wanted[key] for key in sorted(wanted.keys() - set(handed))}
        if not new:
            return
        self._unindex(c, [before[key].id for key in new if key in before and before[key].indexed == 1])
        rows = [
            {
                "sha256": sha256,
                "question": question,
                "file": one.file,
                "at": int(self.clock()),
                "indexed": int(self._search) if one.found else HIDDEN,
                "body": pack(one.answer, asked[one.question or ""].facts),
            }
            for (sha256, question), one in new.items()
        ]
        c.execute(self._put_kept, rows)
        if self._search:
            there = {(row.sha256, row.question): row.id for row in c.execute(_THERE, hashes)}
            self._index(c, {there[key]: _pages(one.answer) for key, one in new.items() if one.found})

    @functools.cached_property
    def _put_kept(self) -> Any:
        insert = self._insert(kept)
        new = {name: insert.excluded[name] for name in ("file", "at", "indexed", "body")}
        return insert.on_conflict_do_update(index_elements=[kept.c.sha256, kept.c.question], set_=new)

    def _questions(self, c: sa.Connection, several: Sequence[ToKeep]) -> dict[str, sa.Row[Any]]:
        """The questions' rows: a handful for all answers, unless they name the files."""
        first = {one.question or "": one.answer for one in reversed(several)}
        found = {row.asked: row for row in c.execute(_ASKED, {"some": list(first)})}
        if lacking := sorted(first.keys() - found.keys()):
            # One that names its file is nobody else's: there is nothing to have in common.
            rows = [
                {"asked": asked, "facts": b"" if ":" in asked else facts_of(first[asked])}
                for asked in lacking
            ]
            c.execute(self._insert(questions).on_conflict_do_nothing(), rows)
            found |= {row.asked: row for row in c.execute(_ASKED, {"some": lacking})}
        return found

    def _index(self, c: sa.Connection, several: dict[int, list[str]]) -> None:
        """Have these answers' words found."""
        if not several:
            return
        sqlite = c.dialect.name == "sqlite"
        terms = {id_: indexed(clean(page) or "" for page in pages) for id_, pages in several.items()}
        rows = [{"id": id_, "terms": " ".join(t) if sqlite else t} for id_, t in terms.items()]
        c.execute(_INDEX[c.dialect.name], rows)

    def _unindex(self, c: sa.Connection, ids: Sequence[int]) -> None:
        """An index without content must be told what it is to forget; PostgreSQL's goes with the row."""
        if not ids or c.dialect.name != "sqlite":
            return
        rows = c.execute(_TEXT, {"some": list(ids)}).all()
        gone = [
            {
                "id": row.id,
                "terms": " ".join(indexed(clean(page) or "" for page in pages_of(row.body, row.facts))),
            }
            for row in rows
        ]
        c.execute(_UNINDEX, gone)

    def _replace_answer(self, c: sa.Connection, of: FileRow, answer: Answer) -> None:
        """More is known of a file's answer, where it is kept: a second reading, a correction."""
        if of.sha256 is None:
            return
        this = (kept.c.sha256 == bytes.fromhex(of.sha256)) & (questions.c.asked == (of.question or ""))
        which = sa.select(kept.c.id, kept.c.indexed, questions.c.facts).join_from(
            kept, questions, questions.c.id == kept.c.question
        )
        if of.question is None:  # as `kept_for`
            which = which.join(files, (files.c.id == kept.c.file) & is_file(of.key))
        row = c.execute(which.where(this)).one_or_none()
        if row is None:
            return
        if row.indexed == 1:
            self._unindex(c, [row.id])
        change = sa.update(kept).where(kept.c.id == row.id)
        c.execute(change.values(body=pack(answer, row.facts), indexed=int(self._search)))
        if self._search:
            self._index(c, {row.id: _pages(answer)})

    def _written(self, c: sa.Connection, jobs: Sequence[Job]) -> None:
        """Their sidecars stand, and were handed over: what is never to be kept goes."""
        if self.keep == 0:
            mine = sa.select(kept.c.id).where(kept.c.file.in_(_SOME))
            self._drop_answers(c, list(c.execute(mine, {"some": [job.id for job in jobs]}).scalars()))

    def all_kept(self, several: Sequence[tuple[str, str | None]]) -> list[KeptAnswer | None]:
        """The answers to these questions about these contents, each with the file that got it last.

        Where there is none, one that was adopted: which question it is to, only it can tell.
        """
        hashes = {bytes.fromhex(sha256) for sha256, _ in several}
        with self._database.read() as c:
            rows = c.execute(_FIND, {"some": list(hashes)}).all()
        found = {(row.sha256.hex(), row.asked): row for row in rows}
        return [
            _kept_answer(found.get((sha256, asked or "")) or found.get((sha256, "")))
            for sha256, asked in several
        ]

    def kept_for(self, row: FileRow) -> KeptAnswer | None:
        """The answer to what was asked about a file; else one that was adopted with this very file.

        Another file with the same content may have been asked otherwise, or corrected: its own JSON tells.
        """
        found = self.all_kept([(row.sha256, row.question)])[0] if row.sha256 else None
        adopted = found is not None and found.question is None
        return None if found is None or (adopted and found.origin != row.key) else found

    def gists(self, folder: str) -> Iterator[tuple[FileKey, Gist | None]]:
        """Every done file of a folder, as they were first seen, with the gist of its answer; None: none is kept.

        Read in parts, so that nobody waits meanwhile.
        """
        after = 0
        while True:
            with self._database.read() as c:
                rows = c.execute(_DONE, {"of": folder, "after": after}).all()
            if not rows:
                return
            yield from ((key_of(row), _gist(row)) for row in rows)
            after = rows[-1].id

    def let_go(self, now: float, limit: int = 1000) -> int:
        """Some of the answers, with their words in the index, that are older than `keep_answers` allows.

        Returns how many that was: fewer than `limit` when there are no more.
        """
        if self.keep is None:
            return 0
        if self.keep > 0:
            old = kept.c.at < now - self.keep
            indexed_before = files.c.changed < self.clock.wall() - self.keep
        else:
            old = files.c.state.not_in(_PENDING)
            indexed_before = sa.true()
        which = sa.select(kept.c.id).join(files, files.c.id == kept.c.file, isouter=True)
        bare = sa.select(texts.c.id).join(files, files.c.id == texts.c.file, isouter=True)
        with self._database.write() as c:
            ids = list(c.execute(which.where(old | files.c.id.is_(None)).limit(limit)).scalars())
            self._drop_answers(c, ids)
            unkept = list(c.execute(bare.where(indexed_before | files.c.id.is_(None)).limit(limit)).scalars())
            for some in chunks(unkept, CHUNK):
                c.execute(sa.delete(texts).where(texts.c.id.in_(some)))
        gone = max(len(ids), len(unkept))
        if self.keep == 0:
            if 0 < gone < limit:  # that was the last of what was kept before
                self._database.scrub()
            else:
                self._database.empty_log()
        return gone

    def forget_files(self, keys: Sequence[FileKey]) -> int:
        """These files' rows, answers and text go for good, also from the database's file. Returns how many files."""
        count = 0
        for place, names in by_directory(keys):
            here = (files.c.folder == place["folder"]) & (files.c.directory == place["directory"])
            count += self._forget(here & files.c.name.in_(names))
        self._database.scrub()
        return count

    def forget_gone(self, folder: str) -> int:
        """`forget_files` for all files of a folder that are gone."""
        count = 0
        while some := self._forget((files.c.folder == folder) & (files.c.state == "gone")):
            count += some
        self._database.scrub()
        return count

    def _forget(self, which: sa.ColumnElement[bool]) -> int:
        columns = sa.select(files.c.id, files.c.folder, files.c.directory, files.c.sha256)
        with self._database.write() as c:
            rows = c.execute(columns.where(which).limit(CHUNK)).all()
            if not rows:
                return 0
            ids = [row.id for row in rows]
            hashes = {row.sha256 for row in rows if row.sha256 is not None}
            # An answer that another file has as well is that file's, too.
            shared = set(c.execute(_SHARED, {"some": list(hashes), "ids": ids}).scalars())
            theirs = sa.select(kept.c.id).where(kept.c.sha256.in_(_SOME))
            gone = {*c.execute(theirs, {"some": list(hashes - shared)}).scalars()}
            mine = sa.select(kept.c.id, kept.c.sha256).where(kept.c.file.in_(_SOME))
            gone |= {row.id for row in c.execute(mine, {"some": ids}) if row.sha256 not in shared}
            for sha256 in shared:  # it changes hands
                other = sa.select(files.c.id).where(files.c.sha256 == sha256, files.c.id.not_in(ids)).limit(1)
                c.execute(sa.update(kept).where(kept.c.sha256 == sha256).values(file=other.scalar_subquery()))
            self._drop_answers(c, list(gone))
            for table in (answers, texts, verifications, reviews):
                c.execute(sa.delete(table).where(table.c.file.in_(ids)))
            c.execute(sa.delete(files).where(files.c.id.in_(ids)))
            for folder, directory in {(row.folder, row.directory) for row in rows}:
                # What still stands there is news to the next listing.
                here = (directories.c.folder == folder) & (directories.c.directory == directory)
                c.execute(sa.delete(directories).where(here))
            self._database.tell(c)
            return len(rows)

    def _note_reviews(
        self, c: sa.Connection, answered: Iterable[tuple[int, int, Answer]], before: bytes = b""
    ) -> None:
        """Of these (file, claim, answer) the reviews that they came with. `before`: what the model itself had said."""
        at = self.clock.wall()
        rows = [
            {"file": file, "claim": claim, "at": at, "by": clean(answer.review.by), "before": before}
            for file, claim, answer in answered
            if answer.review is not None
        ]
        if rows:
            c.execute(self._put_review, rows)

    def _note_readings(self, c: sa.Connection, answered: Iterable[tuple[int, int, Answer]]) -> None:
        """Of these (file, claim, answer) what came of the second readings that they tell of."""
        rows = [
            verification(
                file,
                claim,
                answer.doubt.agreement if answer.doubt is not None else 1.0,
                doubtful=answer.doubt is not None and answer.review is None,
            )
            for file, claim, answer in answered
            if answer.verified is not None
        ]
        if rows:
            c.execute(self._put_verification, rows)

    @functools.cached_property
    def _put_verification(self) -> Any:
        insert = self._insert(verifications)
        new = {c.name: insert.excluded[c.name] for c in verifications.c if not c.primary_key}
        # The same asking, after a crash: what was found already stays.
        other = verifications.c.claim != insert.excluded.claim
        return insert.on_conflict_do_update(index_elements=[verifications.c.file], set_=new, where=other)

    @functools.cached_property
    def _put_review(self) -> Any:
        insert = self._insert(reviews)
        latest = {name: insert.excluded[name] for name in ("claim", "at", "by")}
        # Reviewed again: what the model said itself is what was there before the first time.
        before = sa.case(
            (reviews.c.claim == insert.excluded.claim, reviews.c.before), else_=insert.excluded.before
        )
        return insert.on_conflict_do_update(
            index_elements=[reviews.c.file], set_={**latest, "before": before}
        )

    def _drop_answers(self, c: sa.Connection, ids: Sequence[int]) -> None:
        for some in chunks(list(ids), CHUNK):
            found = sa.select(kept.c.id).where(kept.c.id.in_(_SOME), kept.c.indexed == 1)
            self._unindex(c, list(c.execute(found, {"some": some}).scalars()))
            c.execute(sa.delete(kept).where(kept.c.id.in_(some)))


def verification(file: int, claim: int, agreement: float | None, *, doubtful: bool) -> dict[str, Any]:
    """The row of a file that is due to be read a second time; with an `agreement`, of one that was."""
    due = 0.0 if agreement is None else None
    return {"file": file, "claim": claim, "due": due, "owner": None, "tries": 0, "agreement": agreement,
            "doubtful": int(doubtful), "reading": None}  # fmt: skip


def _pages(answer: Answer) -> list[str]:
    """As a search looks at them, and as `pages_of` has them once the answer is kept."""
    return list(map(lettered, texts_of(answer)))


def _gist(row: sa.Row[*tuple[Any, ...]]) -> Gist | None:
    try:
        return None if row.body is None else gist_of(row.body, row.facts)
    except ValueError:
        return None


def _kept_answer(row: sa.Row[*tuple[Any, ...]] | None) -> KeptAnswer | None:
    if row is None:
        return None
    try:
        return KeptAnswer(key_of(row), unpack(row.body, row.sha256.hex(), row.facts), row.asked or None)
    except ValueError:
        return None
