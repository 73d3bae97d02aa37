"""Sidecars onto the disk: whole or not at all, only over glimpsed's own, never through a link.

`write` first puts every sidecar into a temporary file of its own, durable, and only then renames them
one after the other, the JSON first. So no space means that nothing changed, and a crash between two
renames leaves files that are provably ours (see `own`), which the next attempt completes.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from glimpsed.config.schema import Folder
from glimpsed.disk import rights, temporary
from glimpsed.disk.files import (
    MISSING,
    Root,
    as_written,
    entry,
    is_as_written,
    opened_directory,
    version_there,
)
from glimpsed.disk.names import exchange, is_fixed, keep_aside, rename_no_replace, same_file
from glimpsed.errors import FileError, ForeignSidecar, Reach, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.model import Answer, Content, Written, shown
from glimpsed.sidecar import own
from glimpsed.sidecar.render import MADE, error_name, made_names, names, render, render_error

BLOCKED = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EBUSY,
        errno.ETXTBSY,
        errno.EAGAIN,
    }
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_MOST_NUMBERS = 100_000
_MOST_CHANGES = 10  # of a sidecar, by others, while it is written


def check(root: Root, path: str, folder: Folder, written: Sequence[Written] = ()) -> bool:
    """See, before anything is sent, whether the sidecars of this image can be written; and if a JSON of ours is there.

    Raises `ForeignSidecar` or `FileError` (name too long, two sidecars of one name) when they cannot.
    """
    with opened(root, path) as (parent, name):
        place = own.place(parent, folder, name, written)
        named = names(folder, name)
        sidecars = list(named.values())
        if len({name, *sidecars}) <= len(sidecars):
            raise FileError(
                f"The folder's 'sidecar' template gives several files one name: {shown(', '.join(sidecars))}.",
                "Use {name} and {ext} in it.",
            )
        for kind, sidecar in named.items():
            own.refuse_long_name(parent, sidecar)
            if place.is_edited(sidecar, kind, own.refuse_foreign(place, sidecar)):
                _refuse_long_backup(parent, sidecar)
        return place.own_json is not None


def refuse_closed(root: Root, path: str, *, doubted: bool) -> None:
    """See, before anything is sent, whether files can be made beside this image at all: else `SidecarBlocked`.

    `doubted`: the last time they could not, so it is tried, and not only asked.
    """
    with opened(root, path) as (parent, _):
        if doubted or not is_open(parent):
            temporary.try_out(parent)


def write(
    root: Root,
    path: str,
    folder: Folder,
    answer: Answer,
    written: Sequence[Written],
    content: Content,
    made: Mapping[str, bytes] = {},
    *,
    standing: Sequence[Written] = (),
) -> tuple[Written, ...]:
    """Write all the folder's outputs for this image, and take its error sidecar away; durable when it returns.

    `written` is what the ledger knows of the image's sidecars so far (what outputs do not name now goes with the answer that
    it was of), `made` holds those that take more than the answer to be rendered (`render.MADE`). What is `standing` is
    left as it is, whatever somebody has made of it. Raises `Vanished` when the image is gone, or another version than
    `content`, `ForeignSidecar`, `FileError`, `SidecarBlocked` or `ShareTrouble`.
    """
    left = {one.name for one in standing}
    with opened(root, path) as (parent, name):
        if version_there(parent, name) != content.version:
            raise Vanished(f"{shown(path)} was deleted or changed while it was asked about")
        place = own.place(parent, folder, name, written)
        outputs = {
            sidecar: (kind, made[kind] if kind in MADE else render(answer, kind, name))
            for kind, sidecar in made_names(folder, name, made).items()
            if sidecar not in left
        }
        missing = {}
        for sidecar, (_, rendered) in outputs.items():
            own.refuse_long_name(parent, sidecar)
            status = own.refuse_foreign(place, sidecar, rendered)
            if (
                status is None
                or not own.holds(parent, sidecar, rendered)
                or _is_wider(parent, name, sidecar, folder)
            ):
                missing[sidecar] = rendered
        with temporary.files(parent, name, folder.sidecar_mode, missing) as ready:
            named = {sidecar: ready.get(sidecar, sidecar) for sidecar in outputs}
            if "json" not in folder.outputs:
                _newer_than(parent, content.version.mtime_ns, named.values())
            # As they are before anybody else can know their names: an edit at this moment must not pass for ours.
            known = tuple(
                replace(as_written(parent, now, outputs[sidecar][1]), name=sidecar)
                for sidecar, now in named.items()
            )
            rest = _without_outdated(place, answer, {*outputs, *left})
            for sidecar, rendered in missing.items():
                _put(place, sidecar, outputs[sidecar][0], rendered, ready)
        _remove_error(parent, name)
        temporary.sync_directory(parent)
        return (*standing, *known, *rest)


def _without_outdated(place: own.Beside, answer: Answer, named: Collection[str]) -> tuple[Written, ...]:
    """Of own sidecars that no output has any more, those that are about this answer stay, and stay known; others go.

    Nobody would ever write them again, and beside another version of the image they say what is not in it.
    """
    parent, stay = place.parent, []
    before = place.own_json or {"source": {}}
    same = (before["source"].get("sha256"), before.get("text")) == (answer.source.sha256, answer.text)
    for sidecar in place.written.values():
        status = None if sidecar.name in named else entry(parent, sidecar.name)
        if status is None or not is_as_written(parent, sidecar, status):
            continue
        if same or _says(parent, sidecar.name, answer) or is_fixed(parent, sidecar.name, status):
            stay.append(sidecar)
        else:
            temporary.remove(parent, sidecar.name, status)
    return tuple(stay)


def _says(parent: int, sidecar: str, answer: Answer) -> bool:
    """Whether this is a text of that answer."""
    return any(own.holds(parent, sidecar, render(answer, kind)) for kind in ("txt", "md", "xmp"))


def _is_wider(parent: int, image: str, sidecar: str, folder: Folder) -> bool:
    """Whether the image's rights became narrower than those that this sidecar got."""
    like, there = rights.of_file(parent, image), rights.of_file(parent, sidecar)
    return like is not None and there is not None and rights.is_wider(there, like, folder.sidecar_mode)


def write_error(
    root: Root,
    path: str,
    folder: Folder,
    reason: str,
    advice: str,
    facts: Mapping[str, object],
    *,
    raw: str | None = None,
) -> tuple[Written, ...]:
    """Say beside the image why it failed; empty when the folder has none, or the name cannot be used.

    Raises `Vanished` when the image is gone, `SidecarBlocked` or `ShareTrouble`.
    """
    if not folder.error_sidecar:
        return ()
    with opened(root, path) as (parent, name):
        sidecar, content = error_name(name), render_error(reason, advice, facts, raw, folder.language)
        try:
            own.refuse_long_name(parent, sidecar)
        except FileError:
            return ()
        status = entry(parent, sidecar)
        if status is not None and (not own.is_error(parent, sidecar) or is_fixed(parent, sidecar, status)):
            return ()
        with temporary.files(parent, name, folder.sidecar_mode, {sidecar: content}) as ready:
            try:
                if status is not None and not replaced(parent, ready, sidecar, status):
                    return ()
                if status is None:
                    rename_no_replace(parent, ready[sidecar], parent, sidecar)
                    del ready[sidecar]
            except FileExistsError:
                return ()
        temporary.sync_directory(parent)
        return (as_written(parent, sidecar, content),)


def remove_error(root: Root, path: str) -> None:
    """Take the image's error sidecar away, if there is one and it is glimpsed's own."""
    with contextlib.suppress(Vanished), opened(root, path) as (parent, name):
        _remove_error(parent, name)


def remove(root: Root, path: str, written: Sequence[Written]) -> None:
    """Take away these sidecars of an image that is gone; one that somebody edited since stays, all if it is back."""
    with contextlib.suppress(Vanished), opened(root, path) as (parent, name):
        for sidecar in written:
            if entry(parent, name) is not None:
                return
            status = entry(parent, sidecar.name)
            if status is not None and is_as_written(parent, sidecar, status):
                temporary.remove(parent, sidecar.name, status)


@contextlib.contextmanager
def opened(root: Root, path: str) -> Iterator[tuple[int, str]]:
    """The image's directory as a descriptor, and its name; OSErrors become what they mean for the image."""
    directory, _, name = path.rpartition("/")
    with opened_directory(root, directory) as parent:
        try:
            yield parent, name
        except OSError as e:
            why = os.strerror(e.errno or 0)
            if e.errno in BLOCKED:
                raise SidecarBlocked(why, path=shown(path), reach=_reach(parent, e.errno)) from e
            what = f"{shown(path)}: {why}"
            if e.errno in MISSING:
                raise Vanished(what) from e
            raise ShareTrouble(what) from e


def _reach(parent: int, number: int) -> Reach:
    """Of how much an error tells that nothing can be written."""
    if number in _FULL:
        return "disk"
    return "file" if is_open(parent) else "directory"


def is_open(parent: int) -> bool:
    """Whether files may be made in this directory, as far as the kernel knows: rights, read-only, immutable."""
    return os.access(".", os.W_OK | os.X_OK, dir_fd=parent)


def _remove_error(parent: int, name: str) -> None:
    sidecar = error_name(name)
    status = entry(parent, sidecar)
    if status is None or is_fixed(parent, sidecar, status):
        return
    if own.is_error(parent, sidecar):
        temporary.remove(parent, sidecar, status)


def _put(place: own.Beside, sidecar: str, kind: str, rendered: bytes, ready: dict[str, str]) -> None:
    """A sidecar that is ready gets its name, over glimpsed's own, unedited one, or over nothing."""
    parent = place.parent
    for _ in range(_MOST_CHANGES):
        status = own.refuse_foreign(place, sidecar, rendered, begun=kind != "json")
        if place.is_edited(sidecar, kind, status):
            _refuse_long_backup(parent, sidecar)
            keep_aside(parent, sidecar, f"{sidecar}~")
            status = None
        try:
            if status is not None:
                if replaced(parent, ready, sidecar, status):
                    return
            else:
                rename_no_replace(parent, ready[sidecar], parent, sidecar)
                del ready[sidecar]
                return
        except FileExistsError:  # somebody was quicker: is it theirs?
            continue
        except PermissionError as e:
            if status is None or not is_open(parent):
                raise
            raise FileError(
                f"{shown(sidecar)} cannot be replaced: {os.strerror(e.errno or 0)}.",
                f"Take {shown(sidecar)} away, then run 'glimpsed retry' on the image.",
            ) from e
    raise ShareTrouble(f"{shown(sidecar)} changes while it is written")


def replaced(parent: int, ready: dict[str, str], sidecar: str, seen: os.stat_result) -> bool:
    """Whether what is ready took the place of this very file. What somebody saves at this moment stays.

    Both change names, so that what stood there can be looked at, under the temporary name, before it goes.
    """
    if not exchange(parent, ready[sidecar], sidecar):  # older network file systems
        os.rename(ready[sidecar], sidecar, src_dir_fd=parent, dst_dir_fd=parent)
        del ready[sidecar]
        return True
    was = entry(parent, ready[sidecar])
    if was is None or same_file(was, seen):
        return True
    exchange(parent, ready[sidecar], sidecar)
    return False


def _refuse_long_backup(parent: int, sidecar: str) -> None:
    """What somebody edited stays, as ``NAME~``, or the first of ``NAME~2``, ``NAME~3``, ... that is free."""
    for number in range(1, _MOST_NUMBERS):
        kept = f"{sidecar}~{number if number > 1 else ''}"
        try:
            own.refuse_long_name(parent, kept)
        except FileError as e:
            raise ForeignSidecar(
                f"{shown(sidecar)} was edited, and its name is too long to keep it as a backup.",
                f"Rename {shown(sidecar)}, then run 'glimpsed retry' on the image.",
            ) from e
        if entry(parent, kept) is None:
            return
    raise ForeignSidecar(
        f"{shown(sidecar)} was edited, and every number for a backup of it is taken.",
        f"Clear the backups of {shown(sidecar)}, then run 'glimpsed retry' on the image.",
    )


def _newer_than(parent: int, mtime_ns: int, sidecars: Iterable[str]) -> None:
    """Where a clock runs behind, give sidecars a time after the image's: adoption goes by it (DESIGN 8)."""
    for sidecar in sidecars:
        status = entry(parent, sidecar)
        if status is not None and status.st_mtime_ns <= mtime_ns:
            times = (status.st_atime_ns, mtime_ns + 2_000_000_000)
            with contextlib.suppress(OSError):  # a file system that sets no times
                os.utime(sidecar, ns=times, dir_fd=parent, follow_symlinks=False)
