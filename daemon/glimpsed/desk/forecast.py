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
from glimpsed.disk import files
from glimpsed.disk.files import Root
from glimpsed.errors import ShareTrouble, Vanished
from glimpsed.estimate import Estimate, Past, of_folder
from glimpsed.estimate.survey import Kind, measured, past
from glimpsed.images.prepare import Images
from glimpsed.language import Language, translator

LEAST = 0.0001  # of a currency: less is said as that
_LOCALES: Mapping[Language, str] = {"zh": "zh_CN"}  # as humanize calls them
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


def in_words(estimate: Estimate, language: Language = "en") -> str:
    """``1,234 files, 1,300 pages, 1,430,000 + 650,000 tokens, 10.08 USD, 30 minutes``, in this language."""
    found = translator(language)
    _, ngettext = found.gettext, found.ngettext
    parts = [
        ngettext("{:,} file", "{:,} files", estimate.files).format(estimate.files),
        ngettext("{:,} page", "{:,} pages", estimate.pages).format(estimate.pages),
    ]
    if estimate.input_tokens or estimate.output_tokens:
        parts.append(_("{0:,} + {1:,} tokens").format(estimate.input_tokens, estimate.output_tokens))
    return _(", ").join([*parts, money(estimate, language), duration(estimate.seconds, language)])


def money(estimate: Estimate, language: Language = "en") -> str:
    """The cost, or why there is none to tell."""
    _ = translator(language).gettext
    if estimate.cost is None:
        return _("cost unknown (no price)")
    if not estimate.cost:
        return _("no cost")
    if estimate.cost < LEAST:
        return _("less than {0} {1}").format(LEAST, estimate.currency)
    # What one file costs are often parts of a cent.
    amount = f"{estimate.cost:,.2f}" if estimate.cost >= 0.1 else f"{estimate.cost:.4f}"
    return _("about {0} {1}").format(amount, estimate.currency)


def duration(seconds: float, language: Language = "en") -> str:
    """As people say it."""
    import humanize

    if seconds < 1:
        return translator(language).gettext("no time")
    if language in _LOCALES:
        humanize.i18n.activate(_LOCALES[language])
    try:
        return humanize.naturaldelta(dt.timedelta(seconds=min(seconds, LONGEST)))
    finally:
        humanize.i18n.deactivate()  # it is this thread's
