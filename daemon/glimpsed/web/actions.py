"""What the page does: each a form, each through what commands do. What costs says so before it does it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from glimpsed.desk import Desk, files, orders
from glimpsed.desk.deeds import NO_ANSWER, resume, rewrite
from glimpsed.errors import FileError, GlimpsedError
from glimpsed.ledger import FileRow, Ledger
from glimpsed.model import FileKey, counted, shown
from glimpsed.web.failures import key_of
from glimpsed.web.login import local
from glimpsed.web.pages import form_of, render, site_of, visitor_of

MOST = 5000  # files that are chosen one by one
_CHUNK = 500


async def approve(request: Request) -> Response:
    """Release the backlog of a folder."""
    name = _field(request, "folder")
    released = (
        await site_of(request).ask(Ledger.approve, name) if name in site_of(request).config.folders else []
    )
    return _back(request, f"{name}: released" if released else "No backlog waits to be approved.")


async def resume_model(request: Request) -> Response:
    """Have a paused model probed now."""
    site, model = site_of(request), _field(request, "model")
    if model not in site.config.models:
        raise HTTPException(404, "There is no such model.")
    came, reason = await site.do(resume, model)
    told = {
        "probed": f"{model} is probed now.",
        "not paused": f"{model} is not paused.",
        "not probed": f"{model} is not probed: {reason}",
        "no daemon": "No daemon is running; it begins without pauses.",
    }
    return _back(request, told[came])


async def retry(request: Request) -> Response:
    """Failed files go back into the queue: those that were chosen, or all that failed for one reason."""
    site = site_of(request)
    if reason := _field(request, "reason"):
        folder = _field(request, "folder")
        count = await site.do(_retry_reason, folder, reason)
    else:
        rows = await _chosen(request)
        count = await site.ask(Ledger.requeue, [row.key for row in rows], now=time.time())
    return _back(request, f"Queued again: {files(count)}.")


def _retry_reason(desk: Desk, folder: str, reason: str) -> int:
    keys: list[FileKey] = []
    count = 0
    for row in desk.ledger.failed_files(folder):
        if key_of(folder, row.reason or "") == reason:
            keys.append(row.key)
        if len(keys) >= _CHUNK:
            count += desk.ledger.requeue(keys, now=time.time())
            keys = []
    return count + (desk.ledger.requeue(keys, now=time.time()) if keys else 0)


async def redo(request: Request) -> Response:
    """Ask again about files: first what it will cost, then, when that was agreed to, the deed."""
    site = site_of(request)
    rows = await _chosen(request)
    keys = [row.key for row in rows]
    reviewed = bool(_field(request, "reviewed"))
    if _field(request, "agreed"):
        count = await site.ask(Ledger.redo, keys, now=time.time(), reviewed=reviewed)
        return _back(request, f"Queued again: {files(count)}.")
    prices, left = await site.do(_prices, keys, reviewed=reviewed)
    return render(
        request, "redo.html", rows=rows, prices=prices, left=left, reviewed=reviewed, back=_where(request)
    )


def _prices(desk: Desk, keys: Sequence[FileKey], *, reviewed: bool) -> tuple[list[str], int]:
    """What each folder's files will cost, and how many are left out because somebody reviewed them."""
    found = orders.by_folder(desk, keys, reviewed=reviewed)
    prices = [orders.price(desk, order) for order in found if order.files]
    return prices, len(keys) - sum(order.files for order in found)


async def rewrite_files(request: Request) -> Response:
    """Sidecars anew, without asking."""
    rows = await _chosen(request)
    written, problems = await site_of(request).do(_rewritten, rows)
    told = [f"Written anew: {files(written)}.", *problems[:3]]
    if len(problems) > 3:
        told.append(f"And {counted(len(problems) - 3, 'more problem')}.")
    return _back(request, " ".join(told))


def _rewritten(desk: Desk, rows: Sequence[FileRow]) -> tuple[int, list[str]]:
    written, problems = 0, []
    for row in rows:
        folder = desk.config.folders[row.key.folder]
        try:
            done = row.state == "done" and rewrite(desk, folder, row)
        except FileError as e:
            problems.append(f"{shown(row.key.path)}: {e.reason} {e.advice}")
            continue
        except GlimpsedError as e:
            problems.append(f"{shown(row.key.path)}: {e}")
            continue
        written += done
        if not done:
            problems.append(f"{shown(row.key.path)}: {NO_ANSWER}")
    return written, problems


async def _chosen(request: Request) -> list[FileRow]:
    """The files whose numbers the form names, of folders that the config has."""
    site = site_of(request)
    numbers = [int(text) for text in form_of(request).get("file", []) if text.isdigit() and len(text) < 19]
    if len(numbers) > MOST:
        raise HTTPException(
            413, f"That is more than {MOST:,} files: name a folder to the command line instead."
        )
    rows = await site.ask(Ledger.all_numbered, numbers)
    found = [row for row in rows if row.key.folder in site.config.folders]
    if not found:
        raise HTTPException(400, "No file was chosen.")
    return found


def _field(request: Request, name: str) -> str:
    return form_of(request).get(name, [""])[0]


def _where(request: Request) -> str:
    return local(_field(request, "back") or "/")


def _back(request: Request, told: str) -> Response:
    """To the page that the form stood on, which tells what came of it."""
    site = site_of(request)
    site.look_again()
    site.sessions.note(visitor_of(request).cookie, told)
    return RedirectResponse(site.web.base_path + _where(request), 303)


ACTIONS = {
    "approve": approve,
    "resume": resume_model,
    "retry": retry,
    "redo": redo,
    "rewrite": rewrite_files,
}
