"""The last stage of a file: its sidecars stand, and it is handed over until that succeeds (DESIGN 8).

The row is `handing` until then, and keeps its answer. What was done of it is kept beside the answer. While a command
runs that may write to the image, the row says so: what comes of the image then is no new version, also after a crash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.finish import DONE, OURS, Finish
from glimpsed.ledger.part import FORGET_ANSWERS, HELD_LEASE, clean, key_of, written_text
from glimpsed.ledger.schema import HANDED, IN_COMMAND, answers, files, kept, reviews, verifications
from glimpsed.model import Answer, FileKey, Job, Version, Written

_HANDING = (
    sa.update(files)
    .where(HELD_LEASE)
    .values(
        state="handing",
        changed=sa.bindparam("at"),
        written=sa.bindparam("sidecars"),
        size=sa.bindparam("bytes"),
        mtime_ns=sa.bindparam("modified"),
        problem=sa.bindparam("in_command"),
        retries=sa.bindparam("tries"),
        cut_off=0,
        reason=None,
    )
)
_FAILED = (
    sa.update(files)
    .where(HELD_LEASE)
    .values(
        state="failed",
        was="handing",
        changed=sa.bindparam("at"),
        reason=sa.bindparam("why"),
        advice=sa.bindparam("what"),
        problem=None,
        due=None,
        owner=None,
    )
)
_ELSEWHERE = DONE.values(
    folder=sa.bindparam("new_folder"),
    directory=sa.bindparam("new_directory"),
    name=sa.bindparam("new_name"),
    stem=sa.bindparam("old_stem"),
    size=sa.bindparam("bytes"),
    mtime_ns=sa.bindparam("modified"),
)
_AT = sa.select(files.c.id).where(
    files.c.folder == sa.bindparam("folder"),
    files.c.directory == sa.bindparam("directory"),
    files.c.name == sa.bindparam("name"),
)
_STAGE = sa.case((files.c.state == "gone", files.c.was), else_=files.c.state)
_OTHERS = (
    sa.select(
        files.c.folder, files.c.directory, files.c.name, files.c.owner, _STAGE.label("stage"), answers.c.body
    )
    .select_from(files.outerjoin(answers, sa.and_(answers.c.file == files.c.id, answers.c.page == HANDED)))
    .where(
        files.c.sha256 == sa.bindparam("hash"),
        files.c.folder == sa.bindparam("folder"),
        files.c.size == sa.bindparam("bytes"),
        files.c.mtime_ns == sa.bindparam("modified"),
        files.c.id != sa.bindparam("job"),
        _STAGE.in_(("done", "handing")),
    )
)
_GONE_FOR = sa.delete(files).where(files.c.id.in_(sa.bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class HandedSoFar:
    """How far a file is handed over, or was."""

    path: str  # in its folder
    done: bool
    steps: tuple[str, ...]  # done of it, where all is not
    in_hand: bool


class HandingOver(Finish):
    """What changes a row returns False when the lease was lost: then nothing more is to be done."""

    def handing(
        self,
        job: Job,
        written: Sequence[Written],
        version: Version,
        now: float,
        *,
        answer: Answer | None = None,
        steps: Sequence[str] = (),
        in_command: bool = False,
        retries: int = 0,
    ) -> bool:
        """The sidecars stand, these steps are done, and this is what the image has become, and its answer with it.

        `in_command`: from now on a command may write to it.
        """
        values = {
            "at": now,
            "sidecars": written_text(written),
            "bytes": version.size,
            "modified": version.mtime_ns,
            "in_command": IN_COMMAND if in_command else None,
            "tries": retries,
        }
        with self._database.write(durable=True) as c:
            if not c.execute(_HANDING, values | self._lease(job)).rowcount:
                return False
            c.execute(self._put_answer, {"file": job.id, "page": HANDED, "body": json.dumps(list(steps))})
            if answer is not None:
                c.execute(self._put_answer, {"file": job.id, "page": 0, "body": answer.model_dump_json()})
            return True

    def handed(self, job: Job, sha256: str) -> list[HandedSoFar]:
        """How far other rows of the job's folder that have its version and content are handed over, or were when they went."""
        with self._database.read() as c:
            rows = c.execute(_OTHERS, {"job": job.id, "folder": job.key.folder, "hash": bytes.fromhex(sha256),
                                       "bytes": job.version.size, "modified": job.version.mtime_ns})  # fmt: skip
            return [
                HandedSoFar(key_of(row).path, row.stage == "done", tuple(json.loads(row.body or "[]")), row.owner is not None)
                for row in rows
            ]  # fmt: skip

    def not_handed_over(self, job: Job, reason: str, advice: str, now: float) -> bool:
        """Given up, until somebody says `retry`: the answer and the sidecars stay."""
        values = {"at": now, "why": clean(reason), "what": clean(advice)}
        with self._database.write() as c:
            return bool(c.execute(_FAILED, values | self._lease(job)).rowcount)

    def handed_over(
        self, job: Job, key: FileKey, version: Version, written: Sequence[Written], now: float
    ) -> bool:
        """Done, at this place. Whatever row there was of it is no more."""
        values: dict[str, Any] = {
            "job": job.id,
            "at": now,
            "sidecars": written_text(written),
            "new_folder": key.folder,
            "new_directory": key.directory,
            "new_name": key.name,
            "old_stem": job.stem
            if key.name == job.key.name
            else job.stem or os.path.splitext(job.key.name)[0],
            "bytes": version.size,
            "modified": version.mtime_ns,
        }
        with self._database.write() as c:
            if c.execute(OURS, self._lease(job)).one_or_none() is None:
                return False
            where = {"folder": key.folder, "directory": key.directory, "name": key.name}
            others = [found for found in c.execute(_AT, where).scalars() if found != job.id]
            if others:
                c.execute(_GONE_FOR, {"ids": others})
                for table in (verifications, reviews):
                    c.execute(sa.delete(table).where(table.c.file.in_(others)))
                c.execute(sa.update(kept).where(kept.c.file.in_(others)).values(file=job.id))
            c.execute(FORGET_ANSWERS, {"ids": [job.id, *others]})
            self._written(c, [job])
            c.execute(_ELSEWHERE, values)
            return True
