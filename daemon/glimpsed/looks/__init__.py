"""How pages look, the live one and those that stand alone: templates, filters, charts, one style.

All that comes from files and answers is text in them: everything is escaped.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import json
import math
from collections.abc import Callable
from importlib import resources

import jinja2

from glimpsed.language import N_, Language, told, translator
from glimpsed.looks.charts import figure
from glimpsed.model import FileKey, shown


@functools.cache
def environment(package: str, language: Language) -> jinja2.Environment:
    """For the templates of this package, which may use those that are here."""
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader(__package__)]),
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
        "word": found.gettext,
        "told": lambda text: shown(told(found.gettext(text) if text else "", language)),
    }
    return made


def compiled(package: str, language: Language) -> None:
    """Have all of these templates ready: to compile them takes a third of a second, which nobody should wait for."""
    made = environment(package, language)
    for name in made.list_templates():
        made.get_template(name)


def style(package: str) -> str:
    """The whole style of a page that stands alone: what all share, and its own."""
    ours = resources.files(__package__).joinpath("static", "base.css")
    return ours.read_text("utf-8") + resources.files(package).joinpath("page.css").read_text("utf-8")


def digest(text: str) -> str:
    """By which a page's policy names the one style or script that it lets in."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


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


def plainly(value: object) -> str:
    """A value of an answer: nothing for none, as JSON has it where it holds others."""
    if value is None or value in ({}, []):
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | dict | list) else str(value)


def count(number: float) -> str:
    """``1,234``."""
    return f"{number:,}"


def money(amount: float | None) -> str:
    """``0.0049``, ``0.25``, ``12.30``."""
    if amount is None:
        return ""
    cents = amount == 0 or amount >= 1 or 0 < round(amount, 2) == round(amount, 4)
    return f"{amount:,.2f}" if cents else f"{amount:,.4f}"


def path_of(key: FileKey) -> str:
    """A file's path as it may be shown."""
    return shown(key.path)


# Said as they are, by a name that a template does not know.
STATES = (
    N_("queued"), N_("running"), N_("answered"), N_("handing"), N_("done"), N_("failed"), N_("gone"), N_("doubtful"),
    N_("batched"), N_("watching"), N_("degraded"), N_("lost"), N_("ok"), N_("paused"), N_("No reason on record."),
)  # fmt: skip
