"""What the page does: each a form, each through what commands do. What costs says so before it does it."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from glimpsed.config.schema import Folder
from glimpsed.desk import Desk, orders, pages
from glimpsed.desk.answers import answer_of
from glimpsed.desk.deeds import NO_ANSWER, resume, rewrite
from glimpsed.disk.files import Root, find_root
from glimpsed.errors import FileError, GlimpsedError, ShareTrouble, UsageError, Vanished
from glimpsed.export import table as tables
from glimpsed.export.write import to_csv
from glimpsed.language import N_, Language, told, translator
from glimpsed.ledger import FileRow, Ledger
from glimpsed.model import FileKey, shown
from glimpsed.web.failures import key_of
from glimpsed.web.login import local
from glimpsed.web.pages import came_of_it, field_of, form_of, language_of, number_in, render, site_of, words

MOST = 5000  # files that are chosen one by one
_CHUNK = 500


async def approve(request: Request) -> Response:
    """Release the backlog of a folder."""
    name = field_of(request, "folder")
    released = (
        await site_of(request).ask(Ledger.approve, name) if name in site_of(request).config.folders else []
    )
    _ = words(request)
    return _back(request, f"{name}: {_('released')}" if released else _("No backlog waits to be approved."))


async def resume_model(request: Request) -> Response:
    """Have a paused model probed now."""
    site, model = site_of(request), field_of(request, "model")
    if model not in site.config.models:
        raise HTTPException(404, N_("There is no such model."))
    came, reason = await site.do(resume, model)
    _ = words(request)
    said = {
        "probed": _("{} is probed now.").format(model),
        "not paused": _("{} is not paused.").format(model),
        "not probed": _("{} is not probed:").format(model) + f" {told(reason, language_of(request))}",
        "no daemon": _("No daemon is running; it begins without pauses."),
    }
    return _back(request, said[came])


async def retry(request: Request) -> Response:
    """Failed files go back into the queue: those that were chosen, or all that failed for one reason."""
    site = site_of(request)
    if reason := field_of(request, "reason"):
        folder = field_of(request, "folder")
        try:
            count = await site.do(_retry_reason, folder, reason)
        except ShareTrouble:
            _ = words(request)
            return _back(request, _("These are very many: one after the other goes back into the queue."))
    else:
        rows = await chosen(request)
        count = await site.ask(Ledger.requeue, [row.key for row in rows], now=time.time())
    return _back(request, _queued(request, count))


def _queued(request: Request, count: int) -> str:
    found = translator(language_of(request))
    return found.ngettext("Queued again: {:,} file.", "Queued again: {:,} files.", count).format(count)


def _retry_reason(desk: Desk, folder: str, reason: str) -> int:
    failed = desk.ledger.failed_files(folder)
    # In the order that they came in: then most of a part are of one directory.
    named = sorted(row.id for row in failed if key_of(folder, row.reason or "") == reason)
    count = 0
    for start in range(0, len(named), _CHUNK):
        rows = desk.ledger.all_numbered(named[start : start + _CHUNK])
        count += desk.ledger.requeue([row.key for row in rows], now=time.time())
    return count


async def redo(request: Request) -> Response:
    """Ask again about files, or one page of one: first what it will cost, then, when that was agreed to, the deed."""
    site = site_of(request)
    rows = await chosen(request)
    keys = [row.key for row in rows]
    reviewed = bool(field_of(request, "reviewed"))
    page = number_in(field_of(request, "page"))
    if field_of(request, "page") and (page is None or len(keys) > 1):
        raise HTTPException(400, N_("A page is a number, and of one file."))
    try:
        if field_of(request, "agreed"):
            if page is None:
                count = await site.ask(Ledger.redo, keys, now=time.time(), reviewed=reviewed)
            else:
                count = await site.do_in(keys[0].folder, _redo_page, keys[0], page, reviewed=reviewed)
            return _back(request, _queued(request, count))
        prices, left = await site.do_in(
            in_one(rows), _prices, keys, page, language_of(request), reviewed=reviewed
        )
    except UsageError as e:
        raise HTTPException(409, str(e)) from e
    return render(
        request,
        "redo.html",
        rows=rows,
        page=page,
        prices=prices,
        left=left,
        reviewed=reviewed,
        back=_where(request),
    )


def _redo_page(desk: Desk, key: FileKey, page: int, *, reviewed: bool) -> int:
    return sum(order.do(time.time()) for order in _page(desk, key, page, reviewed=reviewed))


def _page(desk: Desk, key: FileKey, page: int, *, reviewed: bool) -> list[orders.Order]:
    """None for what somebody reviewed: it stays, and the page asks whether it shall."""
    if desk.ledger.reviewed(key) and not reviewed:
        return []
    return [pages.page(desk, key, page, reviewed=reviewed)]


def _prices(
    desk: Desk, keys: Sequence[FileKey], page: int | None, language: Language, *, reviewed: bool
) -> tuple[list[str], int]:
    """What each folder's files will cost, and how many are left out because somebody reviewed them."""
    if page is None:
        found = orders.by_folder(desk, keys, reviewed=reviewed)
    else:
        found = _page(desk, keys[0], page, reviewed=reviewed)
    prices = [orders.price(desk, order, language) for order in found if order.files]
    return prices, len(keys) - sum(order.files for order in found)


async def rewrite_files(request: Request) -> Response:
    """Sidecars anew, without asking."""
    rows = await chosen(request)
    written, problems = await site_of(request).do_in(in_one(rows), _rewritten, rows)
    language = language_of(request)
    anew = translator(language).ngettext("Written anew: {:,} file.", "Written anew: {:,} files.", written)
    said = [anew.format(written), *(f"{name}: {told(why, language)}" for name, why in problems[:3])]
    if len(problems) > 3:
        said.append("…")
    return _back(request, " ".join(said))


def _rewritten(desk: Desk, rows: Sequence[FileRow]) -> tuple[int, list[tuple[str, str]]]:
    """How many were, and why others were not, by name."""
    written = 0
    problems: list[tuple[str, str]] = []
    for row in rows:
        folder = desk.config.folders[row.key.folder]
        try:
            done = row.state == "done" and rewrite(desk, folder, row)
        except FileError as e:
            problems.append((shown(row.key.path), f"{e.reason} {e.advice}"))
            continue
        except GlimpsedError as e:
            problems.append((shown(row.key.path), str(e)))
            continue
        written += done
        if not done:
            problems.append((shown(row.key.path), NO_ANSWER))
    return written, problems


async def rescan(request: Request) -> Response:
    """Have the folders listed in full."""
    await site_of(request).ask(Ledger.ask_rescan, time.time())
    return _back(request, words(request)("The folders are listed anew."))


async def export(request: Request) -> Response:
    """The answers of files as CSV."""
    rows = await chosen(request)
    data = await site_of(request).do_in(in_one(rows), _table, rows)
    headers = {"Content-Disposition": 'attachment; filename="answers.csv"'}
    return Response(data.encode("utf-8", "backslashreplace"), media_type="text/csv", headers=headers)


def _table(desk: Desk, rows: Sequence[FileRow]) -> str:
    folders = {row.key.folder: desk.config.folders[row.key.folder] for row in rows}
    columns = dict.fromkeys(
        c for folder in folders.values() for c in tables.fields(folder.schema_, explode=None)
    )
    roots = {name: _root(folder) for name, folder in folders.items()}
    to = io.StringIO(newline="")
    with tables.ExportTable(columns) as table:
        for row in rows:
            folder = folders[row.key.folder]
            answer = answer_of(desk, roots[folder.name], folder, row) if row.state == "done" else None
            if answer is not None:
                with_data = folder.schema_ is not None
                for one in tables.rows(answer, row.key, with_data=with_data):
                    table.add(one)
        to_csv(table, to)
    return to.getvalue()


def _root(folder: Folder) -> Root | None:
    try:
        return find_root(folder.path)
    except (ShareTrouble, Vanished):
        return None


async def chosen(request: Request) -> list[FileRow]:
    """The files whose numbers the form names, of folders that the config has."""
    site = site_of(request)
    named = form_of(request).get("file", []) or request.query_params.getlist("file")
    numbers = [number for text in named if (number := number_in(text)) is not None]
    if len(numbers) > MOST:
        raise HTTPException(
            413, N_("Those are more files than go at once: name a folder to the command line instead.")
        )
    rows = await site.ask(Ledger.all_numbered, numbers)
    found = [row for row in rows if row.key.folder in site.config.folders]
    if not found:
        raise HTTPException(400, N_("No file was chosen."))
    return found


def in_one(rows: Sequence[FileRow]) -> str:
    """The folder that all these files are in; empty where they are in several."""
    first, *others = {row.key.folder for row in rows}
    return "" if others else first


def _where(request: Request) -> str:
    return local(field_of(request, "back") or "/")


def _back(request: Request, said: str) -> Response:
    """To the page that the form stood on, which tells what came of it."""
    return came_of_it(request, _where(request), said)


async def pressed(request: Request) -> Response:
    """What the button that was pressed says, else the address: not every program that fills in forms knows both."""
    name = request.url.path.rpartition("/")[2]
    chosen_one = field_of(request, "do")
    return await ACTIONS[chosen_one if chosen_one in ACTIONS else name](request)


ACTIONS = {
    "approve": approve,
    "resume": resume_model,
    "retry": retry,
    "redo": redo,
    "rewrite": rewrite_files,
    "rescan": rescan,
    "export": export,
}
