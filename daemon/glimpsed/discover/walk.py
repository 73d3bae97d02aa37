"""Listing directories: what runs in a folder's own lane, because it may hang.

A listing is condensed into a digest of the candidates' names, sizes and times. Where the digest is the one
that was stored when everything in the directory was in the ledger, there is nothing more to do: no row is
read, and memory does not depend on the number of files.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from glimpsed import sidecar
from glimpsed.discover import depth
from glimpsed.discover.depth import Descent
from glimpsed.discover.filters import SIDECARS, Filter
from glimpsed.disk.files import Root, opened_directory, version_of
from glimpsed.errors import FileError, ShareTrouble, Vanished
from glimpsed.model import Version, shown

SLICE = 0.1  # s of work in one call, so that other calls get their turn
RACY = 3.0  # s: a directory that changed so shortly before its listing may change again within the same mtime
TOLD_MOST = 1000  # skipped files that one pass reports

Watch: TypeAlias = Callable[[str, int, tuple[int, int]], None]


@dataclass(frozen=True, slots=True)
class Listed:
    """A candidate in a listing."""

    version: Version
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory as it was found."""

    path: str
    identity: tuple[int, int]
    mtime_ns: int  # -1 when it is too young to be trusted
    digest: bytes
    count: int
    subdirectories: tuple[str, ...]  # paths, without the excluded ones
    bare: bool  # there is nothing in it but those
    files: Mapping[str, Listed] | None  # None: as the digest said
    names: frozenset[str] = frozenset()  # everything that is there, when `files` is not None


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
    unreadable: dict[str, str] = field(default_factory=dict)  # and why; nothing below is believed to be gone
    missing: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)  # path -> rule
    left_out: dict[str, str] = field(default_factory=dict)  # path -> reason that people should know of
    left_over: set[str] = field(default_factory=set)  # directories, with a slash, that hold temporary files

    def slice(self) -> list[Directory]:
        """The next directories. Raises `ShareTrouble` when the root itself is away, `WatchLimit`."""
        end, began = 0.0, time.thread_time()
        found: list[Directory] = []
        with opened_directory(self.root) as top, Descent(top) as descent:
            while self.todo and not 0.0 < end < time.monotonic():
                one = self._one(descent, self.todo[-1])
                # Going down to where the last one ended is no part of it.
                end = end or time.monotonic() + SLICE
                directory = self.todo.pop()
                if one is None:
                    continue
                self.visited.add(directory)
                found.append(one)
                if self.recursive:
                    self._go_on([s for s in one.subdirectories if s not in self.visited])
        self.cpu += time.thread_time() - began
        return found

    def _go_on(self, below: list[str]) -> None:
        room = max(0, depth.MOST - len(self.visited) - len(self.todo))
        self.todo += below[:room]
        if len(below) > room:
            self.left_out[""] = f"it has more than {depth.MOST:,} directories: the others are not looked at"

    def _one(self, descent: Descent, directory: str) -> Directory | None:
        try:
            return self._list(descent, directory)
        except Vanished:
            self.missing.add(directory)
        except (ShareTrouble, FileError) as e:
            with opened_directory(self.root):  # is it the share, or just this directory?
                self.unreadable[directory] = str(e)
            if isinstance(e, FileError):
                self.left_out[directory] = str(e)
            else:
                self._tell(directory, str(e))
        return None

    def _list(self, descent: Descent, directory: str) -> Directory:
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
        return Directory(
            path=directory,
            identity=(status.st_dev, status.st_ino),
            mtime_ns=status.st_mtime_ns if now - status.st_mtime > RACY else -1,
            digest=digest,
            count=len(found),
            subdirectories=tuple(below),
            bare=len(names) == len(below),
            files=None if same else {name: Listed(version, ctime) for name, version, ctime in found},
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
