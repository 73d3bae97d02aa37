"""Reading from folders that anybody may write to, on file systems that may go away.

Everything goes through a file descriptor of the folder's root, one path component at a time, never
through a symlink (DESIGN 2, rule 5). The root itself is checked by identity, because an unmounted
share leaves an empty directory behind that takes writes and lies about what exists.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from glimpsed.errors import FileError, GlimpsedError, NotYet, ShareTrouble, Vanished
from glimpsed.model import Content, Version, Written, shown

# 'Somebody else has it for the moment': Windows writers behind Samba, scanners, virus checkers.
BUSY = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY, errno.EAGAIN})
MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO that somebody planted does not hold us up before fstat tells what it is.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
LARGEST = 1_000_000_000  # bytes of a file that is read: a child process that decodes it has 1.5 GB
_LATEST = (1 << 63) - 1  # ns from 1970, either way


@dataclass(frozen=True, slots=True)
class Root:
    """A folder's root directory as it was when it was found: real path and (st_dev, st_ino)."""

    path: str
    identity: tuple[int, int]


def find_root(path: str | os.PathLike[str]) -> Root:
    """The root that stands at this path now, links resolved.

    Raises `Vanished` when there is none, `ShareTrouble` when it cannot be told, or is no directory.
    """
    real = os.path.realpath(path)
    with translated(real):
        status = os.stat(real)
    if not stat.S_ISDIR(status.st_mode):
        raise ShareTrouble(f"{shown(real)} is not a directory")
    return Root(real, (status.st_dev, status.st_ino))


class translated:  # noqa: N801 - used like a function; a class, since a file passes through some twenty of these
    """Turn an OSError into what it means for the file: `Vanished`, `NotYet`, `FileError` or `ShareTrouble`."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise _meant(error, self._path) from error


def _meant(error: OSError, path: str) -> GlimpsedError:
    what = f"{shown(path)}: {os.strerror(error.errno or 0)}"
    if error.errno in MISSING:
        return Vanished(what)
    if error.errno in BUSY:
        return NotYet(what)
    if error.errno == errno.ELOOP:
        return FileError(
            f"{shown(path)} is a symbolic link, and links are not followed.",
            "Put the file itself into the folder.",
        )
    return ShareTrouble(what)


@contextlib.contextmanager
def opened_directory(root: Root, directory: str = "") -> Iterator[int]:
    """A descriptor of a directory below the root (``a/b``, empty for the root itself).

    Raises `ShareTrouble` when another file system or directory stands where the root was,
    `Vanished` when the directory is not there.
    """
    try:
        fd = os.open(root.path, DIRECTORY)
    except OSError as e:  # no root is never 'the file is gone'
        raise ShareTrouble(f"{shown(root.path)}: {os.strerror(e.errno or 0)}") from e
    try:
        with translated(directory):
            status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != root.identity:
            raise ShareTrouble(f"{shown(root.path)} is not the directory it was: unmounted or replaced")
        with opened_below(fd, directory) as below:
            yield below
    finally:
        os.close(fd)


@contextlib.contextmanager
def opened_below(top: int, directory: str) -> Iterator[int]:
    """A descriptor of a directory below an open one (itself for an empty path). Raises as `opened_directory`."""
    fd = top
    try:
        with translated(directory):
            for part in directory.split("/") if directory else ():
                above, fd = fd, os.open(part, DIRECTORY, dir_fd=fd)
                if above != top:
                    os.close(above)
        yield fd
    finally:
        if fd != top:
            os.close(fd)


@contextlib.contextmanager
def opened_file(root: Root, path: str) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor of a regular file below the root, and its status.

    Raises `FileError` for a link, a FIFO, a socket or a device, else as `opened_directory`.
    """
    directory, _, name = path.rpartition("/")
    with opened_directory(root, directory) as parent, _opened_in(parent, name, path) as opened:
        yield opened


@contextlib.contextmanager
def _opened_in(parent: int, name: str, path: str) -> Iterator[tuple[int, os.stat_result]]:
    """`opened_file` in an open directory."""
    with translated(path):
        odd = FileError(f"{shown(path)} is not a regular file.", "Put a regular file there.")
        try:
            fd = os.open(name, READ, dir_fd=parent)
        except OSError as e:
            raise (odd if _is_odd(parent, name) else e) from e
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise odd
            yield fd, status
        finally:
            os.close(fd)


def _is_odd(parent: int, name: str) -> bool:
    """Whether what could not be opened never will be: a socket, a device without a driver or on a `nodev` mount."""
    there = entry(parent, name)
    return there is not None and not (stat.S_ISREG(there.st_mode) or stat.S_ISLNK(there.st_mode))


def version_of(status: os.stat_result) -> Version:
    """The file version that a stat result shows.

    Anybody may set a time beyond the years 1677 to 2262, which are all that the ledger has room for.
    """
    return Version(status.st_size, max(-_LATEST, min(status.st_mtime_ns, _LATEST)))


def read_content(root: Root, path: str, version: Version) -> Content:
    """Read this version of the file, whole, and hash it.

    Raises `Vanished` when it is another version by now. A read that ends before the size that was seen
    is `ShareTrouble`: sshfs and soft cifs mounts report false ends of file when the server dies.
    """
    directory, _, name = path.rpartition("/")
    with opened_directory(root, directory) as parent:
        return read_content_in(parent, name, path, version)


def read_content_in(parent: int, name: str, path: str, version: Version) -> Content:
    """`read_content` in an open directory; `path` is what errors call the file."""
    if version.size > LARGEST:  # before memory is taken: a file of holes has any size for nothing
        raise FileError(
            f"It is {version.size / 1e9:,.1f} GB large; files of more than {LARGEST / 1e9:.0f} GB are not read.",
            "Make it smaller, or part it.",
        )
    with _opened_in(parent, name, path) as (fd, status), translated(path):
        if version_of(status) != version:
            raise Vanished(f"{shown(path)} has changed since it was queued")
        data = read_exactly(fd, version.size, path)
        if version_of(os.fstat(fd)) != version:
            raise Vanished(f"{shown(path)} has changed while it was read")
    return Content(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        version=version,
    )


def read_exactly(fd: int, size: int, path: str) -> bytes:
    """So many bytes from the descriptor's position, or `ShareTrouble`."""
    chunks: list[bytes] = []
    left = size
    while left:
        chunk = os.read(fd, left)  # nearly always all of it, so that there is no second copy
        if not chunk:
            raise ShareTrouble(
                f"{shown(path)}: read {size - left} of {size} bytes: the share lies or is going away"
            )
        chunks.append(chunk)
        left -= len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def version_at(root: Root, path: str) -> Version | None:
    """`version_there`, of a path below the root."""
    directory, _, name = path.rpartition("/")
    with contextlib.suppress(Vanished), opened_directory(root, directory) as parent, translated(path):
        return version_there(parent, name)
    return None


def version_there(parent: int, name: str) -> Version | None:
    """The version of the regular file of that name; None when there is none. Raises OSError.

    It is opened, not only looked up: of network file systems that asks the server.
    """
    try:
        fd = os.open(name, READ, dir_fd=parent)
    except OSError as e:
        if e.errno in MISSING or e.errno == errno.ELOOP or _is_odd(parent, name):
            return None
        raise
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    return version_of(status) if stat.S_ISREG(status.st_mode) else None


def entry(parent: int, name: str) -> os.stat_result | None:
    """The status of a directory entry itself (a link is not followed), None when there is none."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError as e:
        if e.errno in MISSING or e.errno == errno.ENAMETOOLONG:
            return None
        raise


def read_regular(parent: int, name: str, largest: int) -> bytes | None:
    """All of a regular file; None for anything else, for one that is not ours to read or larger than that."""
    try:
        fd = os.open(name, READ, dir_fd=parent)
    except OSError as e:
        if (
            e.errno in MISSING | BUSY
            or (there := entry(parent, name)) is None
            or not stat.S_ISREG(there.st_mode)
        ):
            return None
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
            return None
        data = bytearray()
        while part := os.read(fd, largest + 1 - len(data)):  # it may grow under our eyes
            data += part
        return bytes(data) if len(data) <= largest else None
    finally:
        os.close(fd)


def as_written(parent: int, sidecar: str, content: bytes) -> Written:
    """A sidecar as it stands there now, with this in it. Raises `ShareTrouble` when it does not."""
    status = entry(parent, sidecar)
    if status is None:
        raise ShareTrouble(f"{shown(sidecar)} is gone right after it was written")
    return Written(sidecar, status.st_size, status.st_mtime_ns, digest_of(content))


def is_as_written(parent: int, sidecar: Written, status: os.stat_result) -> bool:
    """Whether what has this status now is what was written: by its content, where that is known, else by its time.

    A time moves without an edit, by a copy of everything or with the clock where a file system keeps local time; and
    stands still with one, where it counts whole seconds or an editor puts it back.
    """
    if status.st_size != sidecar.size or not stat.S_ISREG(status.st_mode):
        return False
    content = read_regular(parent, sidecar.name, sidecar.size) if sidecar.digest else None
    if content is None:
        return status.st_mtime_ns == sidecar.mtime_ns
    return digest_of(content) == sidecar.digest


def digest_of(content: bytes) -> str:
    """Of a sidecar's content, as `Written` has it."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def exists(root: Root, path: str) -> bool:
    """Whether anything of that name is there now; `ShareTrouble` when that cannot be told."""
    directory, _, name = path.rpartition("/")
    try:
        with opened_directory(root, directory) as parent, translated(path):
            os.stat(name, dir_fd=parent, follow_symlinks=False)
    except Vanished:
        return False
    return True
