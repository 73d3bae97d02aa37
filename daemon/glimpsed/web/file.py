"""One file: its pages beside what was read in them, what was sent and to whom, and what was answered before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.desk import Desk
from glimpsed.disk.files import find_root
from glimpsed.errors import FileError, GlimpsedError, ShareTrouble, Vanished
from glimpsed.ledger import FileRow, Ledger
from glimpsed.model import Answer
from glimpsed.pipeline import anew
from glimpsed.report import fields
from glimpsed.web.pages import render, site_of

MOST_PAGES = 200  # that are shown of one document
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a file's answer."""

    answer: Answer | None  # as the ledger or the JSON has it
    text: str | None  # where only a text sidecar has it
    earlier: Sequence[Answer] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """An answer, or one page of it."""

    page: int | None
    fields: Sequence[tuple[str, str]]
    text: str


async def view(request: Request) -> Response:
    """The page of one file."""
    site = site_of(request)
    row, folder = await _found(request)
    told = await site.do(_told, row, folder) if folder else Told(None, None)
    count, trouble = 0, None
    if folder is not None and row.state != "gone":
        try:
            count = told.answer.source.pages if told.answer else await site.pictures.count(row, folder)
        except GlimpsedError as e:
            trouble = e.reason if isinstance(e, FileError) else str(e)
    return render(
        request,
        "file.html",
        row=row,
        answer=told.answer,
        parts=parts(told.answer, told.text),
        earlier=[(answer, parts(answer, None)) for answer in told.earlier],
        pages=range(1, min(count, MOST_PAGES) + 1),
        page_count=count,
        trouble=trouble,
    )


async def picture(request: Request) -> Response:
    """One page of it as JPEG."""
    row, folder = await _found(request)
    page = request.path_params["page"]
    size = "small" if request.query_params.get("size") == "small" else "large"
    if folder is None or not 1 <= page <= 10_000:
        raise HTTPException(404)
    try:
        data = await site_of(request).pictures.page(row, folder, page, size)  # type: ignore[arg-type]
    except (FileError, Vanished) as e:
        raise HTTPException(404, str(e)) from e
    except ShareTrouble as e:
        raise HTTPException(503, str(e)) from e
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": f"private, max-age={_DAY}"})


async def _found(request: Request) -> tuple[FileRow, Folder | None]:
    """The row, and its folder where the config still has it."""
    site = site_of(request)
    number = request.path_params["number"]
    row = await site.ask(Ledger.numbered, number) if number < 1 << 62 else None
    if row is None:
        raise HTTPException(404)
    return row, site.config.folders.get(row.key.folder)


def _told(desk: Desk, row: FileRow, folder: Folder) -> Told:
    """What the ledger and the sidecars know."""
    question = anew.question_of(row)
    kept = desk.ledger.all_kept(question) if question else []
    earlier = (
        [answer for asked, answer in desk.ledger.answers_about(row.sha256) if asked != row.question]
        if row.sha256
        else []
    )
    if row.state not in ("done", "handing"):
        return Told(None, None, earlier)
    try:
        root = find_root(folder.path)
        answer = anew.answer(root, row, folder, kept)
        text = None if answer else sidecar.load_text(*anew.where(root, row.key.path), folder, row.written)
    except GlimpsedError:
        known = next((one for one in kept if one), None)
        answer, text = (known.answer if known else None), None
    return Told(answer, text, earlier)


def parts(answer: Answer | None, text: str | None) -> list[Part]:
    """An answer page by page: its fields where a schema asked for some, else its text."""
    if answer is None:
        pages = [] if text is None else text.split("\f")
        return [Part(at if len(pages) > 1 else None, (), page) for at, page in enumerate(pages, 1)]
    if answer.pages:
        return [Part(page.page, _fields(page.data), page.text) for page in answer.pages]
    return [Part(None, _fields(answer.data), answer.text)]


def _fields(data: object) -> Sequence[tuple[str, str]]:
    return fields(data) if data is not None else ()
