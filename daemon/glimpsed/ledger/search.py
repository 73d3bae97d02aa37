"""Full-text search over the answers that are kept: SQLite's FTS5, PostgreSQL's text search, one way to cut words.

The index knows which answers have a word. Which of them have a phrase, on which page and how often, their texts tell:
those of the answers that were kept last, where very many have the words.

What the index says of a beginning costs as much as all words that begin so have answers. One that many of the answers
kept last have is looked for in their texts instead: a page of them is soon full.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.browse import folded as plain_name
from glimpsed.ledger.packed import pages_of
from glimpsed.ledger.part import CHUNK, ITS_OWN, Part, chunks, key_of
from glimpsed.ledger.schema import files, kept, questions, verifications
from glimpsed.ledger.values import Among, Hit, Matches
from glimpsed.ledger.words import Phrase, begun, folded, matching_line, phrases
from glimpsed.model import FileKey

LOOKED_AT = 100  # answers that are compared with one another, at least
# Files with the words that are looked at for a phrase, the newest: a second's work.
MOST, MOST_AT_ONCE = 20_000, 1_000

PROBED, OFTEN = (
    100,
    0.3,
)  # answers that tell how frequent a beginning is; the share that makes it one of these
READ = 1_000  # answers that are read for such beginnings, before the index is asked after all

FIRST = 2**62  # before the newest answer
Place = tuple[int, int]  # an answer's id and a file's, between two pages
Terms = dict[tuple[str, bool], None]  # each once: a word, and whether it is only the beginning of one

_FOUND = {
    "sqlite": sa.text(
        "SELECT rowid FROM said WHERE said MATCH :query AND rowid < :before ORDER BY rowid DESC LIMIT :most"
    ),
    "postgresql": sa.text(
        "SELECT id FROM kept WHERE vector @@ CAST(:query AS tsquery) AND id < :before ORDER BY id DESC LIMIT :most"
    ),
}
_NEWEST = sa.text("SELECT id FROM kept WHERE indexed = 1 AND id < :before ORDER BY id DESC LIMIT :most")
_NEWEST_TEXTS = (
    sa.select(kept.c.body, questions.c.facts)
    .join(questions, questions.c.id == kept.c.question)
    .where(kept.c.indexed == 1, kept.c.id < sa.bindparam("before"))
    .order_by(kept.c.id.desc())
    .limit(PROBED)
)
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
    .where(kept.c.id.in_(sa.bindparam("some", expanding=True)), files.c.state != "gone", ITS_OWN)
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
        wanted = phrases(text)
        return self._best(wanted, limit, folder) or self._best(begun(wanted), limit, folder)

    def found(
        self, text: str, among: Among, *, after: tuple[int, int] | None = None, limit: int = 50
    ) -> Matches:
        """A page of the files whose answer holds what `search` finds, in bounded time.

        `after` is `Matches.on` of the page before.
        """
        wanted = phrases(text)
        found = self._page(wanted, among, after, limit)
        return found if found.count or not found.every else self._page(begun(wanted), among, after, limit)

    def _best(self, wanted: Sequence[Phrase], limit: int, folder: str | None) -> list[Hit]:
        found: list[_Match] = []
        seen: set[int] = set()
        looked_at, patterns = 0, [phrase.pattern() for phrase in wanted]
        whose = _WHOSE if folder is None else _WHOSE.where(files.c.folder == folder)
        with self._database.read() as c:
            some = _answers(c, wanted, whose, max(limit, LOOKED_AT) + 1)  # one more shows that it is enough
            for row in itertools.chain.from_iterable(rows for _, rows, _ in some):
                enough = len(found) >= limit and len(seen) >= LOOKED_AT and row.id not in seen
                if enough or looked_at >= MOST:
                    break
                looked_at += 1
                if matches := _matches(row, patterns):
                    seen.add(row.id)
                    found += matches
        return _hits(sorted(found, key=lambda match: -match.score)[:limit], wanted)

    def _page(self, wanted: Sequence[Phrase], among: Among, after: Place | None, limit: int) -> Matches:
        with self._database.read() as c:
            counted, stopped = _look(c, wanted, among)
            rest, on = counted, stopped
            if after is not None:
                rest = [row for row in counted if _later(row.id, row.file, after)]
                if stopped is not None and len(rest) <= limit:
                    rest, on = _look(c, wanted, among, after, limit + 1)
        page = rest[:limit]
        on = (page[-1].id, page[-1].file) if len(rest) > limit else on
        patterns = [phrase.pattern() for phrase in wanted]
        best = [_matches(row, patterns) for row in page]
        shown = [max(some, key=lambda match: match.score) for some in best if some]
        return Matches(_hits(shown, wanted), on, len(counted), stopped is None)


def _look(
    c: sa.Connection,
    wanted: Sequence[Phrase],
    among: Among,
    after: Place | None = None,
    limit: int | None = None,
) -> tuple[list[Any], Place | None]:
    """The rows of the files that have all of it, the answers that were kept last first; and where it stopped, if early.

    Of a single word the index says all that is to be known: then no text is looked at to count those who have it.
    """
    name, patterns = plain_name(among.name), [phrase.pattern() for phrase in wanted]
    single = all(len(phrase.words) == 1 for phrase in wanted)
    found: list[Any] = []
    looked_at = passed = 0
    some = _answers(c, wanted, _whose(among), MOST_AT_ONCE, after[0] + 1 if after else FIRST)
    for at, rows, by_index in some:
        certain = single and by_index
        passed += CHUNK
        for row in rows:
            if after is not None and not _later(row.id, row.file, after):
                continue
            looked_at += 1
            named = not name or name in plain_name(key_of(row).path)
            if named and (certain or _matches(row, patterns)):
                found.append(row)
            if len(found) == limit:
                return found, (row.id, row.file)
        if looked_at >= MOST_AT_ONCE or passed >= MOST:
            return found, (at, FIRST)
    return found, None


def _later(answer: int, file: int, place: Place) -> bool:
    """Whether it comes after this place: answers that were kept last first, the files of one by number."""
    return answer < place[0] or (answer == place[0] and file > place[1])


def _whose(among: Among) -> sa.Select[Any]:
    # Hidden from SQLite's planner, which would go through all files of these states instead of those with these answers.
    here = files.c.folder.concat("").in_(among.folders) & files.c.state.concat("").in_(among.states)
    which = _WHOSE.where(here, (files.c.changed + 0).between(among.since, among.until))
    if not among.doubtful:
        return which
    read = (verifications.c.file == files.c.id) & (verifications.c.claim == files.c.claims)
    return which.where(sa.exists().where(read, verifications.c.doubtful == 1), files.c.state == "done")


def _answers(
    c: sa.Connection, wanted: Sequence[Phrase], whose: sa.Select[Any], most: int, before: int = FIRST
) -> Iterator[tuple[int, Sequence[sa.Row[*tuple[Any, ...]]], bool]]:
    """Answers that may match, those kept last first, each with every file that has it; some, down to an id.

    And whether the index says of them that they have all of the terms.
    """
    terms = dict.fromkeys(term for phrase in wanted for term in phrase.terms())
    often = _often(c, terms, before)
    to_read = READ if often else 0
    while terms:
        these = {term: None for term in terms if term not in often} if to_read else terms
        at_once = min(most, to_read or most)
        ids = _ids(c, these, before, at_once)
        for some in chunks(ids, CHUNK):
            yield some[-1], c.execute(whose, {"some": some}).all(), not to_read
        if len(ids) < at_once:
            return
        to_read, before, most = max(to_read - at_once, 0), ids[-1], min(4 * most, MOST)


def _often(c: sa.Connection, terms: Terms, before: int) -> set[tuple[str, bool]]:
    """The beginnings that many of the answers kept last before this one have."""
    some = {(term, True): Phrase((term,), quoted=False, begun=True) for term, begins in terms if begins}
    if not some:
        return set()
    rows = c.execute(_NEWEST_TEXTS, {"before": before}).all()
    texts = ["\n".join(map(folded, pages_of(row.body, row.facts))) for row in rows]
    patterns = {term: phrase.pattern() for term, phrase in some.items()}
    return {
        term for term, has in patterns.items() if sum(map(bool, map(has.search, texts))) >= OFTEN * PROBED
    }


def _ids(c: sa.Connection, terms: Terms, before: int, most: int) -> list[int]:
    """The answers kept last before this one that have all of these terms, as the index has it."""
    asked = {"before": before, "most": most}
    if not terms:
        return list(c.execute(_NEWEST, asked).scalars())
    query = _fts5(terms) if c.dialect.name == "sqlite" else _tsquery(terms)
    return list(c.execute(_FOUND[c.dialect.name], {"query": query, **asked}).scalars())


def _fts5(terms: Terms) -> str:
    """SQLite's query language: ``"oak" "invoic"*``."""
    return " ".join(f'"{term}"{"*" if begins else ""}' for term, begins in terms)


def _tsquery(terms: Terms) -> str:
    """PostgreSQL's: ``'oak' & 'invoic':*``."""
    return " & ".join(f"'{term}'{':*' if begins else ''}" for term, begins in terms)


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


def _hits(found: Sequence[_Match], wanted: Sequence[Phrase]) -> list[Hit]:
    return [Hit(m.key, m.page, matching_line(m.text, wanted), m.file) for m in found]


def _score(counts: Sequence[int], length: int) -> float:
    """The more often, on the shorter a page, the better; ever less so, as BM25 has it."""
    return sum(count / (count + 0.3 + length / 1000) for count in counts)
