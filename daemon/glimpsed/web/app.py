"""The page as an ASGI application: which view is where."""

from __future__ import annotations

import os
import re
import traceback
from importlib import resources

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from glimpsed.errors import GlimpsedError
from glimpsed.httpd import App
from glimpsed.journal import get_logger
from glimpsed.language import N_
from glimpsed.web import actions, failures, file, files, login, now, others, review, workbench
from glimpsed.web.guard import HOLD, Guard
from glimpsed.web.pages import form_of, render, visitor_of
from glimpsed.web.site import Site

log = get_logger()

_NAME = re.compile(r"[a-z]{1,20}\.[a-z]{2,3}")
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


class Number(Convertor[int]):
    """Of a file, a page: as many figures as the ledger has at most."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        """From an address."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Into one."""
        return str(value)


register_url_convertor("number", Number())


def application(site: Site) -> App:
    """Everything, behind the guard."""
    app = Starlette(
        routes=[
            Route("/", now.view),
            Route("/live", now.live),
            Route("/files", files.view),
            Route("/files/{number:number}", file.view),
            Route("/files/{number:number}/pages/{page:number}", file.picture),
            Route("/files/{number:number}/pages/{page:number}/lines", file.boxes),
            Route("/files/{number:number}/save", review.save, methods=["POST"]),
            Route("/files/{number:number}/confirm", review.save, methods=["POST"]),
            Route("/files/{number:number}/another", others.another, methods=["GET", "POST"]),
            Route("/files/{number:number}/answers/{which}", others.compare),
            Route("/files/{number:number}/answers/{which}/take", others.take, methods=["POST"]),
            Route("/files/{number:number}/answers/{which}/throw-away", others.throw_away, methods=["POST"]),
            Route("/review", review.view),
            Route("/failures", failures.view),
            Route("/workbench", workbench.view, methods=["GET", "POST"]),
            Route("/login", login.view, methods=["GET", "POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route(HOLD, login.hold, methods=["POST"]),
            *(Route(f"/actions/{name}", actions.pressed, methods=["POST"]) for name in actions.ACTIONS),
            Route("/static/{name}", _static),
        ],
        exception_handlers={HTTPException: _refused, GlimpsedError: _trouble, Exception: _bug},
    )
    app.state.site = site
    app.state.guard = guard = Guard(app, site)
    return guard


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kind = _TYPES.get(name.rpartition(".")[2]) if _NAME.fullmatch(name) else None
    places = [
        resources.files(package).joinpath("static", name) for package in (__package__, "glimpsed.looks")
    ]
    found = next((place for place in places if kind and place.is_file()), None)
    if kind is None or found is None:
        raise HTTPException(404)
    return Response(found.read_bytes(), media_type=kind, headers={"Cache-Control": "public, max-age=3600"})


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    if error.status_code == 405 and path.startswith(
        "/files/"
    ):  # what a form was sent to, looked at again later
        base: str = request.app.state.site.web.base_path
        return RedirectResponse(base + "/".join(path.split("/")[:3]), 303)
    words = {404: N_("There is no such page."), 405: N_("That is not how this is asked.")}
    return _told(request, error.status_code, words.get(error.status_code, str(error.detail)))


def _trouble(request: Request, error: Exception) -> Response:
    """The ledger is away, a file system does not answer: said as it is."""
    return _told(request, 503, str(error))


def _bug(request: Request, error: Exception) -> Response:
    # Where, and not what: an error's words may hold an answer's.
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    place = " < ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames))
    log.error("page not shown", reason=f"{type(error).__name__} at {place}")
    return _told(request, 500, N_("Something unexpected happened; the daemon's log has it."))


def _told(request: Request, status: int, text: str) -> Response:
    if not visitor_of(request).welcome:
        return PlainTextResponse(f"{text}\n", status)
    sent = [(name, one) for name, all_ in form_of(request).items() for one in all_]
    return render(request, "trouble.html", status=status, text=text, unsaved=login.typed(sent))
