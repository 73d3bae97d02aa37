"""Answers that fit a JSON Schema: how it is asked for, how an answer is read, what a repair request says. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import json_repair
import jsonschema
from referencing import Registry
from referencing.exceptions import Unresolvable

from glimpsed.model import Request
from glimpsed.vision.wire import Mode, sane

NEXT: dict[Mode, Mode] = {"schema": "json", "json": "prompt"}  # what is tried when the model refuses one
NOT_JSON = "the answer is not JSON"
LONGEST_MENDED = 50_000  # characters; mending is slow, and the event loop waits for it
_FENCE = re.compile(r"```(?:[a-zA-Z]+)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
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


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why an answer does not fit: `told` to the model; `reason` for the log, without the answer's words."""

    told: str
    reason: str


def read(text: str, schema: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
    """The answer's value, and what is wrong with it. Fences and small breakage are mended."""
    problem: Misfit | None = Misfit("it is not JSON", NOT_JSON)
    for value in _values(text):
        problem = _problem(value, schema)
        if problem is None:
            return _sane(value), None
    return None, problem


def _values(text: str) -> list[Any]:
    """What the text may mean, likeliest first: as it is, what a fence holds, or mended."""
    found = []
    for candidate in (text, *_FENCE.findall(text)):
        try:
            return [json.loads(candidate, parse_constant=_refuse)]
        except (ValueError, RecursionError):
            continue
    if len(text) > LONGEST_MENDED:
        return []
    try:
        mended = json_repair.loads(text)
    except (ValueError, RecursionError):
        return []
    if mended not in ("", None):  # what it makes of prose
        found.append(mended)
    if isinstance(mended, list):  # prose around the value, or several values: the last one is the answer
        found += reversed(mended)
    return found


def _problem(value: Any, schema: Mapping[str, Any]) -> Misfit | None:
    if not _finite(value):
        return Misfit("it holds a number that is not finite", "the answer holds a number that is not finite")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:  # an empty registry: a $ref never makes us fetch anything
        error = jsonschema.exceptions.best_match(kind(schema, registry=Registry()).iter_errors(value))
    except (Unresolvable, RecursionError, re.error, jsonschema.exceptions.UnknownType) as e:
        return Misfit(f"the schema cannot be used: {e}"[:300], f"the schema cannot be used: {e}"[:300])
    if error is None:
        return None
    where = "/".join(str(p) for p in error.absolute_path)
    rule = "/".join(str(p) for p in error.absolute_schema_path)
    return Misfit(f"{where}: {error.message}"[:500], f"the answer does not fit the schema: {rule}")


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_finite(v) for v in value.values())
    return all(_finite(v) for v in value) if isinstance(value, list) else True


def _sane(value: Any) -> Any:
    """`value` with strings that can be written anywhere: JSON text may escape what no file can hold."""
    if isinstance(value, str):
        return sane(value)
    if isinstance(value, dict):
        return {sane(k) if isinstance(k, str) else k: _sane(v) for k, v in value.items()}
    return [_sane(v) for v in value] if isinstance(value, list) else value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
