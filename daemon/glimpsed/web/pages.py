"""From a template and values to a page. All that comes from files and answers is text in it: everything is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from glimpsed import __version__
from glimpsed.language import LANGUAGES, Language, chosen, translator
from glimpsed.looks import environment
from glimpsed.web.guard import Visitor
from glimpsed.web.site import Site


def visitor_of(request: Request) -> Visitor:
    """Whoever asks."""
    found: Visitor = request.state.visitor
    return found


def site_of(request: Request) -> Site:
    """The page that is asked."""
    found: Site = request.app.state.site
    return found


def form_of(request: Request) -> dict[str, list[str]]:
    """What a form says; nothing for a GET."""
    found: dict[str, list[str]] = getattr(request.state, "form", {})
    return found


def field_of(request: Request, name: str, default: str = "") -> str:
    """The first that a form says by this name."""
    return form_of(request).get(name, [default])[0]


def number_in(text: str) -> int | None:
    """A number as forms and addresses have it; None for what is none."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def go_on(request: Request, path: str) -> RedirectResponse:
    """On to another page of ours."""
    return RedirectResponse(site_of(request).web.base_path + path, 303)


def came_of_it(request: Request, path: str, said: str, about: str = "", where: str = "") -> RedirectResponse:
    """On to a page that shows what is new, and tells what came of it: see `Sessions.note`."""
    site_of(request).look_again()
    site_of(request).sessions.note(visitor_of(request).cookie, said, about, where)
    return go_on(request, path)


def render(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page as a reply."""
    site, visitor = site_of(request), visitor_of(request)
    language = language_of(request)
    html = (
        environment(__package__, language)
        .get_template(template)
        .render(
            query=query,
            base=site.web.base_path,
            here=request.scope["path"],
            token=site.sessions.token(visitor.cookie),
            user=visitor.user,
            welcome=visitor.welcome,
            may_leave=site.password is not None and visitor.user is None,
            note=site.sessions.noted(visitor.cookie),
            version=__version__,
            language=language,
            **values,
        )
    )
    return HTMLResponse(html.encode("utf-8", "replace"), status)


def language_of(request: Request) -> Language:
    """The one that the config names, else the first of the browser's that there is."""
    setting = site_of(request).config.language
    if setting != "auto":
        return chosen(setting)
    asked = sorted(_asked(request.headers.get("accept-language", "")), key=lambda one: -one[1])
    known = (_known(name) for name, weight in asked if weight > 0)
    return next((language for language in known if language is not None), "en")


def _asked(header: str) -> Iterator[tuple[str, float]]:
    """``zh-CN,zh;q=0.9`` apart."""
    for part in header[:1000].split(",")[:20]:
        name, _, weight = part.partition(";")
        try:
            yield name.strip().lower(), float(weight.partition("=")[2] or 1) if weight else 1.0
        except ValueError:
            continue


def _known(name: str) -> Language | None:
    return next((language for language in LANGUAGES if language == name.partition("-")[0]), None)


def words(request: Request) -> Callable[[str], str]:
    """gettext, for who asks."""
    return translator(language_of(request)).gettext


def query(**parts: Any) -> str:
    """``?folder=a&state=b`` of what is not empty."""
    text = urlencode(
        {name: value for name, value in parts.items() if value not in (None, "")}, errors="replace"
    )
    return f"?{text}" if text else ""
