"""``glimpsed forget``: what the ledger knows of files is deleted for good."""

from __future__ import annotations

import click

from glimpsed.cli.common import NamedPath, common_options
from glimpsed.errors import UsageError


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=NamedPath())
@click.option("--gone", is_flag=True, help="All files that are not there any more.")
@common_options
def command(*, paths: tuple[str, ...], gone: bool) -> None:
    """Delete the ledger's memory of files for good: that they were done, what was answered, its place in the search.

    PATHs need not be there any more (a directory means all below it). Sidecars stay; what still stands in a folder
    with its sidecars is taken for done again at the next listing. What was spent stays counted.

    \b
    Examples:
      glimpsed forget /srv/scans/invoices/scan-17.pdf
      glimpsed forget --gone
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import files, keys_of

    if bool(paths) == gone:
        raise UsageError("say which: PATHs, or --gone")
    with opened(*paths) as desk:
        if gone:
            count = sum(desk.ledger.forget_gone(folder) for folder in desk.ledger.folders())
        else:
            count = desk.ledger.forget_files(keys_of(desk, paths))
    click.echo(f"forgotten: {files(count)}")
