"""What a ledger has from before answers were kept becomes kept answers, a few at a time, while the daemon works.

Version 1 had the texts alone, and an index of its own over them. The rest of an answer is in the file's JSON sidecar, as
that of an adopted file is; whoever calls reads it. Answers that are there and not in the search's index get into it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.kept import Kept, ToKeep
from glimpsed.ledger.packed import pages_of
from glimpsed.ledger.part import ITS_OWN, file_row
from glimpsed.ledger.schema import files, kept, questions, texts
from glimpsed.ledger.values import FileRow

WINDOW = 500  # rows that are looked at in one call
_SOME: sa.BindParameter[Any] = sa.bindparam("some", expanding=True)
_KEPT = (
    sa.select(kept.c.id)
    .join(questions, questions.c.id == kept.c.question)
    .where(
        kept.c.sha256 == files.c.sha256,
        questions.c.asked == sa.func.coalesce(files.c.question, ""),
        ITS_OWN,
    )
    .exists()
)
# Rows in the order of their ids: those that were answered, or adopted, and whose answer is not kept.
_ROWS = sa.select(files, ~_KEPT & files.c.sha256.is_not(None) & files.c.written.is_not(None)).where(
    files.c.id > sa.bindparam("after")
)
_TEXTS = sa.select(texts).where(texts.c.file.in_(_SOME)).order_by(texts.c.file, texts.c.page)


@dataclass(frozen=True, slots=True)
class OlderAnswer:
    """A file whose answer is not kept, and the text that version 1 had of it, page by page."""

    id: int
    row: FileRow
    texts: tuple[str, ...]


class Older(Kept):
    """What is done once in the life of a ledger."""

    def unkept(self, after: int, limit: int = WINDOW) -> tuple[list[OlderAnswer], int | None]:
        """Those among the next so many rows whose answer is not kept, and the last id; None: there are no more rows."""
        oldest = 0.0 if self.keep is None else self.clock.wall() - self.keep
        with self._database.read() as c:
            rows = c.execute(_ROWS.order_by(files.c.id).limit(limit), {"after": after}).all()
            lacking = [row for row in rows if row[-1] and row.changed >= oldest]
            said: dict[int, list[str]] = {}
            for text in c.execute(_TEXTS, {"some": [row.id for row in lacking]}):
                said.setdefault(text.file, []).append(text.body)
        found = [OlderAnswer(row.id, file_row(row), tuple(said.get(row.id, ()))) for row in lacking]
        return found, rows[-1].id if rows else None

    def keep_found(self, found: Sequence[ToKeep]) -> int:
        """Answers that were found; the texts that version 1 had of these files go. Returns how many that was."""
        if self.keep == 0 or not found:
            return 0
        with self._database.write() as c:
            self._keep_answers(c, found)
            c.execute(sa.delete(texts).where(texts.c.file.in_([one.file for one in found])))
        return len(found)

    def index_some(self, limit: int) -> int:
        """Some of the answers that the search does not find yet, as when it was switched off. Returns how many."""
        if not self._search:
            return 0
        which = (
            sa.select(kept.c.id, kept.c.body, questions.c.facts)
            .join(questions, questions.c.id == kept.c.question)
            .where(sa.text("kept.indexed = 0"))  # as the index `kept_unindexed` says
            .limit(limit)
        )
        with self._database.write() as c:
            rows = c.execute(which).all()
            if rows:
                self._index(c, {row.id: pages_of(row.body, row.facts) for row in rows})
                change = sa.update(kept).where(kept.c.id.in_([row.id for row in rows]))
                c.execute(change.values(indexed=1))
            return len(rows)

    def drop_old_texts(self, limit: int) -> int:
        """Some of what version 1 had and nobody needs any more: its texts, its index. Returns how many rows."""
        old = sa.select(texts.c.id).limit(limit)
        with self._database.write() as c:
            gone = c.execute(sa.delete(texts).where(texts.c.id.in_(old.scalar_subquery()))).rowcount
        return gone or self._database.drop_old_index(limit)
