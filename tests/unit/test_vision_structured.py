"""Answers that fit a schema: asked for in the way that the model takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glimpsed.model import Request
from glimpsed.vision import structured
from glimpsed.vision.structured import allows_strict

CLOSED = {
    "type": "object",
    "title": "Invoice (2024)",
    "properties": {"total": {"type": "number"}, "lines": {"type": "array", "items": {"type": "string"}}},
    "required": ["total", "lines"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


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
