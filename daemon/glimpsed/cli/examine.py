"""What `glimpsed check` looks at, part by part; nothing is created, changed or sent here.

A problem is something that keeps a part from working; a note is something good to know.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from glimpsed.blocking import within
from glimpsed.errors import GlimpsedError, MissingExtra, ShareTrouble
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.config import Config, Folder, ModelEntry

PATIENCE = 5.0  # seconds that a file system may take to answer
_LEDGER_PATIENCE = 30.0  # seconds that the ledger has, damage looked for included
_LOOK = 2.0  # seconds for a look at subfolders: a sample is enough
_MODULES = {  # extra -> a module that it brings
    "ocr": "rapidocr",
    "postgres": "psycopg",
    "metrics": "prometheus_client",
    "notify": "apprise",
    "journald": "systemd",
    "pdf": "pypdfium2",
    "heif": "pillow_heif",
    "searchable": "pikepdf",
}


@dataclass(frozen=True, slots=True)
class FolderReport:
    """One folder as it stands."""

    path: str
    filesystem: str | None
    mode: str | None
    reason: str | None  # why this mode
    problem: str | None
    passed_over: dict[str, int] = field(default_factory=dict)  # by ending: files that are not looked at


def folder_report(folder: Folder) -> FolderReport:
    """Whether it is there and may be read and written, its file system, and how it will be watched."""
    path = shown(str(folder.path))
    try:
        problem = within(PATIENCE, _folder_problem, folder)
        if not within(PATIENCE, os.path.isdir, folder.path):
            return FolderReport(path, None, None, None, problem)
        from glimpsed.discover import mounts
        from glimpsed.discover.passed import passed_over

        mode, filesystem, reason = within(PATIENCE, mounts.mode, folder)
        others = within(PATIENCE, passed_over, folder)
    except ShareTrouble as e:
        return FolderReport(path, None, None, None, str(e))
    except OSError as e:  # at any of these calls: an automount is only asked for its share by some of them
        return FolderReport(path, None, None, None, f"cannot be looked at: {e.strerror}")
    return FolderReport(path, filesystem, mode, reason, problem or _program_problem(folder), others)


def _folder_problem(folder: Folder) -> str | None:
    path = folder.path
    try:
        path.stat()
    except FileNotFoundError:
        return "is not there: not mounted, not created, or another path is meant"
    if not path.is_dir():
        return "is not a directory"
    if not _may(path, os.R_OK | os.X_OK):
        return "cannot be listed: no permission to read"
    return _write_problem(path, "") or (_below(path) if folder.recursive else None)


def _below(root: Path) -> str | None:
    """The first subfolder that cannot be read or written, as far as a short look goes."""
    until = time.monotonic() + _LOOK
    for path in _directories(root):
        name = f"subfolder {shown(str(path.relative_to(root)))} "
        if not _may(path, os.R_OK | os.X_OK):
            return name + "cannot be listed: no permission to read"
        if problem := _write_problem(path, name):
            return problem
        if time.monotonic() > until:
            break
    return None


def _directories(root: Path) -> Iterator[Path]:
    """Subdirectories, breadth first; hidden ones are left out, as they are when watching."""
    ahead = [root]
    for directory in ahead:
        try:
            with os.scandir(directory) as entries:
                found = [
                    e.path for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)
                ]
        except OSError:
            continue
        for path in map(Path, sorted(found)):
            yield path
            ahead.append(path)


def _write_problem(path: Path, name: str) -> str | None:
    space = os.statvfs(path)
    if space.f_flag & os.ST_RDONLY:
        return f"{name}is mounted read-only: no sidecar can be written"
    if not _may(path, os.W_OK | os.X_OK):
        return f"{name}cannot be written: no permission, so no sidecars"
    if space.f_blocks and not space.f_bavail:
        return f"{name}has no space left: no sidecar can be written"
    return None


def _may(path: Path, what: int) -> bool:
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)


def _program_problem(folder: Folder) -> str | None:
    command = folder.on_done.command
    if not command or shutil.which(command[0]) is not None:
        return None
    if os.path.isfile(command[0]):
        return f"on_done: {shown(command[0])} may not be executed: chmod +x makes it a program"
    return f"on_done: there is no program {shown(command[0])}"


def ledger_problem(url: str) -> str | None:
    """Whether the ledger can be used; one that is not there yet is not created."""
    from sqlalchemy import make_url

    from glimpsed.ledger.look import look

    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and not os.path.exists(
            path := Path(parsed.database or "").absolute()
        ):
            return _room_problem(path)
        within(_LEDGER_PATIENCE, look, url)
    except MissingExtra:
        return None  # told with the other extras
    except GlimpsedError as e:
        return str(e)
    return None


def _room_problem(path: Path) -> str | None:
    place = next(parent for parent in path.parents if os.path.exists(parent))
    if not place.is_dir():
        return f"{shown(str(path))} cannot be created: {shown(str(place))} is not a directory"
    if _may(place, os.W_OK | os.X_OK):
        return None
    return f"{shown(str(path))} cannot be created: no permission in {shown(str(place))}"


def model_problem(entry: ModelEntry) -> str | None:
    """Whether something on this machine keeps the model from being asked."""
    if entry.local and entry.model == "tesseract" and shutil.which("tesseract") is None:
        return "there is no program tesseract: apt install tesseract-ocr"
    if entry.local and entry.model == "rapidocr" and not _installed("ocr"):
        return "the embedded OCR is not installed"
    return None


def missing_extras(config: Config) -> tuple[list[str], list[str]]:
    """Extras that are not installed: those that this config needs, and those that read more formats."""
    needed = []
    if any(
        config.models[name].local and config.models[name].model == "rapidocr" for name in config.used_models
    ):
        needed.append("ocr")
    if (config.state or "").startswith("postgresql"):
        needed.append("postgres")
    if config.metrics:
        needed.append("metrics")
    if config.notify:
        needed.append("notify")
    if any("pdf" in folder.outputs for folder in config.folders.values()):
        needed.append("searchable")
    if config.log.target == "journald":
        needed.append("journald")
    return [e for e in needed if not _installed(e)], [e for e in ("pdf", "heif") if not _installed(e)]


def _installed(extra: str) -> bool:
    return importlib.util.find_spec(_MODULES[extra]) is not None


def notes(config: Config) -> Iterator[str]:
    """What is no mistake, but may surprise."""
    from glimpsed.searchable import KINDS, NO_OCR, installed_ocr

    made = [name for name, folder in config.folders.items() if set(folder.outputs) & set(KINDS)]
    if made and installed_ocr() is None:
        yield f"folder {', '.join(made)}: {NO_OCR}"
    if not config.folders:
        yield "there are no folders in it: nothing will be watched"
    for name in sorted(config.used_models):
        entry = config.models[name]
        if entry.local:
            reads = "Latin letters, Chinese and Japanese" if entry.model != "tesseract" else "its languages"
            yield f"model {name} is plain OCR: it reads {reads}, ignores prompts, and only transcribes"
        elif entry.price is None and _limited(config, name):
            yield f"model {name} has no price: budgets do not count it"
    if unused := [name for name in config.models if name not in config.used_models]:
        yield f"not used by any folder: model {', '.join(unused)}"
    for name, entry in config.models.items():
        if entry.quoted:
            yield f"the key of model {name} stands in quotes: it is used without them"
        if entry.api_key_file is not None and _everybody_reads(config, entry.api_key_file):
            yield f"the key of model {name} can be read by everybody: chmod o= {shown(str(entry.api_key_file))}"


def _everybody_reads(config: Config, path: Path) -> bool:
    assert config.file is not None
    try:
        return bool((config.file.absolute().parent / path).stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _limited(config: Config, model: str) -> bool:
    """Whether a budget of everything, of the model or of a folder that asks it is to count what it costs."""
    asking = [{"folder": name} for name, folder in config.folders.items() if model in folder.readers]
    return any(of in [{}, {"model": model}, *asking] for of, _ in config.limits)
