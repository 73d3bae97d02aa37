"""Whether a schema is one that answers can be asked for and held against. Imports jsonschema, which takes half a second."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable, Unretrievable
from referencing.jsonschema import DRAFT202012

_MOST_STEPS = 10_000  # parts of a schema that one value is held against: each reference counts what it names
_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")


def wrong_with(schema: dict[str, Any]) -> list[str]:
    """What is wrong with it, in words that go on from its name; empty where nothing is."""
    if not isinstance(schema.get("$schema", ""), str):
        return ["is not a valid JSON Schema: $schema is no text"]
    try:
        json.dumps(schema, allow_nan=False)
        checker = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        checker.check_schema(schema)
        return _References(schema).problems()
    except jsonschema.SchemaError as e:
        at = "".join(f"/{part}" for part in e.absolute_path)
        return [f"is not a valid JSON Schema: {e.message[:200]}" + (f" at {at}" if at else "")]
    except RecursionError:
        return ["is nested too deeply"]
    except (TypeError, ValueError):  # YAML has dates and sets, and numbers that are none
        return ["holds a value that JSON has not"]


def _outside(reference: str) -> str:
    return f"refers to {reference}, which is not inside of it"


class _References:
    """Whether each `$ref` of a schema can be followed, without a network, and to an end.

    One that leads back to itself by way of what is held against the same value would never end, and a few that name
    each other twice stand for millions of steps.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        resource = Resource.from_contents(schema, default_specification=DRAFT202012)
        self._uri = resource.id() or ""
        self._registry: Any = Registry().with_resource(self._uri, resource).crawl()
        self._steps: dict[int, float] = {}  # of each part, by its id

    def problems(self) -> list[str]:
        """What cannot be followed, or not to an end."""
        parts = list(_parts(self._schema))
        references = dict.fromkeys(r for part in parts if isinstance(r := part.get("$ref"), str))
        missing = [reference for reference in references if self._target(reference) is None]
        if missing:
            return list(map(_outside, missing))
        steps = max(map(self._count, parts), default=0)
        if steps == math.inf:
            return ["refers to itself without end"]
        if steps > _MOST_STEPS:
            return ["is too intricate: its references stand for more than can be checked"]
        return []

    def _target(self, reference: str) -> Any:
        try:
            return self._registry.resolver(self._uri).lookup(reference).contents
        except (Unresolvable, Unretrievable, ValueError):
            return None

    def _count(self, part: Any) -> float:
        """How many parts a value is held against, beginning with this one; infinite in a circle."""
        if not isinstance(part, dict):
            return 1
        if id(part) not in self._steps:
            self._steps[id(part)] = math.inf  # for whoever comes back here meanwhile
            self._steps[id(part)] = 1 + sum(map(self._count, self._in_place(part)))
        return self._steps[id(part)]

    def _in_place(self, part: dict[str, Any]) -> Iterator[Any]:
        """The parts that the same value has to fit."""
        if isinstance(reference := part.get("$ref"), str):
            yield self._target(reference)
        for name in _IN_PLACE:
            below = part.get(name)
            if isinstance(below, list):
                yield from below
            elif isinstance(below, dict):
                yield from below.values() if name == "dependentSchemas" else [below]


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a schema: most are schemas themselves."""
    if isinstance(schema, dict):
        yield schema
    for below in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _parts(below)
