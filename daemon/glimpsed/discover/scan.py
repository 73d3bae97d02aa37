"""Listing directories, and looking at files: what runs in a folder's own threads, because it may hang.

A listing is condensed into a digest of the candidates' names, sizes and times. Where the digest is the one
that was stored when everything in the directory was in the ledger, there is nothing more to do: no row is
read, and memory does not depend on the number of files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.discover import depth
from glimpsed.discover.depth import Descent
from glimpsed.discover.filters import SIDECARS, Filter
from glimpsed.discover.settle import Check, Look
from glimpsed.disk.files import (
    Root,
    entry,
    find_root,
    opened_directory,
    opened_file,
    version_of,
)
from glimpsed.errors import FileError, NotYet, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.formats import whole
from glimpsed.model import Version, shown

SLICE = 0.1  # s of work in one call, so that other calls get their turn
RACY = 3.0  # s: a directory that changed so shortly before its listing may change again within the same mtime
TOLD_MOST = 1000  # skipped files that one pass reports
_MOST_TEXT = 4_000_000  # characters of answers that one call brings along
_LONGEST = (
    2.0  # s of looking at sidecars in one call: sixteen megabytes of somebody's JSON take half a second
)

Watch: TypeAlias = Callable[[str, int, tuple[int, int]], None]
Stamp: TypeAlias = tuple[int, int, int]  # st_dev, st_ino, st_mtime_ns


@dataclass(frozen=True, slots=True)
class Seen:
    """A candidate in a listing."""

    version: Version
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory as it was found."""

    directory: str
    identity: tuple[int, int]
    mtime_ns: int  # -1 when it is too young to be trusted
    digest: bytes
    count: int
    subdirectories: tuple[str, ...]  # paths, without the excluded ones
    bare: bool  # there is nothing in it but those
    files: Mapping[str, Seen] | None  # None: as the digest said
    names: frozenset[str] = frozenset()  # everything that is there, when `files` is not None


@dataclass(frozen=True, slots=True)
class Found:
    """The root as `examine` found it."""

    root: Root
    empty: bool


@dataclass(slots=True)
class Walk:
    """A pass over directories, a slice at a time. `moved` changes while it gets on."""

    root: Root
    filter: Filter
    digests: Mapping[str, bytes]
    todo: list[str]
    recursive: bool
    watch: Watch | None = None
    listed: Container[str] = ()  # directories that were not excluded the last time, so are not now
    moved: int = 0
    cpu: float = 0.0  # s that it took so far
    visited: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)  # nothing below these is believed to be gone
    missing: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)  # path -> rule
    left_out: dict[str, str] = field(default_factory=dict)  # path -> reason that people should know of
    left_over: set[str] = field(default_factory=set)  # directories, with a slash, that hold temporary files

    def slice(self) -> list[Listing]:
        """The next directories. Raises `ShareTrouble` when the root itself is away, `WatchLimit`."""
        end, began = time.monotonic() + SLICE, time.thread_time()
        listings: list[Listing] = []
        with opened_directory(self.root) as top, Descent(top) as descent:
            while self.todo and time.monotonic() < end:
                listing = self._one(descent, self.todo[-1])
                directory = self.todo.pop()
                if listing is None:
                    continue
                self.visited.add(directory)
                listings.append(listing)
                if self.recursive:
                    self._go_on([s for s in listing.subdirectories if s not in self.visited])
        self.cpu += time.thread_time() - began
        return listings

    def _go_on(self, below: list[str]) -> None:
        room = max(0, depth.MOST - len(self.visited) - len(self.todo))
        self.todo += below[:room]
        if len(below) > room:
            self.left_out[""] = f"it has more than {depth.MOST:,} directories: the others are not looked at"

    def _one(self, descent: Descent, directory: str) -> Listing | None:
        try:
            return self._list(descent, directory)
        except Vanished:
            self.missing.add(directory)
        except (ShareTrouble, FileError) as e:
            with opened_directory(self.root):  # is it the share, or just this directory?
                self.unreadable.add(directory)
            if isinstance(e, FileError):
                self.left_out[directory] = str(e)
            else:
                self._tell(directory, str(e))
        return None

    def _list(self, descent: Descent, directory: str) -> Listing:
        now, prefix = time.time(), f"{directory}/" if directory else ""
        fd = descent.open(directory)
        try:
            status = os.fstat(fd)
            if self.watch is not None:
                self.watch(directory, fd, (status.st_dev, status.st_ino))
            names, found, below = self._read(fd, prefix)
        except OSError as e:
            raise ShareTrouble(f"{shown(directory) or 'the folder'}: {os.strerror(e.errno or 0)}") from e
        if prefix in self.left_over:  # by a crash, or by a daemon that is just writing: `sweep` tells
            sidecar.sweep(self.root, directory, now=now)
        self.moved += 1
        digest = digest_of(found)
        same = self.digests.get(directory) == digest
        return Listing(
            directory=directory,
            identity=(status.st_dev, status.st_ino),
            mtime_ns=status.st_mtime_ns if now - status.st_mtime > RACY else -1,
            digest=digest,
            count=len(found),
            subdirectories=tuple(below),
            bare=len(names) == len(below),
            files=None if same else {name: Seen(version, ctime) for name, version, ctime in found},
            names=frozenset() if same else frozenset(names),
        )

    def _read(self, fd: int, prefix: str) -> tuple[list[str], list[tuple[str, Version, int]], list[str]]:
        """All names, the candidates with version and ctime, the directories below. A million names come by here."""
        names: list[str] = []
        found: list[tuple[str, Version, int]] = []
        below: list[str] = []
        suffixes, plain = self.filter.suffixes, self.filter.plain
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                names.append(name)
                suffix = name.rpartition(".")[2]
                if suffix in SIDECARS or (suffix not in suffixes and suffix.lower() not in suffixes):
                    if entry.is_dir(follow_symlinks=False):
                        self._note_directory(prefix + name, below)
                    elif suffix not in SIDECARS:
                        self._note_other(fd, prefix, entry)
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    self._note_directory(prefix + name, below)
                elif (not plain or name[0] in "._~") and self._skip(prefix + name, is_dir=False):
                    pass
                elif stat.S_ISREG(status.st_mode):
                    found.append((name, version_of(status), status.st_ctime_ns))
                    if not len(found) & 255:
                        self.moved += 1
                else:
                    self._note_odd(fd, prefix + name)
        return names, found, below

    def _note_directory(self, path: str, below: list[str]) -> None:
        if not self.recursive or (path not in self.listed and self._skip(path, is_dir=True)):
            return
        if len(path) * 4 > depth.LONGEST and len(os.fsencode(f"{self.root.path}/{path}")) > depth.LONGEST:
            reason = f"its path is longer than {depth.LONGEST:,} bytes: what is in it is not looked at"
            self.left_out[path] = reason
            return
        below.append(path)

    def _note_other(self, fd: int, prefix: str, entry: os.DirEntry[str]) -> None:
        name = entry.name
        if sidecar.is_temporary(name):
            self.left_over.add(prefix)
        elif entry.is_symlink():
            self._note_odd(fd, prefix + name)
        elif len(self.skipped) < TOLD_MOST:
            self._skip(prefix + name, is_dir=False)

    def _note_odd(self, fd: int, path: str) -> None:
        reason = leads_out(fd, self.root, path)
        if reason is None:
            self._tell(path, "not a regular file")
        elif len(self.left_out) < TOLD_MOST:
            self.left_out[path] = reason

    def _skip(self, path: str, *, is_dir: bool) -> bool:
        rule = self.filter.skips(path, is_dir)
        if rule is not None:
            self._tell(path, rule)
        return rule is not None

    def _tell(self, path: str, rule: str) -> None:
        if len(self.skipped) < TOLD_MOST:
            self.skipped[path] = rule


def leads_out(fd: int, root: Root, path: str) -> str | None:
    """Whether a link in an open directory leads out of the folder, in words; None where it does not, or is none.

    By its text alone: to look where it leads could hang.
    """
    directory, _, name = path.rpartition("/")
    try:
        target = os.readlink(name, dir_fd=fd)
    except OSError:
        return None
    meant = os.path.normpath(os.path.join(root.path, directory, target))
    if meant == root.path or meant.startswith(root.path.rstrip("/") + "/"):
        return None
    return f"a link that leads out of the folder, to {shown(target)}: such links are not followed"


def digest_of(found: Sequence[tuple[str, Version, int]]) -> bytes:
    """What a listing comes down to: 16 bytes that change with any name, size or time."""
    lines = "".join([f"{name}\0{version.size}\0{version.mtime_ns}\n" for name, version, _ in found])
    return hashlib.blake2b(lines.encode("utf-8", "surrogateescape"), digest_size=16).digest()


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


def examine(path: str) -> Found:
    """The root that stands at the path now, and whether it is empty. Raises `ShareTrouble` or `Vanished`."""
    root = find_root(path)
    with opened_directory(root) as fd:
        try:
            with os.scandir(fd) as entries:
                return Found(root, next(entries, None) is None)
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


def existing(root: Root, paths: Iterable[str]) -> set[str]:
    """Those of the files that are there, or of which that cannot be told."""
    by_directory: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        by_directory.setdefault(directory, []).append(name)
    return {
        f"{directory}/{name}" if directory else name
        for directory, names in by_directory.items()
        for name in present(root, directory, names)
    }


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
    root: Root, folder: Folder, listing: Listing, names: Sequence[str]
) -> tuple[dict[str, sidecar.Found], int]:
    """Of files that the ledger does not know, those whose sidecars are all there (DESIGN 8); how many were looked at.

    Not all of the names, where the sidecars are large: the texts of 500 are not held in memory at once, and a
    folder of planted ones does not look like a share that hangs.
    """
    found: dict[str, sidecar.Found] = {}
    assert listing.files is not None
    characters, until = 0, time.monotonic() + _LONGEST
    for looked_at, name in enumerate(names):
        if looked_at and (characters > _MOST_TEXT or time.monotonic() > until):
            return found, looked_at
        version = listing.files[name].version
        try:
            judged = sidecar.adoptable(root, listing.directory, name, version, folder, listing.names)
        except (Vanished, FileError, NotYet):
            continue  # it settles like any other, and whatever is wrong is told then
        except ShareTrouble:
            with opened_directory(root):  # is it the share, or just this file?
                continue
        if judged.verdict == "adopt":
            found[name] = judged
            characters += sum(map(len, judged.texts))
    return found, len(names)


def remove_error_sidecars(root: Root, paths: Sequence[str]) -> None:
    """Of images that were deleted. One that cannot be removed stays: it does no harm."""
    for path in paths:
        with contextlib.suppress(FileError, ShareTrouble, SidecarBlocked):
            sidecar.remove_error(root, path)
