"""Answers that fit a JSON Schema: how they are asked for, and what a repair request says. Pure.

How they are read is the business of `glimpsed.schemas`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from glimpsed.model import Request
from glimpsed.vision.wire import Mode

NEXT: dict[Mode, Mode] = {"schema": "json", "json": "prompt"}  # what is tried when the model refuses one
# Keywords that strict mode refuses (platform.openai.com, 'Structured model outputs', supported schemas).
_NOT_STRICT = frozenset({
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
    "unevaluatedProperties", "propertyNames", "minProperties", "maxProperties", "contains", "minContains",
    "maxContains", "uniqueItems", "unevaluatedItems", "prefixItems", "default",
})  # fmt: skip


def response_format(schema: Mapping[str, Any] | None, mode: Mode) -> dict[str, Any] | None:
    """The chat API's ``response_format``."""
    form = text_format(schema, mode)
    if form is None or form["type"] == "json_object":
        return form
    return {"type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}


def text_format(schema: Mapping[str, Any] | None, mode: Mode) -> dict[str, Any] | None:
    """The Responses API's ``text.format``."""
    if schema is None or mode == "prompt":
        return None
    if mode == "json":
        return {"type": "json_object"}
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(schema.get("title") or "")).strip("_")[:64] or "out"
    return {"type": "json_schema", "name": name, "strict": allows_strict(schema), "schema": dict(schema)}


def allows_strict(schema: Mapping[str, Any]) -> bool:
    """Whether strict mode takes the schema: closed objects with every property required, no fancy keywords."""
    return schema.get("type") == "object" and "anyOf" not in schema and _strict(schema)


def _strict(schema: object) -> bool:
    if not isinstance(schema, Mapping) or not _NOT_STRICT.isdisjoint(schema):
        return False
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema:
        names = set(schema.get("properties") or {})
        if schema.get("additionalProperties") is not False or names != set(schema.get("required") or ()):
            return False
    inner = [*(schema.get("anyOf") or ())]
    inner += [s for key in ("properties", "$defs", "definitions") for s in (schema.get(key) or {}).values()]
    inner += [schema["items"]] if "items" in schema else []
    return all(_strict(s) for s in inner)


def prompt(request: Request, mode: Mode, refused: frozenset[str] = frozenset()) -> str:
    """The user's text: the folder's prompt, with the schema in it where the API does not take one."""
    parts = [request.prompt]
    if request.system and "system" in refused:
        parts.insert(0, request.system)
    if request.schema is not None and mode != "schema":
        parts.append(
            f"Answer with one JSON value only, that fits this JSON Schema:\n{_dumps(request.schema)}"
        )
    return "\n\n".join(parts)


def repair(problem: str, schema: Mapping[str, Any]) -> str:
    """What the model is told when its answer does not fit."""
    return (
        f"That does not fit the JSON Schema: {problem}\nAnswer again, looking at the image, with one JSON value "
        f"only, that fits this JSON Schema:\n{_dumps(schema)}"
    )


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
