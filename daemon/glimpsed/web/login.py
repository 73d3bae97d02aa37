"""The way in, where there is a password, and the way out; and forms that wait meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import secrets
from collections.abc import Iterable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from glimpsed.clock import elapsed
from glimpsed.language import N_
from glimpsed.web.pages import field_of, form_of, go_on, render, site_of, visitor_of, words

# The button of a form, by the last part of its address.
_BUTTONS = {
    "save": N_("Save"),
    "confirm": N_("Confirm"),
    "another": N_("Another reading"),
    "workbench": N_("Workbench"),
    "take": N_("Take it"),
    "throw-away": N_("Throw away"),
    "retry": N_("Retry"),
    "redo": N_("Redo"),
    "rewrite": N_("Rewrite"),
    "approve": N_("Approve"),
    "resume": N_("Resume"),
    "rescan": N_("Rescan"),
    "export": N_("Export"),
    "logout": N_("Log out"),
}
# What the names of those fields begin with that one types in.
_TYPED = ("data.", "text", "prompt", "system", "schema")
# Before the names of a form's fields that come along through the login.
_HELD = "held."


async def view(request: Request) -> Response:
    """The form, and what comes of it."""
    site, visitor, _ = site_of(request), visitor_of(request), words(request)
    after = local(field_of(request, "next", request.query_params.get("next", "/")))
    to = field_of(request, "to")
    held = [
        (name.removeprefix(_HELD), one)
        for name, all_ in form_of(request).items()
        if name.startswith(_HELD)
        for one in all_
    ]
    if visitor.welcome or site.password is None:  # in another window, perhaps
        return _once_more(request, local(to), held) if to else go_on(request, after)
    if request.method != "POST":
        return _asks(request, after)
    if not request.state.token:
        return _asks(request, after, to, held, status=403, problem=_("This form was too old: once more."))
    wait = site.attempts.wait(visitor.address, elapsed())
    if wait:
        problem = _("Too many wrong passwords from this address: try again in {} s.")
        later = _asks(request, after, to, held, status=429, problem=problem.format(math.ceil(wait)))
        later.headers["Retry-After"] = str(math.ceil(wait))
        return later
    # Counted before it is known to be wrong: many at once are no way around the wait.
    site.attempts.failed(visitor.address, elapsed())
    async with site.checking:
        right = await asyncio.to_thread(site.password.is_, field_of(request, "password"))
    if not right:
        return _asks(request, after, to, held, status=401, problem=_("That is not the password."))
    site.attempts.succeeded(visitor.address)
    cookie = site.sessions.begin(elapsed())
    await asyncio.to_thread(site.keep)
    if to:
        request.state.visitor = dataclasses.replace(visitor, cookie=cookie, welcome=True)
        reply = _once_more(request, local(to), held)
    else:
        reply = go_on(request, after)
    reply.headers["Set-Cookie"] = request.app.state.guard.cookie(cookie, secure=visitor.secure)
    return reply


async def hold(request: Request) -> Response:
    """What a form of ours asks for while nobody is logged in, or once it is too old, waits until it is asked for again."""
    to = getattr(request.state, "held", "")
    if not to:
        raise HTTPException(404)
    held = [(name, one) for name, all_ in form_of(request).items() if name != "token" for one in all_]
    if visitor_of(request).welcome:
        return _once_more(request, to, held, status=403)
    if to == "/logout":
        return go_on(request, "/login")
    _ = words(request)
    problem = _("You are logged out. Log in, and what you have just sent is here again.")
    return _asks(request, _page_of(to, held), to, held, status=401, problem=problem)


async def leave(request: Request) -> Response:
    """End the session."""
    site = site_of(request)
    site.sessions.end(visitor_of(request).cookie)
    await asyncio.to_thread(site.keep)
    reply = go_on(request, "/login")
    # Another cookie: browsers keep pages to go back to, and drop them where one of their cookies has changed.
    fresh = secrets.token_urlsafe(32)
    reply.headers["Set-Cookie"] = request.app.state.guard.cookie(fresh, secure=visitor_of(request).secure)
    return reply


def _asks(
    request: Request,
    after: str,
    to: str = "",
    held: Sequence[tuple[str, str]] = (),
    *,
    status: int = 200,
    problem: str = "",
) -> Response:
    named = [(_HELD + name, value) for name, value in held]
    return render(request, "login.html", status=status, after=after, to=to, held=named, problem=problem)


def _once_more(request: Request, to: str, held: Sequence[tuple[str, str]], *, status: int = 200) -> Response:
    """The form as it was sent, to be sent again: nothing is done that nobody sees."""
    return render(
        request,
        "held.html",
        status=status,
        to=to,
        held=held,
        typed=typed(held),
        button=_BUTTONS.get(to.rpartition("/")[2], N_("Send")),
        after=_page_of(to, held),
    )


def typed(sent: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What of a form a person has filled in, by the fields' names. Pure."""
    return [(name.removeprefix("data."), value) for name, value in sent if value and name.startswith(_TYPED)]


def _page_of(to: str, held: Sequence[tuple[str, str]]) -> str:
    """The page that a form stood on, or near by. Pure."""
    parts = to.split("/")
    if parts[1] == "files":
        return "/".join(parts[:3])
    return local(dict(held).get("back", "/")) if parts[1] == "actions" else f"/{parts[1]}"


def local(path: str) -> str:
    """A path of this page, and nothing that a browser would take for another site."""
    clean = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if clean else "/"
