"""GIF: blocks, most of them made of sub-blocks of up to 255 bytes."""

from __future__ import annotations

import struct

from glimpsed.formats.common import Read, Size, windowed

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_MOST = 2_000_000  # sub-blocks that are followed: half a gigabyte of honest ones


def whole(read: Read, size: int) -> str | None:
    """From block to block to the trailer: a byte of that value may stand anywhere."""
    read = windowed(read, size)
    at, inside = 13 + _table(read(10, 1)[0]), False
    for _ in range(_MOST):
        first = read(at, 1)[0]
        if inside:  # the length of a sub-block
            at, inside = at + 1 + first, first > 0
        elif first == _TRAILER:
            return None
        elif first == _IMAGE:
            at, inside = at + 11 + _table(read(at + 9, 1)[0]), True
        elif first == _EXTENSION:
            at, inside = at + 2, True
        else:  # decoders pass over what they don't know
            at += 1
            if at >= size:
                return "the trailer"
    return None


def size(data: bytes) -> Size:
    """Of the screen that its pictures are drawn on."""
    return Size(*struct.unpack_from("<HH", data, 6))


def _table(packed: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << (packed & 7) + 1 if packed & 0x80 else 0
