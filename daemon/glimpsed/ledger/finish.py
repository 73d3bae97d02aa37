"""How a job ends: answered and paid for, written, failed, gone. All but the money hang on the lease."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.kept import Kept, ToKeep
from glimpsed.ledger.lease import STILL_OURS
from glimpsed.ledger.part import (
    FORGET_ANSWERS,
    HELD_LEASE,
    NEVER_READ,
    clean,
    file_row,
    written_text,
)
from glimpsed.ledger.queue import Queue
from glimpsed.ledger.schema import answers, files
from glimpsed.ledger.spending import Bill, Spending
from glimpsed.ledger.values import FileRow
from glimpsed.model import Answer, FileKey, Job, PageRecord, Usage, Version, Written

OURS = sa.select(files.c.id, files.c.written).where(HELD_LEASE).with_for_update()
_END = sa.update(files).where(HELD_LEASE)
_END_OURS = sa.update(files).where(files.c.id == sa.bindparam("job"))
_ANSWERED = _END_OURS.values(
    state="answered",
    changed=sa.bindparam("at"),
    sha256=sa.bindparam("hash"),
    question=sa.bindparam("asked"),
    attempts=sa.bindparam("tries"),
    reason=None,
)
DONE = _END_OURS.values(
    state="done",
    changed=sa.bindparam("at"),
    written=sa.bindparam("sidecars"),
    due=None,
    owner=None,
    round=0,
    anew=0,
    reason=None,
    advice=None,
    problem=None,
)
_FAILED = _END.values(
    state="failed",
    was=None,
    changed=sa.bindparam("at"),
    reason=sa.bindparam("why"),
    advice=sa.bindparam("what"),
    attempts=sa.bindparam("tries"),
    retries=sa.bindparam("again_and_again"),
    due=None,
    owner=None,
    round=0,
    anew=0,
)
# What failed is this question, put to whatever content: nothing may take it for one that has an answer.
_UNANSWERED: dict[str, Any] = {"sha256": None, "question": sa.bindparam("asked")}
_AS_UNANSWERED = sa.select(files).where(
    files.c.folder == sa.bindparam("of"),
    files.c.mtime_ns.in_(sa.bindparam("times", expanding=True)),
    NEVER_READ,
    (files.c.state == "failed") | ((files.c.state == "gone") & (files.c.was == "failed")),
)
_GONE = _END.values(state="gone", was=files.c.state, changed=sa.bindparam("at"), due=None, owner=None)
_KEPT = sa.select(answers.c.file, answers.c.page, answers.c.body).where(
    answers.c.file.in_(sa.bindparam("ids", expanding=True))
)


class Finish(Queue, Kept, Spending):
    """The ends of a job. Each returns False when the lease was lost: then nothing more is to be done."""

    def page_answered(self, job: Job, record: PageRecord, now: float) -> bool:
        """One page's answer is paid for; it survives a power cut once this returns."""
        with self._database.write(durable=True) as c:
            self._pay(c, [Bill(job.key.folder, record.model.entry, record.usage)], now)
            if c.execute(OURS, self._lease(job)).one_or_none() is None:
                return False
            row = {"file": job.id, "page": record.answer.page, "body": record.model_dump_json()}
            c.execute(self._put_answer, row)
            return True

    def answered(self, job: Job, answer: Answer, *, question: str, now: float) -> bool:
        """The answer is paid for; it survives a power cut once this returns, and the lease goes on.

        The money is counted even when the lease is lost, less what the pages were counted with already.
        """
        return self.all_answered([(job, answer, question)], now)[0]

    def all_answered(self, several: Sequence[tuple[Job, Answer, str]], now: float) -> list[bool]:
        """`answered` for several jobs, with their questions: one wait for the disk."""
        with self._database.write(durable=True) as c:
            pages: dict[int, list[PageRecord]] = {}
            for row in c.execute(_KEPT, {"ids": [job.id for job, _, _ in several]}):
                kept = pages.setdefault(row.file, [])
                if row.page > 0:
                    kept.append(PageRecord.model_validate_json(row.body))
            self._pay(c, _bills(several, pages), now)
            ours = self._still_ours(c, [job for job, _, _ in several])
            held = [one for one, still in zip(several, ours, strict=True) if still]
            if held:
                self._keep(c, held, now, drop=[job.id for job, _, _ in held if job.id in pages])
            # Also of what was touched, renamed or taken over meanwhile: whoever asks the same next finds it.
            self._keep_answers(c, [ToKeep(job.id, answer, question) for job, answer, question in several])
            return ours

    def _keep(
        self, c: sa.Connection, held: Sequence[tuple[Job, Answer, str]], now: float, *, drop: Sequence[int]
    ) -> None:
        rows = [
            {
                "job": job.id,
                "at": now,
                "hash": bytes.fromhex(answer.source.sha256),
                "asked": question,
                "tries": answer.attempts,
            }
            for job, answer, question in held
        ]
        c.execute(_ANSWERED, rows)
        if drop:
            c.execute(FORGET_ANSWERS, {"ids": drop})
        bodies = [{"file": job.id, "page": 0, "body": answer.model_dump_json()} for job, answer, _ in held]
        c.execute(self._put_answer, bodies)

    def _still_ours(self, c: sa.Connection, jobs: Sequence[Job]) -> list[bool]:
        """Of each, whether its lease is held; in this transaction nobody takes it away."""
        rows = c.execute(STILL_OURS, {"ids": [job.id for job in jobs], "mine": self.owner})
        held = {(row.id, row.claims) for row in rows}
        return [(job.id, job.claim) in held for job in jobs]

    def spent(self, job: Job, entry: str, usage: Usage, now: float) -> None:
        """Money went without an answer to show for it: a refusal, a cut answer, a repair that failed."""
        with self._database.write(durable=True) as c:
            self._pay(c, [Bill(job.key.folder, entry, usage)], now)

    def done(self, job: Job, written: Sequence[Written], now: float) -> bool:
        """Every sidecar is on disk: the answer leaves the ledger, the fact stays."""
        return self.all_done([(job, written)], now)[0]

    def all_done(self, several: Sequence[tuple[Job, Sequence[Written]]], now: float) -> list[bool]:
        """`done` for several jobs in one transaction."""
        with self._database.write() as c:
            ours = self._still_ours(c, [job for job, _ in several])
            held = [one for one, still in zip(several, ours, strict=True) if still]
            if held:
                rows = [{"job": job.id, "at": now, "sidecars": written_text(w)} for job, w in held]
                c.execute(DONE, rows)
                c.execute(FORGET_ANSWERS, {"ids": [job.id for job, _ in held]})
                self._written(c, [job for job, _ in held])
            return ours

    def failed(
        self,
        job: Job,
        reason: str,
        advice: str,
        now: float,
        *,
        attempts: int | None = None,
        question: str | None = None,
        content: str | None = None,
    ) -> bool:
        """Failed for good, until the file changes or somebody says `retry`. Sidecars of an earlier version stay on record.

        `question`: the one that no model answered, about this `content` (its SHA-256); when the folder has another,
        `requeue_other_questions` asks that. None: the file itself is at fault.
        """
        values = {
            "at": now,
            "why": clean(reason),
            "what": clean(advice),
            "tries": job.attempts if attempts is None else attempts,
            "again_and_again": job.retries,
        }
        end = _FAILED
        if question is not None:
            end, values["asked"] = _FAILED.values(_UNANSWERED), failure(question, content)
        with self._database.write() as c:
            if not c.execute(end, values | self._lease(job)).rowcount:
                return False
            c.execute(FORGET_ANSWERS, {"ids": [job.id]})
            return True

    def all_unanswered(self, several: Sequence[tuple[FileKey, Version, str]]) -> list[list[FileRow]]:
        """For each (file, version, question and content as `failed` has them): the failures that it may be, renamed."""
        times: dict[str, set[int]] = {}
        for key, version, _ in several:
            times.setdefault(key.folder, set()).add(version.mtime_ns)
        with self._database.read() as c:
            failures = [
                file_row(row)
                for folder, some in times.items()
                for row in c.execute(_AS_UNANSWERED, {"of": folder, "times": sorted(some)})
            ]
        return [
            [
                row
                for row in failures
                if (row.key.folder, row.version, row.question) == (key.folder, version, asked)
                and row.key != key
            ]
            for key, version, asked in several
        ]

    def gone(self, job: Job, now: float) -> bool:
        """The file, or this version of it, is not there any more."""
        with self._database.write() as c:
            return bool(c.execute(_GONE, {"at": now, **self._lease(job)}).rowcount)

    @functools.cached_property
    def _put_answer(self) -> Any:
        return self._put(answers, "body")


def _bills(
    several: Sequence[tuple[Job, Answer, str]], paid: Mapping[int, Sequence[PageRecord]]
) -> Iterator[Bill]:
    """What is to be paid for these answers; that for the pages has been counted already."""
    for job, answer, _ in several:
        if answer.reused_from is None:
            usage = less(answer.usage, [page.usage for page in paid.get(job.id, ())])
            yield Bill(job.key.folder, answer.model.entry, usage, answered=1)


def less(whole: Usage, parts: Sequence[Usage]) -> Usage:
    """What is left of a sum when parts of it are counted already."""
    return Usage(
        input_tokens=max(0, whole.input_tokens - sum(p.input_tokens for p in parts)),
        output_tokens=max(0, whole.output_tokens - sum(p.output_tokens for p in parts)),
        cost=None if whole.cost is None else max(0.0, whole.cost - sum(p.cost or 0.0 for p in parts)),
        currency=whole.currency,
        estimated=whole.estimated,
    )


def failure(question: str, content: str | None) -> str:
    """A question that no model answered, and about what, where that is known: so it is found again under another name."""
    return question if content is None else f"{question}@{content}"
