"""``glimpsed redo``: ask again about files that are done."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from glimpsed.cli.common import NamedPath, common_options, folder_names, looking_at, say
from glimpsed.errors import UsageError

if TYPE_CHECKING:
    from glimpsed.desk import Desk
    from glimpsed.desk.orders import Order


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=NamedPath())
@click.option(
    "--folder", "name", metavar="NAME", shell_complete=folder_names, help="All files of this folder."
)
@click.option("--stale", is_flag=True, help="Those whose prompt, system, schema or model changed since.")
@click.option(
    "--cancel", is_flag=True, help="Take back what waits to be asked again; it keeps its old answer."
)
@click.option("--reviewed", is_flag=True, help="Also those that somebody corrected or confirmed.")
@click.option(
    "--page", type=click.IntRange(min=1), metavar="N", help="Only this page of the one PATH (pages: each)."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before money is spent.")
@common_options
def command(
    *,
    paths: tuple[str, ...],
    name: str | None,
    stale: bool,
    cancel: bool,
    reviewed: bool,
    page: int | None,
    yes: bool,
) -> None:
    """Ask again: PATHs (a directory means all below it), all files of a folder, or what is stale.

    Tells how many files that is and what it will cost, and asks before it does so; without a terminal it needs
    --yes. The old sidecars stay until the new ones replace them. An image that changed is asked about again anyway.
    What somebody corrected or confirmed is left out, unless --reviewed is given.

    \b
    Examples:
      glimpsed redo /srv/scans/invoices/scan-17.pdf
      glimpsed redo /srv/scans/contracts/a.pdf --page 3       its other pages keep their answers
      glimpsed redo --stale                          after a prompt was changed
      glimpsed redo --stale --folder invoices --yes
      glimpsed redo --cancel                         all that waits for it; what is in flight ends as usual
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import files
    from glimpsed.desk.orders import price

    if page is not None and (len(paths) != 1 or name is not None or stale or cancel):
        raise UsageError("--page is for one PATH, without --folder, --stale and --cancel")
    if cancel and not (stale or (paths and name is not None)):
        with opened(*paths, name) as desk:
            count = _cancelled(desk, paths, name)
        click.echo(f"taken back: {files(count)}")
        return
    if cancel or bool(paths) == (stale or name is not None):
        raise UsageError(
            "say which: PATHs, or --folder NAME, or --stale or --cancel (which take a --folder as well)"
        )
    with opened(*paths, name) as desk:
        if page is not None:
            orders = [_one_page(desk, paths[0], page, reviewed=reviewed)]
        else:
            orders = _orders(desk, paths, name, stale=stale, reviewed=reviewed)
        for order in orders:
            if order.note:
                say(order.note, error=True)
        orders = [order for order in orders if order.files]
        if not orders:
            click.echo("nothing is stale" if stale else "there are no such files", err=True)
            return
        for order in orders:
            with looking_at(order.folder.name):
                expected = price(desk, order)
            say(expected)
        if not yes and not _agreed():
            click.echo("nothing is queued", err=True)
            return
        count = sum(order.do(time.time()) for order in orders)
    click.echo(f"queued again: {files(count)}")


def _cancelled(desk: Desk, paths: tuple[str, ...], name: str | None) -> int:
    from glimpsed.desk import folder_named, keys_of

    keys = keys_of(desk, paths) if paths else None
    folder = folder_named(desk.config, name).name if name is not None else None
    return desk.ledger.cancel_redo(keys, folder=folder, now=time.time())


def _one_page(desk: Desk, path: str, number: int, *, reviewed: bool) -> Order:
    from glimpsed.desk import keys_of, pages

    keys = keys_of(desk, [path])
    if os.path.isdir(path) or len(keys) != 1:
        raise UsageError("--page is for one file, not for a directory")
    return pages.page(desk, keys[0], number, reviewed=reviewed)


def _orders(
    desk: Desk, paths: tuple[str, ...], name: str | None, *, stale: bool, reviewed: bool
) -> list[Order]:
    from glimpsed.desk import chosen, keys_of, orders

    if paths:
        return orders.by_folder(desk, keys_of(desk, paths), reviewed=reviewed)
    build = orders.stale if stale else orders.whole
    return [build(desk, folder, reviewed=reviewed) for folder in chosen(desk.config, name)]


def _agreed() -> bool:
    """Whether somebody at a terminal wants it. Raises `UsageError` where there is nobody to be asked."""
    if not sys.stdin.isatty():
        raise UsageError("nothing is queued: without a terminal this needs --yes")
    return click.confirm("Ask again about them?")
