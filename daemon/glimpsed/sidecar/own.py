"""Whose is what stands where a sidecar belongs? Nothing that is not glimpsed's own is ever replaced.

Own is (DESIGN 7): a JSON that says so; any sidecar that the ledger knows; one that stands beside an own
JSON of the same image. Beyond that, a file that already holds exactly the bytes to be written is no
obstacle: after a crash between the write and the ledger's `done`, that is how a lone ``txt`` is known.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pydantic

from glimpsed import bounded
from glimpsed.config.schema import Folder
from glimpsed.disk.files import entry, is_as_written, read_regular
from glimpsed.disk.names import is_fixed
from glimpsed.errors import FileError, ForeignSidecar, ShareTrouble
from glimpsed.model import Answer, Written, shown
from glimpsed.sidecar.render import (
    LARGEST,
    LARGEST_ERROR,
    MADE,
    is_error_sidecar,
    names,
    render,
    sidecar_name,
    stem,
)

_TEXTS = frozenset({"txt", "json", "md", "xmp", "hocr", "html"})  # endings that no image has
FITS = 143  # bytes of a name that every file system takes; eCryptfs no more


@dataclass(frozen=True, slots=True)
class Beside:
    """One image's directory, by descriptor, with what is known of the image's sidecars."""

    parent: int
    folder: Folder
    name: str  # of the image
    written: dict[str, Written]  # sidecars that the ledger knows, by name
    own_json: dict[str, Any] | None  # the own JSON that stands there, parsed; None: there is none

    def is_own(self, sidecar: str) -> bool:
        """Whether the file that stands there under this name is glimpsed's own."""
        return sidecar in self.written or self.own_json is not None

    def is_edited(self, sidecar: str, kind: str, status: os.stat_result | None) -> bool:
        """Whether somebody changed this own sidecar, of that status now, since it was written.

        What the ledger knows of it decides; where that differs or is unknown, the text as the own JSON
        has it still clears a ``txt``, and a JSON is clear when writing it anew gives the same bytes.
        """
        known = self.written.get(sidecar)
        if status is None or (known is not None and is_as_written(self.parent, known, status)):
            return False
        if self.own_json is None or kind in MADE or (kind == "json" and known is not None):
            return True
        try:
            return not holds(self.parent, sidecar, render(Answer.model_validate(self.own_json), kind))
        except (pydantic.ValidationError, FileError):
            return True


def place(parent: int, folder: Folder, name: str, written: Iterable[Written] = ()) -> Beside:
    """Look at what stands beside the image.

    Raises `ForeignSidecar` when the JSON there is glimpsed's own but about another image that still
    exists (``scan.jpg`` and ``scan.png`` with ``sidecar: {stem}.{ext}``).
    """
    json_name = sidecar_name(folder, name, "json")
    own = parse_own(read(parent, json_name))
    if own is not None and "{name}" not in folder.sidecar:
        about = own["source"].get("name")
        if isinstance(about, str) and about not in (name, shown(name)) and _exists(parent, about):
            raise _taken(json_name, about)
    return Beside(parent, folder, name, {w.name: w for w in written}, own)


def refuse_foreign(
    place: Beside, sidecar: str, content: bytes | None = None, *, begun: bool = False
) -> os.stat_result | None:
    """The status of what stands there; `ForeignSidecar` when it is not ours, nor holds this content already.

    `ShareTrouble` when it became ours since that was looked at: another daemon, with a ledger of its own, writes here too.
    Unless we have `begun` to write, and the JSON may be the one that we wrote.
    """
    status = entry(place.parent, sidecar)
    if status is None:
        return None
    if stat.S_ISREG(status.st_mode) and (
        place.is_own(sidecar) or (content is not None and holds(place.parent, sidecar, content))
    ):
        refuse_fixed(place.parent, sidecar, status)
        return status
    if (twin := _twin(place)) is not None:
        raise _taken(sidecar, twin)
    json_name = sidecar_name(place.folder, place.name, "json")
    if not begun and place.own_json is None and parse_own(read(place.parent, json_name)) is not None:
        raise ShareTrouble(f"{shown(place.name)}: another glimpsed writes its sidecars at this moment")
    large = f": it is larger than {LARGEST >> 20} MB" if status.st_size > LARGEST else ""
    raise ForeignSidecar(
        f"{shown(sidecar)} already exists and was not written by glimpsed{large}.",
        f"Move {shown(sidecar)} away, then run 'glimpsed retry' on the image.",
    )


def _twin(place: Beside) -> str | None:
    """Another image beside this one whose sidecar has the same name, as the folder's template makes it."""
    if "{name}" in place.folder.sidecar:
        return None
    sidecars = set(names(place.folder, place.name).values())
    for other in sorted(os.listdir(place.parent)):
        if (
            other not in {place.name, *sidecars}
            and stem(other) == stem(place.name)
            and other.rpartition(".")[2].lower() not in _TEXTS
        ):
            return other
    return None


def _taken(sidecar: str, other: str) -> ForeignSidecar:
    return ForeignSidecar(
        f"The sidecar name {shown(sidecar)} is already taken by {shown(other)}.",
        "Use {name} in the folder's 'sidecar' template, or rename one of the two images.",
    )


def refuse_fixed(parent: int, sidecar: str, status: os.stat_result) -> None:
    """Raise `FileError` when this file can never be replaced, which is no moment's trouble."""
    if is_fixed(parent, sidecar, status):
        raise FileError(
            f"{shown(sidecar)} cannot be replaced: it is immutable, or somebody else's in a directory with the sticky bit.",
            f"Take {shown(sidecar)} away (lsattr and ls -ld tell more), then run 'glimpsed retry' on the image.",
        )


def refuse_long_name(parent: int, sidecar: str) -> None:
    """Raise `FileError` when the file system cannot hold a file of that name."""
    length = len(os.fsencode(sidecar))
    if length <= FITS:
        return
    try:
        longest = os.fpathconf(parent, "PC_NAME_MAX")
    except OSError:
        longest = 255
    if length > longest > 0:
        raise FileError(
            f"The file name is too long: its sidecar's name would have more than {longest} bytes.",
            "Give the image a shorter name.",
        )


def _exists(parent: int, name: str) -> bool:
    """Whether a name that stands in a file, and so may be anything, is an entry of this directory."""
    try:
        return "/" not in name and entry(parent, name) is not None
    except (OSError, ValueError):  # too long; a NUL or half a surrogate pair in it
        return False


def read(parent: int, name: str, largest: int = LARGEST) -> bytes | None:
    """A regular file's bytes; None for anything else, for one that is not ours to read or too large."""
    return read_regular(parent, name, largest)


def holds(parent: int, name: str, content: bytes) -> bool:
    """Whether a regular file of that name holds exactly this. What is longer is not read."""
    return read(parent, name, largest=len(content)) == content


def is_error(parent: int, name: str) -> bool:
    """Whether an error sidecar of ours stands there."""
    return is_error_sidecar(read(parent, name, LARGEST_ERROR) or b"")


def parse_own(data: bytes | None) -> dict[str, Any] | None:
    """The JSON of a sidecar that says it is glimpsed's own, else None."""
    try:
        parsed = bounded.loads(data, largest=LARGEST) if data else None
    except ValueError:
        return None
    own = isinstance(parsed, dict) and parsed.get("glimpsed") == 1 and isinstance(parsed.get("source"), dict)
    return parsed if own else None
