"""An answer that is there already is used again: nothing is sent, nothing is paid."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from glimpsed import sidecar
from glimpsed.clock import Clock
from glimpsed.config.schema import ModelEntry
from glimpsed.disk import files
from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.journal import get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.model import Answer, Content, FileKey, shown
from glimpsed.pipeline import answers, question
from glimpsed.pipeline.place import Place, Story

log = get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """An answer to the same question about the same content."""

    answer: Answer
    origin: FileKey  # whose it was
    question: str


class Reuse:
    """Looks for answers: beside the file itself, beside others, and in the ledger."""

    def __init__(self, books: Books, *, find_place: Callable[[str], Place | None], clock: Clock) -> None:
        self._books = books
        self._find_place = find_place
        self._clock = clock
        # Copies of one image that arrive together: the first is asked about, the others wait for it.
        self._turns: weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    def turn(self, story: Story, content: Content) -> asyncio.Lock:
        """Held from the search to the moment when the answer is in the ledger."""
        return self._turns.setdefault((content.sha256, story.question), asyncio.Lock())

    async def find(self, story: Story, content: Content) -> Found | None:
        """A file whose answer is used again; that of a fallback is as good as when it was given."""
        for model in story.place.chain:
            asked = story.questions[model.entry.name]
            if (found := await self._answered_by(model.entry, asked, story, content)) is not None:
                origin, answer = found
                again = answers.reused(story.job, answer, origin, now=self._clock.wall())
                return Found(again, origin, asked)
        return None

    async def _answered_by(
        self, entry: ModelEntry, asked: str, story: Story, content: Content
    ) -> tuple[FileKey, Answer] | None:
        """A file with this content, asked the same question, and its answer.

        As it stands beside this one, when it was only touched since, or beside another; or else as the ledger keeps it.
        """
        for key in [*await self._touched(story, content, asked), *await self._copies(story, content, asked)]:
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
        return None if kept is None else (kept.origin, kept.answer)

    async def _touched(self, story: Story, content: Content, asked: str) -> list[FileKey]:
        """The file itself, when its last version had the same content and an answer to the same question."""
        key = story.job.key
        row = await self._books.patient(Ledger.find, key) if story.job.written else None
        # Older versions noted no more than the question's first part.
        answers_it = row is not None and row.question in (asked, asked.partition(":")[0], None)
        same = answers_it and row is not None and row.sha256 == content.sha256
        return [key] if same else []

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
        now = self._clock.wall()
        return answers.of_text(story.job, story.place.folder, entry, content, text, now=now)

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
