"""An answer that is there already is used again: nothing is sent, nothing is paid."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from glimpsed import sidecar
from glimpsed.config.schema import ModelEntry
from glimpsed.disk import files
from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Unanswered, Vanished
from glimpsed.images.prepare import Document
from glimpsed.journal import get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.ledger.finish import failure
from glimpsed.model import Answer, Content, FileKey, shown
from glimpsed.pipeline import answers, question
from glimpsed.pipeline.place import Place, Story

log = get_logger()

_UNSURE = frozenset({"queued", "running"})  # it is another version by now, and nobody has read it yet


@dataclass(frozen=True, slots=True)
class Found:
    """An answer to the same question about the same content."""

    answer: Answer
    origin: FileKey  # whose it was
    question: str


class Reuse:
    """Looks for answers: beside the file itself, beside others, and in the ledger."""

    def __init__(self, books: Books, find_place: Callable[[str], Place | None]) -> None:
        self._books = books
        self._find_place = find_place
        self._clock = books.clock
        # Copies of one image that arrive together: the first is asked about, the others wait for it.
        self._turns: weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    def turn(self, story: Story, content: Content) -> asyncio.Lock:
        """Held from the search to the moment when the answer is in the ledger."""
        return self._turns.setdefault((content.sha256, story.question), asyncio.Lock())

    async def find(self, story: Story, content: Content, *, copies: bool = True) -> Found | None:
        """A file whose answer is used again; that of a fallback is as good as when it was given.

        Without `copies`, only the file's own: as it was before it was touched or renamed.
        """
        for model in story.place.chain:
            asked = story.questions[model.entry.name]
            if (found := await self._answered_by(model.entry, asked, story, content, copies)) is not None:
                origin, answer = found
                again = answers.reused(story.job, answer, origin, now=self._clock.wall())
                return Found(again, origin, asked)
        return None

    async def refuse_failed(self, story: Story, content: Content) -> None:
        """Raises `Unanswered` where this file failed under another name, which it has no longer, asked the same."""
        job, place = story.job, story.place
        asked = failure(story.question, content.sha256)
        for row in await self._books.grouped(Ledger.all_unanswered, (job.key, job.version, asked)):
            there = await place.do(files.version_at, place.root, row.key.path)
            if there != row.version and row.reason is not None:
                raise Unanswered(
                    row.reason,
                    row.advice or "",
                    attempts=row.attempts,
                    question=story.question,
                    content=content.sha256,
                )

    async def _answered_by(
        self, entry: ModelEntry, asked: str, story: Story, content: Content, copies: bool
    ) -> tuple[FileKey, Answer] | None:
        """A file with this content, asked the same question, and its answer.

        As it stands beside this one, when it was only touched since, or beside another; or else as the ledger keeps it.
        """
        touched = await self._touched(story, content, asked)
        for key in [*touched, *await self._copies(story, content, asked)]:
            if not (copies or key in touched or await self._has_left(key, content)):
                continue
            there = self._find_place(key.folder)
            if there is None:
                continue
            found = await there.do(sidecar.load, there.root, key.path, there.folder)
            if found is None and "json" not in story.place.folder.outputs:
                found = await self._from_text(story, entry, content, there, key)
            elif found is not None and not question.fits_file(
                found, story.place.folder, entry, key, story.job
            ):
                continue
            if found is not None and found.source.sha256 == content.sha256:
                return key, found
        kept = await self._books.grouped(Ledger.all_kept, (content.sha256, asked))
        if kept is None or not (copies or touched or await self._has_left(kept.origin, content)):
            return None
        if kept.question is None and not question.fits_file(
            kept.answer, story.place.folder, entry, kept.origin, story.job
        ):
            return None
        return kept.origin, kept.answer

    async def _touched(self, story: Story, content: Content, asked: str) -> list[FileKey]:
        """The file itself, when its last version had the same content and an answer to the same question."""
        key = story.job.key
        row = await self._books.patient(Ledger.find, key) if story.job.written else None
        # Older versions noted no more than the question's first part.
        answers_it = row is not None and row.question in (asked, asked.partition(":")[0], None)
        same = answers_it and row is not None and row.sha256 == content.sha256
        return [key] if same else []

    async def _has_left(self, key: FileKey, content: Content) -> bool:
        """Whether this content is no longer there: the file has another name now, and is no copy of it."""
        row = await self._books.patient(Ledger.find, key)
        there = self._find_place(key.folder)
        if row is None or there is None or row.sha256 != content.sha256 or row.state in _UNSURE:
            return True
        return await there.do(files.version_at, there.root, key.path) != row.version

    async def _copies(self, story: Story, content: Content, asked: str) -> list[FileKey]:
        found = await self._books.grouped(Ledger.all_reusable, (content.sha256, asked))
        return [key for key in found if key != story.job.key]

    async def _from_text(
        self, story: Story, entry: ModelEntry, content: Content, there: Place, key: FileKey
    ) -> Answer | None:
        """For folders without JSON sidecars: the text alone, if nobody edited it."""
        row = await self._books.patient(Ledger.find, key)
        if row is None or row.question is None:
            return None
        text = await there.do(sidecar.load_text, there.root, key.path, there.folder, row.written)
        if text is None:
            return None
        nothing_more = Document(media_type="application/octet-stream", pages=1, width=0, height=0)
        about = answers.source(story.job, content, nothing_more)
        return answers.of_text(about, story.place.folder, entry, [text], now=self._clock.wall())

    async def forget_old_name(self, origin: FileKey) -> None:
        """A rename: the image of the old name is gone, so its own sidecars go too (DESIGN 8)."""
        if (place := self._find_place(origin.folder)) is None:
            return
        try:
            if await place.do(files.exists, place.root, origin.path):
                return
            row = await self._books.patient(Ledger.find, origin)  # discovery may have seen it go before us
            await place.do(sidecar.remove, place.root, origin.path, row.written if row else ())
            await self._books.patient(Ledger.renamed, origin, self._clock.wall())
        except (ShareTrouble, SidecarBlocked, Vanished, FileError) as e:
            log.debug("old sidecars stay", folder=origin.folder, file=shown(origin.path), reason=str(e))
