"""Answers from before the ledger kept them: they are found and kept while the daemon works, a few at a time.

Once in the life of a ledger; where it was left off, it goes on. What an answer was is in the file's own JSON sidecar, or
else its text in what version 1 of the ledger had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from glimpsed import sidecar
from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.disk.files import Root
from glimpsed.errors import ShareTrouble, Vanished
from glimpsed.journal import get_logger
from glimpsed.ledger import Books, FileRow, Ledger
from glimpsed.ledger.kept import ToKeep
from glimpsed.ledger.older import OlderAnswer
from glimpsed.model import Answer, Source, shown, utc_ns
from glimpsed.pipeline import answers
from glimpsed.pipeline.anew import where
from glimpsed.pipeline.place import Place

NOTE, ALL = "answers kept up to", "all"
AT_ONCE, PAUSE = 50, 0.1  # files, and seconds between: 500 a second at most
BLOCKS = 500  # of the old index, 4 KB each
LOOK_AGAIN = 5.0  # seconds, for folders that are not there

log = get_logger()


async def keep_older(
    books: Books,
    find_place: Callable[[str], Place | None],
    entries: Callable[[], Mapping[str, ModelEntry]],
    *,
    never: bool,
) -> None:
    """Have all answers kept and found by the search; returns when that is so.

    `find_place`: where a folder is; None while it is not there. `entries`: the models of the config as it is now.
    `never`: the config says that none is kept; should it say otherwise later, they are looked for again.
    """
    if never:
        await books.patient(Ledger.note, NOTE, "0")
    missing = set() if never else await _pass(books, find_place, entries)
    while missing:
        await asyncio.sleep(LOOK_AGAIN)
        if any(find_place(folder) is not None for folder in missing):
            missing = await _pass(books, find_place, entries)
    for some in (partial(Ledger.index_some, limit=AT_ONCE), partial(Ledger.drop_old_texts, limit=BLOCKS)):
        more = True
        while more:
            more = bool(await books.patient(some))
            await asyncio.sleep(PAUSE)


async def _pass(
    books: Books, find_place: Callable[[str], Place | None], entries: Callable[[], Mapping[str, ModelEntry]]
) -> set[str]:
    """Through all files once; the folders that were not there, or none."""
    noted = await books.patient(Ledger.noted, NOTE)
    if noted == ALL:
        return set()
    after, count = int(noted or 0), 0
    missing: set[str] = set()
    while True:
        found, last = await books.patient(Ledger.unkept, after)
        for some in (found[at : at + AT_ONCE] for at in range(0, len(found), AT_ONCE)):
            kept = [await _found(one, find_place, entries(), missing) for one in some]
            count += await books.patient(Ledger.keep_found, [one for one in kept if one is not None])
            await asyncio.sleep(PAUSE)
        if last is None:
            break
        after = last
        if not missing and found:
            await books.patient(Ledger.note, NOTE, str(after))
    if not missing:
        await books.patient(Ledger.note, NOTE, ALL)
    if count:
        log.info("answers kept", files=count, reason="they were given before the ledger kept answers")
    return missing


async def _found(
    one: OlderAnswer,
    find_place: Callable[[str], Place | None],
    entries: Mapping[str, ModelEntry],
    missing: set[str],
) -> ToKeep | None:
    name = one.row.key.folder
    place = find_place(name)
    if place is None:
        missing.add(name)
        return None
    try:
        answer = await place.do(_read, place.root, one.row, place.folder)
    except ShareTrouble:
        missing.add(name)
        return None
    entry = entries.get(place.folder.model)
    if answer is None and one.texts and entry is not None:
        answer = _of_texts(one.row, place.folder, entry, one.texts)
    return None if answer is None else ToKeep(one.id, answer, one.row.question)


def _read(root: Root, row: FileRow, folder: Folder) -> Answer | None:
    """What the JSON beside the file says of this content."""
    try:
        answer = sidecar.load(*where(root, row.key.path), folder)
    except Vanished:
        return None
    return answer if answer is not None and answer.source.sha256 == row.sha256 else None


def _of_texts(row: FileRow, folder: Folder, entry: ModelEntry, texts: Sequence[str]) -> Answer:
    about = Source(
        name=shown(row.key.name),
        bytes=row.version.size,
        modified=utc_ns(row.version.mtime_ns),
        sha256=row.sha256 or "",
        media_type="application/octet-stream",
        width=0,
        height=0,
        pages=len(texts),
    )
    return answers.of_text(about, folder, entry, texts, now=row.changed)
