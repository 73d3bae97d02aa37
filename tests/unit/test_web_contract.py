"""How scripts find their way over the page, with plain HTTP and a parser of HTML (DESIGN 13)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from glimpsed.ledger import Paused
from history import CONFIG, History
from webpage import Reader, history, served

NOW = time.time()
VIEWS = ("Now", "Files", "Review", "Failures", "Workbench")


@dataclass
class Form:
    """As a program sees it that knows nothing of `formaction`."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)  # name -> label


class Page(HTMLParser):
    """Forms, links and the language of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language, self.forms, self.links, self.next = "", [], {}, []  # type: ignore[var-annotated]
        self._form: Form | None = None
        self._text: list[str] | None = None
        self._open: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._label: tuple[str, list[str]] | None = None
        self._pending: list[tuple[Form, str]] = []
        self.unlabelled: list[str] = []
        self.feed(html)
        for form, name, id_, own in self._inputs:
            label = own or self._named.get(id_, "")
            form.labels[name] = label
            if not label:
                self.unlabelled.append(name)

    _inputs: list[tuple[Form, str, str, str]]

    def reset(self) -> None:
        super().reset()
        self._inputs = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = told.get("lang", "")
        elif tag == "form":
            self._form = Form(told.get("action", ""))
            self.forms.append(self._form)
        elif tag == "label":
            self._label = told.get("for", ""), []
        elif tag in {"input", "select", "textarea"} and self._form is not None:
            name = told.get("name", "")
            if told.get("type") == "hidden":
                self._form.fields.append((name, told.get("value", "")))
            elif name:
                inside = "".join(self._label[1]).strip() if self._label else ""
                self._inputs.append(
                    (self._form, name, told.get("id", ""), told.get("aria-label", "") or inside)
                )
        if tag in {"a", "link"} and told.get("rel") == "next":
            self.next.append(told["href"])
        if tag in {"a", "button"}:
            self._text, self._open = [], told

    def handle_endtag(self, tag: str) -> None:
        if tag in {"a", "button"} and self._text is not None:
            text = " ".join("".join(self._text).split())
            if tag == "a":
                self.links[text] = self._open.get("href", "")
            elif self._form is not None:
                self._form.buttons[text] = self._open
            self._text = None
        elif tag == "label" and self._label is not None:
            self._named[self._label[0]] = "".join(self._label[1]).strip()
            self._label = None
        elif tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)
        if self._label is not None:
            self._label[1].append(data)

    def form(self, button: str) -> Form:
        return next(form for form in self.forms if button in form.buttons)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    made = history(tmp_path_factory.mktemp("contract"), CONFIG)
    made.done("invoices", "a.png", ("Some oak",), NOW)
    made.done("invoices", "b.png", ("{}",), NOW, data={"total": 1, "items": [{"price": 2}]})
    made.done("invoices", "c.png", ("One", "Two"), NOW, told={"text": "One\n\fTwo"})
    for number in range(60):
        made.failed(
            "archive", f"{number}.png", f"Reason {chr(97 + number // 26)}{chr(97 + number % 26)}.", NOW
        )
    made.queued("archive", "waits.png", NOW)
    made.ledger.hold("archive", NOW - 60)
    made.ledger.pause(Paused("m", "429: slow", made.ledger.clock(), None, made.ledger.clock() + 500))
    yield made
    made.ledger.close()


@pytest.fixture(scope="module", params=["", "/scans"])
def reader(
    request: pytest.FixtureRequest, told: History, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    with served(told.config, tmp_path_factory.mktemp("cache"), base_path=request.param) as port:
        found = Reader(port, headers={"Accept-Language": "en"}, follow_redirects=True)
        found.headers["X-Base"] = request.param  # which the page knows nothing of
        with found:
            yield found


def at(reader: Reader, url: str) -> Page:
    base = reader.headers["X-Base"]
    got = reader.get(url if not base or url.startswith(f"{base}/") else f"{base}{url}")
    assert got.status_code == 200, url
    return Page(got.text)


def send(reader: Reader, form: Form, button: str, **fields: str) -> str:
    """As a program does that sends what the form says, and the button's name and value, to the form's address."""
    pressed = form.buttons[button]
    data = dict(form.fields)
    if pressed.get("name"):
        data[pressed["name"]] = pressed.get("value", "")
    got = reader.post(form.action, data={**data, **fields})
    assert got.status_code == 200, got.text
    return got.text


def test_views_are_linked_by_their_names_on_every_view_in_its_language(reader: Reader) -> None:
    first = at(reader, "/")
    for name in VIEWS:
        page = at(reader, first.links[name])
        assert page.language == "en"
        assert set(VIEWS) <= set(page.links)


@pytest.mark.parametrize(
    ("url", "buttons"),
    [
        ("/", {"Approve", "Resume"}),
        ("/files", {"Retry", "Redo", "Rewrite", "Export"}),
        ("/files?q=oak", {"Retry", "Redo", "Rewrite", "Export"}),
        ("/files/1", {"Redo", "Rewrite", "Save", "Confirm"}),
        ("/files/2", {"Redo", "Rewrite", "Save", "Confirm"}),
        ("/files/4", {"Retry", "Redo"}),
        ("/failures", {"Retry"}),
    ],
)
def test_buttons_have_their_names_and_inputs_their_labels(
    reader: Reader, url: str, buttons: set[str]
) -> None:
    page = at(reader, url)
    assert buttons <= {name for form in page.forms for name in form.buttons}
    assert page.unlabelled == []


def test_inputs_are_labelled_with_their_fields_names(reader: Reader) -> None:
    labels = at(reader, "/files/2").form("Save").labels
    assert {"total", "items.0.price"} <= set(labels.values())
    assert at(reader, "/files/1").form("Save").labels["text"] == "text"
    assert set(at(reader, "/files/3").form("Save").labels.values()) == {"text 1", "text 2"}


def test_lists_lead_on_by_rel_next(reader: Reader) -> None:
    for url, item in (("/files", "Retry"), ("/failures", "Retry")):
        seen = set()
        pages = [url]
        while pages:
            page = at(reader, pages.pop())
            links = {href for href in page.links.values() if "/files/" in href}
            assert links
            assert not links & seen
            seen |= links
            pages = page.next[:1]
            assert page.form(item)
        assert len(seen) >= 60


def test_a_program_that_knows_no_formaction_presses_the_button_that_it_means(
    reader: Reader, told: History
) -> None:
    page = at(reader, "/files/1")
    assert "Written anew: 1 file." in send(reader, page.form("Rewrite"), "Rewrite")
    assert "Ask again?" in send(reader, page.form("Redo"), "Redo")
    listed = at(reader, "/files?folder=invoices")
    assert "Ask again?" in send(reader, listed.form("Redo"), "Redo", file="1")
    assert "folder,file" in send(reader, listed.form("Export"), "Export", file="1")
    assert "Confirmed." in send(reader, page.form("Confirm"), "Confirm", text="Some oak")
    row = told.ledger.numbered(1)
    assert row is not None
    assert row.state == "done"
