"""What the commands beside a daemon share: the ledger, and folders and files as people name them."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glimpsed.cli.common import config_file, say
from glimpsed.errors import ConfigError, UsageError
from glimpsed.model import FileKey, counted, shown

if TYPE_CHECKING:
    from glimpsed.config import Config, Folder
    from glimpsed.disk.files import Root
    from glimpsed.ledger import FileRow, Ledger
    from glimpsed.model import Answer


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operator's command works with."""

    config: Config
    ledger: Ledger


@contextlib.contextmanager
def opened(*, only_look: bool = False) -> Iterator[Desk]:
    """The config, without its API keys, and its ledger. With no config: the folders that the ledger has.

    To `only_look`, a config with mistakes will do: they are told, and what is right of it counts. Where no daemon has
    made a ledger yet, an empty one stands in: looking must not leave a file behind that belongs to root, and that the
    daemon could then not write to.
    """
    gc.disable()  # what is imported stays: looking through it for garbage meanwhile takes a tenth of the time
    try:
        from glimpsed import config as configs
        from glimpsed.ledger import open_ledger
    finally:
        gc.enable()
    file = config_file()
    broken = False
    try:
        config = configs.load(file, keys=False) if file else configs.Config()
    except ConfigError as e:
        if file is None or not only_look or not os.path.exists(file):
            raise
        broken = True
        _warn(e)
        config = configs.usable(file)
    with contextlib.ExitStack() as stack:
        url = configs.state_url(config)
        if not _exists(url):
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/empty.sqlite"
        ledger = stack.enter_context(contextlib.closing(open_ledger(url, search=config.search)))
        yield Desk(_with_folders_of(ledger, config, broken=broken) if broken or not file else config, ledger)


def _warn(error: ConfigError) -> None:
    first, *others = error.problems
    more = f" (and {counted(len(others), 'more mistake')})" if others else ""
    say(f"warning: the config is not usable as it is: {first}{more}", error=True)


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


def root_of(folder: Folder) -> Root | None:
    """The folder's root; None where it cannot be looked at now, which is told: what the ledger knows is there."""
    from glimpsed.disk.files import find_root
    from glimpsed.errors import ShareTrouble, Vanished

    try:
        return find_root(folder.path)
    except (ShareTrouble, Vanished) as e:
        say(f"{folder.name} cannot be looked at now: {e}", error=True)
        return None


def answer_of(desk: Desk, root: Root | None, row: FileRow, folder: Folder) -> Answer | None:
    """What was answered about a file, from the ledger or else from its JSON sidecar."""
    from glimpsed.pipeline import anew

    question = anew.question_of(row)
    return anew.answer(root, row, folder, desk.ledger.all_kept(question) if question else [])


def keys_of(desk: Desk, paths: Sequence[str]) -> list[FileKey]:
    """The ledger's files at these paths; of a directory, every file below it.

    Raises `UsageError` for a path outside of all folders, and for one that the ledger does not know.
    """
    found: dict[FileKey, None] = {}
    for path in paths:
        key = _moved(desk, path) or key_of(desk.config, path)
        if os.path.isdir(path):
            inside = desk.ledger.beneath(key.folder, key.path)
        else:
            inside = [key] if desk.ledger.find(key) is not None else []
        if not inside:
            raise UsageError(f"{shown(path)}: no such file was seen yet in the folder '{key.folder}'")
        found |= dict.fromkeys(inside)
    return list(found)


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

    Raises `UsageError` when it is in none of the folders.
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
    raise UsageError(f"{shown(path)} is in none of the folders: {_places(config)}")


def files(count: int) -> str:
    """``1 file``, ``1,234 files``."""
    return counted(count, "file")


def _with_folders_of(ledger: Ledger, config: Config, *, broken: bool) -> Config:
    """What ``run FOLDER`` without a config worked on: such a folder's name is its path.

    Of a `broken` config, all that the ledger has: where they are may be among what is lost.
    """
    from glimpsed import config as configs

    alone = configs.for_folder("/")  # what any folder is like without a config
    like = alone.folders["/"]
    folders = {
        name: like.model_copy(update={"name": name, "path": Path(name)})
        for name in ledger.folders()
        if broken or name.startswith("/")
    }
    return config.model_copy(
        update={"folders": folders | config.folders, "models": alone.models | config.models}
    )


def _exists(url: str) -> bool:
    """Whether there is a ledger at this URL, as far as a file can tell."""
    scheme, _, path = url.partition(":///")
    if not scheme.startswith("sqlite"):
        return True
    try:
        os.stat(path.partition("?")[0])
    except FileNotFoundError:
        return False
    except OSError:
        return True  # opening it says why it cannot be used
    return True


def _names(config: Config) -> str:
    return ", ".join(config.folders) or "none"


def _places(config: Config) -> str:
    places = [
        str(f.path) if f.name == str(f.path) else f"{f.name} ({f.path})" for f in config.folders.values()
    ]
    return ", ".join(places) or "there is none yet"
