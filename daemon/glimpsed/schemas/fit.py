"""Does a value meet a JSON Schema? Pure; how long it takes is up to the two (see `checker`)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
from referencing import Registry
from referencing.exceptions import Unresolvable

from glimpsed.bounded import sane
from glimpsed.schemas import NOT_JSON, Misfit, find


def read(text: str, schema: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
    """The answer's value, the last one in the text that fits, and what is wrong where there is none."""
    problem: Misfit | None = None
    for value in find.values(text):
        misfit = check(value, schema)
        if misfit is None:
            return _sane(value), None
        problem = problem or misfit
    return None, problem or Misfit("it is not JSON", NOT_JSON)


def check(value: Any, schema: Mapping[str, Any]) -> Misfit | None:
    """What is wrong with a value; None: it fits."""
    if not _finite(value):
        return Misfit("it holds a number that is not finite", "the answer holds a number that is not finite")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:  # an empty registry: a $ref never makes us fetch anything
        error = jsonschema.exceptions.best_match(kind(schema, registry=Registry()).iter_errors(value))
    except (Unresolvable, RecursionError, re.error, jsonschema.exceptions.UnknownType) as e:
        unusable = f"the schema cannot be used: {e}"[:300]
        return Misfit(unusable, unusable, final=True)
    if error is None:
        return None
    where = "/".join(str(p) for p in error.absolute_path)
    rule = "/".join(str(p) for p in error.absolute_schema_path)
    return Misfit(f"{where}: {error.message}"[:500], f"the answer does not fit the schema: {rule}"[:300])


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
