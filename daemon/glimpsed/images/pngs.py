"""PNGs of which something is damaged, or larger than Pillow takes it, that is no part of the picture: it is left out, as viewers do."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeAlias

from glimpsed.formats import png
from glimpsed.formats.common import reader

Opening: TypeAlias = Callable[[BinaryIO], Any]  # Pillow's, which raises whatever it likes

_MOST = 100  # chunks that are looked at one by one
_DATA = b"\0\0\0\0IDAT"  # up to which Pillow reads when it opens one


def opened(file: BinaryIO, pillow: Opening) -> Any:
    """The picture, with what can be read of all that the file says about it. Raises what Pillow does at first."""
    problem: Exception | None = None
    for one in _less_and_less(file, pillow):
        try:
            one.seek(0)
            return pillow(one)
        except Exception as e:  # noqa: BLE001 - see the type
            problem = problem or e
    assert problem is not None
    raise problem


def _less_and_less(file: BinaryIO, pillow: Opening) -> Iterator[BinaryIO]:
    """The file, with all that is beside the picture before it: what is wrong is told when it is opened."""
    parts = png.parted(reader(file), file.seek(0, io.SEEK_END))
    if not parts.late:
        yield file
    file.seek(0)
    data = file.read()
    header, beside, picture = (
        [data[start:end] for start, end in ranges] for ranges in (parts.header, parts.beside, parts.picture)
    )
    if parts.late:
        yield io.BytesIO(b"".join([*header, *beside, *picture]))
    sound = [chunk for chunk in beside[:_MOST] if _is_sound(b"".join([*header, chunk, _DATA]), pillow)]
    yield io.BytesIO(b"".join([*header, *sound, *picture]))
    yield io.BytesIO(b"".join([*header, *picture]))


def _is_sound(start: bytes, pillow: Opening) -> bool:
    try:
        pillow(io.BytesIO(start))
    except Exception:  # noqa: BLE001 - see the type
        return False
    return True
