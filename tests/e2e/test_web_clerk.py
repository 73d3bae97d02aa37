"""An office clerk's day at the live page, in a real browser: every action, in either language, on a phone and at a desk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser
from gateway import Gateway, Scripted
from glimpsed.language import Language, translator
from glimpsed.ledger import Paused
from glimpsed.model import Doubt, DoubtfulField, FileKey
from history import History
from webpage import history, served

expect = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright").expect

CONFIG = """
state: sqlite:///ledger.sqlite
models:
  m: {{api: chat, base_url: "{url}", model: gpt-4o, price: {{input: 2.5, output: 10}}}}
  other: {{api: chat, base_url: "{url}", model: gpt-4o-mini, price: {{input: 1, output: 1}}}}
folders:
  invoices:
    path: invoices
    prompt: Extract supplier and total.
    model: m
    verify_with: other
    schema: {{type: object, required: [supplier, total], properties: {{supplier: {{type: string}}, total: {{type: number}}}}}}
  archive: {{path: archive, prompt: Copy the text., model: m, pages: each}}
"""
EXPECTED = ("404", "409", "422")  # a refusal is no fault of the page


class Clerk:
    """Looks, presses and types; whatever is seen has to be within everybody's reach."""

    def __init__(self, browser: Browser, base: str, language: Language, width: int) -> None:
        self.page, self.browser, self.base, self._width = browser.page, browser, base, width
        self.language = language
        self._ = translator(language).gettext

    def goes(self, view: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=self._(view), exact=True).click()
        self.looks()

    def looks(self) -> None:
        """At a page that has just come."""
        self.page.wait_for_load_state()
        where = self.page.url
        assert self.page.evaluate("document.documentElement.lang") == self.language
        for opened in (False, True):
            if opened:
                self.page.evaluate(
                    "document.querySelectorAll('details').forEach(one => { one.open = true; })"
                )
            assert self.page.evaluate("document.documentElement.scrollWidth") <= self._width, where
        assert self.browser.barriers() == [], where
        assert [c for c in self.browser.complaints() if not any(e in c for e in EXPECTED)] == [], where
        assert [u for u in self.browser.requested() if not u.startswith((self.base, "data:"))] == [], where

    def presses(self, button: str, says: str = "") -> None:
        main = self.page.get_by_role("main")
        main.get_by_role("button", name=self._(button), exact=True).first.click()
        if says:
            expect(self.page.get_by_role("status").first).to_contain_text(self._(says).split("{")[0])
        self.looks()

    def opens(self, file: str) -> None:
        self.page.get_by_role("main").get_by_role("link", name=file, exact=True).first.click()
        self.looks()

    def sees(self, text: str) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as found:
        found.default = Scripted(text='{"supplier": "Harbour Glass", "total": 99.5}')
        yield found


@pytest.fixture
def told(tmp_path: Path, gateway: Gateway) -> Iterator[History]:
    made = history(tmp_path, CONFIG.format(url=gateway.base_url))
    for number in range(1, 6):
        data = {"supplier": "Northern Timber", "total": 1000.0 + number}
        differs = DoubtfulField(path="total", value=data["total"], other=7.0)
        doubt = Doubt(by="other", agreement=0.5, fields=(differs,)) if number > 2 else None
        made.done("invoices", f"scan-{number}.png", (json.dumps(data),), data=data, doubt=doubt)
    for number in range(3):
        made.failed("archive", f"till-{number}.png", "The file is empty.")
    made.failed("archive", "cut.png", "The file is cut off: its end is missing.")
    made.done("archive", "letter.png", ("The first page.", "The second page."))
    made.queued("archive", "later.png")
    made.ledger.hold("archive", made.ledger.clock() - 60)
    made.ledger.pause(Paused("other", "429: slow down", made.ledger.clock(), None, made.ledger.clock() + 500))
    yield made
    made.ledger.close()


def total(home: Path, number: int) -> float:
    return float(json.loads((home / "invoices" / f"scan-{number}.png.json").read_text())["data"]["total"])


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("zh", 375)])
def test_a_day(tmp_path: Path, told: History, language: Language, width: int) -> None:
    with (
        served(told.config, tmp_path) as port,
        Browser(tmp_path, width, 800, locale=language, accept_downloads=True) as browser,
    ):
        base = f"http://127.0.0.1:{port}"
        browser.open(base)
        clerk = Clerk(browser, base, language, width)
        page = browser.page
        clerk.looks()
        _what_waits(clerk)
        _what_failed(clerk, told)
        _a_figure(clerk, tmp_path)
        _another_reading(clerk, tmp_path)
        _the_doubtful(clerk, tmp_path, told)
        _one_page(clerk)
        _many_at_once(clerk)
        browser.open(f"{base}/nothing")
        clerk.looks()
        assert page.url.endswith("/nothing")


def _what_waits(clerk: Clerk) -> None:
    clerk.presses("Approve", says="released")
    clerk.presses("Resume")
    clerk.presses("Rescan", says="The folders are listed anew.")


def _what_failed(clerk: Clerk, told: History) -> None:
    clerk.goes("Files")
    clerk.page.locator("[name=q]").fill("nothing like it")
    clerk.sees("nothing like it")
    clerk.looks()
    clerk.page.locator("[name=q]").fill("till-1")
    clerk.page.locator("#list a", has_text="till-1").click()
    clerk.sees("till-1.png")
    clerk.looks()
    clerk.goes("Failures")
    clerk.opens("till-0.png")
    clerk.presses("Retry", says="Queued again: {:,} file.")
    clerk.goes("Failures")
    clerk.presses("Retry", says="Queued again: {:,} file.")
    row = told.ledger.find(FileKey("archive", "till-2.png"))
    assert row is not None
    assert row.state == "queued"


def _a_figure(clerk: Clerk, home: Path) -> None:
    clerk.goes("Files")
    clerk.page.locator("[name=q]").fill("timber")
    clerk.page.locator("#list mark").first.wait_for()
    clerk.looks()
    clerk.opens("scan-1.png")
    field = clerk.page.get_by_label("total", exact=True)
    field.fill("zwölf")
    clerk.presses("Save")
    expect(clerk.page.get_by_role("alert")).to_be_in_viewport()
    field.fill("1.234,50")
    clerk.presses("Save", says="Saved.")
    assert total(home, 1) == 1234.5
    clerk.page.get_by_role("link", name=clerk._("Side by side")).first.click()
    clerk.looks()
    clerk.opens("scan-1.png")
    clerk.presses("Undo")
    assert total(home, 1) == 1001
    clerk.presses("Confirm", says="Confirmed.")
    clerk.presses("Rewrite", says="Written anew: {:,} file.")


def _another_reading(clerk: Clerk, home: Path) -> None:
    for deed, came in (("Throw away", 1001.0), ("Take it", 99.5)):
        clerk.presses("Another reading")
        clerk.page.get_by_label(clerk._("Prompt")).fill("Only the total.")
        clerk.presses("Try")
        clerk.sees("USD")
        clerk.presses("Ask")
        clerk.sees("99.5")
        clerk.presses(deed)
        assert total(home, 1) == came
    clerk.presses("Redo")
    clerk.presses("Ask all the same")
    clerk.sees("USD")
    clerk.presses("Redo", says="Queued again: {:,} file.")


def _the_doubtful(clerk: Clerk, home: Path, told: History) -> None:
    """By keyboard: one is taken from the other reading, one typed, one confirmed."""
    keyboard, page = clerk.page.keyboard, clerk.page
    clerk.goes("Review")
    clerk.sees("scan-3.png")
    keyboard.press("e")
    expect(page.get_by_label("total", exact=True)).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Enter")  # take it
    keyboard.press("Control+Enter")
    clerk.sees("scan-4.png")
    clerk.looks()
    keyboard.press("e")
    keyboard.press("Control+A")
    keyboard.type("8")
    # Somebody else was quicker.
    row = told.ledger.find(FileKey("invoices", "scan-4.png"))
    assert row is not None
    colleague = clerk.browser.window()
    colleague.open(f"{clerk.base}/files/{row.id}")
    colleague.page.get_by_label("supplier").fill("Other")
    colleague.page.get_by_role("button", name="Save").click()
    colleague.page.get_by_role("status").wait_for()
    keyboard.press("Control+Enter")
    page.get_by_role("alert").wait_for()
    clerk.looks()
    assert page.locator(".held dd").all_inner_texts() == ["Northern Timber", "8"]
    page.get_by_label("total", exact=True).fill("8")
    keyboard.press("Control+Enter")
    clerk.sees("scan-5.png")
    keyboard.press("Escape")
    page.get_by_role("main").focus()
    keyboard.press("c")
    page.locator("form.editing").wait_for(state="detached")  # these were the last
    clerk.looks()
    assert [total(home, number) for number in (3, 4, 5)] == [7.0, 8.0, 1005.0]


def _one_page(clerk: Clerk) -> None:
    clerk.goes("Files")
    clerk.page.locator("[name=q]").fill("second")
    clerk.page.locator("#list mark").first.wait_for()
    clerk.opens("letter.png")
    clerk.page.locator("[name=page]").select_option("1")
    clerk.presses("Redo")
    clerk.sees("USD")
    clerk.presses("Redo", says="Queued again: {:,} file.")


def _many_at_once(clerk: Clerk) -> None:
    page = clerk.page
    clerk.goes("Files")
    page.locator("[name=state]").select_option("failed")
    expect(page.locator("#list [name=file]")).to_have_count(1)
    page.locator("#every").check()
    clerk.presses("Retry", says="Queued again: {:,} file.")
    clerk.goes("Files")
    page.locator("[name=state]").select_option("done")
    expect(page.locator("#list [name=file]")).to_have_count(4)
    page.locator("#every").check()
    with page.expect_download() as got:
        page.locator("#list").get_by_role("button", name=clerk._("Export")).click()
    assert "scan-5.png" in Path(got.value.path()).read_text(encoding="utf-8")
    clerk.presses("Rewrite", says="Written anew: {:,} file.")
    page.locator("#list [name=file]").first.check()
    clerk.presses("Workbench")
    clerk.presses("Try")
    clerk.presses("Ask them")
    clerk.sees("99.5")
    clerk.goes("Files")
    page.locator("[name=state]").select_option("done")
    expect(page.locator("#list [name=file]")).to_have_count(4)
    for n in range(2):
        page.locator("#list [name=file]").nth(n).check()
    clerk.presses("Redo")
    clerk.presses("Ask all the same")
    clerk.sees("USD")
    clerk.presses("Redo", says="Queued again: {:,} file.")
