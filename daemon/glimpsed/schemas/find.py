"""Which JSON values does a text hold? Pure, and linear in the length of the text.

Models wrap what they were asked for: in a fence, in prose, behind a draft or an example of the format, in a list,
in a JSON string. What comes last is meant; a draft comes before it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import json_repair

from glimpsed import bounded
from glimpsed.schemas import LARGEST

LONGEST_MENDED = 50_000  # characters; mending is slow
MOST = 50  # values that are looked at, from the end
_WRAPPERS = 3  # around one another
# A text in JSON stays on its line, so a stray quotation mark in prose does no harm beyond it.
_MARK = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?|[\[\]{}]')
_STRING = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"')
_JSON = re.compile(r"[\[{]\s*[\[{\"']")  # how it begins, unlike a bracket in prose
_WHOLE = re.compile(r"(?:[\"'\]}`>;]|\b(?:true|false|null))\s*\Z")  # a value or what is around one has ended
_FENCED = re.compile(r"^[ \t]*```[^`\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_ARGUMENTS = ("arguments", "parameters", "input")  # of a tool, which some servers make of a schema
_PAIRS = {"]": "[", "}": "{"}


def values(text: str) -> Iterator[Any]:
    """What the text may mean, likeliest first."""
    found = 0
    for value in _values(text):
        for inner in _unwrapped(value, _WRAPPERS):
            yield inner
            found += 1
            if found >= MOST:
                return


def _values(text: str) -> Iterator[Any]:
    if value := _parsed(text):
        yield from value
        return
    segments, rest = _segments(text)
    torn = _is_torn(rest)
    if torn and _JSON.match(rest):  # nor is a draft in front of it meant, or a part of it
        return
    if rest and not torn:  # something that was opened and never closed: the last brackets are missing
        yield from _mended(rest)
    for segment in reversed(segments[-MOST:]):
        yield from _parsed(segment) or _mended(segment)
    for fenced in reversed(_fenced(text)):
        yield from _parsed(fenced)
    if not torn:
        yield from _mended(html.unescape(text) if "&quot;" in text else text)


def _is_torn(rest: str) -> bool:
    """Whether a text that was never closed ends in the midst of a value: half a number or word is another one."""
    marks = [mark[0] for mark in _MARK.finditer(rest)] if rest else []
    open_string = bool(marks) and marks[-1][0] == '"' and not _STRING.fullmatch(marks[-1])
    return bool(rest) and ((open_string and rest.endswith(marks[-1])) or not _WHOLE.search(rest))


def _segments(text: str) -> tuple[list[str], str]:
    """What stands between brackets that belong together, outermost ones only, and what follows one that never closes."""
    pairs: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    for mark in _MARK.finditer(text):
        if (bracket := mark[0]) in "[{":
            opened.append((bracket, mark.start()))
        elif bracket in _PAIRS and opened and opened[-1][0] == _PAIRS[bracket]:
            start = opened.pop()[1]
            while pairs and pairs[-1][0] > start:  # inside of this one
                pairs.pop()
            pairs.append((start, mark.end()))
    return [text[start:end] for start, end in pairs], text[opened[0][1] :] if opened else ""


def _fenced(text: str) -> list[str]:
    """What stands in fences: there, a lone number or word may be the value."""
    return _FENCED.findall(text)[-MOST:] if text.count("```") > 1 else []


def _parsed(text: str) -> list[Any]:
    """The value of a JSON text; none for what is no JSON, or too large."""
    try:
        return [bounded.loads(text, largest=LARGEST)]
    except ValueError:
        return []


def _mended(text: str) -> list[Any]:
    """What small breakage may have been meant for: quotation marks, commas, the end."""
    if len(text) > LONGEST_MENDED:
        return []
    try:
        bounded.check(text.encode("utf-8", "surrogatepass"))
        value = json_repair.loads(text)
    except Exception:  # noqa: BLE001 - it asserts what hostile text does not keep to
        return []
    return [] if value in ("", None) else [value]  # what it makes of prose


def _unwrapped(value: Any, wrappers: int) -> Iterator[Any]:
    """The value, then what it may only be the wrapper of: a list, an object around it, JSON text in a string."""
    yield value
    if not wrappers:
        return
    inner: list[Any] = []
    if isinstance(value, list):
        inner = value[: -MOST - 1 : -1]
    elif isinstance(value, dict):
        inner = _wrapped(value)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        inner = _parsed(value)
    for one in inner:
        yield from _unwrapped(one, wrappers - 1)


def _wrapped(value: dict[str, Any]) -> list[Any]:
    """What an object only names: its one value, a call's arguments, the properties of a schema that was filled in."""
    if len(value) == 1:
        return [v for v in value.values() if isinstance(v, dict | list | str)]
    if "name" in value:
        return [value[key] for key in _ARGUMENTS if isinstance(value.get(key), dict | str)]
    return [value["properties"]] if value.get("type") == "object" and "properties" in value else []
