"""A folder that is watched without a config: what it is like, and where its ledger is.

Each such folder has a ledger of its own, so that two checkouts' `make run` know nothing of one another.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from glimpsed import language
from glimpsed.config.load import LOCAL, local_entry, state_directory
from glimpsed.config.schema import Config, Folder
from glimpsed.errors import UsageError
from glimpsed.model import shown


def for_folder(path: str | os.PathLike[str], env: Mapping[str, str] = os.environ) -> Config:
    """The config of ``glimpsed run FOLDER`` without a file: the embedded OCR model, all defaults.

    The folder's name is its real path. Raises `UsageError` when it is no directory.
    """
    real = os.path.realpath(path)
    if not os.path.isdir(real):  # `Path.is_dir` raises where it may not look
        raise UsageError(f"{shown(os.fspath(path))} is not a directory")
    name = shown(real)
    ours = {"name": name, "model": LOCAL, "language": language.chosen("auto", env)}
    folder = Folder(path=Path(real)).model_copy(update=ours)
    config = Config(models={LOCAL: local_entry()}, state=f"sqlite:///{_ledger_of(real, env)}")
    return config.model_copy(update={"folders": {name: folder}})


def ledgers(near: Sequence[str] = (), env: Mapping[str, str] = os.environ) -> list[str]:
    """The URLs of ledgers of such folders that may be meant, the one that was used last first.

    That of the folder that these paths (else the current directory) are in; those of the folders in the current
    directory; all of them.
    """
    for place in near or [os.getcwd()]:
        real = Path(os.path.realpath(place))
        for directory in (real, *real.parents):
            if (ledger := _ledger_of(str(directory), env)).exists():
                return [f"sqlite:///{ledger}"]
    here = [ledger for ledger in (_ledger_of(path, env) for path in _directories()) if ledger.exists()]
    found = here or list((state_directory(env) / "folders").glob("*.sqlite"))
    return [f"sqlite:///{ledger}" for ledger in sorted(found, key=_used, reverse=True)]


def _ledger_of(real: str, env: Mapping[str, str]) -> Path:
    name = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    return state_directory(env) / "folders" / f"{name}.sqlite"


def _directories() -> Iterator[str]:
    with os.scandir() as entries:
        yield from (os.path.realpath(entry.path) for entry in entries if entry.is_dir())


def _used(ledger: Path) -> float:
    """When it was written to last; SQLite writes to the log beside it first."""
    files = (ledger, Path(f"{ledger}-wal"))
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
