"""What the config only names, read in: prompts, JSON Schemas, API keys."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from glimpsed import bounded
from glimpsed.config.document import LARGEST, ConfigFile, Key, contents
from glimpsed.config.schema import Config, Folder, ModelEntry, Web, Webhook
from glimpsed.config.units import file_path
from glimpsed.disk.owner import denied
from glimpsed.errors import ShareTrouble
from glimpsed.model import shown
from glimpsed.redact import reads_like_a_name, without_keys

# The search path of LoadCredential=, less encrypted ones: systemd.exec(5).
CREDENTIAL_STORES = (Path("/etc/credstore"), Path("/run/credstore"), Path("/usr/lib/credstore"))
_VARIABLE_NAME = re.compile(r"[A-Z_][A-Z0-9_]*|[a-z]+(?:_[a-z0-9]+)*")  # as people write them


def read_schemas(document: ConfigFile) -> None:
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


def _schema_file(document: ConfigFile, key: Key, name: str) -> Any:
    try:
        path = Path(document.file).absolute().parent / file_path(name)
        found = bounded.loads(_text(path), largest=LARGEST)
    except json.JSONDecodeError as e:
        document.problem(key, f"{name} is not JSON: {e.msg} on line {e.lineno}")
    except (OSError, ShareTrouble, ValueError) as e:
        document.problem(key, _why(name, e))
    else:
        if isinstance(found, dict):
            return found
        document.problem(key, f"{name} does not hold a JSON object")
    return None


def _valid(document: ConfigFile, key: Key, schema: dict[str, Any]) -> bool:
    from glimpsed.schemas import sound  # noqa: PLC0415 - most configs have no schema, and jsonschema is slow to import

    found = sound.wrong_with(schema)
    for message in found:
        document.problem(key, message)
    return not found


def read_prompts(config: Config, document: ConfigFile) -> Config:
    """Put the text of every `prompt_file` into `prompt`."""
    folders = {name: _prompted(folder, config, document) for name, folder in config.folders.items()}
    return config.model_copy(update={"folders": folders})


def _prompted(folder: Folder, config: Config, document: ConfigFile) -> Folder:
    if folder.prompt_file is None:
        return folder
    assert config.file is not None
    path = config.file.absolute().parent / folder.prompt_file
    text, problem = "", None
    try:
        text = _text(path).strip()
        problem = None if text else f"{folder.prompt_file} is empty"
    except (OSError, ShareTrouble, ValueError) as e:
        problem = _why(str(folder.prompt_file), e)
    if problem:
        document.problem(("folders", folder.name, "prompt_file"), problem)
        return folder
    return folder.model_copy(update={"prompt": text, "prompt_file": path})


def _text(path: Path) -> str:
    data = contents(path)
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST} bytes")
    return data.decode("utf-8-sig")


def _why(name: str, error: Exception) -> str:
    if isinstance(error, PermissionError) and error.filename is not None:
        return f"{name} cannot be read: {denied(Path(os.fsdecode(error.filename)))}"
    if isinstance(error, OSError):
        return f"{name} cannot be read: {error.strerror}"
    if isinstance(error, ShareTrouble):
        return f"{name} cannot be read: {error}"
    if isinstance(error, UnicodeDecodeError):
        return f"{name} is not UTF-8"
    return f"{name} is nested too deeply" if isinstance(error, RecursionError) else f"{name} {error}"


def read_keys(config: Config, document: ConfigFile, env: Mapping[str, str], asked: Sequence[str]) -> Config:
    """Resolve API keys. A key that is missing is a problem for the models that are used."""
    used = {*config.used_models, *asked}
    models = {}
    for name, entry in config.models.items():
        source, key = _key(entry, "api_key", Path(document.file), env)
        if source and isinstance(key, str) and name in used:
            document.problem(("models", name, source), key)
        found = key.get_secret_value() if isinstance(key, SecretStr) else None
        bare = None if found is None else _QUOTED.sub(r"\2", found)
        update = {"key": SecretStr(bare) if bare else None, "quoted": bare != found}
        models[name] = entry.model_copy(update=update)
    folders = {name: _with_secret(folder, document, env) for name, folder in config.folders.items()}
    return config.model_copy(update={"models": models, "folders": folders})


def _with_secret(folder: Folder, document: ConfigFile, env: Mapping[str, str]) -> Folder:
    """Resolve what the folder's webhook signs with."""
    if (webhook := folder.on_done.webhook) is None:
        return folder
    source, secret = _key(webhook, "secret", Path(document.file), env)
    if source and isinstance(secret, str):
        document.problem(("folders", folder.name, "on_done", "webhook", source), secret)
    if not isinstance(secret, SecretStr):
        return folder
    webhook = webhook.model_copy(update={"secret": secret})
    return folder.model_copy(update={"on_done": folder.on_done.model_copy(update={"webhook": webhook})})


def read_password(config: Config, document: ConfigFile, env: Mapping[str, str]) -> Config:
    """Resolve the live page's password."""
    if config.web is None:
        return config
    source, secret = _key(config.web, "password", Path(document.file), env, _password)
    if source and isinstance(secret, str):
        document.problem(("web", source), secret)
    if not isinstance(secret, SecretStr):
        return config
    return config.model_copy(update={"web": config.web.model_copy(update={"password": secret})})


def _key(
    given: ModelEntry | Webhook | Web,
    what: str,
    file: Path,
    env: Mapping[str, str],
    clean: Callable[[str], SecretStr | str] | None = None,
) -> tuple[str | None, SecretStr | str | None]:
    """Where the key (or `what` it is) should come from, and the key, or else (a plain text) why there is none."""
    clean = clean or _clean
    variable, path, credential = (getattr(given, f"{what}_{kind}") for kind in ("env", "file", "credential"))
    if variable is not None:
        value = env.get(variable)
        return f"{what}_env", clean(value) if value else _unset(variable)
    if path is not None:
        return f"{what}_file", _key_file(file.absolute().parent / path, clean)
    if credential is not None:
        if not credential or "/" in credential or credential in (".", ".."):
            return f"{what}_credential", "must be the name of a credential, not a path"
        place = _credential(credential, env)
        if "CREDENTIALS_DIRECTORY" in env and not place.exists():
            hint = "systemd hands credentials over when a service starts: restart it, with a LoadCredential= for this one"
            return f"{what}_credential", f"{credential} is not among the service's credentials; {hint}"
        return f"{what}_credential", _key_file(place, clean)
    return None, None


def _unset(name: str) -> str:
    if _like_a_variable(name):
        return f"the environment variable {name} is not set"
    return "names no environment variable that is set; the key itself does not belong here"


def _like_a_variable(name: str) -> bool:
    """What stands there is shown only where it can be a name: it may be the key itself."""
    return bool(_VARIABLE_NAME.fullmatch(name)) and reads_like_a_name(name)


def key_source(entry: ModelEntry) -> str | None:
    """Where the model's key should come from, as it may be shown; None where it has none."""
    if (name := entry.api_key_env) is not None:
        return name if _like_a_variable(name) else "the variable of api_key_env"
    source = entry.api_key_file or entry.api_key_credential
    return None if source is None else without_keys(shown(str(source)))


def _credential(name: str, env: Mapping[str, str]) -> Path:
    """Where systemd puts it; outside of a service, as in an administrator's `check`, where systemd gets it."""
    if directory := env.get("CREDENTIALS_DIRECTORY"):
        return Path(directory) / name
    places = [directory / name for directory in CREDENTIAL_STORES]
    return next((place for place in places if os.access(place, os.R_OK)), places[0])


def _key_file(path: Path, clean: Callable[[str], SecretStr | str]) -> SecretStr | str:
    try:
        return clean(_text(path))
    except (OSError, ShareTrouble) as e:
        return _why(os.fspath(path), e)
    except ValueError:
        return f"{os.fspath(path)} does not hold a key"


# As an env file holds it that somebody reads literally (`docker run --env-file`, systemd's credentials).
_QUOTED = re.compile(r"^([\"'])(.+)\1$")


def _clean(key: str) -> SecretStr | str:
    """A key as it can stand in a header."""
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        return "what it names is empty, or holds characters that no key has"
    return SecretStr(key)


def _password(text: str) -> SecretStr | str:
    """A password as people type it, without the newline that a file ends with."""
    text = text.strip()
    if not text or not text.isprintable():
        return "what it names is empty, or holds characters that nobody can type"
    return SecretStr(text)
