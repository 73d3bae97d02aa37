"""What was answered about a file, for those who show it."""

from __future__ import annotations

from collections.abc import Sequence

from glimpsed.config.schema import Folder
from glimpsed.desk.desk import Desk
from glimpsed.disk.files import Root
from glimpsed.ledger import FileRow
from glimpsed.ledger.values import KeptAnswer
from glimpsed.model import Answer
from glimpsed.pipeline import anew


def kept(desk: Desk, row: FileRow) -> Sequence[KeptAnswer | None]:
    """What the ledger keeps of it."""
    question = anew.question_of(row)
    return desk.ledger.all_kept(question) if question else []


def answer_of(desk: Desk, root: Root | None, folder: Folder, row: FileRow) -> Answer | None:
    """From the ledger, or else from its JSON sidecar below the folder's root; None: neither has it."""
    return anew.answer(root, row, folder, kept(desk, row))
