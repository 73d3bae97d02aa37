"""``glimpsed rewrite``: sidecars anew from what the ledger or the JSON knows, for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from glimpsed.cli.common import NamedPath, common_options, folder_names
from glimpsed.errors import FileError, GlimpsedError, UsageError
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.config import Folder
    from glimpsed.desk import Desk
    from glimpsed.ledger import FileRow
    from glimpsed.model import FileKey


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=NamedPath())
@click.option(
    "--folder", "name", metavar="NAME", shell_complete=folder_names, help="All files of this folder."
)
@click.option("--all", "everything", is_flag=True, help="All files of all folders.")
@click.option(
    "--reviewed",
    is_flag=True,
    help="Also those that somebody corrected: the model's own answer is written again.",
)
@common_options
def command(*, paths: tuple[str, ...], name: str | None, everything: bool, reviewed: bool) -> int:
    """Write the sidecars of files that are done anew, without asking: PATHs (a directory means all below it), or all.

    What the folder's outputs and sidecar ask for now is written, from the answer that the ledger keeps or from the JSON
    sidecar. A sidecar that somebody edited is kept as NAME~; what was corrected in a review stays. Exits 1 when an answer is nowhere to be had.

    \b
    Examples:
      glimpsed rewrite /srv/scans/invoices/scan-17.pdf      its text was deleted
      glimpsed rewrite --folder invoices                    after xmp was added to outputs
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import files
    from glimpsed.desk.deeds import NO_ANSWER, Making, rewrite

    if [bool(paths), name is not None, everything].count(True) != 1:
        raise UsageError("say which: PATHs, or --folder NAME, or --all")
    written = lacking = 0
    others: list[FileKey] = []
    away: list[str] = []
    with opened(*paths, name) as desk, Making(desk.config) as making:
        for folder, row in _rows(desk, paths, name, others, away):
            try:
                done = rewrite(desk, folder, row, making, reviewed=reviewed)
            except FileError as e:
                done = False
                click.echo(f"{shown(row.key.path)}: {e.reason} {e.advice}", err=True)
            except GlimpsedError as e:
                done = False
                click.echo(f"{shown(row.key.path)}: {e}", err=True)
            else:
                if not done:
                    click.echo(f"{shown(row.key.path)}: {NO_ANSWER}", err=True)
            written, lacking = written + done, lacking + (not done)
    if others and not written and not lacking:
        raise UsageError(
            f"{shown(others[0].path)} is not done, or was never asked about: there is no answer to write"
        )
    if others:
        of = files(written + lacking + len(others))
        click.echo(
            f"{len(others):,} of {of} not done yet, or failed, or never asked about: no answer to write",
            err=True,
        )
    click.echo(f"written anew: {files(written)}")
    return 1 if lacking or away else 0


def _rows(
    desk: Desk, paths: tuple[str, ...], name: str | None, others: list[FileKey], away: list[str]
) -> Iterator[tuple[Folder, FileRow]]:
    """What is done; of what was named, the `others` are noted, and folders that are `away`: once, not for each file."""
    from glimpsed.cli.operator import root_of
    from glimpsed.desk import chosen, keys_of

    if not paths:
        for folder in chosen(desk.config, name):
            done = (row for row in desk.ledger.done_files(folder.name) if not row.unasked)
            first = next(done, None)
            if first is not None and root_of(folder) is None:
                away.append(folder.name)
            elif first is not None:
                yield from ((folder, row) for row in chain([first], done))
        return
    for key in keys_of(desk, paths):
        row = desk.ledger.find(key)
        if row is not None and row.state == "done" and not row.unasked:
            yield desk.config.folders[key.folder], row
        else:
            others.append(key)
