"""A browser whose session ended, or which was away itself: what was typed is not lost, and what is seen is live again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser import Browser, Window
from daemon import wait_until
from webpage import Reader, history, served

if TYPE_CHECKING:
    from playwright.sync_api import Route

PASSWORD = "correct horse"


@pytest.mark.parametrize(("scripts", "language"), [(True, "en"), (False, "zh")])
def test_a_correction_that_is_sent_after_the_session_ended_is_there_after_the_login(
    tmp_path: Path, scripts: bool, language: str
) -> None:
    made = history(tmp_path)
    made.done("invoices", "a.png", ("Total 10 EUR\nby oak",))
    sidecar = tmp_path / "invoices" / "a.png.txt"
    words = {"en": ("Log in", "Save", "Saved."), "zh": ("登录", "保存", "已保存。")}[language]
    with (
        served(made.config, tmp_path, PASSWORD) as port,
        Browser(tmp_path, 375, 800, locale=language, java_script_enabled=scripts) as browser,
    ):
        page = browser.page
        browser.open(f"http://127.0.0.1:{port}/files/1")
        page.fill("#password", PASSWORD)
        page.get_by_role("button", name=words[0]).click()
        page.fill("textarea[name=text]", "Total 11 EUR\n\n  by <oak> & 松")
        with Reader(port, cookies={c["name"]: c["value"] for c in page.context.cookies()}) as elsewhere:
            elsewhere.send_form(elsewhere.get("/", headers={"Accept-Language": "en"}).text, "Log out")
        page.get_by_role("button", name=words[1]).click()
        page.fill("#password", "wrong")
        page.get_by_role("button", name=words[0]).click()
        assert scripts is False or browser.barriers() == []
        page.fill("#password", PASSWORD)
        page.get_by_role("button", name=words[0]).click()
        assert page.inner_text(".held dd") == "Total 11 EUR\n\n  by <oak> & 松"
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert scripts is False or browser.barriers() == []
        assert sidecar.read_text() == "Total 10 EUR\nby oak\n"
        page.get_by_role("button", name=words[1]).click()
        assert words[2] in page.inner_text("[role=status]")
        assert page.url.endswith("/files/1")
        assert sidecar.read_text() == "Total 11 EUR\n\n  by <oak> & 松\n"
        assert [c for c in browser.complaints() if "401" not in c] == []
    made.ledger.close()


def log_in(window: Window, port: int, view: str) -> None:
    window.open(f"http://127.0.0.1:{port}{view}")
    window.page.fill("#password", PASSWORD)
    window.page.get_by_role("button", name="Log in").click()


def log_out_elsewhere(window: Window, port: int) -> None:
    """As its session ends: the browser itself knows nothing of it."""
    with Reader(port, cookies={c["name"]: c["value"] for c in window.page.context.cookies()}) as reader:
        reader.press("/", "Log out")


def test_going_back_after_the_logout_shows_nothing_and_before_it_what_was_typed(tmp_path: Path) -> None:
    made = history(tmp_path)
    made.done("invoices", "a.png", ("Some secret oak",))
    with served(made.config, tmp_path, PASSWORD) as port, Browser(tmp_path) as browser:
        page, back = browser.page, "setTimeout(() => history.back(), 10); 0"
        log_in(browser, port, "/files/1")
        page.fill("textarea[name=text]", "Typed by hand")
        page.get_by_role("link", name="Failures").click()
        browser.run(back)
        page.wait_for_url("**/files/1", wait_until="commit")
        assert page.input_value("textarea[name=text]") == "Typed by hand"
        browser.open(f"http://127.0.0.1:{port}/files")
        page.get_by_role("link", name="a.png").click()
        made.done("invoices", "b.png", ("Some pine",))
        browser.run(back)
        page.wait_for_url("**/files", wait_until="commit")
        page.locator("#list", has_text="b.png").wait_for()
        browser.open(f"http://127.0.0.1:{port}/files/1")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_selector("#password")
        browser.run(back)
        page.wait_for_url("**/login?next=*", wait_until="commit")
        assert "oak" not in page.content()
    made.ledger.close()


def test_a_search_while_nobody_answers_says_so_and_goes_on_by_itself(tmp_path: Path) -> None:
    made = history(tmp_path)
    made.done("invoices", "a.png", ("Some oak",))
    made.done("invoices", "b.png", ("Some pine",))
    with served(made.config, tmp_path, PASSWORD) as port, Browser(tmp_path) as browser:
        page = browser.page
        log_in(browser, port, "/files")
        for how in (
            lambda route: route.abort(),
            lambda route: route.fulfill(status=503, body="the ledger is away"),
        ):
            page.fill("[name=q]", "")
            page.get_by_text("a.png").wait_for()
            page.route("**/files?*", how)
            page.fill("[name=q]", "pine")
            page.locator("#stale").wait_for(state="visible")
            assert browser.barriers() == []
            page.unroute("**/files?*")
            page.locator("#stale").wait_for(state="hidden")
            assert "a.png" not in page.inner_text("#list")
        # Logged out meanwhile: by way of the login, to what was searched for.
        log_out_elsewhere(browser, port)
        page.fill("[name=q]", "oak")
        page.fill("#password", PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("1 file matches “oak”").wait_for()
        assert [one for one in browser.complaints() if "Failed to load resource" not in one] == []
    made.ledger.close()


def test_now_shows_also_what_happened_between_its_page_and_the_first_that_is_heard(tmp_path: Path) -> None:
    made = history(tmp_path)
    with (
        served(made.config, tmp_path) as port,
        Browser(tmp_path) as browser,
        Reader(port) as reader,
    ):
        page = browser.page

        def after_it_is_done(route: Route) -> None:
            if "a.png" not in reader.get("/").text:
                made.done("invoices", "a.png", ("Some oak",))
            wait_until(lambda: "a.png" in reader.get("/").text, "the page does not know of it")
            route.continue_()

        page.route("**/live", after_it_is_done)
        browser.open(f"http://127.0.0.1:{port}/")
        page.locator("#now", has_text="a.png").wait_for(
            timeout=20_000
        )  # a minute later it is shown anew anyway
    made.ledger.close()


def test_now_tells_also_while_it_is_still_heard_that_it_cannot_be_shown_anew(tmp_path: Path) -> None:
    made = history(tmp_path)
    with served(made.config, tmp_path, PASSWORD) as port, Browser(tmp_path) as browser:
        page = browser.page
        log_in(browser, port, "/")
        stale, ended = page.locator("#stale"), page.locator("#ended")
        page.route(f"http://127.0.0.1:{port}/", lambda route: route.fulfill(status=503, body="away"))
        wait_until(lambda: browser.run("document.readyState") == "complete", "it is not loaded")
        made.done("invoices", "a.png", ("Some oak",))
        stale.wait_for(state="visible")
        page.unroute(f"http://127.0.0.1:{port}/")
        stale.wait_for(state="hidden")
        page.locator("#now", has_text="a.png").wait_for()
        log_out_elsewhere(browser, port)
        made.done("invoices", "b.png", ("Some pine",))
        ended.wait_for(state="visible")
        assert stale.is_hidden()
        assert "b.png" not in page.inner_text("#now")
    made.ledger.close()
