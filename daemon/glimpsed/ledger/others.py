"""Other answers about a file's content than the one that stands: earlier ones, tried ones, a local second reader's.

One that was tried is kept under a question of its own, which no file has: it is nobody's answer, and takes no other's place.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from glimpsed.ledger.kept import ToKeep
from glimpsed.ledger.packed import unpack
from glimpsed.ledger.schema import kept, questions
from glimpsed.ledger.second import SECOND, Second
from glimpsed.ledger.spending import Bill
from glimpsed.ledger.values import FileRow, Other
from glimpsed.model import Answer, Written

# How such questions begin; a colon follows somewhere, as in those that name a file.
TRIED, BEFORE = "tried", "before"
MOST = 20  # that are told of about one content
_ABOUT = sa.select(kept.c.id, kept.c.sha256, kept.c.body, questions.c.asked, questions.c.facts).join_from(
    kept, questions, questions.c.id == kept.c.question
)


class Others(Second):
    """What else was answered."""

    def answers_about(self, sha256: str) -> list[Other]:
        """All answers that are kept about a content, the latest first."""
        which = _ABOUT.where(kept.c.sha256 == bytes.fromhex(sha256)).order_by(
            kept.c.at.desc(), kept.c.id.desc()
        )
        with self._database.read() as c:
            rows = c.execute(which.limit(MOST)).all()
        return [other for row in rows if (other := _readable(row)) is not None]

    def answer_numbered(self, number: int, sha256: str) -> Other | None:
        """One of these."""
        which = _ABOUT.where(kept.c.id == number, kept.c.sha256 == bytes.fromhex(sha256))
        with self._database.read() as c:
            row = c.execute(which).one_or_none()
        return None if row is None else _readable(row)

    def paid(self, bills: Sequence[Bill], now: float) -> None:
        """Money that went for what nobody waits for."""
        with self._database.write(durable=True) as c:
            self._pay(c, bills, now)

    def tried(self, file: int, answer: Answer, question: str, bills: Sequence[Bill], now: float) -> int:
        """An answer that somebody asked for to look at it: paid for and kept, as nobody's; its number."""
        asked = f"{TRIED}:{now:.6f}:{question}"
        with self._database.write(durable=True) as c:
            self._pay(c, bills, now)
            self._keep_answers(c, [ToKeep(file, answer, asked)])
            number: int = c.execute(
                sa.select(kept.c.id)
                .join(questions, questions.c.id == kept.c.question)
                .where(questions.c.asked == asked, kept.c.sha256 == bytes.fromhex(answer.source.sha256))
            ).scalar_one()
            return number

    def throw_away(self, number: int, sha256: str) -> bool:
        """Forget one that was tried; nothing else."""
        which = sa.select(kept.c.id, kept.c.question).join(questions, questions.c.id == kept.c.question)
        this = which.where(
            kept.c.id == number,
            kept.c.sha256 == bytes.fromhex(sha256),
            questions.c.asked.startswith(f"{TRIED}:"),
        )
        with self._database.write() as c:
            found = c.execute(this).one_or_none()
            if found is None:
                return False
            self._drop_answers(c, [found.id])
            c.execute(sa.delete(questions).where(questions.c.id == found.question))
            return True

    def take(
        self, row: FileRow, old: Answer, new: Answer, written: Sequence[Written], at: float, by: str | None
    ) -> bool:
        """`review`, with another answer in the place of the old one, which is kept among the others."""
        if self.keep != 0 and row.sha256:
            with self._database.write() as c:
                self._keep_answers(c, [ToKeep(row.id, old, f"{BEFORE}:{at:.6f}")])
        return self.review(row, old, new, written, at, by)


def _readable(row: sa.Row[*tuple[object, ...]]) -> Other | None:
    try:
        answer = unpack(row.body, row.sha256.hex(), row.facts)
    except ValueError:
        return None
    kind = row.asked.partition(":")[0]
    return Other(row.id, row.asked, answer, tried=kind == TRIED, second=kind == SECOND)
