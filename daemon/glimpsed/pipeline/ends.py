"""How a job can end: one row update and one log line for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from glimpsed import metrics, sidecar
from glimpsed.disk import files
from glimpsed.errors import (
    FileError,
    ShareTrouble,
    SidecarBlocked,
    Unanswered,
    Vanished,
    Verdict,
    VisionError,
)
from glimpsed.journal import events, get_logger
from glimpsed.language import translator
from glimpsed.ledger import Books, Ledger
from glimpsed.model import Answer, FileKey, Job, Usage, Written, local, shown, utc
from glimpsed.pipeline import backoff
from glimpsed.pipeline.acquitted import acquitted
from glimpsed.pipeline.handover import Handed
from glimpsed.pipeline.place import Place
from glimpsed.pipeline.trouble import Met, Troubles
from glimpsed.pipeline.untold import Untold

log = get_logger()

Outcome: TypeAlias = Literal["done", "reused", "failed", "retry", "later", "blocked", "gone", "lost"]


@dataclass(frozen=True, slots=True)
class End:
    """How a job's story ended, for whoever counts: `lost` is another's now, `later` and `blocked` lost no attempt."""

    outcome: Outcome
    reason: str | None = None  # of a failure, of waiting for a fallback that pauses, of what is blocked
    usage: Usage | None = None  # of an answer


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Why a file fails for good, and what to do about it."""

    reason: str
    advice: str
    happened: str | None = None  # the error sidecar's sentence, where `reason` is none
    raw: str | None = None  # what a model gave that is no answer
    attempts: int | None = None  # None: as the job has them
    question: str | None = None  # `question` and `content` as the ledger's `failed`
    content: str | None = None


class Ends:
    """Writes the end of a job's story into the ledger and the log."""

    def __init__(
        self,
        books: Books,
        *,
        find_place: Callable[[str], Place | None],
        blocked: Callable[[str, str | None], None],
        dice: Callable[[], float],
    ) -> None:
        self._find_place = find_place
        self._untold = Untold()
        self._books = books
        self._clock = books.clock
        self._dice = dice
        self._reading = Troubles()
        self._writing = Troubles(blocked)

    async def done(self, job: Job, answer: Answer, written: tuple[Written, ...]) -> End:
        """The sidecars are on disk."""
        if not await self._books.grouped(Ledger.all_done, (job, written), self._clock.wall()):
            return self.lost(job)
        return self._told_done(job, answer)

    def _told_done(self, job: Job, answer: Answer) -> End:
        self._reading.over(job.key)
        self._writing.over(job.key)
        usage = answer.usage
        if answer.reused_from is not None:
            reason = f"same content as {answer.reused_from}"
            log.info(events.FILE_REUSED, **_file(job), model=answer.model.entry, reason=reason)
            return End("reused", usage=answer.usage)
        log.info(
            events.FILE_DONE,
            **_file(job),
            model=answer.model.entry,
            seconds=answer.seconds,
            attempt=answer.attempts,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost=usage.cost,
            **_left_out(answer.source.left_out),
        )
        model = answer.model.entry
        metrics.usage(model, usage.input_tokens, usage.output_tokens, usage.cost, usage.currency)
        return End("done", usage=answer.usage)

    async def handed_over(self, job: Job, handed: Handed) -> End:
        """The sidecars are on disk, and whoever was to hear of it has."""
        now = self._clock.wall()
        key, written = handed.key, handed.written
        if not await self._books.patient(Ledger.handed_over, job, key, handed.version, written, now):
            return self.lost(job)
        place = None if key == job.key else shown(f"{key.folder}/{key.path}")
        log.info(events.FILE_HANDED_OVER, **_file(job), reason=place)
        return self._told_done(job, handed.answer)

    async def not_handed_over(self, job: Job, place: Place, verdict: Verdict) -> End:
        """The sidecars stand; it is tried again as a request is, or given up."""
        tried = job.retries if job.handing is not None else 0
        again = backoff.again(replace(job, retries=tried, cut_off=0), verdict, self._dice)
        if verdict.kind == "retry" and again.after is not None:
            no_cut = replace(again, cut_off=0)
            return await self._retry(job, verdict, again.after, no_cut, job.attempts)
        tries = f" (given up after {again.retries} tries)" if verdict.kind == "retry" else ""
        reason, now = f"Not handed over: {verdict.reason.rstrip('.')}{tries}.", self._clock.wall()
        advice = (
            "Mend what 'on_done' names, then run 'glimpsed retry' on the file: it is not asked about again."
        )
        if not await self._books.patient(Ledger.not_handed_over, job, reason, advice, now):
            return self.lost(job)
        return await self._told_failed(job, place, GivenUp(reason, advice), now)

    async def adopted(self, job: Job, written: tuple[Written, ...]) -> End:
        """The sidecars were there before the ledger knew of them."""
        if not await self._books.grouped(Ledger.all_done, (job, written), self._clock.wall()):
            return self.lost(job)
        self._reading.over(job.key)
        self._writing.forget(job.key)
        log.info(events.FILE_REUSED, **_file(job), reason="its own sidecars were there already")
        return End("reused")

    async def verdict(self, job: Job, place: Place, error: VisionError, question: str) -> End:
        """No model answered this question: paused, again later, or failed."""
        verdict = error.verdict
        attempts = job.attempts + error.requests
        if verdict.kind == "pause":
            # Not the file's fault: the request that met the pause costs it no attempt.
            pauses = [model.pacing.paused for model in place.chain]
            acquitted = any(pause is not None and pause.acquits for pause in pauses)
            retries = 0 if acquitted else job.retries
            await self._books.patient(Ledger.release, job, attempts=attempts, retries=retries, due=error.due)
            return End("later", verdict.reason if error.due is not None else None)
        if verdict.kind != "retry":
            return await self._unanswered(job, place, error, question, verdict.reason, attempts)
        # What was paid for on the way got to the API, whatever became of the last request.
        reached = not verdict.unreached or error.input_tokens or error.output_tokens
        again = backoff.again(job, verdict, self._dice) if reached else backoff.unreached(job, self._dice)
        if again.after is None:
            job = replace(job, retries=again.retries, cut_off=again.cut_off)
            reason = f"{verdict.reason} (given up after {again.retries} tries)"
            return await self._unanswered(job, place, error, question, reason, attempts)
        told = {"model": place.chain[0].entry.name, "attempt": attempts}
        return await self._retry(job, verdict, again.after, again, attempts, **told)

    async def _retry(
        self, job: Job, verdict: Verdict, after: float, again: backoff.Again, attempts: int, **told: object
    ) -> End:
        due = self._clock() + after
        counts = {"attempts": attempts, "retries": again.retries, "cut_off": again.cut_off}
        await self._books.patient(Ledger.retry, job, due, verdict.reason, **counts, now=self._clock.wall())
        log.info(
            events.FILE_RETRY,
            **_file(job),
            **told,
            seconds=round(after, 3),
            reason=verdict.reason,
        )
        return End("retry")

    async def _unanswered(
        self, job: Job, place: Place, error: VisionError, question: str, reason: str, attempts: int
    ) -> End:
        """Failed for the sake of the models: their reasons are no sentences for the people at the share.

        Unless it turns out that the model refuses whatever it is asked.
        """
        innocent = await acquitted(job, place, error, self._clock())
        if innocent is not None:
            await self._books(Ledger.release, job, attempts=attempts)
            await self._failed_wrongly(innocent)
            return End("later")
        advice, happened = _advice(error.verdict), _no_answer(reason)
        why = GivenUp(reason, advice, happened, error.raw, attempts, question, error.content)
        return await self.failed(job, place, why)

    async def as_before(self, job: Job, place: Place, error: Unanswered) -> End:
        """A failure under another name is told under this one."""
        happened = _no_answer(error.reason)
        why = GivenUp(
            error.reason, error.advice, happened, None, error.attempts, error.question, error.content
        )
        return await self.failed(job, place, why)

    async def failed(self, job: Job, place: Place, why: GivenUp) -> End:
        """For good: row, error sidecar, log line: who reads the log finds the sidecar there."""
        self._reading.forget(job.key)
        self._writing.forget(job.key)
        now = self._clock.wall()
        kept = await self._books.patient(
            Ledger.failed,
            job,
            why.reason,
            why.advice,
            now,
            attempts=why.attempts,
            question=why.question,
            content=why.content,
        )
        return await self._told_failed(job, place, why, now) if kept else self.lost(job)

    async def _told_failed(self, job: Job, place: Place, why: GivenUp, now: float) -> End:
        attempts = job.attempts if why.attempts is None else why.attempts
        if place.folder.error_sidecar:
            _ = translator(place.folder.language).gettext
            facts = {
                _("folder"): job.key.folder,
                _("file"): shown(job.key.path),
                _("size"): _("{} bytes").format(job.version.size),
                _("modified"): local(job.version.mtime_ns / 1e9),
                _("model"): place.folder.model,
                _("requests"): str(attempts),
                _("failed"): local(now),
            }
            await self._error_sidecar(job, place, why, facts, failed=utc(now))
        log.error(events.FILE_FAILED, **_file(job), attempt=attempts, reason=why.reason)
        return End("failed", why.reason)

    async def _failed_wrongly(self, keys: Sequence[FileKey]) -> None:
        """Those that failed before it was clear that the model is at fault go back into the queue."""
        if not keys or not await self._books(Ledger.requeue, keys, now=self._clock()):
            return
        for key in keys:
            there = self._find_place(key.folder)
            if there is not None:
                with contextlib.suppress(FileError, ShareTrouble, SidecarBlocked):  # it goes with the answer
                    await there.do(sidecar.remove_error, there.root, key.path)

    async def _error_sidecar(
        self, job: Job, place: Place, why: GivenUp, facts: dict[str, str], *, failed: str
    ) -> None:
        async def write() -> None:
            there = self._find_place(job.key.folder) or place  # the share may have come back as another
            said = why.happened or why.reason, why.advice
            await there.do(
                sidecar.write_error, there.root, job.key.path, there.folder, *said, facts, raw=why.raw
            )

        async def write_later() -> None:
            if await self._is_the_last(job, failed=failed):
                await write()

        try:
            await write()
        except (ShareTrouble, SidecarBlocked) as e:
            # The failure itself is in the log and the ledger; this was its echo.
            log.warning(events.SIDECAR_BLOCKED, **_file(job), reason=str(e))
            self._untold.keep(job.key, write_later)
            return
        except (FileError, Vanished) as e:
            log.debug(events.SIDECAR_BLOCKED, **_file(job), reason=str(e))
        except Exception:
            log.exception("bug", **_file(job))  # it has failed all the same
        self._untold.forget(job.key)

    async def _is_the_last(self, job: Job, *, failed: str) -> bool:
        """Whether the file is a failure still, and this one: it may have been asked about again."""
        row = await self._books.patient(Ledger.find, job.key)
        return row is not None and row.state == "failed" and utc(row.changed) == failed

    def close(self) -> None:
        """Stop trying what could not be written."""
        self._untold.close()

    def lost(self, job: Job) -> End:
        """The row is not ours any more: the file is gone or changed, or another daemon has it."""
        self._reading.forget(job.key)
        self._writing.forget(job.key)
        log.debug(events.FILE_SKIPPED, **_file(job), reason="gone, changed, or another daemon's by now")
        return End("lost")

    async def gone(self, job: Job, place: Place) -> End:
        """Deleted, or another version by now: nothing to do, nothing left behind."""
        self._reading.forget(job.key)
        self._writing.forget(job.key)
        if await self._books.patient(Ledger.gone, job, self._clock.wall()):
            await self._forget_failure(job, place)
        log.debug(events.FILE_SKIPPED, **_file(job), reason="gone, or changed, before its turn")
        return End("gone")

    async def _forget_failure(self, job: Job, place: Place) -> None:
        """It may have failed before it was asked again; another version replaces the error sidecar itself."""
        with contextlib.suppress(FileError, ShareTrouble, SidecarBlocked):  # it stays: it does no harm
            if not await place.do(files.exists, place.root, job.key.path):
                await place.do(sidecar.remove_error, place.root, job.key.path)

    async def share_trouble(self, job: Job, error: ShareTrouble) -> End:
        """The share misbehaves: later, and no attempt is lost."""
        now = self._clock()
        met = self._reading.met(job.key, str(error), now)
        _tell(events.FILE_RETRY, job, met, str(error))
        await self._books.patient(Ledger.release, job, due=now + met.pause)
        return End("later")

    async def blocked(self, job: Job, error: SidecarBlocked) -> End:
        """It waits until its sidecars can be written: with its answer in the ledger, or unasked."""
        now = self._clock()
        met = self._writing.met(job.key, error.why, now, error.reach)
        _tell(events.SIDECAR_BLOCKED, job, met, str(error))
        await self._books.patient(Ledger.blocked, job, now + met.pause, str(error))
        return End("blocked", str(error))

    async def put_off(self, job: Job) -> End | None:
        """It waits as others do, while nothing can be written where its sidecars belong; None: it may be tried."""
        if (waits := self._writing.wait(job.key, self._clock())) is None:
            return None
        until, reason = waits
        await self._books.patient(Ledger.blocked, job, until, reason)
        return End("blocked", reason)

    def doubted(self, job: Job) -> bool:
        """Whether nothing could be written where its sidecars belong, when that was tried last."""
        return self._writing.closed(job.key)


def _tell(event: str, job: Job, met: Met, reason: str) -> None:
    """Before anything is waited for: the first warning must not be lost."""
    write = log.warning if met.first else log.debug
    write(event, **_file(job), seconds=round(met.pause, 3), reason=reason)


def _file(job: Job) -> dict[str, str]:
    return {"folder": job.key.folder, "file": shown(job.key.path)}


def _left_out(pages: tuple[int, ...] | None) -> dict[str, str]:
    """What is said of pages that were not sent."""
    if not pages:
        return {}
    listed = ", ".join(str(page) for page in pages)
    return {"reason": f"left out: page{'' if len(pages) == 1 else 's'} {listed}"}


def _no_answer(reason: str) -> str:
    return f"No model gave a usable answer: {reason.rstrip('.')}."


def _advice(verdict: Verdict) -> str:
    if verdict.advice:
        return verdict.advice
    if verdict.kind == "retry":
        return "See whether the model's API is well, then run 'glimpsed retry' on the file."
    return "Look at the image and at the folder's prompt and models, then run 'glimpsed retry' on the file."
