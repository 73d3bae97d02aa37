"""Now: folders and their state, the queue, models, spend, what just happened; live."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from glimpsed.clock import elapsed
from glimpsed.errors import GlimpsedError
from glimpsed.httpd.protocol import STREAM_SECONDS
from glimpsed.ledger import FileRow, Ledger, local_day
from glimpsed.looks import charts
from glimpsed.looks.charts import Chart
from glimpsed.web.pages import render, site_of
from glimpsed.web.site import FRESH, Site

DAYS, HOURS = 30, 24  # that the charts show
CHARTS_FRESH = 30.0  # seconds
EVENTS = 12  # of what just happened
TICK = 2.0  # seconds between two looks for news
_WAITING = ("queued", "running", "answered", "handing")


@dataclass(frozen=True, slots=True)
class Todo:
    """What waits for a person: each is named at the top, and leads to where it can be dealt with."""

    folders: Sequence[tuple[str, Mapping[str, Any]]]  # that are lost
    held: Sequence[tuple[str, Mapping[str, Any]]]  # whose backlog waits to be approved
    models: Sequence[tuple[str, Mapping[str, Any]]]  # that are paused
    failed: int
    doubtful: int

    @property
    def shows(self) -> bool:
        """Whether there is any of it."""
        return bool(self.folders or self.held or self.models or self.failed or self.doubtful)


async def view(request: Request) -> Response:
    """The first page."""
    site = site_of(request)
    shot = await site.shot()
    folders = shot["folders"]
    waiting = sum(folder[state] for folder in folders.values() for state in _WAITING)
    rate = site.rates.all()
    events = await site.kept("events", FRESH, lambda: _events(site))
    return render(
        request,
        "now.html",
        number=_number(shot, events),
        shot=shot,
        todo=todo(shot),
        spent=await site.kept("spent", FRESH, lambda: _spent(site, shot["spend"]["currency"])),
        currency=site.config.budget.currency,
        waiting=waiting,
        rate=rate,
        end=waiting / rate * 60 if rate and waiting else None,
        events=events,
        charts=await site.kept("charts", CHARTS_FRESH, lambda: _charts(site, shot, waiting)),
    )


def todo(shot: Mapping[str, Any]) -> Todo:
    """What of all that goes on waits for a person. Pure."""
    folders, models = shot["folders"], shot["models"]
    return Todo(
        [(name, of) for name, of in folders.items() if of["state"] == "lost"],
        [(name, of) for name, of in folders.items() if of["waits_since"]],
        [(name, of) for name, of in models.items() if of["state"] == "paused"],
        sum(of["failed"] for of in folders.values()),
        sum(of["doubtful"] for of in folders.values()),
    )


async def live(request: Request) -> Response:
    """Server-sent events: a number, again and again; another one when there is something new to see."""
    headers = {"X-Accel-Buffering": "no"}  # nginx would hold it back
    return StreamingResponse(_news(site_of(request)), media_type="text/event-stream", headers=headers)


async def _news(site: Site) -> AsyncIterator[str]:
    until = elapsed() + STREAM_SECONDS
    yield "retry: 3000\n\n"
    while elapsed() < until:
        try:
            shot = await site.shot()
            events = await site.kept("events", FRESH, lambda: _events(site))
        except GlimpsedError:  # the ledger is away: nothing is said, and the reader is told by its own script
            await asyncio.sleep(TICK)
            continue
        yield f"data: {_number(shot, events)}\n\n"
        await asyncio.sleep(TICK)


def _number(shot: Mapping[str, Any], events: Sequence[FileRow]) -> str:
    """Another one for each page that looks different."""
    minute = int(time.time() // 60)  # later, charts and rates are others though nothing happened
    seen = json.dumps([shot, [(row.id, row.changed) for row in events], minute], sort_keys=True, default=str)
    return hashlib.sha256(seen.encode()).hexdigest()[:16]


async def _charts(site: Site, shot: dict[str, Any], waiting: int) -> dict[str, Chart]:
    """Those that show something."""
    now = time.time()
    today = local_day(now)
    first = charts.days_until(today, DAYS)[0]
    spend = await site.ask(Ledger.spend_between, first, today)
    counts = await site.ask(Ledger.through_by_hour, list(site.config.folders), now - HOURS * 3600)
    measured = await site.ask(Ledger.hours_since, now - (DAYS + 1) * 86400)
    agreed = await site.ask(Ledger.agreement_by_hour, now - (DAYS + 1) * 86400)
    hour = int(now // 3600)
    found = {
        "queue": charts.queue(measured, hour, HOURS, waiting, site.rates.all()),
        "spent": charts.spent(spend, today, DAYS, shot["spend"]["currency"], site.config.budget.per_day),
        "answered": charts.answered(spend, today, DAYS),
        "hourly": charts.hourly(counts, hour, HOURS),
        "stages": charts.stages(measured, today, DAYS),
        "agreement": charts.agreement(agreed, today, DAYS),
    }
    return {name: chart for name, chart in found.items() if chart.shows}


async def _spent(site: Site, currency: str) -> dict[str, float]:
    """What each folder cost this month, in this currency."""
    sums: dict[str, float] = {}
    for one in await site.ask(Ledger.spend_this_month, time.time()):
        if one.currency == currency:
            sums[one.folder] = sums.get(one.folder, 0.0) + one.cost
    return sums


async def _events(site: Site) -> list[FileRow]:
    names = list(site.config.folders)
    return await site.ask(Ledger.browse, names, ("done", "failed"), limit=EVENTS)
