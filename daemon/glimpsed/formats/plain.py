"""JPEG, PNG and WebP files that need no decoder: what they are, and the same picture without its metadata.

Every byte of pixel data is kept as it is; what goes is EXIF, XMP, IPTC, comments, thumbnails, and what stands after the
picture's end. ICC profiles stay. `NotPlain` means that a worker has to look: the file may be fine.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from glimpsed.formats import gif, jpeg, png, webp
from glimpsed.formats.common import NotPlain, Size
from glimpsed.formats.sniff import MEDIA_TYPES, Kind

_SIZES = {"jpeg": jpeg.size, "png": png.size, "webp": webp.size, "gif": gif.size}
_PLAIN = {"jpeg": jpeg.plain, "png": png.plain, "webp": webp.plain}


@dataclass(frozen=True, slots=True)
class Plain:
    """A whole, upright, opaque picture in gray or RGB of at most 8 bits a channel."""

    media_type: str
    data: bytes


def measure(kind: Kind, data: bytes) -> Size:
    """The stored size, from the header alone; `NotPlain` when a decoder is needed to know it."""
    if kind not in _SIZES:
        raise NotPlain
    try:
        size = _SIZES[kind](data)
    except (struct.error, IndexError):
        raise NotPlain from None
    if not (size.width and size.height):
        raise NotPlain
    return size


def plain(kind: Kind, data: bytes, *, keep_metadata: bool) -> Plain:
    """The picture as it can be sent without decoding it; `NotPlain` when it cannot."""
    if kind not in _PLAIN:
        raise NotPlain
    try:
        return Plain(MEDIA_TYPES[kind], _PLAIN[kind](data, keep_metadata=keep_metadata))
    except (struct.error, IndexError):
        raise NotPlain from None
