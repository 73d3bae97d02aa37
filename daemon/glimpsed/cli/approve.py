"""``glimpsed approve``: release a backlog that waits for it."""

from __future__ import annotations

import click

from glimpsed.cli.common import common_options, err, folder_names, out


@click.command()
@click.option(
    "--folder", "name", metavar="NAME", shell_complete=folder_names, help="Only this folder's backlog."
)
@common_options
def command(*, name: str | None) -> None:
    """Release a backlog: what a folder never seen before holds is not sent to a priced model unasked.

    New files are served meanwhile; `backlog_confirm` in the config says how many files are a backlog.

    \b
    Examples:
      glimpsed estimate                     what it will cost
      glimpsed approve --folder archive
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import chosen, files

    with opened(name) as desk:
        names = [f.name for f in chosen(desk.config, name)]
        counts = desk.ledger.counts(names)  # before the daemon takes them
        released = [n for one in names for n in desk.ledger.approve(one)]
        held = desk.ledger.held()  # still: there is nothing of it yet that could be approved
        unlisted = [one for one in names if one in held or desk.ledger.seen(one) is None]
    for folder in released:
        out().print(f"{folder}: {files(counts[folder]['queued'])} released")
    if unlisted:
        err().print(f"not listed by the daemon yet: {', '.join(unlisted)}; try again in a moment")
    elif not released:
        err().print("no backlog waits to be approved")
