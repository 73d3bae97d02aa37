"""One file's story, top down: claim → prepare → ask → write → finish.

`Pipeline.handle` takes a claimed job to its end, whatever happens on the way: every error of the tree in
`glimpsed.errors` becomes one row update and one log line (`ends`). It never raises for a file's sake.
"""

from __future__ import annotations

import asyncio
import random
import weakref
from collections import OrderedDict
from collections.abc import Callable

from glimpsed import files, metrics, sidecar
from glimpsed.blocking import Blocking
from glimpsed.clock import Clock
from glimpsed.config.schema import ModelEntry, OnDone
from glimpsed.errors import FileError, LedgerError, ShareTrouble, SidecarBlocked, Vanished, VisionError
from glimpsed.images import Images
from glimpsed.journal import get_logger
from glimpsed.ledger import Ledger
from glimpsed.model import Answer, Content, FileKey, Job, PageRecord, Usage, Written, shown
from glimpsed.pipeline import answers, question
from glimpsed.pipeline.after import Locate, after
from glimpsed.pipeline.ask import Bill, Matter, Refusals, ask
from glimpsed.pipeline.ends import End, Ends, Outcome
from glimpsed.pipeline.patience import Patient
from glimpsed.pipeline.place import PATIENCE, RATE, Place
from glimpsed.pipeline.together import Together

__all__ = ["End", "Outcome", "Patient", "Pipeline", "Place"]

log = get_logger()

NOTHING = OnDone()
PUT_ASIDE = 3600.0  # seconds that a file waits whose failure could not be kept …
IN_ROW = 3  # … and so many of them in a row are no file's fault
UNWRITTEN = 100  # answers that are remembered without a sidecar


class LeaseLost(Exception):
    """In the middle of a document: whoever has the job now asks about the rest."""


class Pipeline:
    """Takes claimed jobs to their end."""

    def __init__(
        self,
        ledger: Ledger,
        db: Blocking,
        images: Images,
        *,
        find_place: Callable[[str], Place | None],
        locate: Locate,
        blocked: Callable[[str, str | None], None] = lambda _folder, _reason: None,
        clock: Clock,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._db = Patient(db)  # while it is away, jobs wait where they are, with what they hold
        self._images = images
        self._find_place = find_place
        self._locate = locate
        self._clock = clock
        self._refusals = Refusals()
        self._unkept: dict[int, str] = {}  # rows whose failure could not be kept, and that
        self._in_row = 0  # how many of them, with none in between that went well
        self._ends = Ends(ledger, self._db, find_place=find_place, blocked=blocked, clock=clock, dice=dice)
        self._answers = Together[tuple[Job, Answer, str], bool](
            lambda several: self._db.run(ledger.all_answered, several, clock.wall())
        )
        self._reusables = Together[tuple[str, str], list[FileKey]](
            lambda several: self._db.run(ledger.all_reusable, several)
        )
        # Copies of one image that arrive together: the first is asked about, the others wait for it.
        self._same: weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock] = weakref.WeakValueDictionary()
        # By content and question, what was paid for and stands beside no file: its own was renamed meanwhile.
        self._unwritten: OrderedDict[tuple[str, str], tuple[FileKey, Answer]] = OrderedDict()

    async def handle(self, job: Job, place: Place, answered: Callable[[], None] = lambda: None) -> End:
        """Take one job to its end; what went wrong is in the ledger and the log.

        What goes wrong unexpectedly is this file's failure, also when it does so while the end is written down.
        Raises when not even the failure can be kept, of several files in a row: then no file can be helped any
        more, and whatever is asked about is paid for in vain.
        """
        if (reason := self._unkept.get(job.id)) is not None:  # it is not asked, and paid for, again
            return await self._given_up(job, place, reason)
        try:
            end = await self._told(job, place, answered)
        except Exception as e:
            log.exception("bug", **_file(job))
            reason = f"glimpsed has a bug: {type(e).__name__} while working on this file."
            return await self._given_up(job, place, reason)
        self._in_row = 0
        return end

    async def _told(self, job: Job, place: Place, answered: Callable[[], None]) -> End:  # noqa: PLR0911 - one line for each kind of end
        """The story, and its end in the ledger and the log."""
        try:
            return await self._story(job, place, answered)
        except LeaseLost:
            return self._ends.lost(job)
        except Vanished:
            return await self._ends.gone(job, place)
        except SidecarBlocked as e:
            return await self._ends.blocked(job, e)
        except ShareTrouble as e:
            return await self._ends.share_trouble(job, e)
        except FileError as e:
            return await self._ends.failed(job, place, e.reason, e.advice)
        except VisionError as e:
            return await self._ends.verdict(job, place, e, _question(place, place.chain[0].entry))

    async def _given_up(self, job: Job, place: Place, reason: str) -> End:
        """Failed, by a bug of ours; put aside where not even that can be kept."""
        try:
            end = await self._ends.failed(job, place, reason, "Please report it, with the log of this time.")
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
            await self._db.run(self._ledger.release, job, due=self._clock() + PUT_ASIDE)
        except LedgerError:
            raise
        except Exception:
            log.exception("bug", **_file(job))  # it comes back when its lease runs out, and is remembered

    def close(self) -> None:
        """No job will come any more."""
        self._ends.close()

    async def _story(self, job: Job, place: Place, answered: Callable[[], None]) -> End:
        if (end := await self._ends.put_off(job)) is not None:
            return end
        if job.answer is not None:  # paid for before a crash or a full disk
            return await self._write(job, place, job.answer, await self._read(job, place))
        if job.problem is not None:
            raise FileError(job.problem, "Copy the file into the folder again, whole.")
        # Before anything is paid for: is the answer there already, is there room for it?
        patience = PATIENCE + job.version.size / RATE
        content = await place.io.run_within(patience, _standing_or_read, job, place, self._ends.doubted(job))
        if not isinstance(content, Content):
            return await self._ends.adopted(job, content)
        if not place.folder.reuse or job.again:
            return await self._asked(job, place, content, answered)
        same = content.sha256, _question(place, place.chain[0].entry)
        async with self._same.setdefault(same, asyncio.Lock()):
            if (found := await self._reusable(job, place, content)) is not None:
                return await self._reused(job, place, content, *found)
            return await self._asked(job, place, content, answered)

    async def _read(self, job: Job, place: Place) -> Content:
        patience = PATIENCE + job.version.size / RATE
        return await place.io.run_within(patience, files.read_content, place.root, job.key.path, job.version)

    # -- asking

    async def _asked(self, job: Job, place: Place, content: Content, answered: Callable[[], None]) -> End:
        answer = await self._ask(job, place, content)
        asked = _question(place, _entry(place, answer))
        return await self._keep(job, place, answer, content, asked, answered)

    async def _ask(self, job: Job, place: Place, content: Content) -> Answer:
        started = self._clock()
        document = await self._images.inspect(content)
        if document.pages > place.folder.max_pages:
            raise FileError(
                f"The document has {document.pages} pages; at most {place.folder.max_pages} are sent.",
                f"Split it, or raise max_pages of the folder '{place.folder.name}'.",
            )
        matter = Matter(
            job, place.folder, content, document, self._images, self._bill(job), self._refusals, self._clock
        )
        every = range(1, document.pages + 1)
        records: list[PageRecord] = []
        requests = 0
        answered = {r.answer.page: r for r in job.pages}
        for pages in [every] if place.folder.pages == "together" else [[page] for page in every]:
            if place.folder.pages == "each" and pages[0] in answered:
                records.append(answered[pages[0]])
                continue
            try:
                asked = await ask(matter, place.chain, pages)
            except VisionError as e:
                raise VisionError(e.verdict, requests=requests + e.requests, raw=e.raw, due=e.due) from e
            requests += asked.requests
            records.append(asked.record)
            if place.folder.pages == "each":  # kept page by page: a crash repeats only the rest
                await self._keep_page(job, asked.record)
        finished = self._clock.wall()
        return answers.answer(
            job,
            place.folder,
            records,
            attempts=job.attempts + requests,
            started=finished - (self._clock() - started),
            finished=finished,
        )

    async def _keep_page(self, job: Job, record: PageRecord) -> None:
        if not await self._db.run(self._ledger.page_answered, job, record, self._clock.wall()):
            raise LeaseLost

    def _bill(self, job: Job) -> Bill:
        """Money that went without an answer counts towards the budgets all the same."""

        async def bill(entry: str, usage: Usage) -> None:
            await self._db.run(self._ledger.spent, job, entry, usage, self._clock.wall())

        return bill

    # -- reuse

    async def _reusable(
        self, job: Job, place: Place, content: Content
    ) -> tuple[FileKey, Answer, ModelEntry] | None:
        """A file whose answer is used again; that of a fallback is as good as when it was given."""
        for model in place.chain:
            if (found := await self._answered_by(model.entry, job, place, content)) is not None:
                return *found, model.entry
        return None

    async def _answered_by(
        self, entry: ModelEntry, job: Job, place: Place, content: Content
    ) -> tuple[FileKey, Answer] | None:
        """A file with this content, asked the same question, whose answer is still beside it.

        This one, when it was only touched since, or another.
        """
        asked = _question(place, entry)
        if (unwritten := self._unwritten.get((content.sha256, asked))) is not None:
            return unwritten
        for key in [*await self._touched(job, content, asked), *await self._copies(job, content, asked)]:
            there = self._find_place(key.folder)
            if there is None:
                continue
            found = await there.do(sidecar.load, there.root, key.path, there.folder)
            if found is None and "json" not in place.folder.outputs:
                found = await self._from_text(job, place, entry, content, there, key)
            elif found is not None and not question.fits(found, place.folder, entry):
                continue
            if found is not None and found.source.sha256 == content.sha256:
                return key, found
        return None

    async def _touched(self, job: Job, content: Content, asked: str) -> list[FileKey]:
        """The file itself, when its last version had the same content and an answer to the same question."""
        row = await self._db.run(self._ledger.find, job.key) if job.written else None
        same = row is not None and row.sha256 == content.sha256 and row.question in (asked, None)
        return [job.key] if same else []

    async def _copies(self, job: Job, content: Content, asked: str) -> list[FileKey]:
        found = await self._reusables.run((content.sha256, asked))
        return [key for key in found if key != job.key]

    async def _from_text(
        self, job: Job, place: Place, entry: ModelEntry, content: Content, there: Place, key: FileKey
    ) -> Answer | None:
        """For folders without JSON sidecars: the text alone, if nobody edited it."""
        row = await self._db.run(self._ledger.find, key)
        if row is None or row.question is None:
            return None
        text = await there.do(sidecar.load_text, there.root, key.path, there.folder, row.written)
        if text is None:
            return None
        return answers.of_text(job, place.folder, entry, content, text, now=self._clock.wall())

    async def _reused(
        self, job: Job, place: Place, content: Content, origin: FileKey, found: Answer, entry: ModelEntry
    ) -> End:
        answer = answers.reused(job, found, origin, now=self._clock.wall())
        end = await self._keep(job, place, answer, content, _question(place, entry), lambda: None)
        # A file that was only touched is its own origin: it keeps its name, and its sidecars.
        if (
            end.outcome == "reused"
            and origin != job.key
            and (there := self._find_place(origin.folder)) is not None
        ):
            await self._forget_old_name(there, origin)
        return end

    async def _forget_old_name(self, place: Place, origin: FileKey) -> None:
        """A rename: the image of the old name is gone, so its own sidecars go too (DESIGN 8)."""
        try:
            if await place.do(files.exists, place.root, origin.path):
                return
            row = await self._db.run(self._ledger.find, origin)  # discovery may have seen it go before us
            await place.do(sidecar.remove, place.root, origin.path, row.written if row else ())
            await self._db.run(self._ledger.vanished, [origin], self._clock.wall())
        except (ShareTrouble, SidecarBlocked, Vanished, FileError) as e:
            log.debug("old sidecars stay", folder=origin.folder, file=shown(origin.path), reason=str(e))

    # -- finishing

    async def _keep(
        self,
        job: Job,
        place: Place,
        answer: Answer,
        content: Content,
        asked: str,
        answered: Callable[[], None],
    ) -> End:
        """The answer goes into the ledger before anything else happens to it."""
        same = content.sha256, asked
        self._unwritten[same] = job.key, answer
        if len(self._unwritten) > UNWRITTEN:
            self._unwritten.popitem(last=False)
        if not await self._answers.run((job, answer, asked)):
            return self._ends.lost(job)
        answered()  # not before: budgets are reckoned from what the ledger knows
        end = await self._write(job, place, answer, content)
        if end.outcome != "lost":
            self._unwritten.pop(same, None)
        return end

    async def _write(self, job: Job, place: Place, answer: Answer, content: Content) -> End:
        with metrics.timed("write"):
            written = await place.do(
                sidecar.write, place.root, job.key.path, place.folder, answer, job.written, content
            )
        if place.folder.on_done != NOTHING:
            await after(
                job,
                place,
                answer,
                written,
                ledger=self._ledger,
                db=self._db,
                locate=self._locate,
                question=_question(place, _entry(place, answer)),
                now=self._clock.wall(),
            )
        return await self._ends.done(job, answer, written)


def _standing_or_read(job: Job, place: Place, doubted: bool) -> tuple[Written, ...] | Content:
    if (standing := _standing(job, place)) is not None:
        return standing
    sidecar.refuse_closed(place.root, job.key.path, doubted=doubted)
    return files.read_content(place.root, job.key.path, job.version)


def _standing(job: Job, place: Place) -> tuple[Written, ...] | None:
    """The own sidecars about this very version that the ledger does not know of.

    It was restored from an old copy, or they came with the image: without a JSON among them, what a listing would
    take for them is taken here too. None: there are none, but they can be written. Raises as `sidecar.check` when
    they cannot.
    """
    root, folder, key = place.root, place.folder, job.key
    names = sidecar.names(folder, key.name)
    if "json" not in names and not job.written and not job.again:
        found = sidecar.adoptable(root, key.directory, key.name, job.version, folder, names.values())
        if found.verdict == "adopt":
            return found.written
    if not sidecar.check(root, key.path, folder, job.written) or "json" not in names or job.again:
        return None
    found = sidecar.adoptable(root, key.directory, key.name, job.version, folder, names.values())
    news = {w for w in found.written if w.name == names["json"]} - set(job.written)
    return found.written if found.verdict == "adopt" and news else None


def _file(job: Job) -> dict[str, str]:
    return {"folder": job.key.folder, "file": shown(job.key.path)}


def _entry(place: Place, answer: Answer) -> ModelEntry:
    """The config's entry of the model that answered; the folder's own, when that is not there any more."""
    entries = [m.entry for m in place.chain]
    return next((e for e in entries if e.name == answer.model.entry), entries[0])


def _question(place: Place, entry: ModelEntry) -> str:
    """The question's fingerprint; the folder's own model is first in the chain, unless another stands in for it."""
    own = place.folder.model
    return question.fingerprint(
        place.folder, entry, stands_in=own not in (entry.name, place.chain[0].entry.name)
    )
