"""Now: folders and their state, the queue, models, spend, what just happened; live."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from glimpsed.clock import elapsed
from glimpsed.errors import GlimpsedError
from glimpsed.ledger import FileRow, Ledger
from glimpsed.web.pages import render, site_of
from glimpsed.web.server import STREAM_SECONDS
from glimpsed.web.site import FRESH, Site

EVENTS = 12  # of what just happened
TICK = 2.0  # seconds between two looks for news
_WAITING = ("queued", "running", "answered", "handing")


async def view(request: Request) -> Response:
    """The first page."""
    site = site_of(request)
    shot = await site.shot()
    folders = shot["folders"]
    waiting = sum(folder[state] for folder in folders.values() for state in _WAITING)
    rate = site.rates.all()
    return render(
        request,
        "now.html",
        shot=shot,
        waiting=waiting,
        rate=rate,
        end=waiting / rate * 60 if rate and waiting else None,
        events=await site.kept("events", FRESH, lambda: _events(site)),
    )


async def live(request: Request) -> Response:
    """Server-sent events: a number that changes when there is something new to see."""
    headers = {"X-Accel-Buffering": "no"}  # nginx would hold it back
    return StreamingResponse(_news(site_of(request)), media_type="text/event-stream", headers=headers)


async def _news(site: Site) -> AsyncIterator[str]:
    until = elapsed() + STREAM_SECONDS
    told = ""
    yield "retry: 3000\n\n"
    while elapsed() < until:
        try:
            shot = await site.shot()
            events = await site.kept("events", FRESH, lambda: _events(site))
        except GlimpsedError:
            await asyncio.sleep(TICK)
            continue
        seen = json.dumps([shot, [(row.id, row.changed) for row in events]], sort_keys=True, default=str)
        number = hashlib.sha256(seen.encode()).hexdigest()[:16]
        yield f"data: {number}\n\n" if number != told else ": still there\n\n"
        told = number
        await asyncio.sleep(TICK)


async def _events(site: Site) -> list[FileRow]:
    names = list(site.config.folders)
    return await site.ask(Ledger.browse, names, ("done", "failed"), limit=EVENTS)
