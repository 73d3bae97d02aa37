"""A folder as one HTML page to look at: failures first, thumbnails beside their text, what was spent.

The page stands alone: no network, no other file. Whatever an answer or a file name holds is text in it:
everything is escaped, and the page's own policy runs no script and loads nothing but what it brought.
"""

from __future__ import annotations

import base64
import gettext
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TypeAlias

from glimpsed.language import N_, Language, translator
from glimpsed.report.plot import Bar, bars

MOST_FIELDS = 500  # of one page's answer
STATES = (  # as they are counted
    N_("queued"), N_("running"), N_("batched"), N_("answered"), N_("handing"), N_("done"), N_("failed"), N_("gone"),
)  # fmt: skip
_HTML: Mapping[Language, str] = {"en": "en", "zh": "zh-CN"}
Translate: TypeAlias = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Part:
    """An answer, or one page of it: its fields where a schema asked for some, else its text."""

    text: str = ""
    fields: Sequence[tuple[str, str]] = ()  # path, value
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One file. Texts and `reason` are as the answer or the failure has them."""

    path: str  # as it is shown
    failed: bool
    when: str  # of the answer or the failure, as it is shown
    parts: Sequence[Part] = ()
    reason: str = ""
    advice: str = ""
    facts: str = ""  # model, pages, cost: one line
    thumbnails: Sequence[bytes] = ()  # of its pages, JPEG
    link: str | None = None  # to the image itself, as a URL relative to the page


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page shows."""

    folder: str
    path: str
    made: str  # when, as it is shown
    counts: Sequence[tuple[str, int]]  # state, files
    spent: str  # in one line
    answers: Sequence[Bar]  # a day
    costs: Sequence[Bar]  # a day; empty where nothing costs anything
    currency: str
    items: Sequence[Item]
    left_out: int = 0  # files beyond those in `items`
    language: Language = "en"


def render(page: Page) -> str:
    """The page as HTML."""
    return "".join(_document(page))


def _document(page: Page) -> Iterator[str]:
    style, script = _own("page.css"), _own("page.js")
    words = translator(page.language)
    _ = words.gettext
    yield f"""<!doctype html>
<html lang="{_HTML[page.language]}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_policy(style, script))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(page.folder)} – glimpsed</title>
<style>{style}</style>
</head>
<body>
"""
    yield from _head(page, _)
    yield from _plots(page, _)
    yield from _search(page, words)
    yield "<main>\n"
    for item in page.items:
        yield from _item(item, _)
    yield "</main>\n"
    if page.left_out:
        older = words.ngettext(
            "{:,} older file is not on this page.", "{:,} older files are not on this page.", page.left_out
        )
        yield f'<p class="more">{older.format(page.left_out)}</p>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _head(page: Page, _: Translate) -> Iterator[str]:
    yield f"<header>\n<h1>{escape(page.folder)}</h1>\n"
    if page.path != page.folder:
        yield f'<p class="path">{escape(page.path)}</p>\n'
    yield '<ul class="counts">\n'
    for state, count in page.counts:
        yield f'<li class="{escape(state)}"><b>{count:,}</b> {escape(_(state))}</li>\n'
    made = escape(_("As of {}.").format(page.made))
    yield f'</ul>\n<p class="made">{escape(page.spent)} {made}</p>\n</header>\n'


def _plots(page: Page, _: Translate) -> Iterator[str]:
    if not page.answers:
        return
    summary = _("{0} to {1}: {2} in all")
    yield f'<section class="plots" aria-label="{_("Over time")}">\n'
    yield f"<figure><figcaption>{_('Answers a day')}</figcaption>{bars(page.answers, summary)}</figure>\n"
    if page.costs:
        caption = escape(_("Spent a day, {}").format(page.currency))
        yield f"<figure><figcaption>{caption}</figcaption>{bars(page.costs, summary)}</figure>\n"
    yield "</section>\n"


def _search(page: Page, words: gettext.NullTranslations) -> Iterator[str]:
    _, files = words.gettext, len(page.items)
    failed = sum(item.failed for item in page.items)
    label = _("failed only ({:,})").format(failed)
    only = f'<label><input type="checkbox" id="failed"> {label}</label>\n' if failed else ""
    within = words.ngettext("Search in {:,} file", "Search in {:,} files", files).format(files)
    yield f"""<form class="search" role="search">
<input type="search" id="words" placeholder="{within}" aria-label="{_("Search")}" autocomplete="off">
{only}<output id="found" for="words failed" data-of="{_("{0} of {1}")}"></output>
</form>
"""


def _item(item: Item, _: Translate) -> Iterator[str]:
    yield f'<article class="{"failed" if item.failed else "done"}">\n<div class="picture">'
    picture = "".join(map(_picture, item.thumbnails)) or '<span class="none">' + _("no picture") + "</span>"
    yield f'<a href="{escape(item.link)}">{picture}</a>' if item.link else picture
    yield f'</div>\n<div class="words">\n<h2 class="said" dir="auto">{escape(item.path)}</h2>\n'
    yield f'<p class="facts">{escape(" · ".join(part for part in (item.when, item.facts) if part))}</p>\n'
    if item.reason:
        yield f'<p class="reason said" dir="auto">{escape(item.reason)}</p>\n'
    if item.advice:
        yield f'<p class="advice">{escape(item.advice)}</p>\n'
    for part in item.parts:
        yield from _part(part, _)
    yield "</div>\n</article>\n"


def _part(part: Part, _: Translate) -> Iterator[str]:
    if part.page is not None:
        yield f"<h3>{_('Page {:,}').format(part.page)}</h3>\n"
    if part.fields:
        yield '<div class="table" tabindex="0"><table>\n'
        for name, value in part.fields:
            yield f'<tr><th scope="row">{escape(name)}</th><td class="said" dir="auto">{escape(value)}</td></tr>\n'
        yield "</table></div>\n"
    elif part.text:
        yield f'<pre class="said" dir="auto" tabindex="0">{escape(part.text)}</pre>\n'


def _picture(thumbnail: bytes) -> str:
    data = base64.b64encode(thumbnail).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{data}" alt="" loading="lazy">'


def fields(data: object) -> list[tuple[str, str]]:
    """Path and value of each field of an answer's data, in its order: ``items.1.price``; empty ones too."""
    found: list[tuple[str, str]] = []

    def walk(value: object, path: str) -> None:
        if len(found) >= MOST_FIELDS:
            return
        below = (
            value.items()
            if isinstance(value, dict)
            else list(enumerate(value))
            if isinstance(value, list)
            else ()
        )
        if below:
            for key, inner in below:
                walk(inner, f"{path}.{key}" if path else str(key))
        else:
            found.append((path, "" if value is None or value in ({}, []) else _plain(value)))

    walk(data, "")
    return found


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _policy(style: str, script: str) -> str:
    """Nothing from anywhere but this style, this script and pictures inside of the page."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _own(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
