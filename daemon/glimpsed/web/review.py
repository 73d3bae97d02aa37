"""Answers corrected and confirmed, on a file's page or one doubtful one after the other (DESIGN 13)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from glimpsed.config.schema import Folder
from glimpsed.desk import Desk
from glimpsed.desk.deeds import Making
from glimpsed.disk.files import find_root
from glimpsed.errors import FileError, GlimpsedError, UsageError, Vanished
from glimpsed.language import N_
from glimpsed.ledger import FileRow, Ledger
from glimpsed.looks import path_of
from glimpsed.model import Answer
from glimpsed.pipeline import review
from glimpsed.sidecar.render import PAGE_BREAK
from glimpsed.web import file
from glimpsed.web.correct import asked_for, doubts, filled, page_texts, returned
from glimpsed.web.login import local
from glimpsed.web.pages import came_of_it, form_of, number_in, query, render, site_of, visitor_of, words
from glimpsed.web.site import Site

CHANGED = N_("The file or its answer has changed since you looked at it: look again.")
NOBODY = "page"  # who reviews where nobody says who is there


async def view(request: Request) -> Response:
    """The next doubtful answer."""
    site, asked = site_of(request), request.query_params
    after = number_in(asked.get("after", "")) or 0
    folder = asked.get("folder") if asked.get("folder") in site.config.folders else None
    found = await site.ask(Ledger.doubtful_files, folder, after=after, limit=1)
    if not found:
        return render(request, "review.html", after=after, total=await _doubtful(site, folder))
    ((number, row),) = found
    queue = await _queue(site, f"/review{query(after=number, folder=folder)}")
    return await file.page(request, row, site.config.folders.get(row.key.folder), reviewing=queue)


async def _queue(site: Site, following: str) -> dict[str, Any] | None:
    """How many are doubtful, and where the next one is; None for whoever came to the file another way."""
    path, _, asked = following.partition("?")
    if path != "/review":
        return None
    folder = dict(parse_qsl(asked)).get("folder")
    return {"total": await _doubtful(site, folder), "next": following}


async def _doubtful(site: Site, folder: str | None) -> int:
    shot = await site.shot()
    return sum(of["doubtful"] for name, of in shot["folders"].items() if folder in (None, name))


async def save(request: Request) -> Response:
    """What was corrected is written to the sidecars and kept; where nothing was, the answer is confirmed."""
    site = site_of(request)
    row, folder = await file.found(request)
    typed = {returned(name): returned(values[0]) for name, values in form_of(request).items()}
    back, here = local(typed.get("back", "/")), f"/files/{row.id}"

    async def refused(status: int, problem: str, *, fits: bool = True) -> Response:
        queue = await _queue(site, back)
        return await file.page(
            request, row, folder, typed=typed, fits=fits, problem=problem, status=status, reviewing=queue
        )

    if folder is None:
        return await refused(409, N_("The config has no such folder."), fits=False)
    try:
        answer = await site.do_in(folder.name, _current, row, folder)
        change = corrected(answer, typed, folder)
        if "data" in change and (why := await misfit(request, folder, answer, change["data"])):
            return await refused(422, why)
        seen, by = typed.get("seen", ""), visitor_of(request).user or NOBODY
        await site.do_in(folder.name, _correct, row, folder, seen, by, change)
    except (review.Conflict, Vanished) as e:
        # Beside another answer stands nothing that was typed into the old one's fields.
        return await refused(409, CHANGED, fits=isinstance(e, Vanished))
    except (UsageError, FileError) as e:
        return await refused(422, f"{e.reason} {e.advice}" if isinstance(e, FileError) else str(e))
    except GlimpsedError as e:
        return await refused(503, str(e))
    _ = words(request)
    # In the queue the next one is shown: the way back to this one is beside what came of it.
    about, where = (path_of(row.key), here) if back != here else ("", "")
    return came_of_it(request, back, _("Saved.") if change else _("Confirmed."), about, where)


def _current(desk: Desk, row: FileRow, folder: Folder) -> Answer:
    return review.current(desk.ledger, find_root(folder.path), folder, row.key)[1]


def _correct(desk: Desk, row: FileRow, folder: Folder, seen: str, by: str, change: dict[str, Any]) -> None:
    root = find_root(folder.path)
    with Making(desk.config) as make:
        review.correct(desk.ledger, root, folder, row.key, seen=seen, by=by, make=make, **change)


def corrected(answer: Answer, typed: dict[str, str], folder: Folder) -> dict[str, Any]:
    """What a form changes of an answer: its `data`, or its `text`. Pure."""
    if answer.data is not None:
        form = {name.removeprefix("data."): text for name, text in typed.items() if name.startswith("data.")}
        new = filled(answer.data, form, asked_for(answer, folder), doubts(answer))
        return {} if new == answer.data else {"data": new}
    texts = page_texts(answer)
    now = {name: typed.get(name, old) for name, old in texts.items()}
    now = {name: texts[name] if one == returned(texts[name]) else one for name, one in now.items()}
    return {} if now == texts else {"text": PAGE_BREAK.join(now.values())}


async def misfit(request: Request, folder: Folder, answer: Answer, data: Any) -> str | None:
    """Why what was typed is not what the folder's schema asks for."""
    if folder.schema_ is None:
        return None
    checker = site_of(request).checker
    for one in data if answer.pages else [data]:
        if (found := await checker.check(one, folder.schema_)) is not None:
            return found.told
    return None
