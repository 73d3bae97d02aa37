"""``on_done: move_to``: the image leaves the folder once its sidecars are written, and they go with it.

What is moved is the version that was answered, or nothing; nothing at the target is ever overwritten, a name that is
taken gets a number. On one file system all is renamed, sidecars first, the image last. To another, all is copied,
synced and read again, the image last; then it leaves its old place, sidecars first, the image last (`disk.transfer`).

**A crash at any point** leaves image and sidecars together at one place, or does so from the next start on. The image's
old name is the last that goes. As long as it stands, its row is `handing`: the next start puts back the sidecars that are
missing there, from the ledger, and moves again. What the attempt before had brought to the target is recognised, because the
same answer always gives the same bytes, and a copied image has the time of the original: it is taken for what it is,
and gets no number. Once the old name is gone, everything is at the target, where `find_moved` finds it.

**A new version at any point** stays, and is asked about: what is moved is looked at again once nobody else can reach it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glimpsed.config.schema import Folder
from glimpsed.disk import temporary
from glimpsed.disk.files import DIRECTORY, MISSING, Root, entry, find_root, opened_directory, version_of
from glimpsed.disk.names import is_fixed, numbered
from glimpsed.disk.transfer import Member, digest, transfer
from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.model import Answer, Version, Written, shown
from glimpsed.sidecar import own, places
from glimpsed.sidecar.render import names, possible_names
from glimpsed.sidecar.write import BLOCKED, is_open, opened

_MOST_NUMBERS = 100_000
_MOST_TRIES = 10  # for names that somebody else takes at this moment
_COARSE = 2_000_000_000  # ns: FAT keeps times no finer
# What waiting will not mend: a file where a directory belongs, a name or a size that the target does not take.
_NEVER = frozenset(
    {errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EFBIG, errno.EISDIR}
)


@dataclass(frozen=True, slots=True)
class Moved:
    """Where an image and its sidecars are now, so that they are not taken for new ones there."""

    path: str  # absolute
    version: Version
    written: tuple[Written, ...]


def move(
    root: Root,
    path: str,
    folder: Folder,
    written: Sequence[Written],
    version: Version,
    data: Any = None,
    first: str | None = None,
) -> Moved | None:
    """Move this version of a finished image, and its sidecars, to the folder's ``move_to``, as ``rename_to`` says.

    None when it is there. ``move_to`` is absolute, or relative to the folder; what both hold in braces is filled in
    (`places`), from `data` too and with its `first` stem, and the image's subdirectory is kept below the target. Raises `Vanished`,
    `SidecarBlocked`, `ShareTrouble` or `FileError`; then everything is where it was.
    """
    directory = path.rpartition("/")[0]
    if _is_there(root, folder, directory):
        return None
    base = _base(root, folder, version, data)
    with opened(root, path) as (source, name), _to(base, name), _target(root, base, directory) as target:
        wanted = places.new_name(folder, name, version, data, first)
        for _ in range(_MOST_TRIES):
            pieces = _plan(source, target, folder, name, wanted, version, [w.name for w in written])
            if not pieces:
                return None
            try:
                transfer(source, target, pieces)
                break
            except FileExistsError:
                continue
            except PermissionError as e:
                if is_open(source) and is_open(target):  # so it is this file, for good
                    raise _cannot(name, e) from e
                raise
            except OSError as e:
                if e.errno in _NEVER:
                    raise _cannot(name, e) from e
                raise
        else:
            raise ShareTrouble(f"{shown(name)}: its name at the target is taken each time")
        there = {piece.old: (piece.new, entry(target, piece.new)) for piece in pieces}
    image, status = there.pop(name)
    if status is None:
        raise Vanished(f"{shown(image)} was taken away right after it was moved")
    seen = {piece.old: piece.seen for piece in pieces}
    return Moved(
        path=_joined(base, directory, image),
        version=version_of(status),
        written=tuple(_written(w, seen[w.name], *there[w.name]) for w in written if w.name in there),
    )


def find_moved(
    root: Root,
    path: str,
    folder: Folder,
    version: Version,
    answer: Answer,
    first: str | None = None,
    *,
    now: float,
) -> Moved | None:
    """Where `move` has brought this version, when nobody could take note of it; None when it is not there.

    What a crash left at the target goes: no listing comes by there, which is in no folder. `now`: epoch seconds.
    """
    on_done = folder.on_done
    directory, _, name = path.rpartition("/")
    if (on_done.move_to is None and on_done.rename_to is None) or _is_there(root, folder, directory):
        return None
    base = _base(root, folder, version, answer.data)
    with opened(root, path), _to(base, name), _target(root, base, directory) as target:
        temporary.sweep_in(target, now=now)
        wanted = places.new_name(folder, name, version, answer.data, first)
        for number in range(1, _MOST_NUMBERS):
            new = numbered(wanted, number)
            if (there := entry(target, new)) is None:
                return None
            if not _may_be(version, there):
                continue
            beside = names(folder, new)
            if "json" in beside and not _is_of(target, beside["json"], answer):
                continue
            statuses = [(sidecar, entry(target, sidecar)) for sidecar in beside.values()]
            return Moved(
                path=_joined(base, directory, new),
                version=version_of(there),
                written=tuple(Written(s, st.st_size, st.st_mtime_ns) for s, st in statuses if st is not None),
            )
    return None


def refuse_unmounted(
    root: Root, path: str, folder: Folder, version: Version, data: Any, mounted: str | None
) -> None:
    """Raise `SidecarBlocked` where the file system is away that `move` would bring this image to.

    `mounted`: the mount point (`target_mount`) of what was moved there last. As of a watched folder, an empty directory in
    its place is no place: what came into it would be hidden once the file system is back.
    """
    if folder.on_done.move_to is None or mounted is None or os.path.ismount(mounted):
        return
    base = _base(root, folder, version, data)
    if _is_outside(os.path.relpath(os.path.realpath(base), mounted)):
        return
    with contextlib.suppress(FileNotFoundError):
        try:
            if os.listdir(mounted):
                return
        except PermissionError:  # the move will say so itself
            return
    why = f"it cannot be moved to {shown(base)}: nothing is mounted at {shown(mounted)} any more, which is empty"
    raise SidecarBlocked(why, path=shown(path))


def target_mount(moved: Moved) -> str:
    """The mount point of the file system that an image was moved to."""
    place = os.path.realpath(os.path.dirname(moved.path))
    while not os.path.ismount(place):
        place = os.path.dirname(place)
    return place


def _may_be(version: Version, there: os.stat_result) -> bool:
    return (
        stat.S_ISREG(there.st_mode)
        and there.st_size == version.size
        and abs(there.st_mtime_ns - version.mtime_ns) < _COARSE
    )


def _is_of(parent: int, sidecar: str, answer: Answer) -> bool:
    """Whether this JSON is of that very answer."""
    found = own.parse_own(own.read(parent, sidecar))
    return found is not None and (found.get("started"), found.get("finished")) == (
        answer.started,
        answer.finished,
    )


def _joined(base: str, directory: str, name: str) -> str:
    return "/".join(part for part in (base, directory, name) if part)


def _written(known: Written, seen: os.stat_result, new: str, now: os.stat_result | None) -> Written:
    """A sidecar at its new place. One that was edited meanwhile came along, and still counts as edited."""
    if now is None or (seen.st_size, seen.st_mtime_ns) != (known.size, known.mtime_ns):
        return replace(known, name=new)
    return Written(new, now.st_size, now.st_mtime_ns, known.digest)


@contextlib.contextmanager
def _to(base: str, name: str) -> Iterator[None]:
    """What is in the way is told with the place that it is about, and holds up this file alone: its sidecars stand."""
    try:
        yield
    except OSError as e:
        if e.errno in MISSING:
            raise
        why = f"it cannot be moved to {shown(base)}: {os.strerror(e.errno or 0)}"
        if e.errno in BLOCKED:
            raise SidecarBlocked(why, path=shown(name)) from e
        raise ShareTrouble(f"{shown(name)}: {why}") from e


def _cannot(name: str, error: OSError) -> FileError:
    return FileError(
        f"{shown(name)} cannot be moved: {os.strerror(error.errno or 0)}.", "Look at the folder's 'move_to'."
    )


# -- where to


def _is_there(root: Root, folder: Folder, directory: str) -> bool:
    """Whether this directory is, or is below, a place that ``move_to`` names, on whatever day and for whatever answer."""
    if folder.on_done.move_to is None:
        return False
    filled = places.PLACEHOLDER.sub(
        lambda match: {"folder": folder.name, "date": "\0"}.get(match[1], "\1"), folder.on_done.move_to
    )
    place = re.escape(_absolute(root, folder, filled)).replace("\0", r"\d{4}-\d\d-\d\d")
    here = os.path.normpath(os.path.join(root.path, directory))  # of one that was moved out: by way of ``..``
    return re.match(f"{place}/".replace("\1", "[^/]+"), f"{here}/") is not None


def _base(root: Root, folder: Folder, version: Version, data: Any) -> str:
    """The directory to move to, as an absolute path without ``..``."""
    if folder.on_done.move_to is None:
        return root.path
    return _absolute(root, folder, places.directory(folder, version, data))


def _absolute(root: Root, folder: Folder, filled: str) -> str:
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
        try:
            os.makedirs(base, exist_ok=True)
        except OSError as e:
            if e.errno in _NEVER:
                raise _no_directory(base, base) from e
            raise
        start, parts = find_root(base), directory
    else:
        start, parts = root, f"{below}/{directory}"
    with contextlib.ExitStack() as stack:
        fd = stack.enter_context(opened_directory(start))
        like = os.fstat(fd)
        for part in filter(None, parts.split("/")):
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, stat.S_IMODE(like.st_mode) & 0o777, dir_fd=fd)
                fd = os.open(part, DIRECTORY, dir_fd=fd)
            except OSError as e:
                if e.errno in _NEVER:
                    raise _no_directory(part, base) from e
                raise
            stack.callback(os.close, fd)
        yield fd


def _no_directory(part: str, base: str) -> FileError:
    return FileError(
        f"{shown(part)} in 'move_to' is a link or a file, not a directory, or no name for one.",
        f"Make {shown(base)} a directory.",
    )


# -- what


def _plan(
    source: int,
    target: int,
    folder: Folder,
    name: str,
    wanted: str,
    version: Version,
    sidecars: Sequence[str],
) -> list[Member]:
    """All that is to be moved, the image last, under the first number for which every name is free; nothing if it is there."""
    here = os.path.samestat(os.fstat(source), os.fstat(target))
    image = entry(source, name)
    if image is None or not stat.S_ISREG(image.st_mode) or version_of(image) != version:
        raise Vanished(f"{shown(name)} was deleted or changed before it was moved")
    kinds = {sidecar: kind for kind, sidecar in possible_names(folder, name).items() if sidecar in sidecars}
    beside = {sidecar: entry(source, sidecar) for sidecar in kinds}
    seen = {
        old: status for old, status in beside.items() if status is not None and stat.S_ISREG(status.st_mode)
    }
    for old, status in [*seen.items(), (name, image)]:
        if is_fixed(source, old, status):
            raise FileError(
                f"{shown(old)} cannot be moved: it is immutable, or its directory is sticky.", "See lsattr."
            )
    for number in range(1, _MOST_NUMBERS):
        new_name = numbered(wanted, number)
        if here and new_name == name:
            return []
        new_names = possible_names(folder, new_name)
        pieces = [
            _piece(source, target, old, new_names[kinds[old]], status, image=False)
            for old, status in seen.items()
        ]
        pieces.append(_piece(source, target, name, new_name, image, image=True))
        found = [piece for piece in pieces if piece is not None]
        if len(found) == len(pieces):
            return found
    raise FileError(
        f"{shown(name)} cannot be moved: every number is taken.", "Clear the directory of 'move_to'."
    )


def _piece(
    source: int, target: int, old: str, new: str, seen: os.stat_result, *, image: bool
) -> Member | None:
    """None when the name is taken there, by something else."""
    there = entry(target, new)
    if there is None:
        return Member(old, new, seen, there=False)
    same = (
        stat.S_ISREG(there.st_mode)
        and there.st_size == seen.st_size
        and (not image or abs(there.st_mtime_ns - seen.st_mtime_ns) < _COARSE)
        and digest(target, new) == digest(source, old)
    )
    return Member(old, new, seen, there=True) if same else None
