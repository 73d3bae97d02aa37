"""Full-text search over the answers that are kept: SQLite's FTS5, PostgreSQL's text search, one way to cut words.

The index knows which answers have a word. Which of them have a phrase, on which page and how often, their texts tell:
those of the answers that were kept last, where very many have the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.packed import pages_of
from glimpsed.ledger.part import CHUNK, Part, chunks, key_of
from glimpsed.ledger.schema import files, kept, questions
from glimpsed.ledger.values import Hit
from glimpsed.ledger.words import Phrase, folded, phrases
from glimpsed.model import FileKey

LOOKED_AT = 100  # answers that are compared with one another, at least
MOST, MOST_AT_ONCE = (
    20_000,
    2_000,
)  # files with the words that are looked at for a phrase, the newest: a second's work

_FOUND = {
    "sqlite": sa.text(
        "SELECT rowid FROM said WHERE said MATCH :query AND rowid < :before ORDER BY rowid DESC LIMIT :most"
    ),
    "postgresql": sa.text(
        "SELECT id FROM kept WHERE vector @@ CAST(:query AS tsquery) AND id < :before ORDER BY id DESC LIMIT :most"
    ),
}
# Every file that has this answer now, wherever it went; what is gone is nowhere to be found.
_WHOSE = (
    sa.select(
        kept.c.id,
        kept.c.body,
        questions.c.facts,
        files.c.id.label("file"),
        files.c.folder,
        files.c.directory,
        files.c.name,
    )
    .join_from(kept, questions, questions.c.id == kept.c.question)
    .join(
        files,
        (files.c.sha256 == kept.c.sha256) & (sa.func.coalesce(files.c.question, "") == questions.c.asked),
    )
    .where(kept.c.id.in_(sa.bindparam("some", expanding=True)), files.c.state != "gone")
    .order_by(kept.c.id.desc(), files.c.id)
)


@dataclass(frozen=True, slots=True)
class _Match:
    """A page that has what was looked for."""

    score: float
    key: FileKey
    file: int
    page: int
    text: str


class Search(Part):
    """Queries over the answers' text."""

    def search(self, text: str, *, limit: int = 50, folder: str | None = None) -> list[Hit]:
        """The pages that hold all of these words, best first; words in quotes stand side by side.

        Where no page of an answer holds them all, the one that holds most. ``invoic*`` is any word that begins so; where
        whole words find nothing, all that are not quoted are taken for beginnings.
        """
        return self._best(text, limit, folder, MOST)[0]

    def quick_search(
        self, text: str, *, limit: int = 50, folder: str | None = None
    ) -> tuple[list[Hit], bool]:
        """`search` in bounded time, and whether so many pages hold the words that these are the best of the latest."""
        return self._best(text, limit, folder, MOST_AT_ONCE)

    def _best(self, text: str, limit: int, folder: str | None, most: int) -> tuple[list[Hit], bool]:
        wanted = phrases(text)
        begun = [phrase if phrase.quoted else replace(phrase, begun=True) for phrase in wanted]
        found, latest = self._found(wanted, limit, folder, most)
        return (found, latest) if found or begun == wanted else self._found(begun, limit, folder, most)

    def _found(
        self, wanted: Sequence[Phrase], limit: int, folder: str | None, most: int
    ) -> tuple[list[Hit], bool]:
        """The best, and whether there is more that was not compared with them."""
        if not wanted:
            return [], False
        found: list[_Match] = []
        seen: set[int] = set()
        looked_at, patterns = 0, [phrase.pattern() for phrase in wanted]
        with self._database.read() as c:
            for row in self._answers(c, wanted, limit, folder):
                enough = len(found) >= limit and len(seen) >= LOOKED_AT and row.id not in seen
                if enough or looked_at >= most:
                    break
                looked_at += 1
                if matches := _matches(row, patterns):
                    seen.add(row.id)
                    found += matches
            else:
                return _hits(found, limit, wanted), False
        return _hits(found, limit, wanted), True

    def _answers(
        self, c: sa.Connection, wanted: Sequence[Phrase], limit: int, folder: str | None
    ) -> Iterator[sa.Row[*tuple[Any, ...]]]:
        """Answers with all of the terms, those kept last first, each with every file that has it."""
        terms = dict.fromkeys(term for phrase in wanted for term in phrase.terms())
        query = _fts5(terms) if c.dialect.name == "sqlite" else _tsquery(terms)
        whose = _WHOSE if folder is None else _WHOSE.where(files.c.folder == folder)
        before, most = 2**62, max(limit, LOOKED_AT)
        while True:
            asked = {"query": query, "before": before, "most": most}
            ids = list(c.execute(_FOUND[c.dialect.name], asked).scalars())
            for some in chunks(ids, CHUNK):
                yield from c.execute(whose, {"some": some}).all()
            if len(ids) < most:
                return
            before, most = ids[-1], min(4 * most, MOST)


def _fts5(terms: dict[tuple[str, bool], None]) -> str:
    """SQLite's query language: ``"oak" "invoic"*``."""
    return " ".join(f'"{term}"{"*" if begun else ""}' for term, begun in terms)


def _tsquery(terms: dict[tuple[str, bool], None]) -> str:
    """PostgreSQL's: ``'oak' & 'invoic':*``."""
    return " & ".join(f"'{term}'{':*' if begun else ''}" for term, begun in terms)


def _matches(row: sa.Row[*tuple[Any, ...]], patterns: Sequence[re.Pattern[str]]) -> list[_Match]:
    """The pages of an answer that hold all that is wanted, or the one that holds most; none where a phrase is nowhere."""
    pages = pages_of(row.body, row.facts)
    counts = [[len(pattern.findall(text)) for pattern in patterns] for text in map(folded, pages)]
    if not pages or not all(map(any, zip(*counts, strict=True))):
        return []
    whole = [at for at, found in enumerate(counts) if all(found)]
    best = whole or [max(range(len(pages)), key=lambda at: sum(map(bool, counts[at])))]
    key = key_of(row)
    return [_Match(_score(counts[at], len(pages[at])), key, row.file, at + 1, pages[at]) for at in best]


def _hits(found: list[_Match], limit: int, wanted: Sequence[Phrase]) -> list[Hit]:
    looked_for = [phrase.text for phrase in wanted]
    best = sorted(found, key=lambda match: -match.score)[:limit]
    return [Hit(m.key, m.page, matching_line(m.text, looked_for), m.file) for m in best]


def _score(counts: Sequence[int], length: int) -> float:
    """The more often, on the shorter a page, the better; ever less so, as BM25 has it."""
    return sum(count / (count + 0.3 + length / 1000) for count in counts)


def matching_line(body: str, words: Sequence[str]) -> str:
    """The line that holds most of these words; the first of those."""
    folded = [word.casefold() for word in words]
    lines = [line.strip() for line in body.splitlines() if line.strip()] or [""]
    return max(lines, key=lambda line: sum(word in line.casefold() for word in folded))
