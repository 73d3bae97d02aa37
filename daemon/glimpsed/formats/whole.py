"""Whether a file is all there, as far as its format tells: what a decoder would call whole (DESIGN 8).

Samba reports a file's full size when 1 % of it has arrived, so size and time alone can lie. Each format reads as little
as it can, through `read(offset, length)`, and says what is missing, or None. An end mark that may also stand in the
middle is no end: the structure is followed. Formats that are not known here count as whole; so do bytes after the end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from glimpsed.formats import bmp, boxes, gif, jpeg, pdf, png, raster, tiff, webp
from glimpsed.formats.common import Read
from glimpsed.formats.sniff import Kind, begun, sniff

_HEAD = 1024
_CHECKS: dict[Kind, Callable[[Read, int], str | None]] = {
    "jpeg": jpeg.whole,
    "png": png.whole,
    "gif": gif.whole,
    "webp": webp.whole,
    "bmp": bmp.whole,
    "tiff": tiff.whole,
    "pdf": pdf.whole,
    "jp2": boxes.whole,
    "avif": boxes.whole,
    "heif": boxes.whole,
    "cr3": boxes.whole,
    "pnm": raster.whole_netpbm,
    "tga": raster.whole_tga,
    "ico": bmp.whole_icon,
}


def problem(read: Read, size: int) -> str | None:
    """Why a file of this size is not whole; None when it is."""
    if size == 0:
        return "The file is empty."
    head = bytes(read(0, min(size, _HEAD)))
    if not any(head):
        return "The file starts with nothing but zeros: its content has not arrived."
    kind = sniff(head)
    if kind is None:
        return "The file is cut off: all but its first bytes is missing." if begun(head) else None
    try:
        missing = _CHECKS[kind](read, size)
    except (struct.error, IndexError):
        missing = "a part of it"
    return f"The file is cut off: {missing} is missing." if missing else None
