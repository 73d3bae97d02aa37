"""JSON Schema of the config file, for editors: what `load` takes, as far as JSON Schema can say it."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import BaseModel

from glimpsed.config.schema import OURS, Config, Folder, ModelEntry, Web, Webhook

_VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}
_NOTES = ("description", "default", "title", "examples")
_FREE_TEXT = {"type": "string"}


def json_schema() -> dict[str, Any]:
    """The schema of the whole file; every value may also be a text with ``${NAME}`` in it."""
    schema = Config.model_json_schema(by_alias=True)
    sections = schema["$defs"]
    for section, model in (
        (schema, Config),
        (sections["Folder"], Folder),
        (sections["ModelEntry"], ModelEntry),
        (sections["Webhook"], Webhook),
        (sections["Web"], Web),
    ):
        _without_ours(section, model)
    _tell_of_schema(sections["Folder"]["properties"])
    sections["OnDone"]["properties"]["webhook"]["anyOf"].append({"type": "string", "format": "uri"})
    schema["properties"]["web"]["anyOf"].append({"type": "string", "examples": ["127.0.0.1:9465"]})
    for section in (schema, *sections.values()):
        properties = section.get("properties", {})
        section["properties"] = {name: _or_variable(value) for name, value in properties.items()}
    sections["Defaults"] = _defaults(sections["Folder"])
    schema["properties"]["defaults"] = {
        "$ref": "#/$defs/Defaults",
        "description": "Any folder key but path; a folder's own value wins.",
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "glimpsed config"}


def _without_ours(section: dict[str, Any], model: type[BaseModel]) -> None:
    """Leave out what is no key of the file."""
    for name, field in model.model_fields.items():
        if field.exclude:
            section["properties"].pop(OURS + name)


def _tell_of_schema(folder: dict[str, Any]) -> None:
    described = {"description": folder["schema"]["description"], "default": None}
    kinds = [{"type": "string"}, {"type": "object", "additionalProperties": True}, {"type": "null"}]
    folder["schema"] = {"anyOf": kinds, **described}


def _defaults(folder: dict[str, Any]) -> dict[str, Any]:
    defaults = copy.deepcopy(folder)
    del defaults["required"], defaults["properties"]["path"]
    return {
        **defaults,
        "title": "Defaults",
        "description": "Keys for every folder that does not have its own.",
    }


def _or_variable(value: dict[str, Any]) -> dict[str, Any]:
    """The same schema, which also takes ``${NAME}`` wherever it takes a plain value."""
    notes: dict[str, Any] = {key: value[key] for key in _NOTES if key in value}
    plain = {key: part for key, part in value.items() if key not in notes}
    if plain.get("type") == "array":
        return {**value, "items": _or_variable(plain["items"])}
    kinds = plain["anyOf"] if set(plain) == {"anyOf"} else [plain]
    if _FREE_TEXT in kinds or any("$ref" in kind or kind.get("type") == "object" for kind in kinds):
        return value
    return {
        "anyOf": [_or_variable(kind) if kind.get("type") == "array" else kind for kind in kinds]
        + [_VARIABLE],
        **notes,
    }
