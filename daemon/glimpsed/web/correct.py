"""What a form says of an answer, as values again: pure, so that nothing but what somebody changed is changed."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from glimpsed.evaluate.meaning import amounts, truth
from glimpsed.model import Answer
from glimpsed.sidecar.render import PAGE_BREAK

Keys = tuple[str | int, ...]

MOST_FIELDS = 500
_DEEPEST = 20
_PLAIN = re.compile(r"-?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?")
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def leaves(data: Any) -> list[tuple[str, Any]]:
    """Dotted path and value of each field that holds no others: ``items.1.price``."""
    return [(path, value) for path, (_, value) in _located(data).items()]


def page_texts(answer: Answer) -> dict[str, str]:
    """An answer's text, or each page's, by the name of its field."""
    texts = answer.text.split(PAGE_BREAK) if answer.pages else [answer.text]
    return {"text" if len(texts) == 1 else f"text {number}": text for number, text in enumerate(texts, 1)}


def _located(data: Any) -> dict[str, tuple[Keys, Any]]:
    """Each field's keys and value by its path; without those whose path is another's, too, as keys may hold dots."""
    found: dict[str, tuple[Keys, Any]] = {}
    twice = set()
    for keys, value in itertools.islice(_walk(data, ()), MOST_FIELDS):
        path = returned(".".join(map(str, keys)))
        twice |= {path} & found.keys()
        found[path] = keys, value
    return {path: one for path, one in found.items() if path not in twice}


def _walk(data: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    if isinstance(data, dict | list):
        for key, below in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _walk(below, (*keys, key))
    else:
        yield keys, data


def written(value: Any) -> str:
    """A value as the form shows it, and gets it back."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or value in ({}, []) else returned(str(value))


def returned(text: str) -> str:
    """A text as it comes back from a form that nobody touched: HTML has one end of a line, and no NUL."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def filled(data: Any, form: Mapping[str, str], schema: Mapping[str, Any]) -> Any:
    """The data with the fields of the form in place of its own; what is shown unchanged stays exactly as it was."""
    new = copy.deepcopy(data)
    for path, (keys, old) in _located(data).items():
        text = form.get(path)
        if text is None or text == written(old):
            continue
        value = meant(text, old, types_at(schema, [str(key) for key in keys]))
        if not keys:
            return value
        place = new
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    return new


def meant(text: str, old: Any, types: frozenset[str]) -> Any:
    """The value that was typed, of one of these types, or else of what was there before."""
    types = types or frozenset({_TYPES.get(type(old), "string")})
    text = text.strip() if types - {"string"} else text
    if not text and "null" in types:
        return None
    if types & {"integer", "number"} and (number := _number(text)) is not None:
        return number
    if "boolean" in types and (said := truth(text)) is not None:
        return said
    return text


def _number(text: str) -> int | float | None:
    """A number as JSON has it, else as people write it, where that can mean only one."""
    if _PLAIN.fullmatch(text):
        return float(text) if any(mark in text for mark in ".eE") else int(text)
    found = amounts(text)
    if len(found) != 1:  # `1,234` is one to some and a thousand to others
        return None
    (one,) = found
    return int(one) if one == one.to_integral_value() else float(one)


def types_at(schema: Mapping[str, Any], path: list[str]) -> frozenset[str]:
    """Which types the schema allows there; empty where it does not say."""
    here: list[Any] = [schema]
    for key in path:
        here = [below for one in here for part in _parts(one, schema, 0) for below in _below(part, key)]
    found = [part.get("type") for one in here for part in _parts(one, schema, 0)]
    named = {name for of in found for name in (of if isinstance(of, list) else [of])}
    return frozenset(name for name in named if isinstance(name, str))


def _parts(part: Any, schema: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """A schema, and those that it stands for or is made of."""
    if not isinstance(part, dict) or depth > _DEEPEST:
        return
    yield part
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        target: Any = schema
        for key in reference[1:].strip("/").split("/") if reference != "#" else ():
            target = target.get(key) if isinstance(target, dict) else None
        yield from _parts(target, schema, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        for below in part.get(name) or ():
            yield from _parts(below, schema, depth + 1)


def _below(part: Mapping[str, Any], key: str) -> Iterator[Any]:
    properties = part.get("properties")
    if isinstance(properties, dict) and key in properties:
        yield properties[key]
    if key.isdigit() and isinstance(part.get("items"), dict):
        yield part["items"]
