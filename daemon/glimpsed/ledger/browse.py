"""A ledger to leaf through, however many files it has: what a reader at the live page asks."""

from __future__ import annotations

import heapq
import itertools
import math
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.packed import pages_of
from glimpsed.ledger.part import CHUNK, ITS_OWN, Part, chunks, file_row
from glimpsed.ledger.schema import files, kept, questions
from glimpsed.ledger.values import FileRow, Reason
from glimpsed.model import State

_BATCH = 1000  # failed files that are looked at in one transaction
_HERE = (files.c.folder == sa.bindparam("folder")) & (files.c.state == sa.bindparam("state"))
_WHEN = files.c.changed.between(sa.bindparam("since"), sa.bindparam("until"))
_NEWEST = files.c.changed.desc(), files.c.id.desc()
# Two ranges of the index `files_state`, which ends with the id: as one condition, it would be read from its start.
# What they find is in the index itself: rows are read only of those that are shown.
_HEADS = sa.select(files.c.changed, files.c.id)
# Each with one bound to an end of its range: of two, SQLite takes the first, and reads from there.
_BEFORE = _HEADS.where(
    _HERE, files.c.changed >= sa.bindparam("since"), files.c.changed < sa.bindparam("changed")
).order_by(*_NEWEST)
_BESIDE = _HEADS.where(
    _HERE, files.c.changed == sa.bindparam("changed"), files.c.id < sa.bindparam("id")
).order_by(files.c.id.desc())
_REASONS = (
    sa.select(
        files.c.reason,
        files.c.advice,
        sa.func.count().label("many"),
        sa.func.max(files.c.changed).label("last"),
    )
    .where(files.c.folder == sa.bindparam("folder"), files.c.state == "failed")
    .group_by(files.c.reason, files.c.advice)
)
FOREVER = 1e18  # s
COUNTED = 100_000  # files of a time, at most
LOOKED_AT = 20_000  # files whose names are looked at for one page, so that nobody waits for all of a million
_NAMES = sa.select(
    files.c.id, files.c.folder, files.c.state, files.c.changed, files.c.directory, files.c.name
)
_RESCAN = "rescan asked"
_BEGINNING = 300  # characters of an answer


class Browse(Part):
    """Pages of files, newest change first, and what failed by its reason."""

    def browse(
        self,
        folders: Sequence[str],
        states: Sequence[State],
        *,
        since: float = 0.0,
        until: float = FOREVER,
        after: tuple[float, int] | None = None,
        limit: int = 50,
    ) -> list[FileRow]:
        """The files of these folders in these states whose state changed in this time, the latest first.

        `after` is (changed, id) of the last one of the page before.
        """
        changed, at = after or (FOREVER, 0)
        beside = since <= changed <= until  # else nothing of that moment is asked for
        span = {"since": since, "changed": min(changed, math.nextafter(until, math.inf)), "id": at}
        with self._database.read() as c:

            def of(folder: str, state: State) -> list[tuple[float, int]]:
                values = {**span, "folder": folder, "state": state}
                found = (
                    [(row[0], row[1]) for row in c.execute(_BESIDE.limit(limit), values)]
                    if after and beside
                    else []
                )
                if len(found) < limit:
                    found += [
                        (row[0], row[1]) for row in c.execute(_BEFORE.limit(limit - len(found)), values)
                    ]
                return found

            heads = heapq.merge(*(of(folder, state) for folder in folders for state in states), reverse=True)
            numbers = [number for _, number in itertools.islice(heads, limit)]
            rows = {
                row.id: file_row(row) for row in c.execute(sa.select(files).where(files.c.id.in_(numbers)))
            }
            return [rows[number] for number in numbers]

    def count_between(
        self, folders: Sequence[str], states: Sequence[State], since: float, until: float, most: int = COUNTED
    ) -> int:
        """How many `browse` finds in all, as far as that is counted: `most`. From the index alone."""
        count = 0
        with self._database.read() as c:
            for folder, state in itertools.product(folders, states):
                span = {"folder": folder, "state": state, "since": since, "until": until}
                some = sa.select(files.c.id).where(_HERE, _WHEN).limit(most - count).subquery()
                count += c.scalar(sa.select(sa.func.count()).select_from(some), span) or 0
        return count

    def named(
        self,
        text: str,
        folders: Sequence[str],
        states: Sequence[State],
        *,
        since: float = 0.0,
        until: float = FOREVER,
        before: int | None = None,
        limit: int = 50,
        most: int = LOOKED_AT,
    ) -> tuple[list[FileRow], int | None]:
        """As `browse`, those whose path holds a text, in upper or lower case; the latest that came first.

        Also the number of the last file that was looked at, where there may be more: after `limit` that were found, or
        `most` that were looked at. It is `before` of the next page.
        """
        wanted, within, among = folded(text), frozenset(folders), frozenset(states)
        found: list[int] = []
        for row in itertools.islice(self._newest_names(before), most):
            before = row.id
            path = f"{row.directory}/{row.name}" if row.directory else row.name
            if (
                row.folder in within
                and row.state in among
                and since <= row.changed <= until
                and wanted in folded(path)
            ):
                found.append(row.id)
                if len(found) == limit:
                    break
        with self._database.read() as c:
            oldest = c.scalar(sa.select(sa.func.min(files.c.id)))
        more = before is not None and oldest is not None and oldest < before
        rows = {row.id: row for row in self.all_numbered(found)}
        return [rows[number] for number in found if number in rows], before if more else None

    def _newest_names(self, before: int | None) -> Iterator[sa.Row[*tuple[Any, ...]]]:
        """Every file's, the latest that came first; read in parts, so that nobody waits meanwhile."""
        while True:
            part = _NAMES if before is None else _NAMES.where(files.c.id < before)
            with self._database.read() as c:
                rows = c.execute(part.order_by(files.c.id.desc()).limit(_BATCH)).all()
            if not rows:
                return
            yield from rows
            before = rows[-1].id

    def numbered(self, number: int) -> FileRow | None:
        """The file of this number."""
        return next(iter(self.all_numbered([number])), None)

    def all_numbered(self, numbers: Sequence[int]) -> list[FileRow]:
        """The files of these numbers, as far as there are any."""
        with self._database.read() as c:
            return [
                file_row(row)
                for some in chunks(list(dict.fromkeys(numbers)), CHUNK)
                for row in c.execute(sa.select(files).where(files.c.id.in_(some)))
            ]

    def beginnings(self, numbers: Sequence[int]) -> dict[int, str]:
        """How the answers of these files begin, where they are kept."""
        same = (kept.c.sha256 == files.c.sha256) & (kept.c.question == questions.c.id)
        which = (
            sa.select(files.c.id, kept.c.body, questions.c.facts)
            .join_from(files, questions, questions.c.asked == sa.func.coalesce(files.c.question, ""))
            .join(kept, same)
            .where(files.c.id.in_(list(numbers)), ITS_OWN)
        )
        with self._database.read() as c:
            pages = {row.id: pages_of(row.body, row.facts) for row in c.execute(which)}
        return {number: first[:_BEGINNING] for number, (first, *_) in pages.items() if first}

    def reasons(self, folders: Sequence[str]) -> list[Reason]:
        """Why files of these folders failed, by what was said of them, the most frequent first."""
        with self._database.read() as c:
            found = [
                Reason(folder, row.reason or "", row.advice or "", row.many, row.last)
                for folder in folders
                for row in c.execute(_REASONS, {"folder": folder})
            ]
        return sorted(found, key=lambda reason: -reason.files)

    def through_by_hour(self, folders: Sequence[str], since: float) -> dict[str, dict[int, int]]:
        """How many files of each folder were done or failed, by hours since 1970; from the index alone."""
        hour = sa.cast(sa.func.floor(files.c.changed / 3600), sa.BigInteger).label("hour")
        of = sa.select(hour, sa.func.count()).where(_HERE, files.c.changed >= since).group_by(hour)
        found: dict[str, dict[int, int]] = {}
        with self._database.read() as c:
            for folder in folders:
                counts = found.setdefault(folder, {})
                for state in ("done", "failed"):
                    for at, many in c.execute(of, {"folder": folder, "state": state}):
                        counts[at] = counts.get(at, 0) + many
        return found

    def ask_rescan(self, now: float) -> None:
        """Have every daemon on this ledger list its folders in full; see `rescan_asked`."""
        self.note(_RESCAN, repr(now), tell=True)

    def rescan_asked(self) -> str | None:
        """Another value each time that somebody asked for it."""
        return self.noted(_RESCAN)

    def failed_files(self, folder: str) -> Iterator[FileRow]:
        """Every failed file of a folder, the latest first; read in parts, so that nobody waits meanwhile."""
        after: tuple[float, int] | None = None
        while found := self.browse([folder], ["failed"], after=after, limit=_BATCH):
            yield from found
            after = found[-1].changed, found[-1].id


def folded(text: str) -> str:
    """A name as people take it for the same: whatever its case, its width, and the way that its accents are written."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
