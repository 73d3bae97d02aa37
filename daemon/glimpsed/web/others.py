"""Another answer beside the one that stands: asked for with another prompt or model, compared, taken or thrown away."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from glimpsed.config.schema import Folder
from glimpsed.desk import Desk, orders
from glimpsed.desk.deeds import Making
from glimpsed.desk.trying import read_all
from glimpsed.disk.files import find_root
from glimpsed.errors import FileError, ShareTrouble, UsageError, Vanished
from glimpsed.evaluate import meaning
from glimpsed.language import N_, Language, told
from glimpsed.ledger import FileRow, Ledger
from glimpsed.ledger.values import Other
from glimpsed.model import Answer
from glimpsed.pipeline import review
from glimpsed.pipeline.question import fingerprint
from glimpsed.report import parts
from glimpsed.service.budget import concerned, reached
from glimpsed.sidecar.render import PAGE_BREAK
from glimpsed.web import file
from glimpsed.web.correct import leaves, written
from glimpsed.web.differences import Pieces, differences
from glimpsed.web.pages import (
    came_of_it,
    field_of,
    form_of,
    go_on,
    language_of,
    number_in,
    render,
    site_of,
    visitor_of,
    words,
)
from glimpsed.web.review import CHANGED, NOBODY, misfit


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A field or a page of both answers, in pieces, where they differ marked."""

    name: str
    here: Pieces
    there: Pieces
    differs: bool  # by what they mean


async def another(request: Request) -> Response:
    """The form; what it will cost; then the question, and on to both answers side by side."""
    site, asks = site_of(request), "prompt" in form_of(request)
    row, folder = await file.found(request)
    if folder is None or row.state != "done":
        raise HTTPException(409, N_("Only of a file that is done another reading can be had."))
    models = [folder.model, *file.others(folder, site.config)]
    model = field_of(request, "model") or folder.model
    prompt = field_of(request, "prompt", folder.prompt).replace("\r\n", "\n")
    if model not in models:
        raise HTTPException(400, N_("The config has no such model, or the folder may not ask it."))
    asked = folder.model_copy(update={"prompt": prompt, "model": model, "reuse": False, "fallbacks": []})
    values: dict[str, Any] = {"row": row, "models": models, "model": model, "prompt": prompt, "price": None}
    values["paused"] = []
    try:
        told = await site.do_in(row.key.folder, file.told_of, row, folder)
        values |= {"answer": told.answer, "parts": parts(told.answer, told.text)}
        if asks and not field_of(request, "agreed"):
            values["price"] = await site.do_in(row.key.folder, _price, asked, row, language_of(request))
            values["paused"] = paused_of(await site.shot(), [model])
        elif asks:
            number = await site.question(row.key.folder, _asked, asked, row)
            return go_on(request, f"/files/{row.id}/answers/{number}")
    except UsageError as e:
        return render(request, "another.html", status=409, **values, problem=str(e))
    except ShareTrouble:
        why = N_("It takes longer than two minutes: what comes of it will stand among the other answers.")
        return render(request, "another.html", status=504, **values, problem=why)
    return render(request, "another.html", **values, problem="")


async def compare(request: Request) -> Response:
    """Both answers, side by side."""
    row, folder = await file.found(request)
    return await _compared(request, row, folder)


async def take(request: Request) -> Response:
    """The other answer in the place of the one that stands, which is kept."""
    site, _ = site_of(request), words(request)
    row, folder = await file.found(request)
    if folder is None:
        raise HTTPException(409, N_("The config has no such folder."))
    try:
        other = await site.do(_other, row, request.path_params["which"])
    except UsageError as e:
        if request.path_params["which"] != file.OWN:
            raise HTTPException(404, str(e)) from e
        # It was undone in another window.
        raise HTTPException(409, CHANGED) from e
    try:
        seen, by = field_of(request, "seen"), visitor_of(request).user or NOBODY
        why = await misfit(request, folder, other.answer, other.answer.data)
        if why is not None:
            return await _compared(request, row, folder, problem=why, status=422)
        await site.do_in(row.key.folder, _take, row, folder, seen, by, other)
    except UsageError as e:
        why = CHANGED if isinstance(e, review.Conflict) else str(e)
        return await _compared(request, row, folder, problem=why, status=409)
    except Vanished:
        return await _compared(request, row, folder, problem=CHANGED, status=409)
    except FileError as e:
        return await _compared(request, row, folder, problem=f"{e.reason} {e.advice}", status=422)
    said = _("Taken. The answer that stood before is among the other answers.")
    return came_of_it(request, f"/files/{row.id}", said)


async def throw_away(request: Request) -> Response:
    """Forget an answer that was tried."""
    site, _ = site_of(request), words(request)
    row, _folder = await file.found(request)
    number = number_in(request.path_params["which"])
    gone = number is not None and row.sha256 and await site.ask(Ledger.throw_away, number, row.sha256)
    return came_of_it(request, f"/files/{row.id}", _("Thrown away.") if gone else _("It was gone already."))


async def _compared(
    request: Request, row: FileRow, folder: Folder | None, *, problem: str = "", status: int = 200
) -> Response:
    site = site_of(request)
    if folder is None:
        raise HTTPException(404)
    try:
        other = await site.do(_other, row, request.path_params["which"])
    except UsageError as e:
        raise HTTPException(404, str(e)) from e
    told = await site.do_in(row.key.folder, file.told_of, row, folder)
    answer = told.answer
    return render(
        request,
        "compare.html",
        status=status,
        row=row,
        answer=answer,
        other=other,
        which=request.path_params["which"],
        beside=list(beside(answer, other.answer)) if answer else [],
        parts=parts(other.answer),
        seen=review.token(row, answer) if answer else "",
        fits=answer is not None and row.state == "done" and fits(answer, other.answer, folder),
        problem=problem,
    )


def beside(answer: Answer, other: Answer) -> Iterator[SideBySide]:
    """Field by field where both have fields, else page by page. Pure."""
    if answer.data is not None and other.data is not None:
        here, there = dict(leaves(answer.data)), dict(leaves(other.data))
        for path in dict.fromkeys([*here, *there]):
            one, two = here.get(path), there.get(path)
            pieces = differences(written(one), written(two))
            yield SideBySide(path or "data", *pieces, not meaning.same(one, two))
        return
    pages = [of.text.split(PAGE_BREAK) if of.pages else [of.text] for of in (answer, other)]
    for number, (one_page, other_page) in enumerate(zip_longest(*pages, fillvalue=""), 1):
        pieces = differences(one_page, other_page)
        name = str(number) if max(map(len, pages)) > 1 else ""
        yield SideBySide(name, *pieces, not meaning.same(one_page, other_page))


def fits(answer: Answer, other: Answer, folder: Folder) -> bool:
    """Whether it can take the other's place: what the folder asks for, of as many pages. Pure."""
    pages = (len(of.pages) if of.pages else 0 for of in (answer, other))
    return (other.data is not None) == (folder.schema_ is not None) and len({*pages}) == 1


def _price(desk: Desk, asked: Folder, row: FileRow, language: Language) -> str:
    _may_ask(desk, asked, language)
    return orders.price_of_trial(desk, asked, asked.model, [row], language)


def paused_of(shot: Mapping[str, Any], models: Sequence[str]) -> list[tuple[str, str]]:
    """Those of the models that pause, and why: whoever asks one all the same is told beforehand. Pure."""
    states = {name: shot["models"].get(name, {}) for name in models}
    return [(name, of["reason"] or "") for name, of in states.items() if of.get("state") == "paused"]


def within_budget(desk: Desk, folder: str, model: str, language: Language = "en") -> None:
    """Raises `UsageError` where what may be spent is spent."""
    now = time.time()
    over = concerned(reached(desk.config, desk.ledger.spend_this_month(now), now), folder, model)
    if over is not None and not desk.config.models[model].local:
        raise UsageError(told(over.reason, language))


def _may_ask(desk: Desk, asked: Folder, language: Language = "en") -> None:
    within_budget(desk, asked.name, asked.model, language)
    if desk.ledger.keep == 0:
        raise UsageError(N_("'keep_answers: never' keeps no other answer: try it at the Workbench."))


def _asked(desk: Desk, asked: Folder, row: FileRow) -> int:
    """Ask, and keep what came of it; its number."""
    _may_ask(desk, asked)
    ((_, (found,)),) = read_all(desk, asked, [asked.model], [row])
    if found.answer is None:
        desk.ledger.paid(found.bills, time.time())
        raise UsageError(found.problem)
    question = fingerprint(asked, desk.config.models[asked.model])
    return desk.ledger.tried(row.id, found.answer, question, found.bills, time.time())


def _other(desk: Desk, row: FileRow, which: str) -> Other:
    """Raises `UsageError` where there is none such."""
    found: Other | None = None
    if which == file.OWN and (own := desk.ledger.own_answer(row.key)) is not None:
        found = Other(0, "", own)
    elif row.sha256 and (number := number_in(which)) is not None:
        found = desk.ledger.answer_numbered(number, row.sha256)
    if found is None:
        raise UsageError(N_("There is no such answer any more."))
    return found


def _take(desk: Desk, row: FileRow, folder: Folder, seen: str, by: str, other: Other) -> None:
    root = find_root(folder.path)
    own = other.id == 0
    with Making(desk.config) as make:
        review.correct(
            desk.ledger, root, folder, row.key, seen=seen, by=by, instead=other.answer, undo=own, make=make
        )
    if other.tried:  # it stands now
        desk.ledger.throw_away(other.id, row.sha256 or "")
