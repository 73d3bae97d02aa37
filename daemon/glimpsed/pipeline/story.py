"""One file's story, top down: claim → read → reuse or ask → keep → write → hand over → finish.

`Pipeline.answer` takes a claimed job to an answer that is kept, `Pipeline.finish` that to its end: in between, the model
is free for another. Whatever happens on the way, every error of the tree in `glimpsed.errors` becomes one row update
and one log line (`ends`). Nothing is raised for a file's sake.
"""

from __future__ import annotations

import asyncio
import functools
import random
import weakref
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from glimpsed import metrics, sidecar
from glimpsed.config.schema import Folder, ModelEntry, OnDone
from glimpsed.disk import files
from glimpsed.errors import (
    FileError,
    LeaseLost,
    LedgerError,
    NotHandedOver,
    ShareTrouble,
    SidecarBlocked,
    Unanswered,
    Vanished,
    Verdict,
    VisionError,
)
from glimpsed.images.prepare import Images
from glimpsed.journal import get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.model import Answer, Content, FileKey, Job, Line, Usage, shown
from glimpsed.pipeline import answers
from glimpsed.pipeline.anew import complete_one
from glimpsed.pipeline.ask import Allowance, Asked, Bill, Refusals
from glimpsed.pipeline.document import ask_about
from glimpsed.pipeline.ends import End, Ends, GivenUp
from glimpsed.pipeline.handover import HandOver, Locate
from glimpsed.pipeline.look import COPY_AGAIN, look
from glimpsed.pipeline.place import Place, Story
from glimpsed.pipeline.reuse import Reuse
from glimpsed.pipeline.unkept import Unkept
from glimpsed.searchable.maker import Maker
from glimpsed.words import kind

T = TypeVar("T")

log = get_logger()

NOTHING = OnDone()
PUT_ASIDE = 3600.0  # seconds that a file waits whose failure could not be kept …
IN_ROW = 3  # … and so many of them in a row are no file's fault


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An answer that is in the ledger, and still to be written beside its file, or handed over."""

    story: Story
    content: Content | None  # None: its sidecars stand
    answer: Answer
    question: str
    origin: FileKey | None = None  # the file whose answer it was, if it is used again
    lines: tuple[Line, ...] | None = None  # where a local model has just seen them


class Pipeline:
    """Takes claimed jobs to their end."""

    def __init__(
        self,
        books: Books,
        images: Images,
        *,
        find_place: Callable[[str], Place | None],
        locate: Locate,
        blocked: Callable[[str, str | None], None] = lambda _folder, _reason: None,
        maker: Maker,
        used_up: Callable[[Place, ModelEntry], Awaitable[str | None]] | None = None,
        aside: Unkept | None = None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._books = books  # while the database is away, jobs wait where they are, with what they hold
        self._used_up = used_up  # why no more may be asked of a model for a folder: a budget
        self._aside = aside or Unkept()
        self._images = images
        self._maker = maker
        self._clock = books.clock
        self._refusals = Refusals()
        self._find_place = find_place
        self._reuse = Reuse(books, find_place)
        self._hand_over = HandOver(books, locate, maker)
        self._ends = Ends(books, find_place=find_place, blocked=blocked, dice=dice)
        self._unkept: dict[int, str] = {}  # rows whose failure could not be kept, and that
        self._in_row = 0  # how many of them, with none in between that went well
        # Whose turn it is with a name that sidecars of several images may have; for as long as somebody holds or awaits it.
        self._names: weakref.WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    def turn(self, job: Job, folder: Folder) -> asyncio.Lock:
        """To be held from before `answer` to after `finish`: the names of the job's sidecars.

        Where they leave its ending out, another image may have the same: the second finds them taken, before it is asked about.
        """
        if "{name}" in folder.sidecar:
            return asyncio.Lock()
        shared = job.key.folder, job.key.directory, sidecar.sidecar_name(folder, job.key.name, "json")
        return self._names.setdefault(shared, asyncio.Lock())

    def room(self, job: Job) -> AbstractAsyncContextManager[None]:
        """For the job's file, from `answer` to `finish`."""
        return self._images.room.of(job.version.size)

    async def answer(self, job: Job, place: Place) -> Unfinished | End:
        """Take a job to an answer that is kept, or to its end. Raises as `finish`."""
        if (reason := self._unkept.get(job.id)) is not None:  # it is not asked, and paid for, again
            return await self._given_up(job, place, reason)
        story = Story.of(job, place)
        return await self._safely(story, self._to_an_answer(story))

    async def finish(self, kept: Unfinished) -> End:
        """Take a kept answer to the job's end.

        Raises when not even a failure can be kept, of several files in a row: then no file can be helped any more,
        and whatever is asked about is paid for in vain.
        """
        return await self._safely(kept.story, self._to_the_end(kept))

    def close(self) -> None:
        """No job will come any more."""
        self._ends.close()

    # -- to an answer

    async def _to_an_answer(self, story: Story) -> Unfinished | End:
        job, place = story.job, story.place
        if (end := await self._ends.put_off(job)) is not None:
            return end
        if job.answer is not None:  # paid for before a crash or a full disk, or to be handed over
            content = None if job.handing is not None else await self._read(story)
            return Unfinished(story, content, job.answer, story.asked_of(job.answer))
        if job.problem is not None:
            raise FileError(job.problem, job.advice or COPY_AGAIN)
        seen = await place.do_with(job.version, look, job, place, doubted=self._ends.doubted(job))
        if not isinstance(seen, Content):
            end = await self._ends.adopted(job, seen)
            if seen:
                await complete_one(
                    self._books, self._find_place(job.key.folder) or place, self._maker, job.key
                )
            return end
        if job.again:
            return await self._asked(story, seen)
        if not place.folder.reuse:
            return await self._found_or_asked(story, seen)
        async with self._reuse.turn(story, seen):
            return await self._found_or_asked(story, seen)

    async def _found_or_asked(self, story: Story, content: Content) -> Unfinished:
        found = await self._reuse.find(story, content, copies=story.place.folder.reuse)
        if found is None:
            if not story.job.round:  # nobody said `retry`
                await self._reuse.refuse_failed(story, content)
            return await self._asked(story, content)
        return await self._keep(Unfinished(story, content, found.answer, found.question, found.origin))

    async def _read(self, story: Story) -> Content:
        job, place = story.job, story.place
        return await place.do_with(job.version, files.read_content, place.root, job.key.path, job.version)

    async def _asked(self, story: Story, content: Content) -> Unfinished:
        job, place = story.job, story.place
        if not place.asks:
            raise VisionError(Verdict("pause", "no model may be asked for this folder now"), requests=0)

        records = list(job.pages)

        async def answered(asked: Asked) -> None:
            records.append(asked.record)
            if place.folder.pages == "each":  # kept page by page: a crash repeats only the rest
                keeping = self._books.patient(Ledger.page_answered, job, asked.record, self._clock.wall())
                if not await self._aside.until_kept(keeping, job, page=asked.record):
                    raise LeaseLost

        used_up = None if self._used_up is None else functools.partial(self._used_up, place)
        async with Allowance.opened(used_up) as allowance:
            try:
                answer = await ask_about(
                    job,
                    place.folder,
                    content,
                    place.chain,
                    images=self._images,
                    clock=self._clock,
                    bill=self._bill(job),
                    answered=answered,
                    refusals=self._refusals,
                    allowance=allowance,
                )
            except VisionError as e:
                e.content = content.sha256
                raise
            lines = answers.lines_of(records)
            return await self._keep(Unfinished(story, content, answer, story.asked_of(answer), lines=lines))

    def _bill(self, job: Job) -> Bill:
        """Money that went without an answer counts towards the budgets all the same."""

        async def bill(entry: str, usage: Usage) -> None:
            await self._books.patient(Ledger.spent, job, entry, usage, self._clock.wall())

        return bill

    async def _keep(self, kept: Unfinished) -> Unfinished:
        """The answer goes into the ledger before anything else happens to it."""
        job, answer, question = kept.story.job, kept.answer, kept.question
        keeping = self._books.grouped(Ledger.all_answered, (job, answer, question), self._clock.wall())
        if not await self._aside.until_kept(keeping, job, question=question, answer=answer):
            raise LeaseLost
        return kept

    # -- to the end

    async def _to_the_end(self, kept: Unfinished) -> End:
        job, place, answer = kept.story.job, kept.story.place, kept.answer
        written = job.written
        if kept.content is not None:
            with metrics.timed("write"):
                made = await self._maker.make(
                    place.folder, answer, kept.content, job.key.name, place.chain, kept.lines
                )
                written = await place.do(
                    sidecar.write,
                    place.root,
                    job.key.path,
                    place.folder,
                    answer,
                    written,
                    kept.content,
                    made.files,
                )
        await self._to_be_verified(kept)
        if answer.review is not None:
            await self._books.patient(Ledger.review_comes_along, job, answer)
        on_done = place.folder.on_done
        copied = on_done != NOTHING and kept.origin not in {None, job.key}
        told = await self._hand_over.told(kept.story, answer) if copied else ()
        left = [step for step, wanted in on_done if wanted is not None and step not in told]
        key = job.key
        if not left:
            end = await self._ends.done(job, answer, written)
        else:
            handed = await self._hand_over.run(kept.story, answer, written, told=told)
            end, key = await self._ends.handed_over(job, handed), handed.key
        await self._complete(key, place)
        # A file that was only touched is its own origin: it keeps its name, and its sidecars.
        if end.outcome == "reused" and kept.origin not in {None, job.key}:
            await self._reuse.forget_old_name(kept.origin)
        return end

    async def _complete(self, key: FileKey, place: Place) -> None:
        """A reload that came meanwhile may ask for more sidecars than the job began with; it saw only what was done."""
        now = self._find_place(key.folder)
        if now is not None and now.folder.name == place.folder.name and now.folder is not place.folder:
            await complete_one(self._books, now, self._maker, key)

    async def _to_be_verified(self, kept: Unfinished) -> None:
        """Before it is done, so that no crash comes between; a copy of an answer that was read twice is, too."""
        job, answer, second = kept.story.job, kept.answer, kept.story.place.folder.verify_with
        if second is None or answer.model.entry == second or answer.review is not None:
            return
        known = answer.verified is not None and answer.verified.by == second
        agreement = (answer.doubt.agreement if answer.doubt else 1.0) if known else None
        await self._books.patient(
            Ledger.to_verify, job, agreement=agreement, doubtful=known and answer.doubt is not None
        )

    # -- when it goes wrong

    async def _safely(self, story: Story, way: Awaitable[T]) -> T | End:
        """What goes wrong is in the ledger and the log.

        What does so unexpectedly is this file's failure, also when it does while the end is written down.
        """
        job, place = story.job, story.place
        try:
            end = await self._told(story, way)
        except Exception as e:
            log.exception("bug", **_file(job))
            reason = f"glimpsed has a bug, which this file met ({kind(e)})."
            return await self._given_up(job, place, reason)
        if isinstance(end, End):
            self._in_row = 0
        return end

    async def _told(self, story: Story, way: Awaitable[T]) -> T | End:  # noqa: PLR0911 - one line for each kind of end
        job, place = story.job, story.place
        try:
            return await way
        except LeaseLost:
            return self._ends.lost(job)
        except Vanished:
            return await self._ends.gone(job, place)
        except SidecarBlocked as e:
            return await self._ends.blocked(job, e)
        except ShareTrouble as e:
            return await self._ends.share_trouble(job, e)
        except Unanswered as e:
            return await self._ends.as_before(job, place, e)
        except FileError as e:
            return await self._ends.failed(job, place, GivenUp(e.reason, e.advice))
        except NotHandedOver as e:
            return await self._ends.not_handed_over(job, place, e.verdict)
        except VisionError as e:
            return await self._ends.verdict(job, place, e, story.question)

    async def _given_up(self, job: Job, place: Place, reason: str) -> End:
        """Failed, by a bug of ours; put aside where not even that can be kept."""
        try:
            why = GivenUp(reason, "Please report it, with the log of this time.")
            end = await self._ends.failed(job, place, why)
        except LedgerError:
            raise
        except Exception:
            log.exception("bug", **_file(job))
            self._in_row += job.id not in self._unkept
            self._unkept[job.id] = reason
            await self._put_aside(job)
            if self._in_row >= IN_ROW:
                raise
            return End("failed", reason)
        self._unkept.pop(job.id, None)
        self._in_row = 0
        return end

    async def _put_aside(self, job: Job) -> None:
        try:
            await self._books.patient(Ledger.release, job, due=self._clock() + PUT_ASIDE)
        except LedgerError:
            raise
        except Exception:
            log.exception("bug", **_file(job))  # it comes back when its lease runs out, and is remembered


def _file(job: Job) -> dict[str, str]:
    return {"folder": job.key.folder, "file": shown(job.key.path)}
