"""The queue: a file version is offered, and claimed by a worker under a lease (DESIGN 2 and 8)."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

from glimpsed.ledger.lease import LEASE, Leases
from glimpsed.ledger.part import FORGET_ANSWERS, HOUR, ZONES, by_directory, chunks, key_of, written_from
from glimpsed.ledger.schema import HANDED, HELD, PathText, answers, directories, files, folders
from glimpsed.model import Answer, FileKey, Handing, Job, Offer, PageRecord, Version

_BATCH = 5000  # offers in one transaction
_ROWS = 500  # offers in one statement
_FEW = 8  # folders that are claimed from without asking first whether they have anything
_FOLDERS = 100  # folders in one claim: SQLite joins at most 500 SELECTs
_SLACK = 50  # rows looked at beyond those wanted, should other hosts take some at this very moment

# Many rows in one statement that is sent as it stands: ten times the rows a second of an ORM's insert.
# A row that is gone keeps in `was` what it was, and goes on from there when the same version is back;
# whatever else conflicts is another version, and starts over. Its sidecars stay on record in `written`, and
# what was asked about which content in `sha256` and `question`: it may only have been touched. A question
# without a content is one that failed, for the old version.
_OFFER_ROW = "(?, ?, ?, ?, ?, 'queued', ?, 0, ?, ?, 0, 0, 0, 0, 0, 0, ?)"
_SAME = "(files.size = excluded.size AND files.mtime_ns = excluded.mtime_ns)"
# A failure whose time alone is another, by whole hours (as `discover.rows` has it), is the failure that it was.
_SHIFTED = f"""(files.state = 'failed' AND files.size = excluded.size
  AND abs(excluded.mtime_ns - files.mtime_ns) <= {ZONES}
  AND (excluded.mtime_ns - files.mtime_ns) / {HOUR} * {HOUR} = excluded.mtime_ns - files.mtime_ns)"""
_OFFER = """
INSERT INTO files (folder, directory, name, size, mtime_ns, state, changed, due, priority, fresh,
  round, anew, claims, attempts, retries, cut_off, problem)
{rows}
ON CONFLICT (folder, directory, name) DO UPDATE SET
  state = CASE WHEN {shifted} THEN files.state
    WHEN {same} AND files.was IN ('done', 'answered', 'handing') THEN files.was ELSE 'queued' END,
  due = CASE WHEN {shifted} OR {same} AND files.was = 'done' THEN NULL ELSE excluded.due END,
  problem = CASE WHEN {same} AND files.was = 'failed' THEN files.reason ELSE excluded.problem END,
  was = CASE WHEN {same} THEN files.was END,
  size = excluded.size, mtime_ns = excluded.mtime_ns,
  changed = CASE WHEN {shifted} THEN files.changed ELSE excluded.changed END,
  priority = excluded.priority, round = 0,
  fresh = CASE WHEN {same} AND excluded.problem IS NULL THEN files.fresh ELSE excluded.fresh END, anew = 0, owner = NULL,
  question = CASE WHEN {shifted} OR {same} OR files.sha256 IS NOT NULL THEN files.question END,
  attempts = CASE WHEN {shifted} OR {same} AND files.was = 'failed' THEN files.attempts ELSE 0 END,
  advice = CASE WHEN {shifted} OR {same} AND files.was = 'failed' THEN files.advice END,
  retries = 0, cut_off = 0, reason = CASE WHEN {shifted} THEN files.reason END
WHERE (NOT {same} OR files.state = 'gone') AND NOT (files.state = 'handing' AND files.problem IS NOT NULL)
RETURNING id, folder, directory, name, state, was, claims"""
_OFFER_ARRAYS = (
    # PostgreSQL takes the columns as arrays: it parses thousands of single values slowly. And in binary (%b):
    # psycopg writes them as text with regular expressions, which takes as long as the insert itself.
    _OFFER.format(
        rows="""
SELECT folder, directory, name, size, mtime_ns, 'queued', changed, 0, priority, fresh, 0, 0, 0, 0, 0, 0, problem
FROM unnest(%b::text[], %b::bytea[], %b::bytea[], %b::bigint[], %b::bigint[], %b::double precision[],
  %b::integer[], %b::smallint[], %b::text[])
  AS offered(folder, directory, name, size, mtime_ns, changed, priority, fresh, problem)""",
        same=_SAME,
        shifted=_SHIFTED,
    )
)

# For each folder the first rows of the backlog and of the arrivals come straight from the index
# `files_claim`, whatever waits in other folders or is not due; their merge is the order of DESIGN 8.
# SQLite has no LATERAL, so there each folder is a SELECT of its own; PostgreSQL would plan those for longer
# than it runs them.
_HEAD = """
SELECT * FROM (SELECT id, priority, fresh, mtime_ns FROM files
  WHERE folder = {folder} AND fresh = {fresh} AND due <= :now
  ORDER BY priority DESC, mtime_ns, id
  LIMIT CASE WHEN {fresh} = 0 AND EXISTS (SELECT 1 FROM folders WHERE name = {folder} AND held > 0)
    THEN 0 ELSE :most END)"""
_HEADS = """
SELECT head.* FROM unnest(CAST(:folders AS text[])) AS wanted(folder)
  CROSS JOIN (VALUES (CAST(1 AS smallint)), (CAST(0 AS smallint))) AS kind(fresh)
  CROSS JOIN LATERAL ({head} AS rows) AS head"""
_CLAIM = """
UPDATE files SET state = CASE WHEN state IN ('answered', 'handing') THEN state ELSE 'running' END,
  owner = :owner, due = :until, claims = claims + 1
WHERE id IN (
  SELECT files.id FROM files JOIN (
    SELECT id FROM ({heads}) AS heads ORDER BY priority DESC, fresh DESC, mtime_ns, id LIMIT :most) AS head
  ON head.id = files.id WHERE files.due <= :now
  ORDER BY files.priority DESC, files.fresh DESC, files.mtime_ns, files.id LIMIT :limit {lock})
RETURNING {columns}"""
_COLUMNS = """id, folder, directory, name, size, mtime_ns, state, priority, fresh, round, anew, changed, claims,
  attempts, retries, cut_off, problem, advice, written, stem"""
# Those that wait to be written or handed over are few: by `files_state`, whatever else waits.
_CLAIM_ANSWERED = """
UPDATE files SET owner = :owner, due = :until, claims = claims + 1
WHERE id IN (
  SELECT id FROM files WHERE folder IN :folders AND state IN ('answered', 'handing') AND due <= :now
  ORDER BY changed LIMIT :limit {lock})
RETURNING {columns}"""
# Whose answer is known already, of those that wait for a model.
_CLAIM_KNOWN = """
UPDATE files SET state = 'running', owner = :owner, due = :until, claims = claims + 1
WHERE id IN (SELECT id FROM files WHERE id IN :known AND state = 'queued' AND anew = 0 {lock})
RETURNING {columns}"""

_NEXT_DUE = (
    sa.select(files.c.due)
    .where(
        sa.text("due > 0"),  # as `files_due` has it, for that index to be taken …
        files.c.due > sa.bindparam("now"),
        files.c.folder.concat("").in_(sa.bindparam("folders", expanding=True)),  # … and none of the folder's
    )
    .order_by(files.c.due)
    .limit(1)
)
# What the last listing of a directory came to is no more what its rows say.
OUTDATED = sa.delete(directories).where(
    directories.c.folder == sa.bindparam("folder"), directories.c.directory == sa.bindparam("directory")
)
_QUEUED_HERE = sa.update(files).where(
    files.c.folder == sa.bindparam("in_folder"),
    files.c.directory == sa.bindparam("in_directory"),
    files.c.name.in_(sa.bindparam("names", expanding=True)),
    files.c.state == "queued",
)
_HOLD = _QUEUED_HERE.values(fresh=HELD)
# What waits for `approve` is no arrival under another name. By `files_claim`, or once it is gone, `files_ignored`.
_before = files.alias("before")
_waited = sa.exists().where(
    _before.c.folder == sa.bindparam("in_folder"),
    _before.c.fresh == 0,
    _before.c.mtime_ns == files.c.mtime_ns,
    _before.c.size == files.c.size,
)
_WAIT_ON = _QUEUED_HERE.where(
    files.c.fresh == 1,
    files.c.problem.is_(None),
    sa.exists().where(folders.c.name == sa.bindparam("in_folder"), folders.c.held > 0),
    _waited.where(_before.c.due.is_not(None), _before.c.priority == files.c.priority)
    | _waited.where(_before.c.due.is_(None), _before.c.sha256.is_(None), _before.c.state == "gone"),
).values(fresh=0)
_OF_JOBS = sa.select(answers).where(answers.c.file.in_(sa.bindparam("ids", expanding=True)))
# One step down the index `files_claim` a folder with anything in the queue: of a thousand, most have nothing.
_WAITING = sa.text("""
WITH RECURSIVE found(folder) AS (
  SELECT (SELECT folder FROM files WHERE due IS NOT NULL ORDER BY folder LIMIT 1)
  UNION ALL
  SELECT (SELECT folder FROM files WHERE due IS NOT NULL AND folder > found.folder ORDER BY folder LIMIT 1)
  FROM found WHERE found.folder IS NOT NULL)
SELECT folder FROM found WHERE folder IS NOT NULL""")


class Queue(Leases):
    """Offers and claims."""

    def offer(
        self,
        offers: Sequence[Offer],
        now: float,
        *,
        unasked: int | None = None,
        before: Sequence[FileKey] = (),
    ) -> list[Offer]:
        """Queue what is new, or another version than the row's. Returns those that wait for work now.

        The same version as before changes nothing. A file that was gone and is back as it was goes on
        where it stopped: done stays done, a paid answer is written, a failure is told again unasked. A failure of
        another zone's time is the same.
        If these are more than `unasked`, they wait for `approve`, with what is still in the queue of `before`.
        """
        latest = {offer.key: offer for offer in offers}
        # Two hosts never deadlock.
        ordered = sorted(latest.values(), key=lambda o: (o.key.folder, o.key.path))
        queued: list[Offer] = []
        for batch in chunks(ordered, _BATCH):
            if not self._database.postgresql:
                # In the order of `files_claim`, each page of it is changed once, however old the files are.
                batch.sort(key=lambda o: (o.key.folder, o.version.mtime_ns))
            with self._database.write() as c:
                for few in chunks(batch, _ROWS):
                    queued += self._offer(c, few, now)
                for here in _places([offer.key for offer in queued if offer.fresh]):
                    c.execute(_WAIT_ON, here)
                if unasked is not None and len(queued) > unasked:
                    for here in _places([*before, *(offer.key for offer in queued)]):
                        c.execute(_HOLD, here)
                if queued:
                    self._database.tell(c)
        return queued

    def _offer(self, c: sa.Connection, offers: Sequence[Offer], now: float) -> list[Offer]:
        rows = {_path(offer): offer for offer in offers}
        values = [
            (*path, o.version.size, o.version.mtime_ns, now, o.priority, int(o.fresh), o.problem)
            for path, o in rows.items()
        ]
        if self._database.postgresql:
            taken = c.exec_driver_sql(_OFFER_ARRAYS, tuple(map(list, zip(*values, strict=True)))).all()
        else:
            taken = c.exec_driver_sql(_offer(len(rows)), tuple(chain.from_iterable(values))).all()
        places = {(row.folder, os.fsdecode(row.directory)) for row in taken}
        for folder, directory in sorted(places):
            c.execute(OUTDATED, {"folder": folder, "directory": directory})
        if superseded := [row.id for row in taken if row.was is None and row.claims]:
            c.execute(FORGET_ANSWERS, {"ids": superseded})
        if back := [row.id for row in taken if row.was is not None]:
            c.execute(_CLEAR_WAS, {"ids": back})
        waiting = (
            (row.folder, bytes(row.directory), bytes(row.name))
            for row in taken
            if row.state not in {"done", "failed"}
        )
        return [rows[path] for path in waiting]

    def claim(
        self,
        *,
        folders: Collection[str],
        limit: int,
        now: float,
        lease: float = LEASE,
        answered: bool = False,
        known: Sequence[int] = (),
    ) -> list[Job]:
        """Take up to `limit` rows that are due, for `lease` seconds; with `answered` those that need no model any more.

        And those of `known`, whose answer is there already, whether they are due or not.

        A row whose lease ran out is due like any other. Order: priority, arrivals before backlog, oldest
        file. The backlog of a folder that is held stays where it is.
        """
        rows: list[sa.Row[*tuple[Any, ...]]] = []
        pages: dict[int, list[sa.Row[*tuple[Any, ...]]]] = {}
        if not folders or limit < 1:
            return []
        with self._database.write() as c:
            if len(folders) > _FEW:
                folders = set(c.scalars(_WAITING)).intersection(folders)
            for some in chunks(sorted(folders), _FOLDERS):
                if (left := limit - len(rows)) < 1:
                    break
                values: dict[str, Any] = {
                    "now": now,
                    "until": now + lease,
                    "owner": self.owner,
                    "limit": left,
                    "most": left + _SLACK,
                }
                if answered:
                    statement, values["folders"] = _claim_answered(locks=self._database.postgresql), some
                elif self._database.postgresql:
                    # From a million rows on it would compile the statement first, 25 ms each time: of the limit
                    # within, it only sees that it is an expression, and so reckons with a tenth of the queue.
                    c.exec_driver_sql("SET LOCAL jit = off")
                    statement, values["folders"] = _claim(None), some
                else:
                    statement = _claim(len(some))
                    values |= {f"folder{n}": folder for n, folder in enumerate(some)}
                rows += c.execute(statement, values).all()
            if known:
                values = {"until": now + lease, "owner": self.owner, "known": list(known)}
                rows += c.execute(_claim_known(locks=self._database.postgresql), values).all()
            if rows:
                for page in c.execute(_OF_JOBS, {"ids": [row.id for row in rows]}):
                    pages.setdefault(page.file, []).append(page)
        rows.sort(key=lambda r: (-r.priority, -r.fresh, r.mtime_ns, r.id))
        return [_job(row, pages.get(row.id, [])) for row in rows]

    def next_due(self, folders: Collection[str], now: float) -> float | None:
        """When the next of these folders' rows becomes due after `now`: a retry, or the end of a lease."""
        with self._database.read() as c:
            due: float | None = c.scalar(_NEXT_DUE, {"now": now, "folders": list(folders)})
            return due


_CLEAR_WAS = sa.update(files).where(files.c.id.in_(sa.bindparam("ids", expanding=True))).values(was=None)


def _places(keys: Iterable[FileKey]) -> Iterator[dict[str, Any]]:
    """These files, as a statement that changes them by directory takes them."""
    for place, names in by_directory(keys):
        yield {"in_folder": place["folder"], "in_directory": place["directory"], "names": names}


def _path(offer: Offer) -> tuple[str, bytes, bytes]:
    directory, _, name = offer.key.path.rpartition("/")
    return offer.key.folder, os.fsencode(directory), os.fsencode(name)


@functools.lru_cache(maxsize=64)
def _offer(rows: int) -> str:
    return _OFFER.format(rows="VALUES " + ",".join([_OFFER_ROW] * rows), same=_SAME, shifted=_SHIFTED)


@functools.lru_cache(maxsize=64)
def _claim(folders: int | None) -> sa.TextualSelect:
    """The claim for so many folders in SQLite; None: for any number of them in PostgreSQL."""
    if folders is None:
        heads = _HEADS.format(head=_HEAD.format(folder="wanted.folder", fresh="kind.fresh"))
        lock = "FOR UPDATE OF files SKIP LOCKED"
    else:
        each = (_HEAD.format(folder=f":folder{n}", fresh=fresh) for n in range(folders) for fresh in (1, 0))
        heads, lock = "\nUNION ALL".join(each), ""
    sql = _CLAIM.format(heads=heads, lock=lock, columns=_COLUMNS)
    return sa.text(sql).columns(directory=PathText(), name=PathText(), stem=PathText())


@functools.cache
def _claim_answered(*, locks: bool) -> sa.TextualSelect:
    sql = _CLAIM_ANSWERED.format(lock="FOR UPDATE SKIP LOCKED" if locks else "", columns=_COLUMNS)
    named = sa.text(sql).bindparams(sa.bindparam("folders", expanding=True))
    return named.columns(directory=PathText(), name=PathText(), stem=PathText())


@functools.cache
def _claim_known(*, locks: bool) -> sa.TextualSelect:
    sql = _CLAIM_KNOWN.format(lock="FOR UPDATE SKIP LOCKED" if locks else "", columns=_COLUMNS)
    named = sa.text(sql).bindparams(sa.bindparam("known", expanding=True))
    return named.columns(directory=PathText(), name=PathText(), stem=PathText())


def _job(row: sa.Row[*tuple[Any, ...]], pages: Sequence[sa.Row[*tuple[Any, ...]]]) -> Job:
    by_page = {page.page: page.body for page in pages}
    handing, whole = row.state == "handing", by_page.get(0)
    return Job(
        id=row.id,
        key=key_of(row),
        version=Version(row.size, row.mtime_ns),
        attempts=row.attempts,
        retries=row.retries,
        cut_off=row.cut_off,
        fresh=bool(row.fresh),
        problem=None if handing else row.problem,
        advice=row.advice,
        answer=Answer.model_validate_json(whole) if whole and (handing or row.state == "answered") else None,
        pages=tuple(PageRecord.model_validate_json(body) for page, body in by_page.items() if page > 0),
        handing=Handing(tuple(json.loads(by_page.get(HANDED, "[]"))), row.problem is not None)
        if handing
        else None,
        written=written_from(row.written),
        stem=row.stem,
        since=row.changed,
        claim=row.claims,
        round=row.round,
        again=bool(row.anew),
    )
