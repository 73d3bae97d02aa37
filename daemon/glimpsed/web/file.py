"""One file: its pages beside what was read in them, which can be corrected; what was sent and to whom, what came before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from glimpsed import sidecar
from glimpsed.config.schema import Config, Folder
from glimpsed.desk import Desk
from glimpsed.disk.files import find_root
from glimpsed.errors import FileError, GlimpsedError, ShareTrouble, Vanished
from glimpsed.ledger import FileRow, Ledger
from glimpsed.model import Answer, DoubtfulWords, Sent
from glimpsed.pipeline import anew
from glimpsed.pipeline.review import token
from glimpsed.report import parts
from glimpsed.web import login
from glimpsed.web.correct import asked_for, doubts, fields, page_texts, returned, written
from glimpsed.web.differences import Pieces, differences
from glimpsed.web.pages import render, site_of
from glimpsed.web.places import lines, places

OWN = "own"  # what the model itself answered, before somebody corrected it
MOST_PAGES = 200  # that are shown of one document
_DAY = 86400


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What is known of a file's answer."""

    answer: Answer | None  # as the ledger or the JSON has it
    text: str | None  # where only a text sidecar has it
    earlier: Sequence[tuple[str, Answer]] = ()  # each as `others` knows it
    second: Sequence[str] = ()  # those of them that a second reader gave


@dataclass(frozen=True, slots=True)
class Field:
    """One that can be corrected."""

    name: str
    value: str
    other: str | None = None  # what the second reader read, where that differs
    doubtful: bool = False
    readings: tuple[Pieces, Pieces] = ([], [])  # this one and the other, where they differ marked


@dataclass(frozen=True, slots=True)
class Editing:
    """What of an answer can be corrected, and which answer that is."""

    seen: str
    fields: Sequence[Field] = ()  # of the data; or else, of the text
    texts: Sequence[Field] = ()  # page by page, where there is no data
    words: Sequence[tuple[DoubtfulWords, tuple[Pieces, Pieces]]] = ()


async def view(request: Request) -> Response:
    """The page of one file."""
    row, folder = await found(request)
    return await page(request, row, folder)


async def page(
    request: Request,
    row: FileRow,
    folder: Folder | None,
    *,
    typed: Mapping[str, str] | None = None,
    fits: bool = True,
    problem: str = "",
    status: int = 200,
    **more: Any,
) -> Response:
    """The page of this file; with what was `typed`, where that could not be saved because of a problem.

    Where it does not fit the answer that stands now, it is shown beside it.
    """
    site = site_of(request)
    told = await site.do_in(row.key.folder, told_of, row, folder) if folder else AnswerView(None, None)
    count, trouble = 0, None
    if folder is not None and row.state != "gone":
        try:
            count = told.answer.source.pages if told.answer else await site.pictures.count(row, folder)
        except GlimpsedError as e:
            trouble = e.reason if isinstance(e, FileError) else str(e)
    editing, seen = None, lines(told.answer, [answer for _, answer in told.earlier])
    if told.answer is not None and row.state == "done":
        editing = editable(row, told.answer, typed if typed and fits else {}, asked_for(told.answer, folder))
        values = [field.value for field in editing.fields] + [words.value for words, _ in editing.words]
    else:
        values = []
    where = await asyncio.to_thread(places, seen, values)
    return render(
        request,
        "file.html",
        status=status,
        **{"reviewing": None, **more},
        unsaved=() if editing and fits else login.typed((typed or {}).items()),
        row=row,
        answer=told.answer,
        editing=editing,
        problem=problem,
        parts=parts(told.answer, told.text),
        earlier=[(which, answer, parts(answer)) for which, answer in told.earlier],
        second=told.second,
        undo=undoes(told),
        pages={
            number: shape(told.answer, number) if told.answer else None
            for number in range(1, min(count, MOST_PAGES) + 1)
        },
        page_count=count,
        trouble=trouble,
        lines=seen,
        where=where,
        apart=apart(row, folder, told.answer),
        others=others(folder, site.config),
    )


def editable(row: FileRow, answer: Answer, typed: Mapping[str, str], schema: Mapping[str, Any]) -> Editing:
    """The fields of an answer, or its text, with what was typed in their place."""
    seen = token(row, answer)
    doubt = answer.doubt
    if answer.data is not None:
        others = doubts(answer)
        return Editing(
            seen,
            fields=[
                Field(
                    path,
                    typed.get(f"data.{path}", written(value)),
                    written(others[path]) if path in others else None,
                    path in others,
                    differences(written(value), written(others[path])) if path in others else ([], []),
                )
                for path, value in fields(answer.data, others, schema)
            ],
        )
    return Editing(
        seen,
        texts=[Field(name, typed.get(name, returned(text))) for name, text in page_texts(answer).items()],
        words=[(words, differences(words.value, words.other or "")) for words in doubt.words]
        if doubt
        else (),
    )


def undoes(told: AnswerView) -> bool:
    """Whether the answer that stands was corrected, and what the model itself said is there to go back to. Pure."""
    own = next((answer for which, answer in told.earlier if which == OWN), None)
    stands = told.answer
    return own is not None and stands is not None and (own.text, own.data) != (stands.text, stands.data)


def shape(answer: Answer, page: int) -> tuple[int, int]:
    """How wide and high a page is as it is shown, as far as its answer tells: the room that its picture will take. Pure."""
    match [one for one in answer.sent if one.page == page]:
        case [Sent(width=int(width), height=int(height), turned=turned)]:
            return (height, width) if turned in (90, 270) else (width, height)
    return answer.source.width, answer.source.height  # of its first page


def apart(row: FileRow, folder: Folder | None, answer: Answer | None) -> list[int]:
    """The pages that can be asked about again one by one."""
    if folder is None or folder.pages != "each" or row.state != "done" or answer is None:
        return []
    return [page.page for page in answer.pages or ()]


def others(folder: Folder | None, config: Config) -> list[str]:
    """The models that may be tried on a folder's files, but for its own."""
    if folder is None:
        return []
    allowed = (name for name, entry in config.models.items() if entry.local or not folder.local_only)
    return [name for name in allowed if name != folder.model]


async def picture(request: Request) -> Response:
    """One page of it as JPEG."""
    row, folder = await found(request)
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


async def boxes(request: Request) -> Response:
    """Each line of a page as fractions of its picture: left, top, right, bottom."""
    site, page = site_of(request), request.path_params["page"]
    row, folder = await found(request)
    if folder is None or not 1 <= page <= MOST_PAGES:
        raise HTTPException(404)
    told = await site.do_in(row.key.folder, told_of, row, folder)
    some = lines(told.answer, [answer for _, answer in told.earlier]).get(page, ())
    try:
        region = await site.pictures.region(row, folder, page) if some else None
    except (FileError, Vanished) as e:
        raise HTTPException(404, str(e)) from e
    except ShareTrouble as e:
        raise HTTPException(503, str(e)) from e
    return JSONResponse([] if region is None else [region.seen(line.box) for line in some])


async def found(request: Request) -> tuple[FileRow, Folder | None]:
    """The row, and its folder where the config still has it."""
    site = site_of(request)
    number = request.path_params["number"]
    row = await site.ask(Ledger.numbered, number)
    if row is None:
        raise HTTPException(404)
    return row, site.config.folders.get(row.key.folder)


def told_of(desk: Desk, row: FileRow, folder: Folder) -> AnswerView:
    """What the ledger and the sidecars know."""
    kept = desk.ledger.kept_for(row)
    there = desk.ledger.answers_about(row.sha256) if row.sha256 else []
    stands = row.state in ("done", "handing")
    earlier = [
        (str(other.id), other.answer) for other in there if not stands or other.question != row.question
    ]
    second = [str(other.id) for other in there if other.second]
    if (own := desk.ledger.own_answer(row.key)) is not None:
        earlier.insert(0, (OWN, own))
    if not stands:
        return AnswerView(None, None, earlier, second)
    try:
        root = find_root(folder.path)
        answer = anew.answer(root, row, folder, kept)
        text = None if answer else sidecar.load_text(*anew.where(root, row.key.path), folder, row.written)
    except GlimpsedError:
        answer, text = (kept.answer if kept else None), None
    return AnswerView(answer, text, earlier, second)
