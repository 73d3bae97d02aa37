"""What the config only names, read in: prompts, JSON Schemas, API keys."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from glimpsed.config.document import Document, Key
from glimpsed.config.folder_rules import used_models
from glimpsed.config.schema import Config, Folder, ModelEntry
from glimpsed.config.units import file_path

# The search path of LoadCredential=, less encrypted ones: systemd.exec(5).
CREDENTIAL_STORES = (Path("/etc/credstore"), Path("/run/credstore"), Path("/usr/lib/credstore"))
LARGEST = 1_000_000  # bytes of a prompt or schema


def read_schemas(document: Document) -> None:
    """Put the JSON Schema where a `schema` names a file, and check all of them."""
    folders = document.data.get("folders")
    sections: list[tuple[Key, Any]] = [(("defaults",), document.data.get("defaults"))]
    sections += (
        [(("folders", name), own) for name, own in folders.items()] if isinstance(folders, dict) else []
    )
    for key, section in sections:
        if isinstance(section, dict) and section.get("schema") is not None:
            at = (*key, "schema")
            schema = section["schema"]
            if isinstance(schema, str):
                schema = _schema_file(document, at, schema)
            if schema is None or (isinstance(schema, dict) and not _valid(document, at, schema)):
                del section["schema"]
            else:
                section["schema"] = schema


def _schema_file(document: Document, key: Key, name: str) -> Any:
    try:
        path = Path(document.file).absolute().parent / file_path(name)
        found = json.loads(_text(path))
    except json.JSONDecodeError as e:
        document.problem(key, f"{name} is not JSON: {e.msg} on line {e.lineno}")
    except (OSError, ValueError, RecursionError) as e:
        document.problem(key, _why(name, e))
    else:
        if isinstance(found, dict):
            return found
        document.problem(key, f"{name} does not hold a JSON object")
    return None


def _valid(document: Document, key: Key, schema: dict[str, Any]) -> bool:
    import jsonschema  # noqa: PLC0415 - most configs have no schema, and it is slow to import

    checker = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        checker.check_schema(schema)
        missing = [reference for reference in _references(schema) if not _resolves(schema, reference)]
    except jsonschema.SchemaError as e:
        at = "".join(f"/{part}" for part in e.absolute_path)
        message = f"is not a valid JSON Schema: {e.message[:200]}" + (f" at {at}" if at else "")
        document.problem(key, message)
        return False
    except RecursionError:
        document.problem(key, "is nested too deeply")
        return False
    for reference in missing:
        document.problem(key, f"refers to {reference}, which is not inside of it")
    return not missing


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [found for item in schema for found in _references(item)]
    if not isinstance(schema, dict):
        return []
    own = [text for key, text in schema.items() if key == "$ref" and isinstance(text, str)]
    return own + [found for item in schema.values() for found in _references(item)]


def _resolves(schema: dict[str, Any], reference: str) -> bool:
    """Whether a `$ref` can be followed without a network."""
    from referencing import Registry, Resource, exceptions, jsonschema  # noqa: PLC0415 - as above

    resource = Resource.from_contents(schema, default_specification=jsonschema.DRAFT202012)
    uri = resource.id() or ""
    try:
        registry: Any = Registry().with_resource(uri, resource).crawl()
        registry.resolver(uri).lookup(reference)
    except (exceptions.Unresolvable, exceptions.Unretrievable, ValueError):
        return False
    return True


def read_prompts(config: Config, document: Document) -> Config:
    """Put the text of every `prompt_file` into `prompt`."""
    folders = {name: _prompted(folder, config, document) for name, folder in config.folders.items()}
    return config.model_copy(update={"folders": folders})


def _prompted(folder: Folder, config: Config, document: Document) -> Folder:
    if folder.prompt_file is None:
        return folder
    assert config.file is not None
    path = config.file.absolute().parent / folder.prompt_file
    text, problem = "", None
    try:
        text = _text(path).strip()
        problem = None if text else f"{folder.prompt_file} is empty"
    except (OSError, ValueError) as e:
        problem = _why(str(folder.prompt_file), e)
    if problem:
        document.problem(("folders", folder.name, "prompt_file"), problem)
        return folder
    return folder.model_copy(update={"prompt": text, "prompt_file": path})


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST} bytes")
    return data.decode("utf-8-sig")


def _why(name: str, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{name} cannot be read: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return f"{name} is not UTF-8"
    return f"{name} {error}"


def read_keys(config: Config, document: Document, env: Mapping[str, str], asked: Sequence[str]) -> Config:
    """Resolve API keys. A key that is missing is a problem for the models that are used."""
    used = used_models(config) | set(asked)
    models = {}
    for name, entry in config.models.items():
        source, key = _key(entry, Path(document.file), env)
        if source and isinstance(key, str) and name in used:
            document.problem(("models", name, source), key)
        models[name] = entry.model_copy(update={"key": key if isinstance(key, SecretStr) else None})
    return config.model_copy(update={"models": models})


def _key(entry: ModelEntry, file: Path, env: Mapping[str, str]) -> tuple[str | None, SecretStr | str | None]:
    """Where the key should come from, and the key, or else (a plain text) why there is none."""
    if entry.api_key_env is not None:
        value = env.get(entry.api_key_env)
        missing = f"the environment variable {entry.api_key_env} is not set"
        return "api_key_env", _clean(value) if value else missing
    if entry.api_key_file is not None:
        return "api_key_file", _key_file(file.absolute().parent / entry.api_key_file)
    if (name := entry.api_key_credential) is not None:
        if not name or "/" in name or name in (".", ".."):
            return "api_key_credential", "must be the name of a credential, not a path"
        return "api_key_credential", _key_file(_credential(name, env))
    return None, None


def _credential(name: str, env: Mapping[str, str]) -> Path:
    """Where systemd puts it; outside of a service, as in an administrator's `check`, where systemd gets it."""
    if directory := env.get("CREDENTIALS_DIRECTORY"):
        return Path(directory) / name
    places = [directory / name for directory in CREDENTIAL_STORES]
    return next((place for place in places if os.access(place, os.R_OK)), places[0])


def _key_file(path: Path) -> SecretStr | str:
    try:
        return _clean(_text(path))
    except OSError as e:
        return f"{os.fspath(path)} cannot be read: {e.strerror}"
    except ValueError:
        return f"{os.fspath(path)} does not hold a key"


def _clean(key: str) -> SecretStr | str:
    """A key as it can stand in a header."""
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        return "what it names is empty, or holds characters that no key has"
    return SecretStr(key)
