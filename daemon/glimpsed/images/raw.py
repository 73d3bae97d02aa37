"""Cameras' raw files (DNG, CR2, CR3, NEF, ARW): the largest picture that the camera itself has put into one."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from glimpsed.errors import FileError
from glimpsed.formats import boxes, jpeg, orientation
from glimpsed.formats.common import NotPlain, Size, reader
from glimpsed.formats.tiff import Ifd, Missing, directories

_PHOTOMETRIC, _COMPRESSION, _OFFSETS, _COUNTS, _ORIENTATION, _DNG_VERSION = 262, 259, 273, 279, 274, 50706
_JPEG_OFFSET, _JPEG_LENGTH, _SUBFILE_TYPE, _TILE_OFFSETS = 513, 514, 254, 324
_SENSOR = {32803, 34892}  # colour filter array, linear raw
_PACKED = {32767, 34713}  # Sony's, Nikon's
_JPEG = {6, 7}
_CANON = b"CR"  # at byte 8
_LARGEST = 200_000_000


def from_tiff(file: BinaryIO) -> tuple[BinaryIO, int] | None:
    """The picture as a JPEG file, and its EXIF orientation; None when this is a TIFF as any other."""
    size = file.seek(0, io.SEEK_END)
    file.seek(8)
    canon = file.read(2) == _CANON
    found: list[Ifd] = []
    with contextlib.suppress(Missing):  # of what is cut off, those that are there
        found.extend(directories(reader(file), size))
    file.seek(0)
    if not found:
        return None
    if not (canon or any(_is_raw(directory) for directory in found)):
        pictures = [data for data in _in_tiff(found, file) if _size(data)] if _without_pages(found) else []
        return (_largest(pictures), _turn(found[0])) if pictures else None
    return _largest(_in_tiff(found, file)), _turn(found[0])


def from_cr3(file: BinaryIO) -> tuple[BinaryIO, int]:
    """The same for Canon's boxes."""
    size = file.seek(0, io.SEEK_END)
    read = reader(file)
    turn, found = 1, []
    for name, start, end in boxes.within(
        read, 0, size, {b"moov", b"uuid", b"trak", b"mdia", b"minf", b"stbl"}
    ):
        if name == b"CMT1":
            turn = orientation.exif(read(start, min(end - start, 1 << 20))) or 1
        elif name == b"PRVW":
            at = read(start, 64).find(b"\xff\xd8\xff")
            found.append(read(start + at, min(end - start, _LARGEST)) if at >= 0 else b"")
        elif name in {b"stco", b"co64"}:
            at = int.from_bytes(read(start + 8, 4 if name == b"stco" else 8), "big")
            found.append(read(at, _LARGEST) if read(at, 3) == b"\xff\xd8\xff" else b"")
    return _largest(found), turn


def _is_raw(directory: Ifd) -> bool:
    return bool(
        directory.numbers(_DNG_VERSION)
        or _SENSOR.intersection(directory.numbers(_PHOTOMETRIC))
        or _PACKED.intersection(directory.numbers(_COMPRESSION))
    )


def _without_pages(found: Iterable[Ifd]) -> bool:
    """Whether all that its own directories hold is smaller copies, or nothing."""
    return all(
        directory.sub
        or (directory.numbers(_SUBFILE_TYPE) or (0,))[0] & 1
        or not (directory.numbers(_OFFSETS) or directory.numbers(_TILE_OFFSETS))
        for directory in found
    )


def _turn(directory: Ifd) -> int:
    return (directory.numbers(_ORIENTATION) or (1,))[0]


def _in_tiff(found: Iterable[Ifd], file: BinaryIO) -> Iterator[bytes]:
    read = reader(file)
    for directory in found:
        places = [(directory.numbers(_JPEG_OFFSET), directory.numbers(_JPEG_LENGTH))]
        if _JPEG.intersection(directory.numbers(_COMPRESSION)):
            places.append((directory.numbers(_OFFSETS), directory.numbers(_COUNTS)))
        for offsets, counts in places:
            if len(offsets) == len(counts) == 1:
                yield read(offsets[0], min(counts[0], _LARGEST))


def _largest(pictures: Iterable[bytes]) -> BinaryIO:
    sized = [(size.width * size.height, data) for data in pictures if (size := _size(data)) is not None]
    if not sized:
        raise FileError(
            "The camera's raw file holds no preview.", "Develop it into a JPEG or TIFF beside it."
        )
    return io.BytesIO(max(sized, key=lambda pair: pair[0])[1])


def _size(data: bytes) -> Size | None:
    """Of a JPEG that can be shown; a sensor's data are JPEGs as well, but lossless ones."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        return jpeg.size(data) if jpeg.usual(data) else None
    except NotPlain:
        return None
