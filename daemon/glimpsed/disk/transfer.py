"""A file and what belongs to it, from one directory to another: the very files that were seen, or nothing.

On one file system all is renamed, the main file last. To another all is copied, synced and read again, and only then
leaves its old place, the main file last again. So as long as its old name stands, whatever was interrupted can be done
again, and what an attempt before has brought over is recognised (`Member.there`).

A rename shows afterwards what it moved: if that was another file it goes back, and the rest with it. An unlink would not
show it, so what was copied is renamed away and looked at before it is removed (`temporary.remove`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from glimpsed.disk import rights, temporary
from glimpsed.disk.files import READ, entry
from glimpsed.disk.names import numbered, rename_no_replace, same_file
from glimpsed.errors import ShareTrouble, Vanished
from glimpsed.model import shown

_MOST_NUMBERS = 100_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """The main file, or what belongs to it: its names, and how it was seen at the old one."""

    old: str
    new: str
    seen: os.stat_result
    there: bool  # an attempt before has brought it to the target already


def transfer(source: int, target: int, pieces: Sequence[Member]) -> None:
    """Bring these pieces, of which the last is the main file, from one open directory to another, each to its new name.

    Raises FileExistsError when somebody took a name or changed a file meanwhile, `Vanished` when that is the main file,
    OSError, `ShareTrouble`; then all is where it was.
    """
    if os.fstat(source).st_dev == os.fstat(target).st_dev:
        try:
            return _rename(source, target, pieces)
        except OSError as e:
            if e.errno != errno.EXDEV:  # two mounts of one file system
                raise
    return _copy(source, target, pieces)


def _rename(source: int, target: int, pieces: Sequence[Member]) -> None:
    *sidecars, image = pieces
    left: list[Member] = []  # their old names
    try:
        for piece in sidecars:
            if not piece.there:
                rename_no_replace(source, piece.old, target, piece.new)
                left.append(piece)
            elif temporary.remove(source, piece.old, piece.seen):
                left.append(piece)
        temporary.sync_directory(target)
        if image.there:
            temporary.remove(source, image.old, image.seen)
        else:
            _rename_image(source, target, image)
    except BaseException:
        for piece in reversed(left):
            with contextlib.suppress(OSError):
                rename_no_replace(target, piece.new, source, piece.old)
        raise
    temporary.sync_directory(target)
    temporary.sync_directory(source)


def _rename_image(source: int, target: int, image: Member) -> None:
    """What arrives must be what was seen: whoever came in between gets the old name back."""
    rename_no_replace(source, image.old, target, image.new)
    arrived = entry(target, image.new)
    if arrived is not None and same_file(arrived, image.seen):
        return
    # The old name, unless a third version came meanwhile: nothing is lost.
    for number in range(1, _MOST_NUMBERS):
        with contextlib.suppress(FileExistsError):
            rename_no_replace(target, image.new, source, numbered(image.old, number))
            break
    raise Vanished(f"{shown(image.old)} changed while it was moved")


def _copy(source: int, target: int, pieces: Sequence[Member]) -> None:
    """To another file system. Only when all is there, durable and read again, anything leaves its old place."""
    made: list[tuple[str, os.stat_result]] = []
    try:
        for piece in (piece for piece in pieces if not piece.there):
            made += [(piece.new, _copy_one(source, target, piece))]
        temporary.sync_directory(target)
        _refuse_change(source, pieces[-1])
    except BaseException:
        for new, status in reversed(made):
            with contextlib.suppress(OSError):
                temporary.remove(target, new, status)
        raise
    for piece in pieces:  # the image last; what changed at this very moment stays where it is
        temporary.remove(source, piece.old, piece.seen)
    temporary.sync_directory(source)


def _refuse_change(source: int, image: Member) -> None:
    now = entry(source, image.old)
    if now is None or not same_file(now, image.seen):
        raise Vanished(f"{shown(image.old)} changed while it was moved")


def _copy_one(source: int, target: int, piece: Member) -> os.stat_result:
    """Whole and durable under a temporary name, with its time, compared, and only then with its own name."""
    temp = temporary.new_name()
    with contextlib.ExitStack() as stack:
        reader = os.open(piece.old, READ, dir_fd=source)
        stack.callback(os.close, reader)
        status = os.fstat(reader)
        writer = os.open(temp, temporary.CREATE, 0o600, dir_fd=target)
        stack.callback(_unlink, target, temp)
        stack.callback(os.close, writer)
        copied = hashlib.sha256()
        while chunk := os.read(reader, _CHUNK):
            temporary.write_all(writer, chunk)
            copied.update(chunk)
        after = os.fstat(reader)
        if not (
            same_file(status, piece.seen)
            and same_file(after, status)
            and after.st_ctime_ns == status.st_ctime_ns
        ):
            raise FileExistsError(errno.EEXIST, "changed while it was copied", piece.old)
        os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
        rights.follow(writer, rights.of_open(reader), "same")
        temporary.sync(writer)
        with contextlib.suppress(OSError):  # so that the disk is asked, and not memory
            os.posix_fadvise(writer, 0, 0, os.POSIX_FADV_DONTNEED)
        if digest(target, temp) != copied.digest():
            raise ShareTrouble(f"{shown(piece.old)}: its copy is not what was written")
        rename_no_replace(target, temp, target, piece.new)
        there = entry(target, piece.new)
        if there is None:
            raise FileExistsError(errno.EEXIST, "taken away right after it was copied", piece.new)
        return there


def digest(parent: int, name: str) -> bytes:
    """Of all that the file holds."""
    with open(os.open(name, READ, dir_fd=parent), "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _unlink(parent: int, temp: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temp, dir_fd=parent)
