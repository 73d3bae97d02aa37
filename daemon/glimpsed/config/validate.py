"""A parsed document to typed sections: unknown keys with the key that was meant, wrong values, all of them.

What is wrong is noted in the document and left out, so that the rest can be looked at too: one run of
the checker shows everything that has to be mended.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from glimpsed.config.document import Document, Key
from glimpsed.config.schema import Config, Folder

_NOWHERE = "/nonexistent/glimpsed"  # stands in for a path that is missing or wrong: never nested in another
_LONGEST_TYPO = 100  # characters; what is longer takes long to compare, and is none
_MESSAGES = {
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


def check_keys(document: Document) -> None:
    """Note unknown keys, and drop them."""
    data = document.data
    _check_section(document, data, Config, (), more=("defaults",))
    defaults = data.get("defaults")
    if defaults is None:
        data.pop("defaults", None)
    elif not isinstance(defaults, dict):
        document.problem(("defaults",), "must hold keys and values")
        del data["defaults"]
    else:
        if defaults.pop("path", None) is not None:
            document.problem(("defaults", "path"), "is for each folder to say")
        _check_section(document, defaults, Folder, ("defaults",))


def key_names(section: type[BaseModel]) -> dict[str, Any]:
    """The keys that a section may have in the file, with their types."""
    return {
        field.alias or name: field.annotation
        for name, field in section.model_fields.items()
        if not field.exclude
    }


def _check_section(
    document: Document, data: dict[str, Any], section: type[BaseModel], key: Key, more: Iterable[str] = ()
) -> None:
    known = key_names(section)
    for name in list(data):
        if name in known:
            _check_below(document, data, name, known[name], (*key, name))
        elif name not in more:
            document.problem((*key, name), "unknown key", meant(name, [*known, *more]))
            del data[name]


def _check_below(document: Document, data: dict[str, Any], name: str, annotation: Any, key: Key) -> None:
    """Go on with the section, or the sections by name, that a key holds."""
    inner, named = _section_in(annotation)
    value = data[name]
    if inner is None:
        return
    if value is None and not _optional(annotation):
        del data[name]  # a heading whose keys are all commented out
    elif isinstance(value, dict):
        sections = {(*key, below): entry for below, entry in value.items()} if named else {key: value}
        for at, entry in sections.items():
            if isinstance(entry, dict):
                _check_section(document, entry, inner, at)


def _section_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section that a type holds, and whether it holds them by name."""
    if _is_section(annotation):
        return annotation, False
    named = get_origin(annotation) is dict
    for argument in get_args(annotation):
        if _is_section(argument):
            return argument, named
    return None, False


def _is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def meant(word: str, known: Iterable[str]) -> str | None:
    """``did you mean 'settle'?``, when one of the known words is close."""
    if len(word) > _LONGEST_TYPO:
        return None
    plain = {name.replace("_", "").lower(): name for name in known}
    close = difflib.get_close_matches(word.replace("_", "").replace("-", "").lower(), plain, n=1)
    return f"did you mean '{plain[close[0]]}'?" if close else None


def typed(document: Document) -> Config:
    """The config, with a default for every value that is wrong, noted as a problem."""
    defaults = document.data.get("defaults", {})
    _note(document, _errors(Folder, {"path": _NOWHERE, **defaults}), ("defaults",))
    data = {key: value for key, value in document.data.items() if key != "defaults"}
    if isinstance(data.get("folders"), dict):
        data["folders"] = {name: merged(own, defaults) for name, own in data["folders"].items()}
    while errors := _errors(Config, data):
        _note(document, errors)
        for error in errors:
            _leave_out(data, error)
    return Config.model_validate(data)


def _note(document: Document, errors: list[ErrorDetails], around: Key = ()) -> None:
    """What was no value in the YAML already is no mistake of its own here."""
    found = {
        (*around, *error["loc"]): error for error in errors if not document.is_wrong((*around, *error["loc"]))
    }
    for key, error in found.items():
        document.problem(key, _message(error), _hint(error))


def merged(own: Any, defaults: dict[str, Any]) -> Any:
    """A folder's keys over `defaults`; a prompt of its own, of either kind, hides both kinds there."""
    if not isinstance(own, dict):
        return own
    prompt = {"prompt", "prompt_file"}
    hidden = prompt if any(own.get(key) is not None for key in prompt) else set()
    return {**{key: value for key, value in defaults.items() if key not in hidden}, **own}


def _errors(section: type[BaseModel], data: dict[str, Any]) -> list[ErrorDetails]:
    try:
        section.model_validate(data)
    except ValidationError as e:
        return e.errors(include_url=False)
    return []


def _leave_out(data: dict[str, Any], error: ErrorDetails) -> None:
    """Drop the value that is wrong: the key of an entry, or of the top level."""
    loc = error["loc"]
    depth = min(len(loc), 3 if loc[0] in ("models", "folders") else 1)
    *around, last = loc[:depth]
    holder: Any = data
    for part in around:
        holder = holder[part]
    if depth == 3 and last == "path":  # the one key that has no default
        holder[last] = _NOWHERE
    else:
        holder.pop(last, None)


def _message(error: ErrorDetails) -> str:
    """What is wrong, never the value itself: it may have come out of the environment."""
    known = _MESSAGES.get(error["type"])
    return known.format(**error.get("ctx", {})) if known else error["msg"]


def _hint(error: ErrorDetails) -> str | None:
    if error["type"] == "string_type" and isinstance(error["input"], int | float):
        return "put it in quotes"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        return meant(error["input"], re.findall(r"'(\w+)'", error.get("ctx", {})["expected"]))
    return None
