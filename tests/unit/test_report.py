"""The report's HTML: everything escaped, nothing from outside, plots that are what they say."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from glimpsed.looks.charts import Chart
from glimpsed.report import MOST_FIELDS, Item, ReportPage, ReportPart, fields, render

EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(2)> \"' &amp; \x00"
VOID = {"meta", "img", "input", "link", "br"}


class Outline(HTMLParser):
    """Tags and text of a page; fails on what is not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(*items: Item, **changes: object) -> ReportPage:
    settings_: dict[str, object] = {
        "folder": "invoices",
        "path": "/srv/invoices",
        "made": "2026-11-22 10:00",
        "counts": [("done", 2), ("failed", 1)],
        "spent": "3 answers so far.",
        "answers": Chart(["2026-11-21", "2026-11-22"], {"invoices": [1, 2]}),
        "costs": Chart([], {}),
        "currency": "USD",
        "items": items,
        **changes,
    }
    return ReportPage(**settings_)  # type: ignore[arg-type]


def test_whatever_an_answer_a_name_or_a_reason_holds_is_text() -> None:
    parts = (ReportPart(EVIL), ReportPart(fields=[(EVIL, EVIL)], page=2))
    item = Item(EVIL, failed=True, when=EVIL, parts=parts, reason=EVIL, advice=EVIL, facts=EVIL, link=EVIL)
    outline = Outline(render(page(item, folder=EVIL, path=EVIL + "x", spent=EVIL, currency=EVIL)))
    assert len(outline.all("script")) == 1
    assert outline.all("img") == []
    assert not any(name.startswith("on") for _, attributes in outline.tags for name in attributes)
    assert EVIL.rstrip("\0") in "".join(outline.texts)


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_comes_back_as_it_was(text: str, name: str) -> None:
    outline = Outline(render(page(Item(name, failed=False, when="", parts=[ReportPart(text + "x")]))))
    said = "".join(outline.texts)
    for part in (text, name):
        assert re.sub(r"\r\n?", "\n", part) in re.sub(r"\r\n?", "\n", said)


def test_the_page_loads_nothing_but_what_it_brought() -> None:
    html = render(
        page(Item("a.png", failed=False, when="", thumbnails=[b"\xff\xd8", b"\xff\xd9"], link="../a.png"))
    )
    outline = Outline(html)
    (policy,) = [m["content"] for m in outline.all("meta") if m.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert [a["src"] for a in outline.all("img")] == [
        "data:image/jpeg;base64,/9g=",
        "data:image/jpeg;base64,/9k=",
    ]
    assert not re.search(r"https?://", html)
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_failures_are_told_apart_and_tell_reason_and_advice() -> None:
    outline = Outline(render(page(Item("a.png", failed=True, when="", reason="Torn.", advice="Scan again."))))
    assert {"class": "failed"} in outline.all("article")
    assert {"Torn.", "Scan again."} <= set(outline.texts)


def test_failed_only_can_be_chosen_where_something_failed() -> None:
    assert 'id="failed"' in render(page(Item("a.png", failed=True, when="")))
    assert 'id="failed"' not in render(page(Item("a.png", failed=False, when="")))


def test_pages_are_shown_one_after_the_other_and_fields_as_a_table() -> None:
    parts = (ReportPart("first", page=1), ReportPart('{"total": 3}', fields=[("total", "3")], page=2))
    outline = Outline(render(page(Item("a.pdf", failed=False, when="", parts=parts))))
    texts = outline.texts
    assert (
        texts.index("Page 1")
        < texts.index("first")
        < texts.index("Page 2")
        < texts.index("total")
        < texts.index("3")
    )
    assert '{"total": 3}' not in texts
    assert [cell.get("class") for cell in outline.all("td")].count("said") == 1


def test_every_field_has_its_path_and_its_value() -> None:
    data = {
        "no": "R-1",
        "items": [{"price": 1.5, "ok": True}, {"price": None, "ok": False}],
        "empty": {},
        "none": [],
    }
    assert fields(data) == [
        ("no", "R-1"), ("items.0.price", "1.5"), ("items.0.ok", "true"), ("items.1.price", ""), ("items.1.ok", "false"),
        ("empty", ""), ("none", ""),
    ]  # fmt: skip
    assert fields(5) == [("", "5")]
    assert len(fields(list(range(10_000)))) == MOST_FIELDS


def test_files_beyond_the_limit_are_mentioned() -> None:
    assert "1,234 older files are not on this page." in render(page(left_out=1234))
    assert "older files" not in render(page())


def test_a_plot_of_money_is_there_only_where_money_was_spent() -> None:
    assert render(page()).count("<svg") == 1
    assert render(page(costs=Chart(["2026-11-22"], {"m": [1.5]}))).count("<svg") == 2
