"""What an operator works with, at a terminal or at the page: the ledger, and folders and files as people name them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from glimpsed.config.schema import Config, Folder
from glimpsed.errors import UsageError
from glimpsed.ledger import Ledger
from glimpsed.model import FileKey, counted, shown


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operator's command works with."""

    config: Config
    ledger: Ledger


def folder_named(config: Config, name: str) -> Folder:
    """The folder of this name, or with this path. Raises `UsageError`."""
    if name in config.folders:
        return config.folders[name]
    real = os.path.realpath(name)
    for folder in config.folders.values():
        if os.path.realpath(folder.path) == real:
            return folder
    raise UsageError(f"no folder '{shown(name)}'; there is: {_names(config)}")


def chosen(config: Config, name: str | None) -> list[Folder]:
    """The folder of this name, or all."""
    return list(config.folders.values()) if name is None else [folder_named(config, name)]


def keys_of(desk: Desk, paths: Sequence[str]) -> list[FileKey]:
    """The ledger's files at these paths; of a directory, every file below it; of a sidecar, the file that it is about.

    Raises `UsageError` for a path outside of all folders, and for one that the ledger does not know.
    """
    found: dict[FileKey, None] = {}
    for path in paths:
        key = _moved(desk, path) or key_of(desk.config, path)
        if os.path.isdir(path):
            inside = desk.ledger.beneath(key.folder, key.path)
        else:
            # `glimpsed retry *` names sidecars, too.
            about = key if desk.ledger.find(key) is not None else _of_sidecar(desk, key)
            inside = [about] if about is not None else _shown_so(desk, key)
        if not inside:
            raise UsageError(f"{shown(path)}: no such file was seen yet in the folder '{key.folder}'")
        found |= dict.fromkeys(inside)
    return list(found)


def _shown_so(desk: Desk, told: FileKey) -> list[FileKey]:
    r"""Files whose names hold what no terminal should get, and that are listed with that escaped: ``scan\xe9.png``."""
    if "\\" not in told.path:
        return []
    return [key for key in desk.ledger.beneath(told.folder, "") if shown(key.path) == told.path]


def _of_sidecar(desk: Desk, sidecar: FileKey) -> FileKey | None:
    """The file one of whose sidecars has this name."""
    from glimpsed.sidecar.render import (
        beginnings,
        error_name,
        possible_names,
    )  # which most commands need not load

    settings = desk.config.folders[sidecar.folder]
    for beginning in beginnings(settings, sidecar.name):
        for key in desk.ledger.called(sidecar.folder, sidecar.directory, beginning):
            if sidecar.name in {*possible_names(settings, key.name).values(), error_name(key.name)}:
                return key
    return None


def _moved(desk: Desk, path: str) -> FileKey | None:
    """A file that was moved out of its folder, which knows it by the way there; None for any other."""
    real = os.path.realpath(path)
    for folder in desk.config.folders.values():
        way = os.path.relpath(real, os.path.realpath(folder.path))
        if way.startswith("../") and desk.ledger.find(key := FileKey(folder.name, way)) is not None:
            return key
    return None


def key_of(config: Config, path: str) -> FileKey:
    """Folder and relative path of a file that need not be there any more; links on the way are resolved.

    One that is in none of the folders may be said as FOLDER/FILE. Raises `UsageError` for any other.
    """
    parent, name = os.path.split(os.path.abspath(path))
    # A link in the place of a file is not followed in a folder either; one to a directory is a way to it.
    real = os.path.realpath(path) if os.path.isdir(path) else os.path.join(os.path.realpath(parent), name)
    for folder in config.folders.values():
        root = os.path.realpath(folder.path)
        if real == root:
            return FileKey(folder.name, "")
        if real.startswith(root.rstrip("/") + "/"):
            return FileKey(folder.name, real[len(root.rstrip("/")) + 1 :])
    if not os.path.lexists(path) and (told := _as_told(config, path)) is not None:
        return told
    raise UsageError(f"{shown(path)} is in none of the folders: {_places(config)}")


def _as_told(config: Config, path: str) -> FileKey | None:
    """A file as `failures`, `search` and the log name it, by its folder's name; None for what is not said so."""
    for name in sorted(config.folders, key=len, reverse=True):
        if path.startswith(name + "/"):
            return FileKey(name, os.path.normpath(path[len(name) + 1 :]))
    return None


def files(count: int) -> str:
    """``1 file``, ``1,234 files``."""
    return counted(count, "file")


def _names(config: Config) -> str:
    return ", ".join(config.folders) or "none"


def _places(config: Config) -> str:
    places = [
        str(f.path) if f.name == str(f.path) else f"{f.name} ({f.path})" for f in config.folders.values()
    ]
    return ", ".join(places) or "there is none yet"
