"""What a form says of an answer, as values again: pure, so that nothing but what somebody changed is changed."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from glimpsed.config.schema import Folder
from glimpsed.evaluate.meaning import amounts, truth
from glimpsed.looks import plainly
from glimpsed.model import Answer
from glimpsed.sidecar.render import PAGE_BREAK

Keys = tuple[str | int, ...]
Place = tuple[Any, str | int]  # an object or a list, and a key of it

MOST_FIELDS = 500
_DEEPEST = 20  # levels of an answer in which something that was left out is looked for
_PLAIN = re.compile(r"-?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?")
_TYPES = {
    bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", dict: "object", list: "array",
}  # fmt: skip
_PAGE = re.compile(r"pages\.(\d+)\.data(?=\.|\Z)")  # where a doubt has what is the data of a page


def leaves(data: Any) -> list[tuple[str, Any]]:
    """Dotted path and value of each field that holds no others: ``items.1.price``."""
    return [(path, value) for path, (_, value) in _located(data)[0].items()]


def page_texts(answer: Answer) -> dict[str, str]:
    """An answer's text, or each page's, by the name of its field."""
    texts = answer.text.split(PAGE_BREAK) if answer.pages else [answer.text]
    return {"text" if len(texts) == 1 else f"text {number}": text for number, text in enumerate(texts, 1)}


def fields(data: Any, others: Mapping[str, Any], schema: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """`leaves`, and what else can be corrected.

    That is what is in doubt as a whole (an object that one of two readers lacks, or where the other has a text), and the
    single values that the schema names and the answer left out.
    """
    return [*leaves(data), *((path, _at(place)) for path, place in _more(data, others, schema).items())]


def asked_for(answer: Answer, folder: Folder | None) -> Mapping[str, Any]:
    """The schema of an answer's data, of which those of several pages are a list."""
    schema = (folder.schema_ if folder is not None else None) or {}
    return {"items": schema} if answer.pages else schema


def doubts(answer: Answer) -> dict[str, Any]:
    """What the second reader has of each field in doubt, by its path in the answer's data."""
    found = answer.doubt.fields if answer.doubt is not None else ()
    of_pages = answer.pages is not None
    return {returned(_PAGE.sub(r"\1", one.path, 1) if of_pages else one.path): one.other for one in found}


def _located(data: Any) -> tuple[dict[str, tuple[Keys, Any]], set[str]]:
    """Each field's keys and value by its path; without those whose path is another's, too, as keys may hold dots: and these."""
    found: dict[str, tuple[Keys, Any]] = {}
    twice = set()
    for keys, value in itertools.islice(_walk(data, ()), MOST_FIELDS):
        path = returned(".".join(map(str, keys)))
        twice |= {path} & found.keys()
        found[path] = keys, value
    return {path: one for path, one in found.items() if path not in twice}, twice


def _more(data: Any, others: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Place]:
    """Where that is, or would be, which is no leaf: what is in doubt, and what was left out."""
    located, twice = _located(data)
    paths = dict.fromkeys(
        [*others, *itertools.islice(_left_out(data, _parts([schema], schema), schema, ()), MOST_FIELDS)]
    )
    places = ((path, _place(data, path)) for path in paths if path not in located and path not in twice)
    return {path: place for path, place in places if place is not None}


def _left_out(
    data: Any, parts: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], keys: Keys
) -> Iterator[str]:
    """The single values that the schema names, in one shape that it gives, and an object has no key for.

    `parts`: what the schema says of this data.
    """
    if not parts or len(keys) > _DEEPEST or not isinstance(data, dict | list):
        return
    here = [str(key) for key in keys]
    shapes = [part for part in parts if isinstance(part.get("properties"), dict)]
    if isinstance(data, dict) and len(shapes) == 1:
        for key in shapes[0]["properties"]:
            if key not in data and not _types(_parts_below(parts, key, schema)) & {"object", "array"}:
                yield returned(".".join([*here, key]))
    for key, below in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(below, dict | list):
            yield from _left_out(below, _parts_below(parts, str(key), schema), schema, (*keys, key))


def _place(data: Any, path: str) -> Place | None:
    """The object or list that has, or would have, what is at this path, and its key there."""
    if isinstance(data, list):
        head, _, rest = path.partition(".")
        if not head.isdecimal() or len(head) > 9:
            return None
        if not rest:
            return data, int(head)
        return _place(data[int(head)], rest) if int(head) < len(data) else None
    if not isinstance(data, dict):
        return None
    for key in sorted(data, key=len, reverse=True):
        if path.startswith(f"{key}.") and (found := _place(data[key], path[len(key) + 1 :])) is not None:
            return found
    return data, path


def _at(place: Place) -> Any:
    within, key = place
    return within[key] if key in (within if isinstance(within, dict) else range(len(within))) else None


def _walk(data: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    if isinstance(data, dict | list):
        for key, below in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _walk(below, (*keys, key))
    else:
        yield keys, data


def written(value: Any) -> str:
    """A value as the form shows it, and gets it back."""
    return returned(plainly(value))


def returned(text: str) -> str:
    """A text as it comes back from a form that nobody touched: HTML has one end of a line, and no NUL."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def filled(
    data: Any, form: Mapping[str, str], schema: Mapping[str, Any], others: Mapping[str, Any] | None = None
) -> Any:
    """The data with the fields of the form in place of its own; what is shown unchanged stays exactly as it was.

    `others`: what a second reader has of those in doubt.
    """
    new = copy.deepcopy(data)
    for path, (keys, old) in _located(data)[0].items():
        text = form.get(path)
        if text is None or text == written(old):
            continue
        value = _meant(text, old, (others or {}).get(path), types_at(schema, [str(key) for key in keys]))
        if not keys:
            return value
        place = new
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    _fill_more(new, data, form, schema, others or {})
    return new


def _fill_more(
    new: Any, data: Any, form: Mapping[str, str], schema: Mapping[str, Any], others: Mapping[str, Any]
) -> None:
    """What else `fields` has: changed, added, or gone where nothing was left of it."""
    gone: list[Place] = []
    for path, there in _more(data, others, schema).items():
        text, old, place = form.get(path), _at(there), _place(new, path)
        if text is None or text == written(old) or place is None:
            continue
        within, key = place
        if not text.strip():
            gone.append(place)
            continue
        value = _meant(text, old, others.get(path), types_at(schema, path.split(".")))
        if isinstance(within, list) and key not in range(len(within)):
            within.append(value)
        else:
            within[key] = value
    for within, key in reversed(gone):  # of a list, the last one first
        del within[key]


def _meant(text: str, old: Any, other: Any, types: frozenset[str]) -> Any:
    """What was taken from the other reader as a whole is that very value; else as `meant`."""
    if isinstance(other, dict | list) and text == written(other):
        return other
    return meant(text, other if old is None else old, types)


def meant(text: str, old: Any, types: frozenset[str]) -> Any:
    """The value that was typed, of one of these types, or else of what was there before."""
    types = types or frozenset({_TYPES.get(type(old), "string")})
    text = text.strip() if types - {"string"} else text
    if not text and "null" in types:
        return None
    if types & {"integer", "number"} and (number := _number(text)) is not None:
        return number
    if types & {"object", "array"} and text.startswith(("{", "[")):
        with contextlib.suppress(ValueError):
            return json.loads(text)
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
    parts = _parts([schema], schema)
    for key in path:
        parts = _parts_below(parts, key, schema)
    return _types(parts)


def _types(parts: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    found = [part.get("type") for part in parts]
    named = {name for of in found for name in (of if isinstance(of, list) else [of])}
    return frozenset(name for name in named if isinstance(name, str))


def _parts_below(
    parts: Sequence[Mapping[str, Any]], key: str, schema: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """What the schema says of what is at this key of what it says `parts` of."""
    return _parts([below for part in parts for below in _below(part, key)], schema)


def _parts(found: list[Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """These schemas, and those that they stand for or are made of. Each once: they may name one another, and themselves."""
    parts: dict[int, Mapping[str, Any]] = {}
    while found:
        part = found.pop()
        if not isinstance(part, dict) or id(part) in parts:
            continue
        parts[id(part)] = part
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            target: Any = schema
            for key in reference[1:].strip("/").split("/") if reference != "#" else ():
                target = target.get(key) if isinstance(target, dict) else None
            found.append(target)
        for name in ("anyOf", "oneOf", "allOf"):
            found.extend(part.get(name) or ())
    return list(parts.values())


def _below(part: Mapping[str, Any], key: str) -> Iterator[Any]:
    properties = part.get("properties")
    if isinstance(properties, dict) and key in properties:
        yield properties[key]
    if key.isdigit() and isinstance(part.get("items"), dict):
        yield part["items"]
