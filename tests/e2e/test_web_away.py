"""A browser whose session ended, or which was away itself: what was typed is not lost, and what is seen is live again."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import Browser
from webpage import Reader, history, served

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
