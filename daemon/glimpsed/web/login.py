"""The way in, where there is a password, and the way out."""

from __future__ import annotations

import asyncio
import math

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from glimpsed.clock import elapsed
from glimpsed.web.pages import form_of, render, site_of, visitor_of, words


async def view(request: Request) -> Response:
    """The form, and what comes of it."""
    site, visitor, _ = site_of(request), visitor_of(request), words(request)
    form = form_of(request)
    after = local(form.get("next", [request.query_params.get("next", "/")])[0])
    if visitor.welcome or site.password is None:
        return RedirectResponse(site.web.base_path + after, 303)
    if request.method != "POST":
        return render(request, "login.html", after=after, problem="")
    wait = site.attempts.wait(visitor.address, elapsed())
    if wait:
        problem = _("Too many wrong passwords from this address: try again in {} s.")
        problem = problem.format(math.ceil(wait))
        later = render(request, "login.html", status=429, after=after, problem=problem)
        later.headers["Retry-After"] = str(math.ceil(wait))
        return later
    # Counted before it is known to be wrong: many at once are no way around the wait.
    site.attempts.failed(visitor.address, elapsed())
    async with site.checking:
        right = await asyncio.to_thread(site.password.is_, form.get("password", [""])[0])
    if not right:
        return render(request, "login.html", status=401, after=after, problem=_("That is not the password."))
    site.attempts.succeeded(visitor.address)
    cookie = site.sessions.begin(elapsed())
    await asyncio.to_thread(site.keep)
    reply = RedirectResponse(site.web.base_path + after, 303)
    reply.headers["Set-Cookie"] = request.app.state.guard.cookie(cookie, secure=visitor.secure)
    return reply


async def leave(request: Request) -> Response:
    """End the session."""
    site = site_of(request)
    site.sessions.end(visitor_of(request).cookie)
    await asyncio.to_thread(site.keep)
    return RedirectResponse(f"{site.web.base_path}/login", 303)


def local(path: str) -> str:
    """A path of this page, and nothing that a browser would take for another site."""
    clean = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if clean else "/"
