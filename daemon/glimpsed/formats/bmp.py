"""BMP, and ICO, which holds BMPs and PNGs."""

from __future__ import annotations

import struct

from glimpsed.formats.common import Read


def whole(read: Read, size: int) -> str | None:
    """By what its header announces, or by the size of its picture."""
    head = read(0, 34)
    announced, offset, info = struct.unpack_from("<I4xII", head, 2)
    if info >= 40:
        width, height, bits, compression = struct.unpack_from("<ii2xHI", head, 18)
        if compression == 0 and width > 0:
            announced = offset + (width * bits + 31) // 32 * 4 * abs(height)
    return None if announced <= size else "data that its header announces"


def whole_icon(read: Read, size: int) -> str | None:
    """By the directory of its pictures."""
    (count,) = struct.unpack("<H", read(4, 2))
    directory = read(6, 16 * count)
    pictures = [struct.unpack_from("<II", directory, 16 * n + 8) for n in range(count)]
    return (
        None if all(offset + length <= size for length, offset in pictures) else "a picture of its directory"
    )
