"""Whether a file that waits to be approved would cost anything: one whose answer is there already does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

from glimpsed.config.schema import Folder
from glimpsed.disk import files
from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.ledger import Books, FileRow, Ledger
from glimpsed.model import Answer, Job
from glimpsed.pipeline.place import Place, Story
from glimpsed.pipeline.reuse import Reuse
from glimpsed.vision import Model

AT_ONCE = 4  # files read at a time: whoever asks about others has the share, too
_PAGE = 1000
After: TypeAlias = tuple[float, int]  # when a row came into the queue, and its number


class Costless:
    """Reads what waits and may be known, and lets through what is."""

    def __init__(
        self,
        books: Books,
        *,
        find_place: Callable[[str], Place | None],
        model: Callable[[str], Model],
    ) -> None:
        self._books = books
        self._find_place = find_place
        self._model = model
        self._reuse = Reuse(books, find_place)

    async def let_through(self, folder: str, seen: set[int]) -> AsyncIterator[list[FileRow]]:
        """The files of this folder that cost nothing are claimed from now on; some at a time, as they are found.

        `seen`: what stands for those that cost something; they are added to it, and not read again.
        """
        after = 0
        while rows := await self._books.patient(Ledger.held_alike, folder, after, _PAGE):
            after = rows[-1].id
            unread = [row for row in rows if _version(row) not in seen]
            for at in range(0, len(unread), AT_ONCE):
                some = unread[at : at + AT_ONCE]
                if (place := self._find_place(folder)) is None:
                    return
                known = await self._known(some, place)
                if known:
                    await self._books.patient(Ledger.let_through, known)
                    yield known
                seen |= {_version(row) for row in some if row not in known}

    async def waiting(self, folder: str, after: After) -> tuple[list[int], After | None]:
        """Some rows of those that came into this folder's queue since then, and need no model: their answer is kept.

        And from where it is to be gone on; None: there are no more for now.
        """
        rows, last = await self._books.patient(Ledger.waiting_alike, folder, after, AT_ONCE)
        place = self._find_place(folder)
        known = await self._known(rows, place) if place is not None else []
        return [row.id for row in known], last

    async def _known(self, rows: Sequence[FileRow], place: Place) -> list[FileRow]:
        found = await asyncio.gather(*(self._is_known(row, place) for row in rows))
        return [row for row, known in zip(rows, found, strict=True) if known]

    async def _is_known(self, row: FileRow, place: Place) -> bool:
        folder = place.folder
        whose_count = tuple(map(self._model, (folder.model, *folder.fallbacks)))
        story = Story.of(_job(row), Place(folder, place.root, place.io, whose_count))
        try:
            content = await place.do_with(
                row.version, files.read_content, place.root, row.key.path, row.version
            )
            found = await self._reuse.find(story, content, copies=folder.reuse)
        except (FileError, ShareTrouble, SidecarBlocked, Vanished):
            return False  # it is told when its turn has come
        return found is not None and not self._is_read_again(found.answer, folder)

    def _is_read_again(self, answer: Answer, folder: Folder) -> bool:
        """A second reader that costs money is asked about an answer that it has not read."""
        second = folder.verify_with
        if second is None or answer.model.entry == second or answer.review is not None:
            return False
        if not self._model(second).entry.priced:
            return False
        return answer.verified is None or answer.verified.by != second


def _version(row: FileRow) -> int:
    return hash((row.id, row.version))  # there may be a million of them


def _job(row: FileRow) -> Job:
    return Job(
        id=row.id,
        key=row.key,
        version=row.version,
        attempts=row.attempts,
        retries=0,
        cut_off=0,
        fresh=True,
        written=row.written,
    )
