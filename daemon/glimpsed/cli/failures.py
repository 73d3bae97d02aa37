"""``glimpsed failures``: failed files, and why."""

from __future__ import annotations

import shlex

import click

from glimpsed.cli.common import common_options, err, folder_names, json_option, out, print_json
from glimpsed.model import local, shown, utc


@click.command()
@click.option("--folder", "name", metavar="NAME", shell_complete=folder_names, help="Only this folder's.")
@json_option
@common_options
def command(*, name: str | None, as_json: bool) -> None:
    """List failed files, the latest first, each with the reason and what to do about it.

    \b
    --json (times in UTC; more keys may come, these stay):
      [{"folder", "file", "reason", "since", "attempts", "advice"}]

    \b
    Examples:
      glimpsed failures
      glimpsed failures --folder invoices
      glimpsed failures --json | jq -r '.[].file'
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import chosen

    with opened(name, only_look=True) as desk:
        rows = [row for folder in chosen(desk.config, name) for row in desk.ledger.failed_files(folder.name)]
    rows.sort(key=lambda row: -row.changed)
    if as_json:
        print_json(
            [
                {
                    "folder": row.key.folder,
                    "file": shown(row.key.path),
                    "reason": row.reason,
                    "since": utc(row.changed),
                    "attempts": row.attempts,
                    "advice": row.advice,
                }
                for row in rows
            ]
        )
        return
    from rich.text import Text

    for row in rows:
        line = Text(f"{row.key.folder}/{shown(row.key.path)}", style="bold")
        line.append(f"  {local(row.changed)}, requests sent: {row.attempts}", style="dim")
        out().print(line, soft_wrap=True)
        out().print(Text(f"  {row.reason or 'no reason on record'}", style="red"), soft_wrap=True)
        if row.advice:
            out().print(f"  {row.advice}", soft_wrap=True)
    them = "it" if len(rows) == 1 else "them"
    which = "--all" if name is None else f"--folder {shlex.quote(name)}"
    back = f": 'glimpsed retry {which}' puts {them} back into the queue" if rows else ""
    err().print(f"{len(rows):,} failed{back}", soft_wrap=True)
