"""``glimpsed report``: a folder as one HTML page to look at."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glimpsed import eventloop
from glimpsed.cli.common import STDOUT, OutputFile, common_options, err, names_or_directories, unwritable
from glimpsed.language import Language, told, translator
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.config import Folder
    from glimpsed.desk import Desk
    from glimpsed.disk.files import Root
    from glimpsed.images.prepare import Images
    from glimpsed.ledger import FileRow, Spend
    from glimpsed.model import Answer
    from glimpsed.report import Item, ReportPage, ReportPart

DAYS = 30  # that the plots show
THUMBNAIL = 320  # px, longest side
THUMBNAIL_BYTES = 60_000
PAGES = 20  # of a document that are pictured
LARGEST = 200_000_000  # bytes of an image that is read for a thumbnail
AT_ONCE = 4  # images in memory


@click.command()
@click.argument("folder", metavar="FOLDER", shell_complete=names_or_directories)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OutputFile(stdout=True),
    help="Where to write it; - is standard output.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=300, show_default=True, help="Files to show."
)
@common_options
def command(*, folder: str, output: Path | None, limit: int) -> None:
    """Write one HTML page about FOLDER (its name or path): failures first, pictures beside their text.

    The page needs nothing else, no network either; it has a search box, and plots of what was answered and
    spent. Without -o it goes to standard output, on a terminal to FOLDER.html in this directory.

    \b
    Examples:
      glimpsed report invoices -o /tmp/invoices.html
      glimpsed report ~/scans > scans.html
      glimpsed report archive --limit 2000 -o archive.html
    """
    from humanize import naturalsize

    from glimpsed import report
    from glimpsed.cli.operator import opened
    from glimpsed.desk import files, folder_named

    with opened(folder, only_look=True) as desk:
        chosen = folder_named(desk.config, folder)
        if output is None and sys.stdout.isatty():
            output = Path(f"{chosen.name.strip('/').replace('/', '-')}.html")
        if output == STDOUT:
            output = None
        page = eventloop.run(_gather(desk, chosen, limit, output))
    html = report.render(page).encode("utf-8", "replace")
    if output is None:
        click.echo(html, nl=False)
        return
    try:
        output.write_bytes(html)
    except OSError as e:
        raise unwritable(output, e) from e
    err().print(f"{shown(str(output))}: {files(len(page.items))}, {naturalsize(len(html))}", soft_wrap=True)


async def _gather(desk: Desk, folder: Folder, limit: int, output: Path | None) -> ReportPage:
    """What the page shows: the last failures, then the last answers, as many as fit the limit."""
    from glimpsed.ledger import local_day
    from glimpsed.looks import charts, when
    from glimpsed.report import ReportPage

    now = time.time()
    counts = desk.ledger.counts([folder.name])[folder.name]
    rows = desk.ledger.browse([folder.name], ["failed"], limit=limit)
    if len(rows) < limit:
        rows += desk.ledger.browse([folder.name], ["done"], limit=limit - len(rows))
    today = local_day(now)
    spent = desk.ledger.spend_between("0000-00-00", today, folder=folder.name)
    currency = _currency(spent)
    return ReportPage(
        folder=folder.name,
        path=shown(str(folder.path)),
        made=when(now),
        counts=[(state, count) for state, count in counts.items() if count],
        spent=_spent(spent, folder.language),
        answers=charts.answered(spent, today, DAYS),
        costs=charts.spent(spent, today, DAYS, currency, None),
        currency=currency,
        items=await _items(desk, folder, rows, output),
        left_out=counts["failed"] + counts["done"] - len(rows),
        language=folder.language,
    )


def _currency(spent: Sequence[Spend]) -> str:
    """The one in which most was paid."""
    sums: dict[str, float] = {}
    for s in spent:
        sums[s.currency] = sums.get(s.currency, 0.0) + s.cost
    return max(sums, key=lambda c: sums[c], default="")


def _spent(spent: Sequence[Spend], language: Language) -> str:
    words, count = translator(language), sum(s.answers for s in spent)
    _ = words.gettext
    tokens_in, tokens_out = sum(s.input_tokens for s in spent), sum(s.output_tokens for s in spent)
    costs = [(c, sum(s.cost for s in spent if s.currency == c)) for c in sorted({s.currency for s in spent})]
    money = " + ".join(f"{cost:,.2f} {currency}" for currency, cost in costs if cost)
    parts = [words.ngettext("{:,} answer", "{:,} answers", count).format(count)]
    tokens = _("{0:,} + {1:,} tokens").format(tokens_in, tokens_out)
    parts += [tokens] if tokens_in or tokens_out else []
    return _("{} so far.").format(_(", ").join([*parts, money] if money else parts))


async def _items(desk: Desk, folder: Folder, rows: Sequence[FileRow], output: Path | None) -> list[Item]:
    from glimpsed.cli.operator import root_of
    from glimpsed.images.prepare import Images

    root = root_of(folder)
    images = Images(desk.config.workers)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(row: FileRow) -> Item:
        async with room:
            return await _item(desk, row, folder, root, images, output)

    try:
        return list(await asyncio.gather(*(one(row) for row in rows)))
    finally:
        await images.close()


async def _item(
    desk: Desk, row: FileRow, folder: Folder, root: Root | None, images: Images, output: Path | None
) -> Item:
    from glimpsed.looks import when
    from glimpsed.report import Item

    _ = translator(folder.language).gettext
    failed = row.state == "failed"
    parts, facts = ([], "") if failed else await asyncio.to_thread(_parts, desk, row, folder, root)
    return Item(
        path=shown(row.key.path),
        failed=failed,
        when=when(row.changed),
        parts=parts,
        reason=shown(told(row.reason or "failed", folder.language)) if failed else "",
        advice=shown(told(row.advice or "", folder.language)) if failed else "",
        facts=_("requests sent: {}").format(row.attempts) if failed else shown(facts),
        thumbnails=await _thumbnails(row, root, images),
        link=_link(folder, row.key.path, output),
    )


def _parts(desk: Desk, row: FileRow, folder: Folder, root: Root | None) -> tuple[list[ReportPart], str]:
    """The answer page by page, from the ledger or its sidecars, and a line about it."""
    from glimpsed.desk.answers import answer_of
    from glimpsed.report import parts

    answer = answer_of(desk, root, folder, row)
    if answer is not None:
        return parts(answer), _facts(answer, folder.language)
    text = None if root is None else _text(row, folder, root)
    if text is None:
        return [], translator(folder.language).gettext("neither the ledger nor a sidecar has its answer")
    return parts(None, text), ""


def _text(row: FileRow, folder: Folder, root: Root) -> str | None:
    from glimpsed import sidecar
    from glimpsed.errors import FileError, ShareTrouble, Vanished
    from glimpsed.pipeline import anew

    try:
        return sidecar.load_text(*anew.where(root, row.key.path), folder, row.written)
    except (FileError, ShareTrouble, Vanished):
        return None


def _facts(answer: Answer, language: Language) -> str:
    _ = translator(language).gettext
    parts = [answer.model.answered or answer.model.asked]
    if answer.source.pages > 1:
        parts.append(_("{} pages").format(answer.source.pages))
    if answer.reused_from:
        parts.append(_("reused from {}").format(answer.reused_from))
    else:
        parts.append(_("{:.1f} s").format(answer.seconds))
    if answer.usage.cost:
        parts.append(f"{answer.usage.cost:.4f} {answer.usage.currency}")
    return " · ".join(parts)


async def _thumbnails(row: FileRow, root: Root | None, images: Images) -> list[bytes]:
    """A small JPEG of each of the first pages; none of what is gone, changed or cannot be decoded."""
    from glimpsed.disk.files import read_content
    from glimpsed.errors import FileError, ShareTrouble, Vanished
    from glimpsed.images.plan import Target
    from glimpsed.pipeline import anew

    small = Target(
        max_edge=THUMBNAIL,
        max_bytes=THUMBNAIL_BYTES,
        media_types=frozenset({"image/jpeg"}),
        quality=75,
        as_is=False,
    )
    if root is None or row.version.size > LARGEST:
        return []
    found: list[bytes] = []
    try:
        content = await asyncio.to_thread(read_content, *anew.where(root, row.key.path), row.version)
        document = await images.inspect(content)
        for page in range(1, min(document.pages, PAGES) + 1):
            found.append(bytes((await images.prepare(content, page, small))[0].data))  # noqa: PERF401 - what was made before an error stays
    except (FileError, ShareTrouble, Vanished):
        pass
    return found


def _link(folder: Folder, path: str, output: Path | None) -> str | None:
    """From the page to the image, for a page that stays on this machine."""
    if output is None:
        return None
    relative = os.path.relpath(
        os.path.join(os.path.realpath(folder.path), path), os.path.dirname(os.path.realpath(output))
    )
    return urllib.parse.quote(os.fsencode(relative))
