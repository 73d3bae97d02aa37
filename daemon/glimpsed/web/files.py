"""Files: every file, the latest first, by folder, state and time; or those whose answer holds what is searched for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from glimpsed.ledger import FileRow, Ledger
from glimpsed.ledger.browse import COUNTED, FOREVER, LOOKED_AT, folded
from glimpsed.ledger.queries import STATES
from glimpsed.ledger.values import Among
from glimpsed.web.excerpts import LONGEST, excerpt, marked
from glimpsed.web.pages import query, render, site_of

PER_PAGE = 50
DOUBTFUL = "doubtful"  # done, and a second reader read something else
DOUBTFUL_AT_ONCE = 500  # of which those of a name are shown on one page


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for."""

    folder: str
    state: str
    since: str  # days, both included
    until: str
    text: str
    name: str  # a part of the path
    after: str

    @property
    def span(self) -> tuple[float, float]:
        """Epoch seconds of the days."""
        first, last = _day(self.since), _day(self.until, days=1)
        return first.timestamp() if first else 0.0, last.timestamp() if last else FOREVER

    @property
    def place(self) -> tuple[float, int] | None:
        """The last file of the page before."""
        changed, _, number = self.after.rpartition("-")
        try:
            place = float(changed), int(number)
        except ValueError:
            return None
        return place if abs(place[0]) <= FOREVER and 0 <= place[1] < 1 << 63 else None

    def link(self, after: str = "") -> str:
        """The address of this list, or of its next page."""
        return "/files" + query(
            folder=self.folder,
            state=self.state,
            since=self.since,
            until=self.until,
            q=self.text,
            name=self.name,
            after=after,
        )


@dataclass(frozen=True, slots=True)
class ListRow:
    """A file of the list."""

    row: FileRow
    # Its answer's beginning, or the line that was found, what was searched for marked.
    begins: Sequence[tuple[str, bool]]
    page: int | None = None  # that was found


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of the list."""

    lines: Sequence[ListRow]
    following: str | None  # the address of the next one
    total: int | None = None  # None: nobody counted
    every: bool = True  # else there are more than `total`


async def view(request: Request) -> Response:
    """A page of the list."""
    site, asked = site_of(request), request.query_params
    wanted = Wanted(
        asked.get("folder", ""),
        asked.get("state", ""),
        asked.get("since", ""),
        asked.get("until", ""),
        asked.get("q", "").strip()[:LONGEST],
        asked.get("name", "").strip()[:LONGEST],
        asked.get("after", ""),
    )
    known = list(site.config.folders)
    look = _found if wanted.text else _named if wanted.name else _page
    listed: ListPage = await site.ask(look, known, wanted)
    if listed.total is None and not (wanted.name or wanted.text):
        listed = replace(listed, total=await _total(request, wanted))
    return render(
        request,
        "files.html",
        wanted=wanted,
        folders=known,
        states=(*STATES, DOUBTFUL),
        listed=listed,
        looked_at=LOOKED_AT,
    )


def _among(known: Sequence[str], wanted: Wanted) -> Among:
    """Of the folders that the config has, those that were asked for."""
    since, until = wanted.span
    doubtful = wanted.state == DOUBTFUL
    return Among(
        [name for name in known if wanted.folder in ("", name)],
        [state for state in STATES if wanted.state in ("", state) or (doubtful and state == "done")],
        since,
        until,
        wanted.name,
        doubtful,
    )


def _found(ledger: Ledger, known: Sequence[str], wanted: Wanted) -> ListPage:
    """Those whose answer holds what is searched for."""
    place = (int(wanted.place[0]), wanted.place[1]) if wanted.place else None
    found = ledger.found(wanted.text, _among(known, wanted), after=place, limit=PER_PAGE)
    rows = {row.id: row for row in ledger.all_numbered([hit.id for hit in found.hits])}
    lines = [
        ListRow(rows[hit.id], marked(hit.line, wanted.text), hit.page) for hit in found.hits if hit.id in rows
    ]
    on = wanted.link(f"{found.on[0]}-{found.on[1]}") if found.on else None
    return ListPage(lines, on, found.count, found.every)


def _named(ledger: Ledger, known: Sequence[str], wanted: Wanted) -> ListPage:
    """Those whose path holds what was typed: after so many that were looked at, the next page goes on."""
    before = wanted.place[1] if wanted.place else None
    among = _among(known, wanted)
    if among.doubtful:
        some = _doubtful(ledger, known, wanted, DOUBTFUL_AT_ONCE)
        on = some[-1].id if len(some) == DOUBTFUL_AT_ONCE else None
        rows = [row for row in some if folded(wanted.name) in folded(row.key.path)]
    else:
        rows, on = ledger.named(
            wanted.name,
            among.folders,
            among.states,
            since=among.since,
            until=among.until,
            before=before,
            limit=PER_PAGE,
        )
    return ListPage(_with_beginnings(ledger, rows), None if on is None else wanted.link(f"0-{on}"))


def _page(ledger: Ledger, known: Sequence[str], wanted: Wanted) -> ListPage:
    """All of them, the latest change first."""
    among, one_more = _among(known, wanted), PER_PAGE + 1
    if among.doubtful:
        rows = _doubtful(ledger, known, wanted, one_more)
    else:
        span = {"since": among.since, "until": among.until}
        rows = ledger.browse(among.folders, among.states, after=wanted.place, limit=one_more, **span)
    last = rows[PER_PAGE - 1] if len(rows) > PER_PAGE else None
    lines = _with_beginnings(ledger, rows[:PER_PAGE])
    following = wanted.link(f"{last.changed!r}-{last.id}") if last else None
    if among.doubtful or not (wanted.since or wanted.until):
        return ListPage(lines, following)
    count = ledger.count_between(among.folders, among.states, among.since, among.until)
    return ListPage(lines, following, count, count < COUNTED)


def _doubtful(ledger: Ledger, known: Sequence[str], wanted: Wanted, limit: int) -> list[FileRow]:
    folder = wanted.folder or None
    if folder is not None and folder not in known:
        return []
    since, until = wanted.span
    after = wanted.place[1] if wanted.place else 0
    found = ledger.doubtful_files(folder, after=after, limit=limit, since=since, until=until)
    return [row for _, row in found if row.key.folder in known]


def _with_beginnings(ledger: Ledger, rows: Sequence[FileRow]) -> list[ListRow]:
    begin = ledger.beginnings([row.id for row in rows])
    texts = {row.id: excerpt(" ".join(begin.get(row.id, "").split())) for row in rows}
    return [ListRow(row, [(texts[row.id], False)] if texts[row.id] else []) for row in rows]


async def _total(request: Request, wanted: Wanted) -> int | None:
    """How many there are in all, where that is kept."""
    if wanted.since or wanted.until:
        return None
    shot = await site_of(request).shot()
    counted = STATES if not wanted.state else (wanted.state,)
    counts = [of for name, of in shot["folders"].items() if wanted.folder in ("", name)]
    return sum(int(of[state]) for of in counts for state in counted if state in of)


def _day(text: str, *, days: int = 0) -> dt.datetime | None:
    """The beginning of a day, or of one so many days after it."""
    try:
        return (dt.datetime.fromisoformat(text[:10]) + dt.timedelta(days=days)).astimezone()
    except (ValueError, OverflowError):
        return None
