"""``on_done: move_to``: the image leaves the folder once its sidecars are written, and they go with it.

Sidecars first, the image last: whoever watches the target never sees the image without its answer.
Nothing there is ever overwritten; a name that is taken gets a number.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glimpsed import temporary
from glimpsed.config.schema import Folder
from glimpsed.errors import FileError, ShareTrouble, Vanished
from glimpsed.files import MISSING, Root, entry, find_root, opened_directory, rename_no_replace, version_of
from glimpsed.model import Version, Written, shown
from glimpsed.sidecar.render import names, stem
from glimpsed.sidecar.write import opened, owner_of_image

_PLACEHOLDER = re.compile(r"\{(folder|date)\}")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_NUMBERS = 100_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Moved:
    """Where an image and its sidecars are now, so that they are not taken for new ones there."""

    path: str  # absolute
    version: Version
    written: tuple[Written, ...]


def move(root: Root, path: str, folder: Folder, written: Sequence[Written], *, now: float) -> Moved | None:
    """Move a finished image and its sidecars to the folder's ``move_to``; None when it is there already.

    ``move_to`` is absolute, or relative to the folder; ``{folder}`` and ``{date}`` are filled in, and the
    image's subdirectory is kept below it. Raises `Vanished`, `SidecarBlocked`, `ShareTrouble` or
    `FileError`; then everything is where it was.
    """
    directory = path.rpartition("/")[0]
    base = _base(root, folder, now)
    if f"{root.path}/{directory}/".startswith(f"{base}/"):
        return None
    with opened(root, path) as (source, name), _target(root, base, directory) as target:
        owner_of_image(source, name)
        pairs = _moved(source, target, folder, name, [w.name for w in written])
        temporary.sync_directory(target)
        temporary.sync_directory(source)
        statuses = [(new, entry(target, new)) for _, new in pairs]
    (image, status), sidecars = statuses[-1], statuses[:-1]
    if status is None:
        raise Vanished(f"{shown(image)} was taken away right after it was moved")
    return Moved(
        path="/".join(part for part in (base, directory, image) if part),
        version=version_of(status),
        written=tuple(Written(new, s.st_size, s.st_mtime_ns) for new, s in sidecars if s is not None),
    )


def _base(root: Root, folder: Folder, now: float) -> str:
    """The directory that ``move_to`` names, as an absolute path without ``..``."""
    assert folder.on_done.move_to is not None
    date = dt.datetime.fromtimestamp(now).astimezone().date().isoformat()
    values = {"folder": folder.name, "date": date}
    filled = _PLACEHOLDER.sub(lambda match: values[match[1]], folder.on_done.move_to)
    base = os.path.normpath(os.path.join(root.path, filled))
    below = os.path.relpath(base, folder.path)  # an absolute one may go by way of a link to the folder
    return base if _is_outside(below) else os.path.normpath(os.path.join(root.path, below))


def _is_outside(relative: str) -> bool:
    return relative == ".." or relative.startswith("../")


@contextlib.contextmanager
def _target(root: Root, base: str, directory: str) -> Iterator[int]:
    """A descriptor of the directory to move to, made where it is missing.

    Inside the folder no link is followed; outside it, the path is the administrator's own, links and all.
    """
    below = os.path.relpath(base, root.path)
    if _is_outside(below):
        os.makedirs(base, exist_ok=True)
        start, parts = find_root(base), directory
    else:
        start, parts = root, f"{below}/{directory}"
    with contextlib.ExitStack() as stack:
        fd = stack.enter_context(opened_directory(start))
        like = os.fstat(fd)
        for part in filter(None, parts.split("/")):
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, stat.S_IMODE(like.st_mode) & 0o777, dir_fd=fd)
            try:
                fd = os.open(part, _DIRECTORY, dir_fd=fd)
            except NotADirectoryError as e:
                raise FileError(
                    f"{shown(part)} in 'move_to' is a link or a file, not a directory.",
                    f"Make {shown(base)} a directory.",
                ) from e
            stack.callback(os.close, fd)
        yield fd


def _moved(
    source: int, target: int, folder: Folder, name: str, sidecars: Sequence[str]
) -> list[tuple[str, str]]:
    """Move under the first number for which every name is free: pairs of old and new name, the image last."""
    there = {sidecar for sidecar in sidecars if entry(source, sidecar) is not None}
    kinds = {sidecar: kind for kind, sidecar in names(folder, name).items() if sidecar in there}
    for number in range(1, _MOST_NUMBERS):
        new_name = _numbered(name, number)
        new_names = names(folder, new_name)
        pairs = [(old, new_names[kind]) for old, kind in kinds.items()] + [(name, new_name)]
        if any(entry(target, new) is not None for _, new in pairs):
            continue
        done: list[tuple[str, str]] = []
        try:
            for old, new in pairs:
                _move_one(source, old, target, new)
                done.append((old, new))
        except OSError as e:
            for old, new in reversed(done):
                with contextlib.suppress(OSError):
                    _move_one(target, new, source, old)
            if not isinstance(e, FileExistsError):
                raise
        else:
            return done
    raise FileError(
        f"{shown(name)} cannot be moved: every number is taken.", "Clear the directory of 'move_to'."
    )


def _numbered(name: str, number: int) -> str:
    """``scan.jpg``, ``scan-2.jpg``, ``scan-3.jpg``."""
    base = stem(name)
    return name if number == 1 else f"{base}-{number}{name[len(base) :]}"


def _move_one(source: int, old: str, target: int, new: str) -> None:
    """Move one file, over nothing. Raises FileExistsError when the name is taken."""
    try:
        rename_no_replace(source, old, target, new)
    except OSError as e:
        if e.errno == errno.EXDEV:
            _copy(source, old, target, new)
            os.unlink(old, dir_fd=source)
        else:
            raise


def _copy(source: int, old: str, target: int, new: str) -> None:
    """To another file system: whole and durable under a temporary name, with its time, then renamed."""
    temp = temporary.new_name()
    with contextlib.ExitStack() as stack:
        reader = os.open(old, _READ, dir_fd=source)
        stack.callback(os.close, reader)
        status = os.fstat(reader)
        writer = os.open(temp, temporary.CREATE, 0o600, dir_fd=target)
        stack.callback(_remove, target, temp)
        stack.callback(os.close, writer)
        copied = 0
        while chunk := os.read(reader, _CHUNK):
            temporary.write_all(writer, chunk)
            copied += len(chunk)
        if copied != status.st_size:
            raise ShareTrouble(f"{shown(old)}: read {copied} of {status.st_size} bytes")
        mode = stat.S_IMODE(status.st_mode)
        temporary.follow_owner(writer, temporary.Owner(status.st_uid, status.st_gid, mode))
        os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
        temporary.sync(writer)
        rename_no_replace(target, temp, target, new)


def _remove(parent: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except OSError as e:
        if e.errno not in MISSING:
            raise
