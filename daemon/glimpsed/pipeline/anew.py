"""Sidecars written anew from an answer that is known already: nothing is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.disk import files
from glimpsed.disk.files import Root
from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.journal import get_logger
from glimpsed.ledger import Books, FileRow, Ledger
from glimpsed.ledger.values import KeptAnswer
from glimpsed.model import Answer, Content, FileKey, Written, shown, utc_ns
from glimpsed.pipeline.place import Place
from glimpsed.searchable.maker import Made, Maker

log = get_logger()

PAGE = 1000  # rows that are looked at in one call


def answer(root: Root | None, row: FileRow, folder: Folder, kept: KeptAnswer | None) -> Answer | None:
    """What was answered about a file: as the ledger keeps it (`kept_for`), else as its JSON has it; None: neither does.

    `root`: None where the folder cannot be looked at now.
    """
    if kept is not None and kept.question == row.question:
        return about(row, kept.answer)
    return beside(root, row.key.path, folder)


def beside(root: Root | None, path: str, folder: Folder) -> Answer | None:
    """What the JSON beside a file says that was answered; None: nothing, or nobody can look there now."""
    if root is None:
        return None
    try:
        return sidecar.load(*where(root, path), folder)
    except (ShareTrouble, Vanished):
        return None


@dataclass(frozen=True, slots=True)
class AnsweredFile:
    """A file that is there, and what was answered about it."""

    root: Root
    path: str
    answer: Answer
    content: Content

    @property
    def name(self) -> str:
        """Of the file."""
        return self.path.rpartition("/")[2]


def find(root: Root, row: FileRow, folder: Folder, kept: KeptAnswer | None) -> AnsweredFile | None:
    """What sidecars are written from, the ledger's answer or else the JSON; None: neither has one.

    Raises as `files.read_content`.
    """
    known = answer(root, row, folder, kept)
    if known is None:
        return None
    root, path = where(root, row.key.path)
    return AnsweredFile(root, path, known, files.read_content(root, path, row.version))


def write(
    known: AnsweredFile, row: FileRow, folder: Folder, made: Made, standing: Sequence[Written] = ()
) -> tuple[Written, ...]:
    """The sidecars that the folder asks for, but for those that are `standing`. Raises as `sidecar.write`."""
    return sidecar.write(
        known.root,
        known.path,
        folder,
        known.answer,
        row.written,
        known.content,
        made.files,
        standing=standing,
    )


def where(root: Root, path: str) -> tuple[Root, str]:
    """Where a file is. What `move_to` took out of its folder is beside that: ``../filed/scan.jpg``."""
    if not path.startswith("../"):
        return root, path
    directory, name = os.path.split(os.path.normpath(os.path.join(root.path, path)))
    return files.find_root(directory), name


async def complete(books: Books, place: Place, maker: Maker) -> int:
    """Write what `outputs` or `sidecar` newly ask for beside files that are done; how many files that was.

    What could not be written is told, and written by ``glimpsed rewrite``. Raises `ShareTrouble`.
    """
    folder = place.folder
    asked = json.dumps([sorted(folder.outputs), folder.sidecar])
    before = await books.patient(Ledger.noted, f"outputs of {folder.name}")
    if before == asked:
        return 0
    count = last = 0
    while before is not None:
        rows = await books.patient(Ledger.done_page, folder.name, last, PAGE)
        if not rows:
            break
        last = rows[-1][0]
        count += sum(
            [await _complete(books, place, maker, row.key) for _, row in rows if _lacks(folder, row)]
        )
    await books.patient(Ledger.note, f"outputs of {folder.name}", asked)
    if count:
        log.info("sidecars completed", folder=folder.name, files=count, reason="outputs or sidecar changed")
    return count


async def complete_one(books: Books, place: Place, maker: Maker, key: FileKey) -> None:
    """The same for one file, whose JSON alone was found; told where that fails."""
    row = await books.patient(Ledger.find, key)
    try:
        if row is not None and _lacks(place.folder, row):
            await _complete(books, place, maker, key)
    except ShareTrouble as e:
        log.warning("sidecars not completed", folder=key.folder, file=shown(key.path), reason=str(e))


def _lacks(folder: Folder, row: FileRow) -> bool:
    return not set(sidecar.names(folder, row.key.name).values()) <= {written.name for written in row.written}


async def _complete(
    books: Books, place: Place, maker: Maker, key: FileKey, made_so_far: Sequence[Written] = ()
) -> bool:
    """What stands is left as it is: somebody may have edited it, or be correcting it at this moment.

    `made_so_far`: what was written from an answer that was corrected, or given anew, meanwhile.
    """
    row = await books.patient(Ledger.find, key)
    if row is None or row.state != "done":
        return False
    kept = await books.patient(Ledger.kept_for, row)
    mine = {one.name for one in made_so_far}
    standing = tuple(one for one in row.written if one.name not in mine)
    before = replace(row, written=(*standing, *made_so_far))
    try:
        async with maker.room(row.version.size):
            known = await place.do_with(row.version, find, place.root, row, place.folder, kept)
            if known is None:
                return False
            made = await maker.make(place.folder, known.answer, known.content, known.name, place.chain)
            written = await place.do_with(row.version, write, known, before, place.folder, made, standing)
    except (FileError, SidecarBlocked, Vanished) as e:
        log.warning("sidecars not completed", folder=key.folder, file=shown(key.path), reason=str(e))
        return False
    noted = await books.patient(Ledger.rewritten, row, written)
    # What a second reader found meanwhile is in the ledger alone, where no JSON stood.
    if not noted or await books.patient(Ledger.kept_for, row) != kept:
        new = tuple(one for one in written if one not in standing)
        return await _complete(books, place, maker, key, new)
    return True


def about(row: FileRow, known: Answer) -> Answer:
    """An answer that is kept as one about this file: it may have been given to a copy of it."""
    source = known.source.model_copy(
        update={
            "name": shown(row.key.name),
            "bytes": row.version.size,
            "modified": utc_ns(row.version.mtime_ns),
        }
    )
    return known.model_copy(update={"folder": row.key.folder, "source": source})
