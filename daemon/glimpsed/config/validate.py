"""A parsed document to typed sections: unknown keys with the key that was meant, wrong values, all of them.

What is wrong is noted in the document and left out, so that the rest can be looked at too: one run of
the checker shows everything that has to be mended.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from glimpsed.config.document import ConfigFile, Key
from glimpsed.config.schema import Config, Folder, ModelEntry

_NOWHERE = "/nonexistent/glimpsed"  # stands in for a path that is missing or wrong: never nested in another
_LONGEST_TYPO = 100  # characters; what is longer takes long to compare, and is none
_LIKE, _ALMOST = 0.6, 0.85  # of difflib's ratio: what may be a typo; what can hardly be anything else
_HOMES = (
    (Config, "belongs to the top level of the file"),
    (Folder, "is a key of a folder"),
    (ModelEntry, "is a key of a model"),
)
_MESSAGES = {
    "extra_forbidden": "unknown key",
    "missing": "is required",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must not be empty",
    "too_long": "must not have more than {max_length} entries",
    "string_pattern_mismatch": "must be three capital letters, like USD",  # only currencies have a pattern
    "value_error": "{error}",
}


def key_names(section: type[BaseModel]) -> dict[str, Any]:
    """The keys that a section may have in the file, with their types."""
    return {
        field.alias or name: field.annotation
        for name, field in section.model_fields.items()
        if not field.exclude
    }


def _keys_at(loc: Key) -> dict[str, Any]:
    """The keys that may stand where this location leads to; of the top level, also `defaults`."""
    keys: dict[str, Any] = {**key_names(Config), "defaults": Folder | None}
    named = False
    for part in loc:
        if not named:  # else it is a name that the user chose
            section, named = section_in(keys.get(str(part)))
            keys = key_names(section) if section else {}
        else:
            named = False
    return keys


def section_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section that a type holds, and whether it holds them by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    found = (section_in(argument)[0] for argument in get_args(annotation))
    return next(filter(None, found), None), get_origin(annotation) is dict


def meant(word: str, known: Iterable[str], like: float = _LIKE) -> str | None:
    """``did you mean 'settle'?``, when one of the known words is so close."""
    if len(word) > _LONGEST_TYPO:
        return None
    plain = {name.replace("_", "").lower(): name for name in known}
    close = difflib.get_close_matches(word.replace("_", "").replace("-", "").lower(), plain, n=1, cutoff=like)
    return f"did you mean '{plain[close[0]]}'?" if close else None


def typed(document: ConfigFile) -> Config:
    """The config, with a default for every value that is wrong, noted as a problem.

    Raises `ConfigError` where that is no way out: the default is what is wrong.
    """
    defaults = document.data["defaults"] = _defaults(document)
    _note(document, _errors(Folder, {"path": _NOWHERE, **defaults}), ("defaults",))
    data = {key: value for key, value in document.data.items() if key != "defaults"}
    if isinstance(data.get("folders"), dict):
        data["folders"] = {name: merged(own, defaults) for name, own in data["folders"].items()}
    while errors := _errors(Config, data):
        _note(document, errors)
        left_out = [_leave_out(data, error) for error in errors]
        if not any(left_out):
            raise document.error()
    return Config.model_validate(data, by_name=False)


def _defaults(document: ConfigFile) -> dict[str, Any]:
    """What counts for every folder that says nothing else."""
    defaults = document.data.get("defaults")
    defaults = {} if defaults is None else defaults
    if not isinstance(defaults, dict):
        document.problem(("defaults",), "must hold keys and values")
        return {}
    if "path" in defaults:
        document.problem(("defaults", "path"), "is for each folder to say")
    return {key: value for key, value in defaults.items() if key != "path"}


def _note(document: ConfigFile, errors: list[ErrorDetails], around: Key = ()) -> None:
    """What was no value in the YAML already is no mistake of its own here."""
    found = {
        (*around, *error["loc"]): error for error in errors if not document.is_wrong((*around, *error["loc"]))
    }
    places = {key: place for place, key in enumerate(document.lines)}  # in the order of the file
    for key, error in sorted(
        found.items(), key=lambda item: places.get(document.written(item[0]), len(places))
    ):
        document.problem(key, _message(error), _hint(key, error))


def merged(own: Any, defaults: dict[str, Any]) -> Any:
    """A folder's keys over `defaults`; a prompt of its own, of either kind, hides both kinds there."""
    if not isinstance(own, dict):
        return own
    prompt = {"prompt", "prompt_file"}
    hidden = prompt if any(own.get(key) is not None for key in prompt) else set()
    return {**{key: value for key, value in defaults.items() if key not in hidden}, **own}


def _errors(section: type[BaseModel], data: dict[str, Any]) -> list[ErrorDetails]:
    try:
        section.model_validate(data, by_name=False)
    except ValidationError as e:
        found = e.errors(include_url=False)
        inside = {error["loc"][:-1] for error in found}
        # A list of which nothing is left, all of it being wrong, is not empty in the file.
        return [error for error in found if error["type"] != "too_short" or error["loc"] not in inside]
    return []


def _leave_out(data: dict[str, Any], error: ErrorDetails) -> bool:
    """Drop the value that is wrong: the key of an entry, or of the top level. False: it is not there any more."""
    loc = error["loc"]
    depth = min(len(loc), 3 if loc[0] in ("models", "folders") else 1)
    *around, last = loc[:depth]
    holder: Any = data
    for part in around:
        holder = holder[part]
    before = dict(holder)
    if depth == 3 and last == "path":  # the one key that has no default
        holder[last] = _NOWHERE
    else:
        holder.pop(last, None)
    return bool(holder != before)


def _message(error: ErrorDetails) -> str:
    """What is wrong, never the value itself: it may have come out of the environment."""
    known = _MESSAGES.get(error["type"])
    return known.format(**error.get("ctx", {})) if known else error["msg"]


def _other_key(word: str, known: Iterable[str]) -> str | None:
    """What to say of an unknown key: a typo, or a right key in the wrong place."""
    home = next((f"'{word}' {where}" for section, where in _HOMES if word in key_names(section)), None)
    return meant(word, known, _ALMOST) or home or meant(word, known)


def _hint(key: Key, error: ErrorDetails) -> str | None:
    if error["type"] == "extra_forbidden":
        return _other_key(str(key[-1]), _keys_at(key[:-1]))
    if error["type"] == "string_type" and isinstance(error["input"], int | float):
        return "put it in quotes"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        return meant(error["input"], re.findall(r"'(\w+)'", error.get("ctx", {})["expected"]))
    return None
