"""What was answered about a file, for those who show it."""

from __future__ import annotations

from collections.abc import Iterator

from glimpsed.config.schema import Folder
from glimpsed.desk.desk import Desk
from glimpsed.disk.files import Root
from glimpsed.ledger import FileRow
from glimpsed.model import Answer, FileKey, Gist
from glimpsed.pipeline import anew


def answer_of(desk: Desk, root: Root | None, folder: Folder, row: FileRow) -> Answer | None:
    """From the ledger, or else from its JSON sidecar below the folder's root; None: neither has it."""
    return anew.answer(root, row, folder, desk.ledger.kept_for(row))


def all_answers(
    desk: Desk, root: Root | None, folder: Folder
) -> Iterator[tuple[FileKey, Answer | Gist | None]]:
    """What a table has of `answer_of` every done file of a folder."""
    for key, gist in desk.ledger.gists(folder.name):
        yield key, gist or anew.beside(root, key.path, folder)
