"""Looking at a folder, its directories and files: what runs in a folder's own lane, because it may hang."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.discover.depth import Descent
from glimpsed.discover.settle import Check, Look
from glimpsed.discover.walk import SLICE, Directory, leads_out
from glimpsed.disk.files import Root, entry, find_root, opened_directory, opened_file, version_at, version_of
from glimpsed.errors import FileError, NotYet, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.formats import whole
from glimpsed.model import Version, shown

Stamp: TypeAlias = tuple[int, int, int]  # st_dev, st_ino, st_mtime_ns
_MOST_TEXT = 4_000_000  # characters of answers that one call brings along
# Seconds of looking at sidecars in one call: sixteen megabytes of somebody's JSON take half a second.
_LONGEST = 2.0


def changed_directories(root: Root, mtimes: Mapping[str, int]) -> list[str]:
    """Those of the directories whose mtime is another now, or that are gone. Raises `ShareTrouble`."""
    changed: list[str] = []
    with opened_directory(root) as fd:
        for directory, mtime_ns in mtimes.items():
            try:
                status = os.stat(directory or ".", dir_fd=fd, follow_symlinks=False)
            except OSError:
                changed.append(directory)
                continue
            if status.st_mtime_ns != mtime_ns:
                changed.append(directory)
    return changed


def unchanged_directories(root: Root, known: Mapping[str, Stamp]) -> set[str]:
    """Those of the directories that are still what and as they were. Raises `ShareTrouble`."""
    same: set[str] = set()
    with opened_directory(root) as fd:
        for directory, stamp in known.items():
            with contextlib.suppress(OSError):  # gone, or unreadable: to be listed
                status = os.stat(directory or ".", dir_fd=fd, follow_symlinks=False)
                if (status.st_dev, status.st_ino, status.st_mtime_ns) == stamp:
                    same.add(directory)
    return same


def examine(path: str) -> tuple[Root, bool]:
    """The root that stands at the path now, and whether it is empty. Raises `ShareTrouble` or `Vanished`."""
    root = find_root(path)
    with opened_directory(root) as fd:
        try:
            with os.scandir(fd) as entries:
                return root, next(entries, None) is None
        except OSError as e:
            raise ShareTrouble(f"{shown(root.path)}: {os.strerror(e.errno or 0)}") from e


def gone(root: Root, directories: Iterable[str]) -> list[str]:
    """Those of the directories that are certainly not there."""
    missing: list[str] = []
    with opened_directory(root) as top, Descent(top) as descent:
        for directory in sorted(directories):
            try:
                descent.open(directory)
            except (Vanished, FileError):  # FileError: a link stands there now
                missing.append(directory)
            except ShareTrouble:
                with opened_directory(root):  # is it the share, or just this directory?
                    continue
    return missing


def present(root: Root, directory: str, names: Iterable[str]) -> set[str]:
    """Those of the names that are in the directory, or of which that cannot be told."""
    try:
        with opened_directory(root, directory) as fd:
            return {name for name in names if _is_present(fd, name)}
    except (Vanished, FileError):  # the directory itself is gone, or a link stands there now
        return set()
    except ShareTrouble:
        with opened_directory(root):  # is it the share, or just this directory?
            return set(names)


def standing(root: Root, places: Iterable[tuple[str, Version]]) -> set[tuple[str, Version]]:
    """Those of the places where this version of a file is, or of which that cannot be told."""
    found = set()
    for path, version in places:
        try:
            there = version_at(root, path) == version
        except FileError:  # a link stands there now
            there = False
        except ShareTrouble:
            with opened_directory(root):  # is it the share, or just this file?
                there = True
        if there:
            found.add((path, version))
    return found


def _is_present(directory: int, name: str) -> bool:
    try:
        return entry(directory, name) is not None
    except OSError:
        return True


def look_at(root: Root, checks: Sequence[Check]) -> dict[str, Look | FileError | ShareTrouble]:
    """Look at paths for `SLICE` seconds; those that are missing from the result had no turn."""
    end = time.monotonic() + SLICE
    looks: dict[str, Look | FileError | ShareTrouble] = {}
    for check in checks:
        try:
            looks[check.path] = look(root, check)
        except Vanished:
            looks[check.path] = Look()
        except NotYet as e:
            looks[check.path] = Look(not_yet=str(e))
        except (FileError, ShareTrouble) as e:
            looks[check.path] = e
        if time.monotonic() > end:
            break
    return looks


def links_out(root: Root, paths: Iterable[str]) -> dict[str, str]:
    """Of paths that are no images by their names, the links that lead out of the folder, in words."""
    found: dict[str, str] = {}
    for path in paths:
        with contextlib.suppress(Vanished, FileError), opened_directory(root, path.rpartition("/")[0]) as fd:
            if (reason := leads_out(fd, root, path)) is not None:
                found[path] = reason
    return found


def look(root: Root, check: Check) -> Look:
    """One look at a path; whether it is whole is asked only of a file that has been quiet."""
    with opened_file(root, check.path) as (fd, status):
        version = version_of(status)
        if not check.at_its_word and version != check.expected:
            return Look(version)
        try:
            problem = whole.problem(
                lambda offset, length: _read(fd, offset, length, status.st_size), version.size
            )
            after = version_of(os.fstat(fd))
        except OSError as e:
            raise NotYet(f"{shown(check.path)}: {os.strerror(e.errno or 0)}") from e
    return Look(version, problem, checked=True) if after == version else Look(after)


def _read(fd: int, offset: int, length: int, size: int) -> bytes:
    data = os.pread(fd, length, offset)
    if len(data) < min(length, size - offset):
        raise ShareTrouble("a read ended before the file's size: the share lies or is going away")
    return data


def adopted(
    root: Root, folder: Folder, directory: Directory, names: Sequence[str]
) -> tuple[dict[str, sidecar.Adoptable], int]:
    """Of files that the ledger does not know, those whose sidecars are all there (DESIGN 8); how many were looked at.

    Not all of the names, where the sidecars are large: the answers of 500 are not held in memory at once, and a
    folder of planted ones does not look like a share that hangs.
    """
    found: dict[str, sidecar.Adoptable] = {}
    assert directory.files is not None
    characters, until = 0, time.monotonic() + _LONGEST
    for looked_at, name in enumerate(names):
        if looked_at and (characters > _MOST_TEXT or time.monotonic() > until):
            return found, looked_at
        version = directory.files[name].version
        try:
            judged = sidecar.adoptable(root, directory.path, name, version, folder, directory.names)
        except (Vanished, FileError, NotYet):
            continue  # it settles like any other, and whatever is wrong is told then
        except ShareTrouble:
            with opened_directory(root):  # is it the share, or just this file?
                continue
        if judged.verdict == "adopt":
            found[name] = judged
            characters += 0 if judged.answer is None else len(judged.answer.text)
    return found, len(names)


def remove_error_sidecars(root: Root, paths: Sequence[str]) -> None:
    """Of images that were deleted. One that cannot be removed stays: it does no harm."""
    for path in paths:
        with contextlib.suppress(FileError, ShareTrouble, SidecarBlocked):
            sidecar.remove_error(root, path)
