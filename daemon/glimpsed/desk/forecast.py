"""Estimates: folders looked at, the sum put into words."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from glimpsed import eventloop
from glimpsed.config.schema import Folder
from glimpsed.desk.desk import Desk
from glimpsed.desk.desk import files as file_count
from glimpsed.disk import files
from glimpsed.disk.files import Root
from glimpsed.errors import ShareTrouble, Vanished
from glimpsed.estimate import Estimate, Past, of_folder
from glimpsed.estimate.survey import Kind, measured, past
from glimpsed.images import Images

LONGEST = 3e11  # seconds, about ten thousand years: more is no date


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one folder's files will take, and what that rests on."""

    estimate: Estimate
    types: dict[str, int]  # files by ending
    looked_at: int
    problem: str | None = None  # why the folder could not be looked at


def forecast(
    desk: Desk, folder: Folder, find: Callable[[Root], Mapping[str, Kind]], *, so_far: Past | None = None
) -> Forecast:
    """Measure what `find` finds below the folder's root, and reckon from that and from what answers took so far."""

    async def look(root: Root, kinds: Mapping[str, Kind]) -> Forecast:
        images = Images(desk.config.workers)
        try:
            groups = await measured(folder, kinds.values(), root, images)
        finally:
            await images.close()
        answered = so_far or past(desk.ledger, folder, time.time())
        cores = len(os.sched_getaffinity(0))
        expected = of_folder(groups, folder, desk.config.models, answered, cores=cores)
        return Forecast(expected, {e: k.files for e, k in kinds.items()}, sum(len(g.sample) for g in groups))

    try:
        root = files.find_root(folder.path)
        return eventloop.run(look(root, find(root)))
    except (ShareTrouble, Vanished) as e:
        return Forecast(Estimate(), {}, 0, str(e))


def in_words(estimate: Estimate) -> str:
    """``1,234 files, 1,300 pages, 1,430,000 + 650,000 tokens, 10.08 USD, 30 minutes``."""
    parts = [file_count(estimate.files), f"{estimate.pages:,} page{'' if estimate.pages == 1 else 's'}"]
    if estimate.input_tokens or estimate.output_tokens:
        parts.append(f"{estimate.input_tokens:,} + {estimate.output_tokens:,} tokens")
    return ", ".join([*parts, money(estimate), duration(estimate.seconds)])


def money(estimate: Estimate) -> str:
    """The cost, or why there is none to tell."""
    if estimate.cost is None:
        return "cost unknown (no price)"
    if not estimate.cost:
        return "no cost"
    return f"about {estimate.cost:,.2f} {estimate.currency}"


def duration(seconds: float) -> str:
    """As people say it."""
    import humanize

    return humanize.naturaldelta(dt.timedelta(seconds=min(seconds, LONGEST))) if seconds >= 1 else "no time"
