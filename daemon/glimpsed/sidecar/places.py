"""Where a finished image goes, and what it is called there (DESIGN 5). Pure: no file is touched here.

`move_to` and `rename_to` are the administrator's; what stands in an answer is not: each value from it is made safe as
one part of a path.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import unicodedata
from typing import Any

from glimpsed.config.schema import Folder
from glimpsed.model import Version

PLACEHOLDER = re.compile(r"\{(folder|date|stem|data(?:\.[^{}.:]+)+(?::[0-9]+)?)\}")
UNKNOWN = "unknown"  # what the answer lacks, or has as null or empty
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]')
_LONGEST = 80  # bytes of a value
_LONGEST_STEM = 180  # bytes, which leave room for a number and the endings of sidecars


def directory(folder: Folder, version: Version, data: Any) -> str:
    """`move_to`, filled in."""
    assert folder.on_done.move_to is not None
    return PLACEHOLDER.sub(lambda m: _value(m[1], folder, version, data, ""), folder.on_done.move_to)


def new_name(folder: Folder, name: str, version: Version, data: Any, first: str | None = None) -> str:
    """`rename_to`, filled in, with the image's own suffix; the name as it is without.

    `first`: what ``{stem}`` stands for where the image was renamed before; None: it was not.
    """
    if folder.on_done.rename_to is None:
        return name
    stem, suffix = os.path.splitext(name)
    if _says_it(folder.on_done.rename_to, folder, version, data, stem):
        return name
    filled = PLACEHOLDER.sub(
        lambda m: _value(m[1], folder, version, data, first or stem), folder.on_done.rename_to
    )
    return (_cut(filled.strip().lstrip("."), _LONGEST_STEM) or UNKNOWN) + suffix


def _says_it(template: str, folder: Folder, version: Version, data: Any, stem: str) -> bool:
    """Whether a name says already what would be put around it: or it grew with each new version, and each `redo`.

    A day is any day, as the one when it was given its name.
    """
    said, at = "", 0
    for match in PLACEHOLDER.finditer(template):
        filled = {"stem": ".+", "date": r"\d{4}-\d\d-\d\d"}.get(match[1])
        said += re.escape(template[at : match.start()])
        said += filled or re.escape(_value(match[1], folder, version, data, stem))
        at = match.end()
    said += re.escape(template[at:])
    return "{stem}" in template and re.fullmatch(said.strip(), stem, re.DOTALL) is not None


def _value(what: str, folder: Folder, version: Version, data: Any, stem: str) -> str:
    if what == "folder":
        return folder.name
    if what == "stem":
        return stem
    if what == "date":  # the file's own: the same version always goes to the same place
        return dt.datetime.fromtimestamp(version.mtime_ns // 1_000_000_000).astimezone().date().isoformat()
    path, _, length = what.partition(":")
    text = _text(_at(data, path.split(".")[1:]))
    return safe(text[: int(length)] if length else text)


def _at(data: Any, keys: list[str]) -> Any:
    """The value of these keys; of several pages, the first one's that has it."""
    if isinstance(data, list):
        found = (_at(page, keys) for page in data if isinstance(page, dict))
        return next((value for value in found if _text(value)), None)
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def safe(text: str) -> str:
    """A value as one part of a path, or of a name."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    return _cut(_FORBIDDEN.sub("-", text).strip().lstrip("."), _LONGEST) or UNKNOWN


def _cut(text: str, most: int) -> str:
    return text.encode("utf-8", "surrogateescape")[:most].decode("utf-8", "ignore").strip()
