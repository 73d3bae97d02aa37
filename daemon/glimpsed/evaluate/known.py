"""Files whose right answers stand beside them: ``scan.jpg.expected.json`` and ``scan.jpg.expected.txt``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glimpsed import bounded
from glimpsed.errors import UsageError
from glimpsed.evaluate.score import Truth
from glimpsed.model import shown

DATA, TEXT = ".expected.json", ".expected.txt"
LARGEST = 4 << 20  # bytes of a right answer: thousands of pages of text


@dataclass(frozen=True, slots=True)
class KnownFile:
    """An image and what is right for it."""

    path: Path
    known: Truth


def find(directory: Path, *, recursive: bool = True) -> list[KnownFile]:
    """All files below a directory whose right answer is known, by name; no link is followed.

    Raises `UsageError` for one that cannot be read as what its name says.
    """
    found: dict[Path, Truth] = {}
    for path in _files(directory, recursive=recursive):
        for ending in (DATA, TEXT):
            image = path.with_name(path.name.removesuffix(ending))
            if path.name.endswith(ending) and image.is_file() and not image.is_symlink():
                before = found.get(image, Truth())
                found[image] = (
                    Truth(_data(path), before.text) if ending == DATA else Truth(before.data, _text(path))
                )
    return [KnownFile(path, found[path]) for path in sorted(found)]


def _files(directory: Path, *, recursive: bool) -> Iterator[Path]:
    todo = [str(directory)]  # not by os.walk(), which calls itself once a level
    while todo:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield Path(entry.path)
                elif recursive and not entry.name.startswith("."):
                    todo.append(entry.path)


def _data(path: Path) -> object:
    try:
        return bounded.loads(_text(path), largest=LARGEST)
    except ValueError as e:
        raise UsageError(f"{shown(str(path))} is no JSON: {e}") from e


def _text(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as e:
        raise UsageError(f"{shown(str(path))} cannot be read: {e.strerror}") from e
    if len(data) > LARGEST:
        raise UsageError(f"{shown(str(path))} is larger than {LARGEST >> 20} MB: no right answer")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise UsageError(f"{shown(str(path))} is not UTF-8 text") from e
