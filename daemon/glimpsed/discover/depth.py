"""Trees of any depth, in time and descriptors that do not grow with it twice over."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Set as AbstractSet
from typing import Self

from glimpsed.disk.files import DIRECTORY, translated
from glimpsed.errors import FileError
from glimpsed.model import shown

# bytes of a directory's whole path: with a file's name below it, it still is one that the system takes (PATH_MAX).
LONGEST = 4096 - 1 - 256
MOST = 1_000_000  # directories of one folder; each takes about 1 KB of memory
_KEPT = 64  # descriptors of the directories above the last one


class Descent:
    """Opens directories below an open one, each from the nearest above it that is still open.

    A tree that is gone through depth first takes about one call a directory.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        self._identity = _identity(top)
        self._chain: deque[tuple[str, int, tuple[int, int]]] = deque()  # each below the one before
        self._open_ones: set[tuple[int, int]] = set()  # their identities

    def open(self, directory: str) -> int:
        """Its descriptor, which is good until the next call. Raises as `files.opened_directory`.

        `FileError` also where it is a directory above it once more, by a mount: such a tree has no end.
        """
        while (
            self._chain
            and directory != self._chain[-1][0]
            and not directory.startswith(self._chain[-1][0] + "/")
        ):
            self._close(self._chain.pop())
        path, fd, _ = self._chain[-1] if self._chain else ("", self._top, self._identity)
        rest = directory[len(path) :].lstrip("/")
        for part in rest.split("/") if rest else ():
            path = f"{path}/{part}" if path else part
            with translated(path):
                fd = self._open(path, part, fd)
        return fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._chain:
            self._close(self._chain.pop())

    def _open(self, path: str, part: str, above: int) -> int:
        fd = os.open(part, DIRECTORY, dir_fd=above)
        try:
            identity = _identity(fd)
        except OSError:
            os.close(fd)
            raise
        if identity == self._identity or identity in self._open_ones:
            os.close(fd)
            raise FileError(f"{shown(path)} is a directory above it once more.", "Unmount it there.")
        self._chain.append((path, fd, identity))
        self._open_ones.add(identity)
        if len(self._chain) > _KEPT:
            self._close(self._chain.popleft())
        return fd

    def _close(self, one: tuple[str, int, tuple[int, int]]) -> None:
        _, fd, identity = one
        self._open_ones.discard(identity)
        os.close(fd)


def is_below(path: str, tops: AbstractSet[str]) -> bool:
    """Whether a path is one of these directories or lies below one, without comparing it with each."""
    if not tops:
        return False
    if "" in tops or path in tops:
        return True
    at = path.rfind("/")
    while at > 0:
        if path[:at] in tops:
            return True
        at = path.rfind("/", 0, at)
    return False


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
