"""A second model reads what the first has answered (`verify_with`, DESIGN 15).

The answer stands by then, in its sidecars: where the two differ it becomes doubtful. A second reader that is down is
tried again as any model is, and one that refuses is not asked again; neither holds the answer back.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from glimpsed import sidecar
from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.disk import files
from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Vanished, VisionError
from glimpsed.evaluate import doubt
from glimpsed.images.prepare import Images
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.ledger.values import SecondReading
from glimpsed.model import Answer, Content, Doubt, Frozen, Job, Usage, Verified, shown
from glimpsed.pipeline import anew, backoff
from glimpsed.pipeline.ask import Allowance, Asked, Bill
from glimpsed.pipeline.document import ask_about
from glimpsed.pipeline.place import Place

log = get_logger()

# Seconds until a file that cannot be read, or whose sidecar cannot be written, is tried again.
ON_SHARE = 60.0
MOST_NAMED = 5  # fields in the log


class Verification(Frozen):
    """What came of a second reading, as the ledger keeps it until the sidecar says it."""

    verified: Verified
    doubt: Doubt | None


@dataclass(frozen=True, slots=True)
class SecondReader:
    """Sees a second reading to its end: everything that goes wrong is a row update and a log line."""

    books: Books
    images: Images
    dice: Callable[[], float] = random.random
    used_up: Callable[[Place, ModelEntry], Awaitable[str | None]] | None = None

    async def see_to(self, found: SecondReading, place: Place) -> None:
        """Read, compare, tell. `place.chain` is the second reader alone."""
        try:
            await self._see_to(found, place)
        except Vanished:
            await self._later(found, None)  # another version will be answered, and read, anew
        except (ShareTrouble, SidecarBlocked):
            await self._later(found, ON_SHARE)
        except FileError as e:
            await self._given_up(found, place, e.reason)
        except VisionError as e:
            await self._refused(found, place, e)
        except Exception as e:
            log.exception("bug", **_file(found.job))
            await self._given_up(found, place, f"glimpsed has a bug: {type(e).__name__}")

    async def _see_to(self, found: SecondReading, place: Place) -> None:
        kept = await self.books.patient(Ledger.kept_for, found.row)
        answer = await place.do(anew.answer, place.root, found.row, place.folder, kept)
        if answer is None:
            await self._later(found, None)  # there is nothing to compare with
        elif answer.review is not None:
            await self.books.patient(Ledger.reading_left, found.job, found.row)
        elif found.reading is None:
            reading = await self._read(found, place, answer)
            await self._told_of(found, place, reading)
        else:
            await self._tell(found, place, answer, Verification.model_validate_json(found.reading))

    async def _told_of(self, found: SecondReading, place: Place, reading: Verification) -> None:
        """Reading takes its time: meanwhile somebody may have corrected the answer, or asked for another."""
        row = await self.books.patient(Ledger.find, found.row.key)
        if row is None or row.state != "done":
            await self._later(found, None)
            return
        await self._see_to(replace(found, row=row, reading=reading.model_dump_json()), place)

    async def _tell(self, found: SecondReading, place: Place, answer: Answer, reading: Verification) -> None:
        now = answer.model_copy(update={"verified": reading.verified, "doubt": reading.doubt})
        root, path = await place.do(anew.where, place.root, found.row.key.path)
        written = await place.do(sidecar.refresh, root, path, place.folder, now, found.row.written)
        if not await self.books.patient(Ledger.reading_told, found.job, found.row, now, written):
            await self._later(found, 0.0)  # from what has become of it; nothing is read again
        elif reading.doubt is not None:
            log.warning(
                events.FILE_DOUBTFUL,
                **_file(found.job),
                model=reading.verified.by,
                reason=in_words(reading.doubt),
            )

    async def _read(self, found: SecondReading, place: Place, answer: Answer) -> Verification:
        entry = place.chain[0].entry
        folder = _as_second(place.folder, entry.name, plain_text=entry.local)

        each = folder.pages == "each"  # kept page by page: whatever comes between, only the rest is read
        records = [page for page in found.job.pages if each and page.model.entry == entry.name]
        job = replace(found.job, pages=tuple(records))

        async def answered(asked: Asked) -> None:
            if each:
                records.append(asked.record)
                if not await self.books.patient(Ledger.page_read, job, records, self.books.clock.wall()):
                    raise Vanished

        used_up = None if self.used_up is None else functools.partial(self.used_up, place)
        async with self.images.room.of(job.version.size), Allowance.opened(used_up) as allowance:
            content = await place.do_with(job.version, _content, place, found)
            reading = await ask_about(
                job,
                folder,
                content,
                place.chain,
                images=self.images,
                clock=self.books.clock,
                bill=self._bill(job),
                answered=answered,
                allowance=allowance,
            )
        # Long texts take long to align.
        differs = await place.do(doubt.doubt, answer, reading, by=entry.name, plain_text=entry.local)
        known = Verification(verified=Verified(by=entry.name, usage=reading.usage), doubt=differs)
        await self.books.patient(
            Ledger.read_second,
            job,
            entry.name,
            reading.usage,
            agreement=1.0 if differs is None else differs.agreement,
            doubtful=differs is not None,
            reading=known.model_dump_json(),
            seen=_seen(reading),
            paid=records,
            now=self.books.clock.wall(),
        )
        return known

    def _bill(self, job: Job) -> Bill:
        async def bill(entry: str, usage: Usage) -> None:
            await self.books.patient(Ledger.spent, job, entry, usage, self.books.clock.wall())

        return bill

    async def _refused(self, found: SecondReading, place: Place, error: VisionError) -> None:
        verdict = error.verdict
        if verdict.kind == "pause":
            await self._later(found, 0.0)
        elif verdict.kind == "retry":
            # Which of the tries before were cut off, and may have been billed, is not kept: one that was is enough.
            cut_off = min(found.tries, 1) if verdict.cut_off else 0
            job = replace(found.job, retries=found.tries, cut_off=cut_off)
            again = backoff.again(job, verdict, self.dice)
            if again.after is None:
                await self._given_up(found, place, verdict.reason)
            else:
                await self._later(found, again.after, tries=again.retries)
        else:
            await self._given_up(found, place, verdict.reason)

    async def _given_up(self, found: SecondReading, place: Place, reason: str) -> None:
        log.warning(
            events.FILE_SKIPPED,
            **_file(found.job),
            model=place.chain[0].entry.name,
            reason=f"not read a second time: {reason}",
        )
        await self._later(found, None)

    async def _later(self, found: SecondReading, seconds: float | None, *, tries: int | None = None) -> None:
        due = None if seconds is None else self.books.clock() + seconds
        await self.books.patient(
            Ledger.reading_later, found.job, due, tries=found.tries if tries is None else tries
        )


def in_words(found: Doubt) -> str:
    """What differs, without the answer's words."""
    paths = [one.path for one in found.fields]
    named = ", ".join(paths[:MOST_NAMED]) + (" and more" if len(paths) > MOST_NAMED else "")
    return f"agreement {found.agreement:.0%}" + (f": {named}" if named else "")


def _as_second(folder: Folder, model: str, *, plain_text: bool) -> Folder:
    """The folder's question, put to the second reader."""
    schema = None if plain_text else folder.schema_
    one = {"model": model, "fallbacks": (), "schema_": schema, "lines": plain_text}
    return folder.model_copy(update=one)


def _seen(reading: Answer) -> Answer | None:
    """What of a second reading tells where on the pages the answer's words stand; None: nothing does."""
    if not reading.lines:
        return None
    return reading.model_copy(
        update={"lines": tuple(one.model_copy(update={"words": ()}) for one in reading.lines)}
    )


def _content(place: Place, found: SecondReading) -> Content:
    root, path = anew.where(place.root, found.row.key.path)
    return files.read_content(root, path, found.job.version)


def _file(job: Job) -> dict[str, str]:
    return {"folder": job.key.folder, "file": shown(job.key.path)}
