"""What `glimpsed status` and the page tell, as plain data: the shape of ``status --json`` (DESIGN 6)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glimpsed.config import state_url
from glimpsed.desk.desk import Desk
from glimpsed.ledger.engine import parsed, told
from glimpsed.model import shown, utc

if TYPE_CHECKING:
    from glimpsed.clock import Clock
    from glimpsed.config import Config, Folder
    from glimpsed.ledger import Daemon, Ledger, Paused, Spend

FAILURES = 5  # of the latest that are shown
PATIENCE = 3.0  # seconds that a folder's file system may take to say what it is


def snapshot(desk: Desk, now: float) -> dict[str, Any]:
    """Everything at this moment, `now` by the clock on the wall."""
    clock = desk.ledger.clock
    daemons = [replace(d, since=clock.to_wall(d.since)) for d in desk.ledger.daemons(clock())]
    folders = _folders(desk, daemons)
    return {
        "daemon": _daemon(daemons),
        "ledger": told(parsed(state_url(desk.config))),
        "folders": folders,
        "models": _models(desk),
        "spend": _spend(desk, now),
        "failures": _failures(desk.ledger, [name for name, of in folders.items() if of["failed"]]),
    }


def _daemon(daemons: Sequence[Daemon]) -> dict[str, Any]:
    """The one that works longest; others are named beside it."""
    if not daemons:
        return {"running": False, "pid": None, "since": None, "host": None, "others": []}
    first, *rest = daemons
    others = [{"pid": d.pid, "host": d.host, "since": utc(d.since)} for d in rest]
    return {
        "running": True,
        "pid": first.pid,
        "since": utc(first.since),
        "host": first.host,
        "others": others,
    }


def _folders(desk: Desk, daemons: Sequence[Daemon]) -> dict[str, dict[str, Any]]:
    told = _told(daemons)
    names = [*desk.config.folders, *(name for name in told if name not in desk.config.folders)]
    counts = desk.ledger.counts(names)
    held = desk.ledger.held()
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        folder = desk.config.folders.get(name)
        watch = _as_told(told[name]) if name in told else _as_seen(folder)
        states = {str(state): count for state, count in counts[name].items()}
        waits = name in held and states["queued"] > 0  # held, too, is what has not been listed yet
        found[name] = {
            **watch,
            "settling": told[name].get("settling", 0) if name in told else 0,
            "settling_reason": told[name].get("settling_reason") if name in told else None,
            "doubtful": desk.ledger.doubtful(name),
            "batched": 0,  # the shape is fixed; nothing is sent in batches
            "watched": name in told,
            "path": str(folder.path) if folder is not None else None,
            "waits_since": utc(held[name]) if waits else None,
            "backlog": told[name].get("backlog") if waits and name in told else None,
            **states,
        }
    return found


def _told(daemons: Iterable[Daemon]) -> dict[str, dict[str, Any]]:
    """What the daemons tell of their folders, by name; the one that started last knows best."""
    found: dict[str, dict[str, Any]] = {}
    for daemon in daemons:
        found |= daemon.report.get("folders") or {}
    return found


def _as_told(report: Mapping[str, Any]) -> dict[str, Any]:
    return {name: report.get(name) for name in ("state", "mode", "filesystem", "reason")}


def _as_seen(folder: Folder | None) -> dict[str, Any]:
    """Of a folder that no daemon watches: whether it is there, and how it would be watched."""
    from glimpsed.blocking import within
    from glimpsed.errors import ShareTrouble

    hangs = {"state": "lost", "mode": "poll", "filesystem": None, "reason": "its file system does not answer"}
    try:
        return hangs if folder is None else within(PATIENCE, _looked_at, folder)
    except ShareTrouble:
        return hangs


def _looked_at(folder: Folder) -> dict[str, Any]:
    from glimpsed.discover import mounts

    if not folder.path.is_absolute():  # of a config that cannot be read the ledger knows no more than names
        return {
            "state": "degraded",
            "mode": None,
            "filesystem": None,
            "reason": "the config does not say where it is",
        }
    mode, filesystem, reason = mounts.mode(folder)
    if os.path.isdir(folder.path):
        reason = f"no daemon watches it ({reason})"
        return {"state": "degraded", "mode": mode, "filesystem": filesystem, "reason": reason}
    return {"state": "lost", "mode": mode, "filesystem": None, "reason": "there is no such directory"}


def _models(desk: Desk) -> dict[str, dict[str, Any]]:
    pauses = desk.ledger.pauses()
    clock = desk.ledger.clock
    learnt = desk.ledger.all_learnt(clock())
    names = dict.fromkeys([*desk.config.used_models, *pauses])
    return {
        name: {**_pause(pauses.get(name), clock), "learnt": _learnt(desk.config, name, learnt)}
        for name in names
    }


def _pause(paused: Paused | None, clock: Clock) -> dict[str, Any]:
    now = clock()
    if paused is not None and (paused.next_probe is not None or paused.until is None or paused.until > now):
        until = paused.until if paused.until is not None else paused.next_probe
        return {
            "state": "paused",
            "reason": paused.reason,
            # Past its time it is probed as soon as there is a file to ask about.
            "until": _shown(until and max(until, now), clock),
            "since": _shown(paused.since, clock),
            "next_probe": _shown(paused.next_probe and max(paused.next_probe, now), clock),
        }
    return {"state": "ok", "reason": None, "until": None, "since": None, "next_probe": None}


def _learnt(config: Config, name: str, learnt: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What was learnt about a model, at the other API too; each fact as ``[value, when]`` or bare."""
    entry = config.models.get(name)
    if entry is None or entry.local or not learnt:
        return {}
    from glimpsed.vision import memory

    facts: dict[str, Any] = {}
    for key in memory.keys(entry):
        at = "" if key == memory.key(entry) else f" ({key.rpartition(' ')[2]})"
        for fact, value in learnt.get(key, {}).items():
            dated = isinstance(value, list) and len(value) == 2 and isinstance(value[1], float)
            facts[f"{fact}{at}"] = value[0] if dated else value
    return facts


def _spend(desk: Desk, now: float) -> dict[str, Any]:
    """In the budget's currency, or in the only one that was paid in; with several, each under `all`."""
    config = desk.config
    month, day = desk.ledger.spend_this_month(now), desk.ledger.spend_today(now)
    paid = sorted({s.currency for s in month if s.cost})
    limited = config.budget.per_day or config.budget.per_month
    currency = paid[0] if len(paid) == 1 and not limited else config.budget.currency
    return {
        "day": _sum(day, currency=currency),
        "month": _sum(month, currency=currency),
        "currency": currency,
        "all": {c: {"day": _sum(day, currency=c), "month": _sum(month, currency=c)} for c in paid},
        "budgets": [
            {
                **of,
                "per_day": limit.per_day,
                "per_month": limit.per_month,
                "day": _sum(day, currency=config.budget.currency, **of),
                "month": _sum(month, currency=config.budget.currency, **of),
            }
            for of, limit in config.limits
        ],
    }


def _sum(
    spent: Iterable[Spend], *, currency: str, folder: str | None = None, model: str | None = None
) -> float:
    costs = [
        s.cost
        for s in spent
        if s.currency == currency and folder in (None, s.folder) and model in (None, s.model)
    ]
    return round(float(sum(costs)), 6)


def _failures(ledger: Ledger, folders: Sequence[str]) -> list[dict[str, Any]]:
    rows = ledger.browse(folders, ["failed"], limit=FAILURES)
    return [
        {"folder": r.key.folder, "file": shown(r.key.path), "reason": r.reason, "since": utc(r.changed)}
        for r in rows
    ]


def _shown(time: float | None, clock: Clock) -> str | None:
    return None if time is None else utc(clock.to_wall(time))
