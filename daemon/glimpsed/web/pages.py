"""From a template and values to a page. All that comes from files and answers is text in it: everything is escaped."""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from glimpsed import __version__
from glimpsed.language import LANGUAGES, N_, Language, chosen, told, translator
from glimpsed.model import FileKey, shown
from glimpsed.web.charts import figure
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


def render(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page as a reply."""
    site, visitor = site_of(request), visitor_of(request)
    language = language_of(request)
    html = (
        _environment(language)
        .get_template(template)
        .render(
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


def when(seconds: float | str | None) -> str:
    """A time as people of this machine read it, from epoch seconds or ISO 8601."""
    if seconds is None:
        return ""
    try:
        moment = (
            dt.datetime.fromisoformat(seconds)
            if isinstance(seconds, str)
            else dt.datetime.fromtimestamp(seconds, dt.UTC)
        )
        return moment.astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def span(seconds: float, _: Callable[[str], str]) -> str:
    """``3 s``, ``12 min``, ``5 h``, ``3 d``."""
    if not math.isfinite(seconds):
        return "∞"
    for size, said in ((86400, _("{:,.0f} d")), (3600, _("{:,.0f} h")), (60, _("{:,.0f} min"))):
        if seconds >= 2 * size:
            return said.format(seconds / size)
    return _("{:,.0f} s").format(seconds)


def count(number: float) -> str:
    """``1,234``."""
    return f"{number:,}"


def money(amount: float | None) -> str:
    """``0.0049``, ``12.30``."""
    if amount is None:
        return ""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:,.4f}"


def path_of(key: FileKey) -> str:
    """A file's path as it may be shown."""
    return shown(key.path)


# Said as they are, by a name that a template does not know.
STATES = (
    N_("queued"), N_("running"), N_("answered"), N_("handing"), N_("done"), N_("failed"), N_("gone"), N_("doubtful"),
    N_("batched"), N_("watching"), N_("degraded"), N_("lost"), N_("ok"), N_("paused"), N_("No reason on record."),
)  # fmt: skip


@functools.cache
def _environment(language: Language) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found = translator(language)
    made.install_gettext_callables(found.gettext, found.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {
        "when": when,
        "span": lambda seconds: span(seconds, found.gettext),
        "count": count,
        "money": money,
        "figure": figure,
        "path": path_of,
        "shown": shown,
        "lines": lambda text: shown(text, lines=True),
    }
    # `_` takes what it is given for safe, and so only what a template says itself: these are for all else.
    made.globals |= {
        "query": query,
        "word": found.gettext,
        "told": lambda text: shown(told(found.gettext(text) if text else "", language)),
    }
    return made
