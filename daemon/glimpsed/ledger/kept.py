"""Answers outlive files: what was paid for, by content and question, whatever becomes of images and sidecars (DESIGN 8).

An answer is JSON, compressed with what all of them have in common as a dictionary: the words between the values.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger import search
from glimpsed.ledger.part import CHUNK, Part, by_directory, chunks, key_of
from glimpsed.ledger.schema import answers, directories, files, kept, reviews, texts, verifications
from glimpsed.ledger.values import KeptAnswer
from glimpsed.model import Answer, FileKey, Job, State

_PENDING: tuple[State, ...] = ("queued", "running", "answered", "handing")  # whose answers are needed still
_SOME: sa.BindParameter[Any] = sa.bindparam("some", expanding=True)

_FIND = (
    sa.select(kept.c.sha256, kept.c.question, kept.c.body, files.c.folder, files.c.directory, files.c.name)
    .join(files, files.c.id == kept.c.file)
    .where(kept.c.sha256.in_(_SOME))
)
_SHARED = sa.select(files.c.sha256).where(
    files.c.sha256.in_(_SOME), files.c.id.not_in(sa.bindparam("ids", expanding=True)), files.c.state != "gone"
)


def pack(answer: Answer) -> bytes:
    """An answer as it is kept. Whoever reads the first byte knows how: 1, zlib with `_WORDS`."""
    deflate = zlib.compressobj(level=6, wbits=-15, zdict=_WORDS)
    return b"\1" + deflate.compress(answer.model_dump_json().encode()) + deflate.flush()


def unpack(body: bytes) -> Answer:
    """`pack` undone. Raises `ValueError` for what another program wrote."""
    if body[:1] != b"\1":
        raise ValueError("kept by a newer glimpsed")
    try:
        return Answer.model_validate_json(zlib.decompressobj(wbits=-15, zdict=_WORDS).decompress(body[1:]))
    except zlib.error as e:
        raise ValueError(str(e)) from e


class Kept(Part):
    """What was answered, apart from whose answer it was."""

    def _keep_answers(self, c: sa.Connection, held: Sequence[tuple[Job, Answer, str]]) -> None:
        """In the transaction that has them survive a power cut. One that was only used again changes hands."""
        insert = self._insert(kept)
        same = [kept.c.sha256, kept.c.question]
        new = {name: insert.excluded[name] for name in ("file", "at", "body")}
        given = insert.on_conflict_do_update(index_elements=same, set_=new)
        used_again = insert.on_conflict_do_update(index_elements=same, set_={"file": insert.excluded.file})
        for statement, again in ((given, False), (used_again, True)):
            rows = {
                (answer.source.sha256, asked): {
                    "sha256": bytes.fromhex(answer.source.sha256),
                    "question": asked,
                    "file": job.id,
                    "at": self.clock(),
                    "body": pack(answer),
                }
                for job, answer, asked in held
                if (answer.reused_from is not None) == again
            }
            if rows:
                c.execute(statement, [rows[key] for key in sorted(rows)])  # two hosts never deadlock

    def _replace_answer(self, c: sa.Connection, sha256: str, question: str, answer: Answer) -> None:
        """More is known of an answer that is kept: a second reading, a correction."""
        this = (kept.c.sha256 == bytes.fromhex(sha256)) & (kept.c.question == question)
        c.execute(sa.update(kept).where(this).values(body=pack(answer)))

    def _written(self, c: sa.Connection, jobs: Sequence[Job]) -> None:
        """Their sidecars stand, and were handed over: what is never to be kept goes."""
        if self.keep == 0:
            c.execute(sa.delete(kept).where(kept.c.file.in_([job.id for job in jobs])))

    def all_kept(self, several: Sequence[tuple[str, str]]) -> list[KeptAnswer | None]:
        """The answers to these questions about these contents, each with the file that got it last."""
        hashes = {bytes.fromhex(sha256) for sha256, _ in several}
        with self._database.read() as c:
            rows = c.execute(_FIND, {"some": list(hashes)}).all()
        found = {(row.sha256.hex(), row.question): row for row in rows}
        return [_kept_answer(found.get(one)) for one in several]

    def let_go(self, now: float, limit: int = 1000) -> int:
        """Some of the answers, and of their text in the index, that are older than `keep_answers` allows.

        Returns how many that was: fewer than `limit` when there are no more.
        """
        if self.keep is None:
            return 0
        if self.keep > 0:
            old = kept.c.at < now - self.keep
            indexed = files.c.changed < self.clock.wall() - self.keep
        else:
            old = files.c.state.not_in(_PENDING)
            indexed = sa.true()
        which = sa.select(kept.c.id, kept.c.file).join(files, files.c.id == kept.c.file, isouter=True)
        unkept = sa.select(texts.c.file).join(files, files.c.id == texts.c.file, isouter=True)
        with self._database.write() as c:
            rows = c.execute(which.where(old | files.c.id.is_(None)).limit(limit)).all()
            ids = [row.id for row in rows]
            # Of adopted files, the text alone is here.
            others = unkept.where(indexed, texts.c.file.not_in(sa.select(kept.c.file))).distinct()
            bare = list(c.execute(others.limit(limit)).scalars())
            self._drop_answers(c, ids)
            for some in chunks([*{row.file for row in rows}, *bare], CHUNK):
                search.drop(c, some)
        if self.keep == 0:
            self._database.empty_log()
        return max(len(ids), len(bare))

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
            search.drop(c, ids)
            for table in (answers, verifications, reviews):
                c.execute(sa.delete(table).where(table.c.file.in_(ids)))
            c.execute(sa.delete(files).where(files.c.id.in_(ids)))
            for folder, directory in {(row.folder, row.directory) for row in rows}:
                # What still stands there is news to the next listing.
                here = (directories.c.folder == folder) & (directories.c.directory == directory)
                c.execute(sa.delete(directories).where(here))
            self._database.tell(c)
            return len(rows)

    def _drop_answers(self, c: sa.Connection, ids: Sequence[int]) -> None:
        for some in chunks(list(ids), CHUNK):
            c.execute(sa.delete(kept).where(kept.c.id.in_(some)))


def _kept_answer(row: sa.Row[*tuple[Any, ...]] | None) -> KeptAnswer | None:
    if row is None:
        return None
    try:
        return KeptAnswer(key_of(row), unpack(row.body))
    except ValueError:
        return None


# An answer's JSON without what differs. It is part of the format: another one needs another first byte.
_WORDS = (
    b'"doubt":null,"verified":null,"review":null,"left_out":null,"turned":null,"characters":null,'
    b'"estimated":true,"nothing_found","length","incomplete","currency":"EUR","currency":"CNY",'
    b'"media_type":"application/pdf","media_type":"image/tiff","media_type":"image/png","media_type":"text/plain",'
    b'"asked":"gemini-2.5-flash","answered":"gemini-2.5-flash","api":"chat","asked":"gpt-4o","answered":"gpt-4o-2024-08-06"'
    b'"pages":[{"page":1,"text":"","data":{"invoice_number":"","number":"","date":"","supplier":"","customer":"",'
    b'"total":0.00,"net":0.00,"tax":0.00,"amount":0.00,"currency":"EUR","items":[{"description":"","quantity":1,'
    b'"unit_price":0.00,"price":0.00}]}},{"page":2,"text":""}],'
    b'{"glimpsed":1,"folder":"inbox","source":{"name":"scan_0001.jpg","bytes":400000,"modified":"2026-11-26T10:00:00.000000Z",'
    b'"sha256":"","media_type":"image/jpeg","width":2480,"height":3508,"pages":1},"prompt":{"sha256":""},'
    b'"model":{"entry":"gpt-4o","api":"responses","asked":"gpt-4o","answered":"gpt-4o-2024-08-06"},'
    b'"sent":[{"page":1,"media_type":"image/jpeg","width":1448,"height":2048,"bytes":345678}],"text":"","data":null,'
    b'"pages":null,"finish":"stop","usage":{"input_tokens":1105,"output_tokens":210,"cost":0.0049,"currency":"USD",'
    b'"estimated":false},"attempts":1,"request_id":"chatcmpl-","started":"2026-11-26T10:00:00.000000Z",'
    b'"finished":"2026-11-26T10:00:00.000000Z","seconds":2.31,"reused_from":null}'
)
