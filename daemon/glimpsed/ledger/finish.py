"""How a job ends: answered and paid for, written, failed, gone. All but the money hang on the lease."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger import search
from glimpsed.ledger.part import HELD_LEASE, clean, written_from, written_text
from glimpsed.ledger.queue import Queue
from glimpsed.ledger.schema import RAW, answers, files, spend
from glimpsed.model import Answer, Job, PageRecord, Usage, Written

_RAW_LIMIT = 100_000  # characters

_OURS = sa.select(files.c.id, files.c.written).where(HELD_LEASE).with_for_update()
_END = sa.update(files).where(HELD_LEASE)
_ANSWERED = _END.values(
    state="answered",
    changed=sa.bindparam("at"),
    sha256=sa.bindparam("hash"),
    question=sa.bindparam("asked"),
    attempts=sa.bindparam("tries"),
    reason=None,
)
_DONE = _END.values(
    state="done",
    changed=sa.bindparam("at"),
    written=sa.bindparam("sidecars"),
    due=None,
    owner=None,
    again=0,
    reason=None,
    advice=None,
    problem=None,
)
_FAILED = _END.values(
    state="failed",
    changed=sa.bindparam("at"),
    written=sa.bindparam("sidecars"),
    reason=sa.bindparam("why"),
    advice=sa.bindparam("what"),
    attempts=sa.bindparam("tries"),
    retries=sa.bindparam("again_and_again"),
    due=None,
    owner=None,
    again=0,
)
_GONE = _END.values(state="gone", was=files.c.state, changed=sa.bindparam("at"), due=None, owner=None)
_KEPT = sa.select(answers.c.page, answers.c.body).where(answers.c.file == sa.bindparam("id"))
_DROP = sa.delete(answers).where(answers.c.file == sa.bindparam("id"))


class Finish(Queue):
    """The ends of a job. Each returns False when the lease was lost: then nothing more is to be done."""

    def page_answered(self, job: Job, record: PageRecord, now: float) -> bool:
        """One page's answer is paid for; it survives a power cut once this returns."""
        with self._database.write(durable=True) as c:
            self._pay(c, job, record.model.entry, record.usage, now, answered=0)
            if c.execute(_OURS, self._lease(job)).one_or_none() is None:
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
            return [self._answered(c, job, answer, question, now) for job, answer, question in several]

    def _answered(self, c: sa.Connection, job: Job, answer: Answer, question: str, now: float) -> bool:
        kept = c.execute(_KEPT, {"id": job.id}).all()
        pages = [PageRecord.model_validate_json(row.body) for row in kept if row.page > 0]
        if answer.reused_from is None:
            usage = _less(answer.usage, [page.usage for page in pages])
            self._pay(c, job, answer.model.entry, usage, now, answered=1)
        values = {
            "at": now,
            "hash": bytes.fromhex(answer.source.sha256),
            "asked": question,
            "tries": answer.attempts,
        }
        if not c.execute(_ANSWERED, values | self._lease(job)).rowcount:
            return False
        if kept:
            c.execute(_DROP, {"id": job.id})
        c.execute(self._put_answer, {"file": job.id, "page": 0, "body": answer.model_dump_json()})
        if self._search:
            search.store(c, job.id, search.pages_of(answer))
        return True

    def spent(self, job: Job, entry: str, usage: Usage, now: float) -> None:
        """Money went without an answer to show for it: a refusal, a cut answer, a repair that failed."""
        with self._database.write(durable=True) as c:
            self._pay(c, job, entry, usage, now, answered=0)

    def done(self, job: Job, written: Sequence[Written], now: float) -> bool:
        """Every sidecar is on disk: the answer leaves the ledger, the fact stays."""
        return self.all_done([(job, written)], now)[0]

    def all_done(self, several: Sequence[tuple[Job, Sequence[Written]]], now: float) -> list[bool]:
        """`done` for several jobs in one transaction."""
        with self._database.write() as c:
            return [self._done(c, job, written, now) for job, written in several]

    def _done(self, c: sa.Connection, job: Job, written: Sequence[Written], now: float) -> bool:
        values = {"at": now, "sidecars": written_text(written)}
        if not c.execute(_DONE, values | self._lease(job)).rowcount:
            return False
        c.execute(_DROP, {"id": job.id})
        return True

    def failed(
        self,
        job: Job,
        reason: str,
        advice: str,
        now: float,
        *,
        written: Sequence[Written] = (),
        raw: str | None = None,
        attempts: int | None = None,
        retries: int | None = None,
    ) -> bool:
        """Failed for good, until the file changes or somebody says `retry`.

        Sidecars of an earlier version stay on record beside the new ones in `written`; `raw` is what a
        model said that is no answer, kept for whoever looks into it.
        """
        with self._database.write() as c:
            row = c.execute(_OURS, self._lease(job)).one_or_none()
            if row is None:
                return False
            sidecars = {w.name: w for w in (*written_from(row.written), *written)}
            values = {
                "at": now,
                "sidecars": written_text(list(sidecars.values())),
                "why": clean(reason),
                "what": clean(advice),
                "tries": job.attempts if attempts is None else attempts,
                "again_and_again": job.retries if retries is None else retries,
            }
            c.execute(_FAILED, values | self._lease(job))
            c.execute(_DROP, {"id": job.id})
            if raw:
                c.execute(self._put_answer, {"file": job.id, "page": RAW, "body": clean(raw[:_RAW_LIMIT])})
            return True

    def gone(self, job: Job, now: float) -> bool:
        """The file, or this version of it, is not there any more."""
        with self._database.write() as c:
            if not c.execute(_GONE, {"at": now, **self._lease(job)}).rowcount:
                return False
            search.drop(c, [job.id])
            return True

    @functools.cached_property
    def _put_answer(self) -> Any:
        insert = self._insert(answers)
        keys = [answers.c.file, answers.c.page]
        return insert.on_conflict_do_update(index_elements=keys, set_={"body": insert.excluded.body})

    def _pay(
        self, c: sa.Connection, job: Job, entry: str, usage: Usage, now: float, *, answered: int
    ) -> None:
        row = {
            "day": local_day(now),
            "folder": job.key.folder,
            "model": entry,
            "currency": usage.currency or "",
            "answers": answered,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost": usage.cost or 0.0,
        }
        c.execute(self._add_spend, row)

    @functools.cached_property
    def _add_spend(self) -> Any:
        insert = self._insert(spend)
        sums = {
            n: spend.c[n] + insert.excluded[n] for n in ("answers", "input_tokens", "output_tokens", "cost")
        }
        return insert.on_conflict_do_update(index_elements=list(spend.primary_key), set_=sums)


def local_day(now: float) -> str:
    """The local day, as budgets count it: ``2026-11-22``."""
    return time.strftime("%Y-%m-%d", time.localtime(now))


def _less(whole: Usage, parts: Sequence[Usage]) -> Usage:
    """What is left of a sum when parts of it are counted already."""
    return Usage(
        input_tokens=max(0, whole.input_tokens - sum(p.input_tokens for p in parts)),
        output_tokens=max(0, whole.output_tokens - sum(p.output_tokens for p in parts)),
        cost=None if whole.cost is None else max(0.0, whole.cost - sum(p.cost or 0.0 for p in parts)),
        currency=whole.currency,
        estimated=whole.estimated,
    )
