"""Full-text search over the answers: SQLite's FTS5, PostgreSQL's text search, one way to cut words.

Neither database finds words in a script that puts no spaces between them, so each such character is
indexed as a word of its own, and a query for several is a query for that phrase.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from glimpsed.ledger.part import Part, clean, key_of
from glimpsed.ledger.schema import files, texts
from glimpsed.ledger.values import Hit
from glimpsed.model import Answer

# Thai, Lao, Khmer and Burmese; kana, bopomofo, CJK and its extensions. Hangul has spaces.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u312f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_PAGE_LIMIT = 400_000  # characters of one page: PostgreSQL's index takes 1 MB of words

_OF_FILES = sa.select(texts.c.id, texts.c.body).where(texts.c.file.in_(sa.bindparam("ids", expanding=True)))
_DROP = sa.delete(texts).where(texts.c.file.in_(sa.bindparam("ids", expanding=True)))
_PUT = sa.insert(texts).returning(texts.c.id, sort_by_parameter_order=True)
_WORDS_PUT = sa.text("INSERT INTO words(rowid, body) VALUES (:id, :words)")
_VECTOR = sa.text("UPDATE texts SET vector = to_tsvector('simple', :words) WHERE id = :id")
_WORDS_DROP = sa.text("INSERT INTO words(words, rowid, body) VALUES ('delete', :id, :words)")
_FOUND = {
    "sqlite": "SELECT rowid AS id, rank FROM words WHERE words MATCH :query ORDER BY rank LIMIT :most",
    "postgresql": (
        "SELECT id, -ts_rank(vector, query) AS rank FROM texts, (SELECT {query} AS query) AS q"
        " WHERE vector @@ query ORDER BY rank LIMIT :most"
    ),
}
_PHRASE = re.compile(r'"([^"]*)"(\*?)|(\S+)')
_DIGITS = re.compile("[0-9]+")
_MOST_PHRASES = 100


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Words that stand side by side; with `begun`, the last of them may go on."""

    text: str
    quoted: bool
    begun: bool


class Search(Part):
    """Queries over the answers' text."""

    def search(self, text: str, *, limit: int = 50, folder: str | None = None) -> list[Hit]:
        """The pages that hold all of these words, best first; words in quotes stand side by side.

        ``invoic*`` is any word that begins so; where whole words find nothing, all that are not quoted are taken for
        beginnings.
        """
        wanted = _phrases(text)
        begun = [phrase if phrase.quoted else replace(phrase, begun=True) for phrase in wanted]
        found = self._found(wanted, limit, folder)
        return found or (self._found(begun, limit, folder) if begun != wanted else [])

    def _found(self, wanted: Sequence[_Phrase], limit: int, folder: str | None) -> list[Hit]:
        if not wanted:
            return []
        with self._database.read() as c:
            sqlite = c.dialect.name == "sqlite"
            query, values = _fts5(wanted) if sqlite else _tsquery(wanted)
            words = sa.text(_FOUND[c.dialect.name].format(query=query))
            found = words.columns(id=texts.c.id.type, rank=sa.Double()).subquery()
            statement = (
                sa.select(
                    files.c.id, files.c.folder, files.c.directory, files.c.name, texts.c.page, texts.c.body
                )
                .join_from(found, texts, texts.c.id == found.c.id)
                .join(files, files.c.id == texts.c.file)
                .order_by(found.c.rank, files.c.id, texts.c.page)
                .limit(limit)
            )
            if folder is not None:
                statement = statement.where(files.c.folder == folder)
            most = limit if folder is None else -1 if sqlite else None
            rows = c.execute(statement, {**values, "most": most}).all()
        looked_for = [phrase.text for phrase in wanted]
        return [Hit(key_of(row), row.page, matching_line(row.body, looked_for), row.id) for row in rows]


def _phrases(text: str) -> list[_Phrase]:
    found = []
    for part in list(_PHRASE.finditer(text))[:_MOST_PHRASES]:
        words, begun = (part[1], bool(part[2])) if part[3] is None else (part[3], part[3].endswith("*"))
        words = words.replace('"', " ").strip().strip("*")
        if any(c.isalnum() for c in words):
            found.append(_Phrase(words, quoted=part[3] is None, begun=begun))
    return found


def _fts5(wanted: Sequence[_Phrase]) -> tuple[str, dict[str, str]]:
    """SQLite's query language: ``"oak planks" "invoic"*``."""
    parts = [f'"{_spaced(phrase.text).strip()}"{"*" if phrase.begun else ""}' for phrase in wanted]
    return "", {"query": " ".join(parts)}


def _tsquery(wanted: Sequence[_Phrase]) -> tuple[str, dict[str, str]]:
    """PostgreSQL's, whose parser cuts the words; what it finds no word in finds nothing."""
    whole = "phraseto_tsquery('simple', :p{0})"
    begun = f"(nullif({whole}::text, '') || ':*')::tsquery"
    number = f"({begun} || ('-' || :p{{0}} || ':*')::tsquery)"  # it takes the 12345 of R-12345 for -12345
    parts = [
        (whole if not phrase.begun else number if _DIGITS.fullmatch(phrase.text) else begun).format(at)
        for at, phrase in enumerate(wanted)
    ]
    return " && ".join(parts), {f"p{at}": _spaced(phrase.text) for at, phrase in enumerate(wanted)}


def pages_of(answer: Answer) -> list[str]:
    """An answer's text, page by page."""
    return [page.text for page in answer.pages] if answer.pages else [answer.text]


def store(c: sa.Connection, several: Mapping[int, Sequence[str]]) -> None:
    """Index files' pages in place of what was indexed for them."""
    drop(c, list(several))
    bodies = [
        (file, number, body)
        for file, pages in several.items()
        for number, page in enumerate(pages, 1)
        if (body := (clean(page) or "")[:_PAGE_LIMIT]).strip()
    ]
    if bodies:
        rows = [{"file": file, "page": number, "body": body} for file, number, body in bodies]
        ids = c.execute(_PUT, rows).scalars()
        index = _WORDS_PUT if c.dialect.name == "sqlite" else _VECTOR
        c.execute(index, [{"id": i, "words": _spaced(b)} for i, (_, _, b) in zip(ids, bodies, strict=True)])


def drop(c: sa.Connection, ids: Sequence[int]) -> None:
    """Forget the text of these files."""
    if c.dialect.name == "sqlite":  # an index without content must be told what it is to forget
        indexed = c.execute(_OF_FILES, {"ids": list(ids)}).all()
        if not indexed:  # as of every file that is answered for the first time
            return
        c.execute(_WORDS_DROP, [{"id": row.id, "words": _spaced(row.body)} for row in indexed])
    c.execute(_DROP, {"ids": list(ids)})


def matching_line(body: str, words: Sequence[str]) -> str:
    """The line that holds most of these words; the first of those."""
    folded = [word.casefold() for word in words]
    lines = [line.strip() for line in body.splitlines() if line.strip()] or [""]
    return max(lines, key=lambda line: sum(word in line.casefold() for word in folded))


def _spaced(text: str) -> str:
    return _UNSPACED.sub(r" \1 ", text)
