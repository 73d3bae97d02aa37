"""Metrics that nobody sets meanwhile: what waits, which folders are up, which models pause."""

from __future__ import annotations

from glimpsed import metrics
from glimpsed.ledger import Books, Ledger
from glimpsed.service.folders import Folders
from glimpsed.service.models import Models


async def set_gauges(books: Books, folders: Folders, models: Models) -> None:
    """As they are now."""
    names = folders.names
    counts = await books(Ledger.counts, names)
    for watch in folders:
        name, state = watch.folder.name, watch.state
        metrics.files(name, counts.get(name, {}))
        metrics.folder(name, up=state.state != "lost", mode=state.mode)
        metrics.degraded(name, state.reason if state.state == "degraded" else None)
    since = [await books(Ledger.waiting_since, name) for name in names]
    oldest = min((s for s in since if s is not None), default=None)
    metrics.queue_age(0.0 if oldest is None else max(0.0, books.clock.wall() - oldest))
    for model in models:
        metrics.paused(model.entry.name, paused=model.pacing.paused is not None)
