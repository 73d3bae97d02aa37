"""EXIF and XMP orientation, as far as it can be read without a decoder."""

from __future__ import annotations

import re
import struct

XMP = re.compile(rb'tiff:Orientation(?:="|>)(\d)')
UPRIGHT = 1
UNKNOWN = 0  # there may be an orientation where only a decoder can read it
_TAG = 0x0112
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # SHORT is meant, but others are written, too


def exif(tiff: bytes) -> int | None:
    """EXIF orientation of the first directory, None when it has none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        at = struct.unpack_from(order + "I", tiff, 4)[0]
        for entry in range(struct.unpack_from(order + "H", tiff, at)[0]):
            tag, kind = struct.unpack_from(order + "HH", tiff, at + 2 + 12 * entry)
            if tag == _TAG and kind in _LETTERS:
                value = int(struct.unpack_from(order + _LETTERS[kind], tiff, at + 10 + 12 * entry)[0])
                return value if 2 <= value <= 8 else UPRIGHT
    except struct.error:
        return None  # cut off; decoders ignore such EXIF too
    return None
