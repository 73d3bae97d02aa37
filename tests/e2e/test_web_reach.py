"""Everybody reaches everything on the live page: by keyboard, on a phone, in either language, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser
from daemon import wait_until
from gateway import Gateway, Scripted
from glimpsed.ledger import Paused
from glimpsed.model import Doubt, DoubtfulField, DoubtfulWords, Line
from history import History
from webpage import Reader, history, served

NOW = time.time()
LONG = "a-name-without-any-place-to-break-" + "x" * 80 + ".png"
CONFIG = """
state: sqlite:///ledger.sqlite
models:
  m: {{api: chat, base_url: "{url}", model: gpt-4o, price: {{input: 2.5, output: 10}}}}
  other: {{api: chat, base_url: "{url}", model: gpt-4o-mini, price: {{input: 1, output: 1}}}}
folders:
  invoices: {{path: invoices, prompt: Read it., model: m}}
  archive: {{path: archive, prompt: Read it., model: m}}
budget: {{per_day: 500}}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as found:
        found.default = Scripted(text="Total 11 EUR\nby pine")
        yield found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, gateway: Gateway) -> Iterator[History]:
    made = history(tmp_path_factory.mktemp("reach"), CONFIG.format(url=gateway.base_url))
    lines = (
        Line(page=1, text="Total 10 EUR", box=(32, 24, 160, 48), confidence=0.9),
        Line(page=1, text="by oak", box=(32, 72, 160, 96), confidence=0.9),
    )
    doubt = Doubt(by="other", agreement=0.5, words=(DoubtfulWords(value="10", other="11"),))
    fields = Doubt(by="other", agreement=0.5, fields=(DoubtfulField(path="total", value=1, other=2),))
    made.done("invoices", "a.png", ("Total 10 EUR\nby oak",), NOW, told={"lines": lines, "doubt": doubt})
    made.done("invoices", "b.png", ("{}",), NOW, data={"total": 1, "note": "x" * 100}, told={"doubt": fields})
    made.done("archive", "c.png", ("One oak", "Two"), NOW)
    made.failed("archive", LONG, "The file is empty.", NOW)
    made.queued("archive", "e.png", NOW)
    made.ledger.hold("archive", NOW - 60)
    made.ledger.pause(Paused("m", "429: slow down", made.ledger.clock(), None, made.ledger.clock() + 500))
    for path in ("a.png", "b.png"):
        doubtful(made, path)
    yield made
    made.ledger.close()


def doubtful(made: History, path: str) -> None:
    """As a second reader leaves it."""
    import sqlalchemy as sa

    from glimpsed.ledger.schema import files, verifications

    with made.ledger._database.write() as c:
        row = c.execute(sa.select(files.c.id, files.c.claims).where(files.c.name == path)).one()
        c.execute(
            sa.insert(verifications).values(
                file=row.id, claim=row.claims, tries=0, agreement=0.5, doubtful=1, due=None, owner=None
            )
        )


@pytest.fixture(scope="module")
def port(told: History, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(told.config, tmp_path_factory.mktemp("cache")) as found:
        yield found


@pytest.fixture(scope="module")
def views(port: int) -> list[str]:
    """Every view in every state that it may be in."""
    with Reader(port) as reader:
        form = reader.get("/files/1/another").text
        both = reader.send_form(form, "Try", prompt="Say more.", model="other", agreed="yes")
    return [
        "/", "/files", "/files?q=oak", "/files?q=nothing", "/files?name=a", "/files?state=doubtful", "/files?state=failed",
        *(f"/files/{number}" for number in range(1, 6)), "/files/1/another", both.url.path, "/review", "/review?after=99",
        "/failures", "/workbench", "/workbench?file=1&file=2", "/nothing",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "language", "scheme"),
    [(1280, "en", "light"), (1280, "zh", "dark"), (390, "zh", "light"), (320, "en", "dark")],
)
def test_every_view_is_accessible_fits_the_window_and_asks_nobody_else(
    tmp_path: Path, port: int, views: list[str], width: int, language: str, scheme: str
) -> None:
    base = f"http://127.0.0.1:{port}"
    with Browser(tmp_path, width, 800, locale=language, color_scheme=scheme) as browser:
        for view in views:
            browser.open(base + view)
            where = (view, width, language, scheme)
            assert browser.run("document.documentElement.lang") == language
            assert browser.run("document.documentElement.scrollWidth") <= width, where
            browser.run("for (const one of document.querySelectorAll('details')) one.open = true; 0")
            assert browser.run("document.documentElement.scrollWidth") <= width, where
            assert browser.barriers() == [], where
            lost = [c for c in browser.complaints() if "404" not in c]
            assert lost == [], where
            assert [u for u in browser.requested() if not u.startswith((base, "data:"))] == [], where


def tab(browser: Browser) -> str:
    """What the next Tab leads to, and that it shows."""
    browser.page.keyboard.press("Tab")
    seen = browser.run(
        "(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();"
        "return [e.tagName + '#' + (e.id || e.name || e.textContent.trim().slice(0, 30)),"
        " e === document.body || s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 && r.width > 0] })()"
    )
    assert seen[1], seen
    return str(seen[0])


@pytest.mark.parametrize("view", ["/", "/files", "/files/1", "/files/1/another", "/review", "/failures"])
def test_tab_leads_through_every_control_and_its_focus_is_seen(tmp_path: Path, port: int, view: str) -> None:
    with Browser(tmp_path) as browser:
        browser.open(f"http://127.0.0.1:{port}{view}")
        first = tab(browser)
        assert "Skip to the content" in first
        browser.page.keyboard.press("Enter")
        wait_until(lambda: browser.run("document.activeElement.id") == "main", "the skip link leads nowhere")
        browser.open(f"http://127.0.0.1:{port}{view}")
        controls = browser.run(
            "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]')]"
            ".filter(e => e.checkVisibility() && e.tabIndex >= 0).length"
        )
        reached = [tab(browser) for _ in range(controls)]
        assert not any(one.startswith("BODY") for one in reached), reached


def test_a_line_shows_its_place_and_a_place_its_line_also_larger_and_turned(
    tmp_path: Path, port: int
) -> None:
    with Browser(tmp_path) as browser:
        browser.open(f"http://127.0.0.1:{port}/files/1")
        wait_until(lambda: browser.run("document.querySelectorAll('[data-box]').length") == 2, "no boxes")
        browser.run("document.querySelector('details.lines').open = true; 0")
        on = "[...document.querySelectorAll('.on')].map(e => e.dataset.box || e.dataset.line || e.dataset.at).sort()"
        # With the keyboard: one Tab stop, then arrows.
        browser.run("document.querySelector('[data-line=\"1:0\"]').focus(); 0")
        assert browser.run(on) == ["1:0", "1:0"]
        browser.page.keyboard.press("ArrowDown")
        assert browser.run("document.activeElement.dataset.line") == "1:1"
        assert browser.run(on) == ["1:1", "1:1"]
        # The other way round.
        browser.run("document.querySelector('[data-box=\"1:0\"]').focus(); 0")
        assert "1:0" in browser.run(on)
        assert browser.run("document.activeElement.getAttribute('aria-label')") == "Total 10 EUR"
        # The caret's line in the text that is corrected, and the words that differ.
        browser.run(
            "(t => { t.focus(); t.setSelectionRange(t.value.length, t.value.length) })(document.querySelector('textarea[name=text]')); 0"
        )
        wait_until(lambda: browser.run(on) == ["1:1", "1:1"], "the caret's line is not marked")
        browser.run("document.querySelector('[data-at]').focus(); 0")
        assert "1:0" in browser.run(on)
        # Under the mouse, wherever the page is turned to.
        for turns in range(4):
            place = browser.run(
                "(() => { const b = document.querySelector('[data-box=\"1:1\"]'); b.scrollIntoView({block: 'center'});"
                " const r = b.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.width > r.height] })()"
            )
            assert place[2] == (turns % 2 == 0)
            browser.page.mouse.move(place[0], place[1])
            wait_until(
                lambda: browser.run(on) == ["1:1", "1:1"], f"no line under the mouse, turned {turns} times"
            )
            browser.page.mouse.move(2, 2)
            wait_until(lambda: browser.run(on) == [], "it stays marked")
            browser.run(
                "document.querySelector('[data-does=turn]').click(); document.querySelector('[data-does=larger]').click(); 0"
            )
        # Where the box lies on the picture does not change with either.
        fractions = browser.run(
            "(() => { const s = document.querySelector('.sheet img').getBoundingClientRect(),"
            " b = document.querySelector('[data-box=\"1:1\"]').getBoundingClientRect();"
            " return [(b.x - s.x) / s.width, (b.y - s.y) / s.height, b.width / s.width] })()"
        )
        assert fractions == pytest.approx([0.1, 0.3, 0.4], abs=0.02)
        assert browser.run("document.documentElement.scrollWidth") <= 1280
        assert browser.complaints() == []


def test_files_are_chosen_all_at_once_also_after_a_search(tmp_path: Path, port: int) -> None:
    with Browser(tmp_path) as browser:
        browser.open(f"http://127.0.0.1:{port}/files")
        browser.run("document.querySelector('[name=q]').focus(); 0")
        browser.page.keyboard.insert_text("oak")
        wait_until(lambda: "q=oak" in browser.run("location.search"), "nothing was searched for")
        wait_until(
            lambda: "2 files match" in browser.run("document.querySelector('#list').textContent"), "no hits"
        )
        chosen = "[...document.querySelectorAll('[name=file]')].map(b => b.checked)"
        browser.run("document.querySelector('#every').click(); 0")
        assert browser.run(chosen) == [True, True]
        browser.run("document.querySelector('[name=file]').click(); 0")
        assert browser.run("document.querySelector('#every').checked") is False
        browser.open(browser.run("location.href"))  # a link that can be sent around
        assert "2 files match" in browser.run("document.querySelector('#list').textContent")


def test_the_page_does_without_scripts_what_is_done_with_them(port: int) -> None:
    with Reader(port) as reader:
        page = reader.get("/files/1").text
        assert re.search(r'<div class="tools" hidden>', page)
        assert 'id="every" hidden' in reader.get("/files").text
