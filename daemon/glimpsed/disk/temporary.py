"""Temporary files beside the image: created exclusively, made durable, recognised after a crash.

Their names tell the process that made them, ``.glimpsed-HOST-PID-START-RANDOM.tmp``, so that a daemon
that starts removes what a dead one left behind and nothing that another is just writing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from functools import cache

from glimpsed.clock import started
from glimpsed.disk import rights
from glimpsed.disk.files import Root, entry, opened_directory, translated
from glimpsed.disk.names import keep_aside, rename_no_replace, same_file

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = re.compile(r"\.glimpsed-([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,20})-[0-9a-f]{8}\.tmp")
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})  # FUSE and old cifs, mostly for directories
TRIAL = 65_536  # bytes, more than most sidecars have
_ABANDONED = 3600.0  # s after which another host's temporary file is taken for a leftover


def is_temporary(name: str) -> bool:
    """Whether a file of this name is a temporary one of glimpsed's."""
    return name.startswith(".glimpsed-") and _NAME.fullmatch(name) is not None


def sweep(root: Root, directory: str, *, now: float) -> int:
    """Remove what crashed processes left in this directory; how many files that were.

    On this host the process must be dead; of other hosts the file must be an hour old. Raises as
    `opened_directory`.
    """
    with opened_directory(root, directory) as parent, translated(directory):
        return sweep_in(parent, now=now)


def sweep_in(parent: int, *, now: float) -> int:
    """`sweep`, of an open directory. Raises OSError."""
    removed = 0
    for name in filter(is_temporary, os.listdir(parent)):
        with contextlib.suppress(OSError):  # gone by now, or not ours to remove
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and _is_left_over(name, now - status.st_mtime):
                os.unlink(name, dir_fd=parent)
                removed += 1
    return removed


@contextlib.contextmanager
def files(
    parent: int, image: str, mode: rights.Wanted, contents: Mapping[str, bytes]
) -> Iterator[dict[str, str]]:
    """Each content, durable in a temporary file with rights like the image's: name wanted -> temporary name.

    Raises OSError (ENOENT: the image is gone).

    Whatever is still there at the end of the block is removed: take out (`dict.pop`) what you have renamed.
    """
    like = rights.of_file(parent, image)
    if like is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), image)
    made: dict[str, str] = {}
    try:
        for wanted, content in contents.items():
            temp = new_name()
            fd = os.open(temp, CREATE, 0o600, dir_fd=parent)
            try:
                made[wanted] = temp  # not before: what is there already is not ours to remove
                write_all(fd, content)
                rights.follow(fd, like, mode)
                sync(fd)
            finally:
                os.close(fd)
        yield made
    finally:
        for temp in made.values():
            with contextlib.suppress(OSError):
                os.unlink(temp, dir_fd=parent)


def remove(parent: int, name: str, seen: os.stat_result) -> bool:
    """Remove this very file, as it was seen; False when another, or none, stands there by now: that one stays.

    It is renamed away and looked at before it goes, since unlink(2) takes a name and asks nothing.
    """
    temp = new_name()
    try:
        os.rename(name, temp, src_dir_fd=parent, dst_dir_fd=parent)
    except FileNotFoundError:
        return False
    now = entry(parent, temp)
    if now is None:
        return False
    if same_file(now, seen):
        os.unlink(temp, dir_fd=parent)
        return True
    try:
        rename_no_replace(parent, temp, parent, name)
    except FileExistsError:  # and a third one came meanwhile: nothing is lost
        keep_aside(parent, temp, f"{name}~")
    return False


def try_out(parent: int) -> None:
    """Make a file in this directory, durable, and remove it again. Raises OSError when that cannot be."""
    temp = new_name()
    fd = os.open(temp, CREATE, 0o600, dir_fd=parent)
    try:
        write_all(fd, bytes(TRIAL))
        sync(fd)
    finally:
        os.close(fd)
        with contextlib.suppress(OSError):
            os.unlink(temp, dir_fd=parent)


def sync(fd: int) -> None:
    """Fsync, where there is one."""
    try:
        os.fsync(fd)
    except OSError as e:
        if e.errno not in _NO_SYNC:
            raise


def sync_directory(parent: int) -> None:
    """Make the renames in a directory durable."""
    sync(parent)


def new_name() -> str:
    """A name for a temporary file of this process."""
    return f".glimpsed-{_host()}-{_process(os.getpid())}-{random.getrandbits(32):08x}.tmp"


def write_all(fd: int, content: bytes) -> None:
    """All of it: one write may take less."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def _is_left_over(name: str, age: float) -> bool:
    match = _NAME.fullmatch(name)
    assert match is not None
    host, pid, start = match.groups()
    if host != _host():
        return age > _ABANDONED
    return (started(int(pid)) or "0") != start


@cache
def _process(pid: int) -> str:
    """Number and start of this process; the number is asked for, lest a fork go on with its parent's."""
    return f"{pid}-{started(pid) or 0}"


@cache
def _host() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
