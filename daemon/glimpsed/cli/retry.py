"""``glimpsed retry``: failed files go back into the queue."""

from __future__ import annotations

import time

import click

from glimpsed.cli.common import NamedPath, common_options, folder_names
from glimpsed.errors import UsageError


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=NamedPath())
@click.option(
    "--folder", "name", metavar="NAME", shell_complete=folder_names, help="All failed files of this folder."
)
@click.option("--all", "everything", is_flag=True, help="All failed files of all folders.")
@common_options
def command(*, paths: tuple[str, ...], name: str | None, everything: bool) -> None:
    """Put failed files back into the queue: PATHs (a directory means all below it), a folder's, or all.

    A PATH may also be FOLDER/FILE, as 'failures' and 'search' name it; so in 'redo', 'rewrite' and 'forget'.

    A running daemon takes them up within a second, any other at its start.

    \b
    Examples:
      glimpsed retry /srv/scans/invoices/scan-17.pdf
      glimpsed retry --folder invoices
      glimpsed retry --all
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import chosen, files, keys_of

    if [bool(paths), name is not None, everything].count(True) != 1:
        raise UsageError("say which: PATHs, or --folder NAME, or --all")
    with opened(*paths, name) as desk:
        now = time.time()
        if paths:
            keys = keys_of(desk, paths)
            count = desk.ledger.requeue(keys, now=now)
            if others := len(keys) - count:
                click.echo(
                    f"{files(others)} of {len(keys):,} had not failed, and nothing changes there", err=True
                )
        else:
            folders = chosen(desk.config, name)
            count = sum(desk.ledger.requeue(folder=folder.name, now=now) for folder in folders)
    click.echo(f"queued again: {files(count)}")
