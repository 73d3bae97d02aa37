"""A ledger to leaf through, however many files it has: what a reader at the live page asks."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.kept import unpack
from glimpsed.ledger.part import CHUNK, Part, chunks, file_row
from glimpsed.ledger.schema import files, kept, texts
from glimpsed.ledger.values import FileRow, Reason
from glimpsed.model import Answer, State

_BATCH = 1000  # failed files that are looked at in one transaction
_HERE = (files.c.folder == sa.bindparam("folder")) & (files.c.state == sa.bindparam("state"))
_WHEN = files.c.changed.between(sa.bindparam("since"), sa.bindparam("until"))
_NEWEST = files.c.changed.desc(), files.c.id.desc()
# Two ranges of the index `files_state`, which ends with the id: as one condition, it would be read from its start.
_BEFORE = sa.select(files).where(_HERE, _WHEN, files.c.changed < sa.bindparam("changed")).order_by(*_NEWEST)
_BESIDE = (
    sa.select(files)
    .where(_HERE, _WHEN, files.c.changed == sa.bindparam("changed"), files.c.id < sa.bindparam("id"))
    .order_by(files.c.id.desc())
)
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
        span = {"since": since, "until": until, "changed": changed, "id": at}
        with self._database.read() as c:

            def of(folder: str, state: State) -> Iterator[FileRow]:
                values = {**span, "folder": folder, "state": state}
                beside = c.execute(_BESIDE.limit(limit), values) if after else ()
                for row in itertools.chain(beside, c.execute(_BEFORE.limit(limit), values)):
                    yield file_row(row)

            found = heapq.merge(
                *(list(of(folder, state)) for folder in folders for state in states),
                key=lambda row: (-row.changed, -row.id),
            )
            return list(itertools.islice(found, limit))

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

    def beginnings(self, numbers: Sequence[int], characters: int = 300) -> dict[int, str]:
        """How the answers of these files begin, where the index has their text."""
        start = sa.func.substr(texts.c.body, 1, characters).label("start")
        which = sa.select(texts.c.file, start).where(texts.c.file.in_(list(numbers)), texts.c.page == 1)
        with self._database.read() as c:
            return {row.file: row.start for row in c.execute(which)}

    def reasons(self, folders: Sequence[str]) -> list[Reason]:
        """Why files of these folders failed, by what was said of them, the most frequent first."""
        with self._database.read() as c:
            found = [
                Reason(folder, row.reason or "", row.advice or "", row.many, row.last)
                for folder in folders
                for row in c.execute(_REASONS, {"folder": folder})
            ]
        return sorted(found, key=lambda reason: -reason.files)

    def failed_files(self, folder: str) -> Iterator[FileRow]:
        """Every failed file of a folder; read in parts, so that nobody waits meanwhile."""
        last = 0
        while True:
            part = sa.select(files).where(
                files.c.folder == folder, files.c.state == "failed", files.c.id > last
            )
            with self._database.read() as c:
                found = [file_row(row) for row in c.execute(part.order_by(files.c.id).limit(_BATCH))]
            if not found:
                return
            yield from found
            last = found[-1].id

    def answers_about(self, sha256: str, limit: int = 20) -> list[tuple[str, Answer]]:
        """All answers that are kept about a content, each with its question, the latest first."""
        which = sa.select(kept.c.question, kept.c.body).where(kept.c.sha256 == bytes.fromhex(sha256))
        with self._database.read() as c:
            rows = c.execute(which.order_by(kept.c.at.desc()).limit(limit)).all()
        return [(row.question, answer) for row in rows if (answer := _readable(row.body)) is not None]


def _readable(body: Any) -> Answer | None:
    try:
        return unpack(body)
    except ValueError:
        return None
