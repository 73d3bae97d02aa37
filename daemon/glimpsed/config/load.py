"""From a file to a `Config`: looked up, parsed, typed, completed, checked. All problems at once (DESIGN 5)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import platformdirs

from glimpsed import language
from glimpsed.config import document as documents
from glimpsed.config import files, rules, validate
from glimpsed.config.document import ConfigFile
from glimpsed.config.rules import ENGINES
from glimpsed.config.schema import Config, ModelEntry
from glimpsed.errors import ConfigError, Problem

LEDGER = "ledger.sqlite"
STATES = Path("/var/lib")  # where systemd has the state of services

LOCAL = "local"


def load(
    path: Path | None,
    *,
    env: Mapping[str, str] = os.environ,
    asked: Sequence[str] = (),
    keys: bool = True,
    page: bool = False,
) -> Config:
    """The config of this file, or of the first one that the lookup order finds.

    A missing key is an error only for a model that a folder uses, or that is `asked` for by name. Without
    `keys` none is looked for: commands beside the daemon have no use for them, nor systemd's credentials. The password
    of the live page is looked for with them, or for a `page` alone.
    Raises `ConfigError` with everything that is wrong.
    """
    file = path or find(env)
    if file is None:
        raise ConfigError(Problem("no config found", hint="'glimpsed init' writes one to start with"))
    document = documents.read(file, env)
    return complete(document, env, asked, keys=keys, page=page)


def find(env: Mapping[str, str] = os.environ) -> Path | None:
    """The config file that counts when none is named; None when there is none."""
    if named := env.get("GLIMPSED_CONFIG"):
        return Path(named)
    places = (
        Path("glimpsed.yaml"),
        platformdirs.user_config_path("glimpsed") / "config.yaml",
        Path("/etc/glimpsed/config.yaml"),
    )
    # Not `Path.exists`, which raises where it may not look.
    return next((place for place in places if os.path.exists(place)), None)


def complete(
    document: ConfigFile,
    env: Mapping[str, str],
    asked: Sequence[str] = (),
    *,
    keys: bool = True,
    page: bool = False,
) -> Config:
    """A parsed document as a config: names, keys, prompts and schemas in place."""
    config = _completed(document)
    config = files.read_keys(config, document, env, asked) if keys else config
    config = files.read_password(config, document, env) if keys or page else config
    if document.problems:
        raise document.error()
    return config


def usable(file: Path, env: Mapping[str, str] = os.environ) -> Config:
    """What can be made of a config with mistakes, which `load` tells of: for commands that only look.

    Raises `ConfigError` where it cannot be read: whatever it says of the ledger, another one would be looked at.
    """
    try:
        return _completed(documents.read(file, env))
    except ConfigError:
        return Config(state=documents.state_of(file)).model_copy(update={"file": file})


def _completed(document: ConfigFile) -> Config:
    files.read_schemas(document)
    config = _named(validate.typed(document), Path(document.file))
    config = files.read_prompts(config, document)
    rules.check(config, document)
    return config


def state_url(config: Config, env: Mapping[str, str] = os.environ, states: Path = STATES) -> str:
    """The ledger's SQLAlchemy URL, password and all; by default SQLite in $STATE_DIRECTORY or XDG state.

    For the config of a service, that service's ledger as soon as there is one, whoever asks: the commands are run
    by people, for whom systemd sets no $STATE_DIRECTORY. A relative SQLite file is relative to the config file.
    """
    if config.state is None:
        given = None if env.get("STATE_DIRECTORY") else _of_service(config.file, states)
        return f"sqlite:///{(given or state_directory(env)) / LEDGER}"
    scheme, _, file = config.state.partition(":///")
    if scheme.startswith("sqlite") and config.file is not None and not file.startswith("/"):
        return f"{scheme}:///{config.file.absolute().parent / file}"
    return config.state


def _of_service(file: Path | None, states: Path) -> Path | None:
    """Where the unit with this config has its ledger: glimpsed.service, or glimpsed@NAME for /etc/glimpsed/NAME.yaml."""
    if file is None:
        return None
    # Also by a way round, `../glimpsed/second.yaml`, and by a link that leads there.
    ways = (Path(os.path.abspath(file)), Path(os.path.realpath(file)))
    name = next((way.stem for way in ways if way.parts[-3:-1] == ("etc", "glimpsed")), None)
    if name is None:
        return None
    directory = states / "glimpsed" / ("" if name == "config" else name)
    try:
        os.stat(directory / LEDGER)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # who may not look is told so when it is opened
        return directory
    return directory


def state_directory(env: Mapping[str, str] = os.environ) -> Path:
    """Where ledgers are: $STATE_DIRECTORY, as systemd gives it, or the user's state directory."""
    given = env.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else platformdirs.user_state_path("glimpsed")


def _named(config: Config, file: Path) -> Config:
    """Every entry knows its name and its model; paths are absolute."""
    base = file.absolute().parent
    models = {name: _model(name, entry) for name, entry in config.models.items()} or {LOCAL: local_entry()}
    only = next(iter(models)) if len(models) == 1 else ""
    spoken = language.chosen(config.language)
    folders = {
        name: folder.model_copy(
            update={
                "name": name,
                "path": _absolute(base, folder.path),
                "model": folder.model or only,
                "language": spoken,
            }
        )
        for name, folder in config.folders.items()
    }
    return config.model_copy(update={"models": models, "folders": folders, "file": file})


def _absolute(base: Path, path: Path) -> Path:
    return Path(os.path.normpath(base / path))


def _model(name: str, entry: ModelEntry) -> ModelEntry:
    own = name if not entry.local or name in ENGINES else ENGINES[0]
    return entry.model_copy(update={"name": name, "model": entry.model or own})


def local_entry() -> ModelEntry:
    """The model that there is where no config names one: the OCR inside."""
    return _model(LOCAL, ModelEntry(api="local"))
