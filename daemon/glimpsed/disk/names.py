"""Names in directories: given, exchanged and taken away without loss, whoever else does so at the same moment.

A name says nothing about the file that it stands for a moment later. What is done here is done over nothing, or shows
afterwards what it was done to.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import stat
import sys

from glimpsed.disk.files import READ, entry

_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2  # renameat2(2)
_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS, ioctl_iflags(2) …
_FIXED = 0x10 | 0x20  # … FS_IMMUTABLE_FL, FS_APPEND_FL
_MOST_NUMBERS = 100_000
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})


def is_fixed(parent: int, name: str, status: os.stat_result) -> bool:
    """Whether a file can never be replaced, whatever may be done in its directory: immutable, or in a sticky one."""
    above = os.fstat(parent)
    if above.st_mode & stat.S_ISVTX and os.geteuid() not in {0, above.st_uid, status.st_uid}:
        return True
    try:
        fd = os.open(name, READ, dir_fd=parent)
    except OSError:  # what cannot be read is found out by trying
        return False
    try:
        flags = bytearray(8)
        fcntl.ioctl(fd, _GET_FLAGS, flags)
        return bool(int.from_bytes(flags[:4], sys.byteorder) & _FIXED)
    except OSError:  # a file system without such flags
        return False
    finally:
        os.close(fd)


def same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether both show the same file, unchanged."""
    return (one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) == (
        other.st_dev,
        other.st_ino,
        other.st_size,
        other.st_mtime_ns,
    )


def rename_no_replace(source: int, old: str, target: int, new: str) -> None:
    """Rename from one directory to another, over nothing: FileExistsError when the name is taken.

    Where the file system has no renameat2(RENAME_NOREPLACE), look first and rename then.
    """
    code = _rename(source, old, target, new, _RENAME_NOREPLACE)
    if code in _UNSUPPORTED:
        if entry(target, new) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
    elif code:
        raise OSError(code, os.strerror(code), old)


def exchange(parent: int, one: str, other: str) -> bool:
    """Let two files of a directory change names, at once; False where the file system cannot."""
    code = _rename(parent, one, parent, other, _RENAME_EXCHANGE)
    if code and code not in _UNSUPPORTED:
        raise OSError(code, os.strerror(code), other)
    return not code


def _rename(source: int, old: str, target: int, new: str, flags: int) -> int:
    """renameat2(2); its error number, or 0."""
    try:
        call = _libc().renameat2
    except AttributeError:  # a C library without it
        return errno.ENOSYS
    return ctypes.get_errno() if call(source, os.fsencode(old), target, os.fsencode(new), flags) else 0


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def keep_aside(parent: int, name: str, kept: str) -> None:
    """Give a file a name that is free: `kept`, which ends in ``~``, or with the first number after it that is free."""
    for number in range(1, _MOST_NUMBERS):
        with contextlib.suppress(FileExistsError):
            rename_no_replace(parent, name, parent, f"{kept}{number if number > 1 else ''}")
            return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), kept)


def numbered(name: str, number: int) -> str:
    """``scan.jpg``, ``scan-2.jpg``, ``scan-3.jpg``."""
    base = name.rpartition(".")[0] or name
    return name if number == 1 else f"{base}-{number}{name[len(base) :]}"
