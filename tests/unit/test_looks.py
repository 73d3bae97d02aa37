"""What all pages look like."""

from __future__ import annotations

import jinja2
import pytest

from glimpsed import looks


def test_no_reader_waits_until_a_template_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    looks.environment.cache_clear()
    looks.compiled("glimpsed.web", "zh")

    def compile_(*_: object) -> None:
        pytest.fail("compiled when it was asked for")

    monkeypatch.setattr(jinja2.Environment, "compile", compile_)
    made = looks.environment("glimpsed.web", "zh")
    for name in ("base.html", "parts.html", "now.html", "file.html", "workbench.html"):
        assert made.get_template(name).name == name
