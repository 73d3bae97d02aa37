"""Files: every file, the latest first, by folder, state and time; or those whose answer holds what is searched for."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from glimpsed.desk import Desk
from glimpsed.ledger import FileRow, Ledger
from glimpsed.ledger.browse import FOREVER, LOOKED_AT, folded
from glimpsed.ledger.queries import STATES
from glimpsed.model import State, shown
from glimpsed.web.pages import query, render, site_of

PER_PAGE = 50
DOUBTFUL = "doubtful"  # done, and a second reader read something else
HITS = 100  # of a search
DOUBTFUL_AT_ONCE = 500  # of which those of a name are shown on one page
LONGEST = 200  # characters of a search, and of a line that is shown


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
        first, last = _day(self.since), _day(self.until)
        start = first.timestamp() if first else 0.0
        end = (last + dt.timedelta(days=1)).timestamp() if last else FOREVER
        return start, end

    @property
    def place(self) -> tuple[float, int] | None:
        """The last file of the page before."""
        changed, _, number = self.after.partition("-")
        try:
            return float(changed), int(number)
        except ValueError:
            return None

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
    folders = [name for name in known if wanted.folder in ("", name)]
    values: dict[str, Any] = {"wanted": wanted, "folders": known, "states": (*STATES, DOUBTFUL)}
    if wanted.text:
        hits, latest = await site.ask(
            Ledger.quick_search,
            wanted.text,
            limit=HITS,
            folder=wanted.folder if wanted.folder in known else None,
        )
        found = [
            (hit, marked(hit.line, wanted.text))
            for hit in hits
            if folded(wanted.name) in folded(hit.key.path)
        ]
        return render(request, "search.html", **values, hits=found, more=len(hits) == HITS, latest=latest)
    if wanted.name:
        return await _named(request, folders, wanted, values)
    rows = await site.ask(_page, folders, wanted)
    more = len(rows) > PER_PAGE
    last = rows[PER_PAGE - 1][0] if more else None
    return render(
        request,
        "files.html",
        **values,
        rows=rows[:PER_PAGE],
        total=await _total(request, folders, wanted),
        next=wanted.link(f"{last.changed!r}-{last.id}") if last else None,
    )


async def _named(
    request: Request, folders: Sequence[str], wanted: Wanted, values: dict[str, Any]
) -> Response:
    """A page of those whose path holds what was typed: after so many that were looked at, the next page goes on."""
    rows, on = await site_of(request).do(_by_name, folders, wanted)
    following = wanted.link(f"0-{on}") if on is not None else None
    return render(request, "files.html", **values, rows=rows, total=None, next=following, looked_at=LOOKED_AT)


def _by_name(
    desk: Desk, folders: Sequence[str], wanted: Wanted
) -> tuple[list[tuple[FileRow, str]], int | None]:
    before = wanted.place[1] if wanted.place else None
    if wanted.state == DOUBTFUL:
        folder = wanted.folder if wanted.folder in folders else None
        some = desk.ledger.doubtful_files(folder, after=before or 0, limit=DOUBTFUL_AT_ONCE)
        on = some[-1][0] if len(some) == DOUBTFUL_AT_ONCE else None
        rows = [row for _, row in some if folded(wanted.name) in folded(row.key.path)]
    else:
        states: Sequence[State] = [state for state in STATES if wanted.state in ("", state)]
        since, until = wanted.span
        rows, on = desk.ledger.named(
            wanted.name, folders, states, since=since, until=until, before=before, limit=PER_PAGE
        )
    return _with_beginnings(desk.ledger, rows), on


def _page(ledger: Ledger, folders: Sequence[str], wanted: Wanted) -> list[tuple[FileRow, str]]:
    """One file more than a page holds, each with the beginning of its answer."""
    if wanted.state == DOUBTFUL:
        after = wanted.place[1] if wanted.place else 0
        folder = wanted.folder if wanted.folder in folders else None
        found = [row for _, row in ledger.doubtful_files(folder, after=after, limit=PER_PAGE + 1)]
        return _with_beginnings(ledger, found)
    states: Sequence[State] = [state for state in STATES if wanted.state in ("", state)]
    since, until = wanted.span
    rows = ledger.browse(folders, states, since=since, until=until, after=wanted.place, limit=PER_PAGE + 1)
    return _with_beginnings(ledger, rows)


def _with_beginnings(ledger: Ledger, rows: Sequence[FileRow]) -> list[tuple[FileRow, str]]:
    begin = ledger.beginnings([row.id for row in rows])
    return [(row, shown(" ".join(begin.get(row.id, "").split()))[:LONGEST]) for row in rows]


async def _total(request: Request, folders: Sequence[str], wanted: Wanted) -> int | None:
    """How many there are in all, where that is kept; a time is not counted."""
    if wanted.since or wanted.until:
        return None
    shot = await site_of(request).shot()
    counted = STATES if not wanted.state else (wanted.state,)
    counts = [shot["folders"][name] for name in folders if name in shot["folders"]]
    return sum(int(of[state]) for of in counts for state in counted if state in of)


def marked(line: str, text: str) -> list[tuple[str, bool]]:
    """A line in pieces, those that were searched for marked; cut so that the first of them shows."""
    words = [re.escape(word) for part in text.split() if (word := part.strip('"*'))]
    line = shown(line)
    if not words:
        return [(line[:LONGEST], False)] if line else []
    pattern = re.compile("|".join(sorted(words, key=len, reverse=True)), re.IGNORECASE)
    first = pattern.search(line)
    start = max(0, first.start() - 60) if first and len(line) > LONGEST else 0
    line = ("…" if start else "") + line[start : start + LONGEST]
    pieces, at = [], 0
    for found in pattern.finditer(line):
        pieces += [(line[at : found.start()], False), (found[0], True)]
        at = found.end()
    return [piece for piece in [*pieces, (line[at:], False)] if piece[0]]


def _day(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text[:10]).astimezone()
    except (ValueError, OverflowError):
        return None
