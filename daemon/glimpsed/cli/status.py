"""``glimpsed status``: what goes on, now or live."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from glimpsed.cli.common import NO_FOLDERS, common_options, json_option, model_names, out, print_json
from glimpsed.errors import UsageError
from glimpsed.model import shown

if TYPE_CHECKING:
    from rich.console import RenderableType

    from glimpsed.cli.fitting import FittingTable
    from glimpsed.desk import Desk
    from glimpsed.desk.rates import Speeds

REFRESH = 1.0  # seconds between two looks of --watch
STATES = ("settling", "queued", "running", "answered", "handing", "done", "doubtful", "failed", "gone")
ALWAYS = {"queued", "done", "failed"}
LEAST = 30  # columns for a reason: narrower ones are no pleasure to read


@click.command()
@json_option
@click.option("--watch", is_flag=True, help="Stay, and show it live until Ctrl-C.")
@click.option(
    "--forget",
    metavar="MODEL|all",
    shell_complete=model_names,
    help="Forget what was learnt about a model, or about all.",
)
@common_options
def command(*, as_json: bool, watch: bool, forget: str | None) -> None:
    """Show folders with their files by state, models and why one is paused, what was spent, the last failures.

    Works beside a running daemon, and without one: then a folder that is there is not watched, 'degraded' in
    JSON, and 'mode' is how it would be.

    \b
    --json (times in UTC; more keys may come, these stay):
      {"daemon": {"running", "pid", "since", "host", "others"}, "ledger": URL without password,
       "folders": {NAME: {"state": "watching|degraded|lost", "mode": "inotify|poll", "filesystem", "reason",
                          "settling", "settling_reason", "watched", "path", "waits_since", "backlog", "queued", "running", "answered", "handing", "done", "failed", "gone", "doubtful", "batched"}},
       "models": {NAME: {"state": "ok|paused", "reason", "until", "since", "next_probe", "learnt"}},
       "spend": {"day", "month", "currency", "all": {CURRENCY: {"day", "month"}},
                 "budgets": [{"folder" or "model" or neither, "per_day", "per_month", "day", "month"}]},
       "failures": [{"folder", "file", "reason", "since"}]}

    \b
    Examples:
      glimpsed status
      glimpsed status --watch
      glimpsed status --json | jq '.folders[].failed'
      glimpsed status --forget gpt-4o    its gateway takes larger images now
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk.snapshot import snapshot

    if watch and (as_json or not sys.stdout.isatty()):
        raise UsageError("--watch is for a terminal; for programs there is --json")
    if forget is not None and (watch or as_json):
        raise UsageError("--forget stands alone")
    with opened(only_look=True) as desk:
        if forget is not None:
            _forget(desk, forget)
        elif watch:
            _follow(desk)
        elif as_json:
            print_json(snapshot(desk, time.time()))
        else:
            for part in view(snapshot(desk, time.time()), time.time()):
                out().print(part)


def _forget(desk: Desk, name: str) -> None:
    """A running daemon forgets it too, within a second. Raises `UsageError` for a model that there is not."""
    from glimpsed.vision import memory

    if name == "all":
        count = desk.ledger.forget()
    elif (entry := desk.config.models.get(name)) is not None:
        count = sum(desk.ledger.forget(key) for key in memory.keys(entry))
    else:
        raise UsageError(f"no model '{shown(name)}'; there is: {', '.join(desk.config.models) or 'none'}")
    out().print(f"forgotten: {count:,} {'fact' if count == 1 else 'facts'}")


def _follow(desk: Desk) -> None:
    from rich.console import Group
    from rich.live import Live

    from glimpsed.desk.rates import Speeds
    from glimpsed.desk.snapshot import snapshot

    rates = Speeds()
    with Live(console=out(), screen=True, auto_refresh=False) as live:
        try:
            while True:
                now = time.time()
                shot = snapshot(desk, now)
                rates.add(shot, now)
                live.update(Group(*view(shot, now, rates)), refresh=True)
                time.sleep(REFRESH)
        except KeyboardInterrupt:
            return  # the way out, not a failure


def view(shot: Mapping[str, Any], now: float, rates: Speeds | None = None) -> list[RenderableType]:
    """What a person sees of a snapshot, top down."""
    parts: list[RenderableType] = [_daemon(shot["daemon"], shot["ledger"], now), ""]
    if shot["folders"]:
        parts += [_folders(shot["folders"], rates), *_notes(shot["folders"], now), ""]
    else:
        parts += [NO_FOLDERS, ""]
    if shot["models"]:
        parts += [_models(shot["models"], now), ""]
    parts += _money(shot["spend"])
    if shot["failures"]:
        parts += ["", "Last failures ('glimpsed failures' lists all)", _failures(shot["failures"], now)]
    return parts


def _daemon(daemon: Mapping[str, Any], ledger: str, now: float) -> RenderableType:
    from rich.text import Text

    if not daemon["running"]:
        text = Text("The daemon is not running.", style="yellow")
        return text.append(f" Looked at {ledger.removeprefix('sqlite:///')}", "default")
    text = Text("The daemon is running", style="green")
    text.append(
        f": process {daemon['pid']} on {daemon['host']}, started {ago(daemon['since'], now)}", "default"
    )
    for other in daemon["others"]:
        text.append(f"\nand process {other['pid']} on {other['host']}, {ago(other['since'], now)}", "default")
    return text


def _folders(folders: Mapping[str, Mapping[str, Any]], rates: Speeds | None) -> FittingTable:
    from rich.text import Text

    from glimpsed.cli.fitting import FittingTable

    table = FittingTable("Folder", "State", "Mode")
    # So many columns leave no room for names: those of nothing are left out, but for the ones that are looked for.
    states = [s for s in STATES if s in ALWAYS or any(folder[s] for folder in folders.values())]
    for state in states:
        table.add_number_column(state.capitalize())
    if rates is not None:
        table.add_number_column("A minute")
    style = {"watching": "green", "degraded": "yellow", "lost": "red"}
    for name, folder in folders.items():
        counts = [
            Text(f"{folder[s]:,}", style="red" if s == "failed" and folder[s] else "default") for s in states
        ]
        rate = [Text(f"{rates.of(name):.0f}")] if rates is not None else []
        state = "not watched" if _unattended(folder) else folder["state"] or "?"
        shown_state = Text(state, style=style.get(folder["state"], "default"))
        mode = Text(folder["mode"] or "?")
        head = Text("  ").join([Text(name, style="bold"), Text(", ").join([shown_state, mode])])
        words = [count + Text(f" {s}") for count, s in zip(counts, states, strict=True)]
        words += [value + Text(" a minute") for value in rate]
        table.add_row(Text(name), shown_state, mode, *counts, *rate, narrow=(head, Text(", ").join(words)))
    return table


def _unattended(folder: Mapping[str, Any]) -> bool:
    """It is there, but no daemon watches it."""
    return not folder["watched"] and folder["state"] == "degraded"


def _notes(folders: Mapping[str, Mapping[str, Any]], now: float) -> list[RenderableType]:
    from rich.text import Text

    notes: list[RenderableType] = []
    for name, folder in folders.items():
        if folder["state"] != "watching" and folder["reason"] and not _unattended(folder):
            notes.append(Text(f"{name}: {folder['reason']}", style="red"))
        if folder["settling_reason"]:
            count = f"{folder['settling']:,} not complete yet"
            notes.append(Text(f"{name}: {count}: {folder['settling_reason']}", style="yellow"))
        if folder["waits_since"]:
            since = ago(folder["waits_since"], now)
            expected = f" ({folder['backlog']})" if folder["backlog"] else ""
            notes.append(
                Text(
                    f"{name}: its backlog waits to be approved{expected}, held {since}. 'glimpsed estimate' says what it "
                    f"will cost, 'glimpsed approve --folder {name}' starts it.",
                    style="yellow",
                )
            )
    return notes


def _models(models: Mapping[str, Mapping[str, Any]], now: float) -> FittingTable:
    from rich.text import Text

    from glimpsed.cli.fitting import FittingTable

    table = FittingTable("Model", "State", "Why, and what was learnt", wraps_at=LEAST)
    for name, model in models.items():
        paused = model["state"] == "paused"
        facts = [f"{fact}: {value}" for fact, value in model["learnt"].items() if value]
        why = [model["reason"] or "", _next(model, now)] if paused else []
        state = Text(model["state"], style="red" if paused else "green")
        told = Text("; ".join(part for part in [*why, *facts] if part))
        head = Text("  ").join([Text(name, style="bold"), state])
        table.add_row(Text(name), state, told, narrow=(head, told))
    return table


def _next(model: Mapping[str, Any], now: float) -> str:
    if model["next_probe"]:
        return f"asked again {ago(model['next_probe'], now)}"
    return f"goes on {ago(model['until'], now)}" if model["until"] else ""


def _money(spend: Mapping[str, Any]) -> list[RenderableType]:
    lines: list[RenderableType] = [
        f"Spent today {amount(spend['day'])} {spend['currency']}, this month {amount(spend['month'])} {spend['currency']}"
    ]
    lines += [
        f"Spent today {amount(other['day'])} {currency}, this month {amount(other['month'])} {currency}"
        for currency, other in spend["all"].items()
        if currency != spend["currency"]
    ]
    for budget in spend["budgets"]:
        whose = next((f" of {kind} {budget[kind]}" for kind in ("folder", "model") if kind in budget), "")
        parts = [
            f"{amount(budget[spent])} of {amount(budget[limit])} {spend['currency']} {when}"
            for spent, limit, when in (("day", "per_day", "today"), ("month", "per_month", "this month"))
            if budget[limit]
        ]
        lines.append(f"Budget{whose}: {', '.join(parts)}")
    return lines


def _failures(failures: list[dict[str, Any]], now: float) -> FittingTable:
    from rich.text import Text

    from glimpsed.cli.fitting import FittingTable

    table = FittingTable("Folder", "File", "Since", "Reason", wraps_at=LEAST)
    for failure in failures:
        folder, file, since = Text(failure["folder"]), Text(failure["file"]), Text(ago(failure["since"], now))
        reason = Text(failure["reason"] or "", style="red")
        head = Text("  ").join([Text("/").join([folder, file]), since])
        table.add_row(folder, file, since, reason, narrow=(head, reason))
    return table


def amount(money: float) -> str:
    """Money, with as many digits as it takes to see small sums."""
    return f"{money:,.2f}" if money >= 0.1 or not money else f"{money:.4f}"


def ago(when: str, now: float) -> str:
    """An ISO time as people say it: ``3 minutes ago``, ``in 2 hours``."""
    import humanize

    seconds = now - dt.datetime.fromisoformat(when).timestamp()
    words = humanize.naturaldelta(dt.timedelta(seconds=abs(seconds)))
    if abs(seconds) < 1:
        return "now"
    return f"{words} ago" if seconds > 0 else f"in {words}"
