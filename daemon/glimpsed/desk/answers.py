"""What was answered about a file, for those who show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from glimpsed.config.schema import Folder
from glimpsed.desk.desk import Desk
from glimpsed.disk.files import Root
from glimpsed.ledger import FileRow
from glimpsed.ledger.values import KeptAnswer
from glimpsed.model import Answer
from glimpsed.pipeline import anew

AT_ONCE = 200  # files that the ledger is asked about


def kept(desk: Desk, row: FileRow) -> Sequence[KeptAnswer | None]:
    """What the ledger keeps of it."""
    question = anew.question_of(row)
    return desk.ledger.all_kept(question) if question else []


def answer_of(desk: Desk, root: Root | None, folder: Folder, row: FileRow) -> Answer | None:
    """From the ledger, or else from its JSON sidecar below the folder's root; None: neither has it."""
    return anew.answer(root, row, folder, kept(desk, row))


def all_answers(desk: Desk, root: Root | None, folder: Folder) -> Iterator[tuple[FileRow, Answer | None]]:
    """`answer_of` every done file of a folder: the ledger is asked about some hundred at once."""
    rows = desk.ledger.done_files(folder.name)
    while some := list(islice(rows, AT_ONCE)):
        asked = [anew.question_of(row) for row in some]
        found = iter(desk.ledger.all_kept(list(chain.from_iterable(asked))))
        for row, questions in zip(some, asked, strict=True):
            yield row, anew.answer(root, row, folder, [next(found) for _ in questions])
