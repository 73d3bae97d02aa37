"""What all pages look like."""

from __future__ import annotations

import json

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.text(max_size=5), min_size=1))
def test_a_value_that_holds_others_is_said_as_json_has_it(value: dict[str, object]) -> None:
    assert json.loads(looks.plainly(value)) == value
    assert [looks.plainly(one) for one in (None, {}, [], True, "a 'b'", 1.5)] == [
        "",
        "",
        "",
        "true",
        "a 'b'",
        "1.5",
    ]
