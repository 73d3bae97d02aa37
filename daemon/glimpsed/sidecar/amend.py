"""Sidecars that stand, changed a little: the JSON says what has become of its image, what is missing is put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from glimpsed.config.schema import Folder
from glimpsed.disk import temporary
from glimpsed.disk.files import Root, as_written, entry, find_root, is_as_written
from glimpsed.disk.names import rename_no_replace
from glimpsed.model import Answer, Written
from glimpsed.sidecar.render import MADE, names, possible_names, render
from glimpsed.sidecar.write import opened, replaced


def refresh(
    root: Root, path: str, folder: Folder, answer: Answer, written: Sequence[Written]
) -> tuple[Written, ...]:
    """Write the JSON sidecar anew; one that somebody edited, or took away, stays as it is.

    Returns `written` as it is now. Raises `Vanished`, `SidecarBlocked` or `ShareTrouble`.
    """
    with opened(root, path) as (parent, name):
        sidecar = names(folder, name).get("json")
        known = next((w for w in written if w.name == sidecar), None)
        status = entry(parent, known.name) if known else None
        if known is None or status is None or not is_as_written(parent, known, status):
            return tuple(written)
        content = render(answer, "json", name)
        with temporary.files(parent, name, folder.sidecar_mode, {known.name: content}) as ready:
            now = replace(as_written(parent, ready[known.name], content), name=known.name)
            if not replaced(parent, ready, known.name, status):
                return tuple(written)
        temporary.sync_directory(parent)
        return tuple(now if w.name == now.name else w for w in written)


def refresh_at(
    directory: str, name: str, folder: Folder, answer: Answer, written: Sequence[Written]
) -> tuple[Written, ...]:
    """`refresh`, of an image in a directory that need not be in a watched folder."""
    return refresh(find_root(directory), name, folder, answer, written)


def complete(
    root: Root,
    path: str,
    folder: Folder,
    answer: Answer,
    written: Sequence[Written],
    made: Mapping[str, bytes] = {},
) -> tuple[Written, ...]:
    """Put back what is missing of these sidecars: a crash came while they were moved. Returns and raises as `refresh`."""
    with opened(root, path) as (parent, name):
        kinds = {sidecar: kind for kind, sidecar in possible_names(folder, name).items()}
        missing = {
            w.name: made[kinds[w.name]] if kinds[w.name] in MADE else render(answer, kinds[w.name], name)
            for w in written
            if w.name in kinds
            and (kinds[w.name] not in MADE or kinds[w.name] in made)
            and entry(parent, w.name) is None
        }
        if not missing:
            return tuple(written)
        back: Mapping[str, Written]
        with temporary.files(parent, name, folder.sidecar_mode, missing) as ready:
            back = {s: replace(as_written(parent, temp, missing[s]), name=s) for s, temp in ready.items()}
            for sidecar in missing:
                rename_no_replace(parent, ready[sidecar], parent, sidecar)
                del ready[sidecar]
        temporary.sync_directory(parent)
        return tuple(back.get(w.name, w) for w in written)
