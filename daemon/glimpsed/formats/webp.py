"""WebP: chunks of a RIFF file."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from glimpsed.formats import orientation
from glimpsed.formats.common import NotPlain, Read, Size

_MOST_CHUNKS = 10_000  # a hostile file may have millions, and the event loop would wait
_ICC, _ALPHA, _ANIMATED = 0x20, 0x10, 0x02


def whole(read: Read, size: int) -> str | None:
    """By the length of all of it."""
    length = int.from_bytes(read(4, 4), "little")
    return None if length + 8 <= size + (length & 1) else "data that its header announces"


def size(data: bytes) -> Size:
    """From the first chunk, which need not be whole."""
    name = data[12:16]
    if name == b"VP8X":
        return Size(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if name == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return Size(width & 0x3FFF, height & 0x3FFF)
    if name == b"VP8L" and data[20] == 0x2F:
        packed = struct.unpack_from("<I", data, 21)[0]
        return Size(1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF))
    raise NotPlain


def plain(data: bytes, *, keep_metadata: bool) -> bytes:
    """Opaque, still and upright; without what is no part of the picture."""
    parts: list[bytes] = []
    exif = xmp = None
    pictures = 0
    for name, start, end in _chunks(data):
        chunk = data[start:end]
        if name == b"VP8X":
            if chunk[8] & (_ALPHA | _ANIMATED):
                raise NotPlain
            chunk = chunk if keep_metadata else chunk[:8] + bytes([chunk[8] & _ICC]) + chunk[9:]
        elif name == b"VP8L" and struct.unpack_from("<I", chunk, 9)[0] >> 28 & 1:
            raise NotPlain  # alpha
        elif name == b"EXIF":
            exif = orientation.exif(chunk[8:].removeprefix(b"Exif\0\0"))
        elif name == b"XMP ":
            found = orientation.XMP.search(chunk)
            xmp = int(found[1]) if found else None
        pictures += name in {b"VP8 ", b"VP8L"}
        if keep_metadata or name in {b"VP8X", b"VP8 ", b"VP8L", b"ICCP"}:
            parts.append(chunk)
    if pictures != 1 or (exif or xmp or orientation.UPRIGHT) != orientation.UPRIGHT:
        raise NotPlain
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk, its padding included."""
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise NotPlain
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at >= end:
            return
        name, length = struct.unpack_from("<4sI", data, at)
        start, at = at, at + 8 + length + length % 2
        if at > end:
            raise NotPlain
        yield name, start, at
    raise NotPlain
