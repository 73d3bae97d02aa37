"""A folder as one HTML page to look at: failures first, thumbnails beside their text, what was spent.

The page stands alone: no network, no other file. Whatever an answer or a file name holds is text in it:
everything is escaped, and the page's own policy runs no script and loads nothing but what it brought.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup

from glimpsed.language import N_, Language
from glimpsed.looks import digest, environment, plainly, style
from glimpsed.looks.charts import Chart
from glimpsed.model import Answer, shown

MOST_FIELDS = 500  # of one page's answer
STATES = (  # as they are counted
    N_("queued"), N_("running"), N_("batched"), N_("answered"), N_("handing"), N_("done"), N_("failed"), N_("gone"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportPart:
    """An answer, or one page of it, as it is shown: its fields where a schema asked for some, else its text."""

    text: str = ""
    fields: Sequence[tuple[str, str]] = ()  # path, value
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One file. Texts and `reason` are as the answer or the failure has them."""

    path: str  # as it is shown
    failed: bool
    when: str  # of the answer or the failure, as it is shown
    parts: Sequence[ReportPart] = ()
    reason: str = ""
    advice: str = ""
    facts: str = ""  # model, pages, cost: one line
    thumbnails: Sequence[bytes] = ()  # of its pages, JPEG
    link: str | None = None  # to the image itself, as a URL relative to the page


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Everything that the page shows."""

    folder: str
    path: str
    made: str  # when, as it is shown
    counts: Sequence[tuple[str, int]]  # state, files
    spent: str  # in one line
    answers: Chart  # a day
    costs: Chart  # a day
    currency: str
    items: Sequence[Item]
    left_out: int = 0  # files beyond those in `items`
    language: Language = "en"


def render(page: ReportPage) -> str:
    """The page as HTML."""
    css, script = style(__package__), resources.files(__package__).joinpath("page.js").read_text("utf-8")
    # Nothing from anywhere but this style, this script and pictures inside of the page.
    policy = (
        f"default-src 'none'; img-src data:; style-src '{digest(css)}'; script-src '{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    html = environment(__package__, page.language).get_template("report.html")
    return html.render(
        page=page,
        language={"zh": "zh-CN"}.get(page.language, page.language),
        policy=policy,
        style=Markup(css),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704
        failed=sum(item.failed for item in page.items),
        encoded=lambda picture: base64.b64encode(picture).decode("ascii"),
    )


def parts(answer: Answer | None, text: str | None = None) -> list[ReportPart]:
    """An answer page by page, or what a text sidecar has of it."""
    if answer is None:
        pages = [] if text is None else [page.removesuffix("\n") for page in text.split("\f")]
        return [_part(page, None, at if len(pages) > 1 else None) for at, page in enumerate(pages, 1)]
    if answer.pages:
        return [_part(page.text, page.data, page.page) for page in answer.pages]
    return [_part(answer.text, answer.data, None)]


def _part(text: str, data: object, page: int | None) -> ReportPart:
    found = [] if data is None else fields(data)
    cleaned = [(shown(name), shown(value, lines=True)) for name, value in found]
    return ReportPart(shown(text, lines=True), cleaned, page)


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
            found.append((path, plainly(value)))

    walk(data, "")
    return found
