"""``glimpsed redo``: ask again about files that are done."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from glimpsed import eventloop
from glimpsed.cli.common import common_options, folder_names, say
from glimpsed.errors import ShareTrouble, UsageError, Vanished

if TYPE_CHECKING:
    from glimpsed.cli.operator import Desk
    from glimpsed.config import Folder, ModelEntry
    from glimpsed.ledger import FileRow
    from glimpsed.model import Answer, FileKey
    from glimpsed.schemas.checker import Checker

SAMPLE = 200  # rows that the estimate rests on


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be asked again in one folder: how many, some of them, and the deed."""

    folder: Folder
    files: int
    some: list[FileRow]
    do: Callable[[float], int]


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path())
@click.option(
    "--folder", "name", metavar="NAME", shell_complete=folder_names, help="All files of this folder."
)
@click.option("--stale", is_flag=True, help="Those whose prompt, system, schema or model changed since.")
@click.option(
    "--cancel", is_flag=True, help="Take back what waits to be asked again; it keeps its old answer."
)
@click.option("--reviewed", is_flag=True, help="Also those that somebody corrected or confirmed.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before money is spent.")
@common_options
def command(*, paths: tuple[str, ...], name: str | None, stale: bool, cancel: bool, yes: bool) -> None:
    """Ask again: PATHs (a directory means all below it), all files of a folder, or what is stale.

    Tells how many files that is and what it will cost, and asks before it does so; without a terminal it needs
    --yes. The old sidecars stay until the new ones replace them. An image that changed is asked about again anyway.

    \b
    Examples:
      glimpsed redo /srv/scans/invoices/scan-17.pdf
      glimpsed redo --stale                          after a prompt was changed
      glimpsed redo --stale --folder invoices --yes
      glimpsed redo --cancel                         all that waits for it; what is in flight ends as usual
    """
    from glimpsed.cli.operator import files, opened

    if cancel and not (stale or (paths and name is not None)):
        with opened() as desk:
            count = _cancelled(desk, paths, name)
        click.echo(f"taken back: {files(count)}")
        return
    if cancel or bool(paths) == (stale or name is not None):
        raise UsageError(
            "say which: PATHs, or --folder NAME, or --stale or --cancel (which take a --folder as well)"
        )
    with opened() as desk:
        orders = [order for order in _orders(desk, paths, name, stale=stale) if order.files]
        if not orders:
            click.echo("nothing is stale" if stale else "there are no such files", err=True)
            return
        for order in orders:
            say(_price(desk, order))
        if not yes and not _agreed():
            click.echo("nothing is queued", err=True)
            return
        count = sum(order.do(time.time()) for order in orders)
    click.echo(f"queued again: {files(count)}")


def _cancelled(desk: Desk, paths: tuple[str, ...], name: str | None) -> int:
    from glimpsed.cli.operator import folder_named, keys_of

    keys = keys_of(desk, paths) if paths else None
    folder = folder_named(desk.config, name).name if name is not None else None
    return desk.ledger.cancel_redo(keys, folder=folder, now=time.time())


def _orders(desk: Desk, paths: tuple[str, ...], name: str | None, *, stale: bool) -> list[Order]:
    from glimpsed.cli.operator import chosen, keys_of

    if paths:
        keys: dict[str, list[FileKey]] = {}
        for key in keys_of(desk, paths):
            keys.setdefault(key.folder, []).append(key)
        return [_these(desk, desk.config.folders[folder], some) for folder, some in keys.items()]
    build = _stale if stale else _all
    return [build(desk, folder) for folder in chosen(desk.config, name)]


def _these(desk: Desk, folder: Folder, keys: list[FileKey]) -> Order:
    some = [row for key in keys[:SAMPLE] if (row := desk.ledger.find(key)) is not None]
    return Order(folder, len(keys), some, lambda now: desk.ledger.redo(keys, now=now))


def _all(desk: Desk, folder: Folder) -> Order:
    counts = desk.ledger.counts([folder.name])[folder.name]
    files = sum(counts.values()) - counts["gone"]
    some = desk.ledger.latest(folder.name, "done", SAMPLE) or desk.ledger.latest(
        folder.name, "failed", SAMPLE
    )
    return Order(folder, files, some, lambda now: desk.ledger.redo(folder=folder.name, now=now))


def _stale(desk: Desk, folder: Folder) -> Order:
    """Answers to none of the questions that the config asks now, of the model or one of its fallbacks."""
    from glimpsed.pipeline.question import fingerprint

    entries = [desk.config.models[model] for model in (folder.model, *folder.fallbacks)]
    now_asked = {fingerprint(folder, entry) for entry in entries}
    files, unknown = desk.ledger.stale(folder.name, now_asked)
    some = desk.ledger.stale_files(folder.name, now_asked, limit=SAMPLE) if files else []
    adopted = _stale_adopted(desk, folder, entries) if unknown else []
    some += [row for key in adopted[: SAMPLE - len(some)] if (row := desk.ledger.find(key)) is not None]

    def do(now: float) -> int:
        return desk.ledger.redo_stale(folder.name, now_asked, now) + desk.ledger.redo(adopted, now=now)

    return Order(folder, files + len(adopted), some, do)


def _stale_adopted(desk: Desk, folder: Folder, entries: Sequence[ModelEntry]) -> list[FileKey]:
    """Of the answers that were adopted, whose question the ledger does not know, those that tell of another one."""
    from glimpsed import sidecar
    from glimpsed.disk.files import find_root
    from glimpsed.pipeline.question import fits

    try:
        root = find_root(folder.path)
    except (ShareTrouble, Vanished) as e:
        say(f"{folder.name}: answers that were adopted are not looked at: {e}", error=True)
        return []

    async def others() -> list[FileKey]:
        from glimpsed.schemas.checker import Checker

        checker = Checker()
        try:
            return [
                key
                for key in desk.ledger.adopted(folder.name)
                if (found := sidecar.load(root, key.path, folder))
                and not (
                    any(fits(found, folder, entry) for entry in entries)
                    and await _meets_schema(found, folder, checker)
                )
            ]
        finally:
            await checker.aclose()

    return eventloop.run(others())


async def _meets_schema(found: Answer, folder: Folder, checker: Checker) -> bool:
    """A sidecar does not name its schema; but data that does not meet the one of now was asked for by another."""
    if folder.schema_ is None:
        return True
    misfits = [await checker.check(part.data, folder.schema_) for part in found.pages or (found,)]
    return all(misfit is None or misfit.final for misfit in misfits)


def _price(desk: Desk, order: Order) -> str:
    """How many, and at what price: from some of the files, scaled to all of them."""
    from glimpsed.cli.forecast import forecast, in_words
    from glimpsed.cli.operator import files
    from glimpsed.estimate import survey

    expected = forecast(desk, order.folder, lambda _root: survey.of_rows(order.some, order.files))
    if expected.problem or not expected.looked_at:
        why = expected.problem or "none of the files is there now"
        return f"{order.folder.name}: {files(order.files)}; what they cost cannot be told: {why}"
    return f"{order.folder.name}: {in_words(dataclasses.replace(expected.estimate, files=order.files))}"


def _agreed() -> bool:
    """Whether somebody at a terminal wants it. Raises `UsageError` where there is nobody to be asked."""
    if not sys.stdin.isatty():
        raise UsageError("nothing is queued: without a terminal this needs --yes")
    return click.confirm("Ask again about them?")
