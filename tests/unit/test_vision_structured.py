"""Answers that fit a schema: asked for in the way that the model takes, mended where that is safe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.model import Request
from glimpsed.vision import structured
from glimpsed.vision.structured import allows_strict, read

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
CLOSED = {
    "type": "object",
    "title": "Invoice (2024)",
    "properties": {"total": {"type": "number"}, "lines": {"type": "array", "items": {"type": "string"}}},
    "required": ["total", "lines"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
GOOD = {"total": 12.5, "lines": ["a", "ü"]}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (OPEN, False),
        ({**CLOSED, "required": ["total"]}, False),
        ({**CLOSED, "oneOf": [{}]}, False),
        ({"type": "array", "items": CLOSED}, False),
        ({**CLOSED, "properties": {**CLOSED["properties"], "lines": OPEN}}, False),  # type: ignore[dict-item]
        ({"type": "object", "properties": {}, "required": [], "additionalProperties": False}, True),
        ({}, False),
    ],
)
def test_strict_where_the_schema_allows_it(schema: dict[str, Any], strict: bool) -> None:
    assert allows_strict(schema) is strict
    form = structured.text_format(schema, "schema")
    assert form is not None
    assert form["strict"] is strict


def test_each_mode_asks_in_its_own_way() -> None:
    request = Request("P", (), schema=CLOSED)
    assert structured.response_format(CLOSED, "schema") == {
        "type": "json_schema",
        "json_schema": {"name": "Invoice_2024", "strict": True, "schema": CLOSED},
    }
    assert structured.prompt(request, "schema") == "P"
    assert structured.response_format(CLOSED, "json") == {"type": "json_object"}
    assert structured.response_format(CLOSED, "prompt") is None
    for mode in ("json", "prompt"):
        text = structured.prompt(request, mode)  # type: ignore[arg-type]
        assert text.startswith("P\n\n")
        assert json.dumps(CLOSED) in text
        assert "JSON" in text  # JSON mode wants the word


def test_no_schema_changes_nothing() -> None:
    assert structured.prompt(Request("P", ()), "prompt") == "P"
    assert structured.response_format(None, "schema") is None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        json.dumps(GOOD, ensure_ascii=False, indent=1),
        f"```json\n{json.dumps(GOOD)}\n```",
        f"Here is the JSON:\n```\n{json.dumps(GOOD)}\n```\nAnything else?",
        f"Sure! {json.dumps(GOOD)}",
        "{'total': 12.5, 'lines': ['a', 'ü']}",
        '{"total": 12.5, "lines": ["a", "ü",],}',
        '{"total": 12.5, "lines": ["a", "ü"]',
    ],
)
def test_fences_and_small_breakage_are_mended(text: str) -> None:
    assert read(text, CLOSED) == (GOOD, None)


@pytest.mark.parametrize(
    "text",
    ["", "The total is 12.5.", "[]", '{"total": "12.5", "lines": []}', '{"total": NaN, "lines": []}', "null"],
)
def test_what_does_not_fit_is_told_and_not_taken(text: str) -> None:
    data, misfit = read(text, CLOSED)
    assert data is None
    assert misfit is not None
    assert misfit.told


def test_the_log_hears_the_rule_and_not_the_answer() -> None:
    _, misfit = read('{"total": "SECRET", "lines": []}', CLOSED)
    assert misfit is not None
    assert "SECRET" in misfit.told
    assert misfit.reason == "the answer does not fit the schema: properties/total/type"
    assert "SECRET" in structured.repair(misfit.told, CLOSED)


def test_a_remote_reference_is_never_fetched() -> None:
    _, misfit = read("{}", {"$ref": "http://127.0.0.1:1/schema.json"})
    assert misfit is not None
    assert misfit.reason.startswith("the schema cannot be used")


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    data, misfit = read(text, CLOSED)
    assert (data is None) == (misfit is not None)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda i: st.lists(i) | st.dictionaries(TEXT, i),
    )
)
def test_json_that_fits_comes_back_as_it_is(value: Any) -> None:
    assert read(json.dumps(value), {}) == (value, None)


def test_deep_nesting_is_a_misfit_and_no_crash() -> None:
    assert read("[" * 100_000, CLOSED)[1] is not None


def test_what_no_file_can_hold_is_taken_out_of_strings() -> None:
    assert read('{"a\\u0000": ["\\ud800x"]}', {}) == ({"a": ["\ufffdx"]}, None)
