"""A real browser without a window: Debian's Chromium, driven by Playwright, which brings none of its own here."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from playwright import sync_api

PATIENCE = 60_000.0  # ms


class Window:
    """One page of one person, who shares no cookie with the others."""

    def __init__(self, browser: sync_api.Browser, width: int = 1280, height: int = 900, **how: Any) -> None:
        context = browser.new_context(
            viewport={"width": width, "height": height}, is_mobile=width < 600, **how
        )
        context.set_default_timeout(PATIENCE)
        self.page = context.new_page()
        self._requested: list[str] = []
        self._complaints: list[str] = []
        self.page.on("request", lambda request: self._requested.append(request.url))
        self.page.on("console", lambda said: self._complaints.append(said.text))
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))

    def open(self, url: str) -> None:
        """Load a page; what was asked for and complained about before is forgotten."""
        self._requested.clear()
        self._complaints.clear()
        self.page.goto(url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page; what a promise promises."""
        return self.page.evaluate(script)

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)

    def requested(self) -> list[str]:
        """Every URL that the page asked for."""
        return list(self._requested)

    def complaints(self) -> list[str]:
        """What the browser logged: errors of scripts, breaches of the page's policy."""
        return list(self._complaints)

    def barriers(self) -> list[str]:
        """What keeps people from using the page as it is now, as axe-core finds it."""
        axe = pytest.importorskip(
            "axe_core_python.sync_playwright", reason="no axe-core: pip install axe-core-python"
        )
        found = axe.Axe().run(self.page, options={"resultTypes": ["violations"]})["violations"]
        return [f"{one['id']} {' | '.join(node['html'] for node in one['nodes'])}" for one in found]


class Browser(Window):
    """A browser, and its first window. What it writes is below ``home``, or goes with it."""

    def __init__(self, home: Path, width: int = 1280, height: int = 900, **how: Any) -> None:
        self._home = home
        self._how = {"width": width, "height": height, **how}

    def __enter__(self) -> Self:
        program = (
            shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        )
        if program is None:
            pytest.skip("no Chromium: apt-get install chromium")
        playwright = pytest.importorskip(
            "playwright.sync_api", reason="no Playwright: pip install playwright"
        )
        with contextlib.ExitStack() as stack:
            driver: sync_api.Playwright = stack.enter_context(playwright.sync_playwright())
            self._browser = driver.chromium.launch(
                executable_path=program,
                env={"PATH": os.environ["PATH"], "HOME": f"{self._home}"},
                ignore_default_args=["--disable-back-forward-cache"],  # people go back
            )
            stack.callback(self._browser.close)
            super().__init__(self._browser, **self._how)
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def window(self, width: int = 1280, height: int = 900, **how: Any) -> Window:
        """Somebody else's."""
        return Window(self._browser, width, height, **how)
