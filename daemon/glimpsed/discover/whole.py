"""Whether a file is all there, as far as its format tells: what a decoder would call whole (DESIGN 8).

Samba reports a file's full size when 1 % of it has arrived, so size and time alone can lie. Each check
reads as little as its format allows, through `read(offset, length)`, and returns why the file is not
whole, or None. Formats that are not known here count as whole; so do bytes after the end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from glimpsed.images.sniff import sniff

Read: TypeAlias = Callable[[int, int], bytes]  # never short, unless it asks beyond the end

_HEAD = 1024
_CHUNK = 1 << 20
_DIRECTORIES_MOST = 10_000  # of a TIFF, against loops
_TIFF_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_EXTENTS = {273: 279, 324: 325}  # strips and tiles: tag of the offsets -> tag of the byte counts
_TABLE_MOST = 1 << 20  # bytes read of one table of extents


def problem(read: Read, size: int) -> str | None:
    """Why a file of this size is not whole; None when it is."""
    if size == 0:
        return "The file is empty."
    head = read(0, min(size, _HEAD))
    if not any(head):
        return "The file starts with nothing but zeros: its content has not arrived."
    kind = sniff(head)
    check = _CHECKS.get(kind) if kind else None
    if check is None:
        return None
    try:
        missing = check(read, size)
    except (struct.error, IndexError):
        missing = "a part of it"
    return f"The file is cut off: {missing} is missing." if missing else None


def _jpeg(read: Read, size: int) -> str | None:
    """From marker to marker to the picture itself, past thumbnails; then its end marker, wherever it is."""
    start = _scan_start(read, size)
    if start is None:
        return "the picture after its header"
    if read(size - 2, 2) == b"\xff\xd9":
        return None
    carry = b""
    for at in range(start, size, _CHUNK):
        chunk = carry + read(at, min(_CHUNK, size - at))
        if b"\xff\xd9" in chunk:
            return None
        carry = chunk[-1:]
    return "the end marker (EOI)"


def _scan_start(read: Read, size: int) -> int | None:
    at = 2
    while at + 4 <= size:
        marker = read(at, 4)
        if marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:  # fill byte
            at += 1
            continue
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD7:  # these have no length
            at += 2
            continue
        at += 2 + int.from_bytes(marker[2:4], "big")
        if marker[1] == 0xDA:
            return at if at <= size else None
    return None


def _png(read: Read, size: int) -> str | None:
    if size >= 20 and read(size - 8, 4) == b"IEND":
        return None
    at = 8
    while at + 12 <= size:
        length, name = struct.unpack(">I4s", read(at, 8))
        at += 12 + length
        if name == b"IEND" and at <= size:
            return None
        if not name.isalpha():
            break
    return "the end chunk (IEND)"


def _gif(read: Read, size: int) -> str | None:
    tail = read(max(0, size - 16), min(16, size))
    return None if tail.rstrip(b"\0\r\n").endswith(b";") else "the trailer"


def _webp(read: Read, size: int) -> str | None:
    length = int.from_bytes(read(4, 4), "little")
    return None if length + 8 <= size + (length & 1) else "data that its header announces"


def _bmp(read: Read, size: int) -> str | None:
    head = read(0, 34)
    announced, offset, info = struct.unpack_from("<I4xII", head, 2)
    if info >= 40:
        width, height, bits, compression = struct.unpack_from("<ii2xHI", head, 18)
        if compression == 0 and width > 0:
            announced = offset + (width * bits + 31) // 32 * 4 * abs(height)
    return None if announced <= size else "data that its header announces"


def _pdf(read: Read, size: int) -> str | None:
    for length in (_HEAD, 64 * _HEAD):
        if b"%%EOF" in read(max(0, size - length), min(size, length)):
            return None
    return "the end marker (%%EOF)"


def _tiff(read: Read, size: int) -> str | None:
    order = "<" if read(0, 1) == b"I" else ">"
    big = struct.unpack(order + "H", read(2, 2))[0] == 43
    (at,) = struct.unpack(order + "Q", read(8, 8)) if big else struct.unpack(order + "I", read(4, 4))
    if not at:
        return "the directory"
    seen: set[int] = set()
    while at and at not in seen and len(seen) < _DIRECTORIES_MOST:
        seen.add(at)
        width, head, step = ("Q", 8, 20) if big else ("I", 2, 12)
        if at + head > size:
            return "a directory"
        (count,) = struct.unpack(order + ("Q" if big else "H"), read(at, head))
        end = at + head + count * step
        if not count or end + struct.calcsize(width) > size:
            return "a directory"
        if not _tiff_directory(read, size, order, read(at + head, count * step), big=big):
            return "data that a directory announces"
        (at,) = struct.unpack(order + width, read(end, struct.calcsize(width)))
    return None


def _tiff_directory(read: Read, size: int, order: str, table: bytes, *, big: bool) -> bool:
    """Whether everything that the entries of one directory point at lies within the file."""
    entry, step, skip, inline = ("HHQ", 20, 12, 8) if big else ("HHI", 12, 8, 4)
    numbers: dict[int, tuple[int, ...]] = {}  # of the entries that say where the picture is
    for at in range(0, len(table), step):
        tag, kind, count = struct.unpack_from(order + entry, table, at)
        length = _TIFF_SIZES.get(kind, 1) * count
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), table, at + skip)
        if length > inline and offset + length > size:
            return False
        if tag in _EXTENTS or tag in _EXTENTS.values():
            length = min(length, _TABLE_MOST)
            data = read(offset, length) if length > inline else table[at + skip : at + skip + length]
            numbers[tag] = _numbers(order, kind, data)
    return all(
        start + length <= size
        for offsets, counts in _EXTENTS.items()
        for start, length in zip(numbers.get(offsets, ()), numbers.get(counts, ()), strict=False)
    )


def _numbers(order: str, kind: int, data: bytes) -> tuple[int, ...]:
    letter = {3: "H", 4: "I", 16: "Q"}.get(kind)
    if letter is None:
        return ()
    return struct.unpack(f"{order}{len(data) // struct.calcsize(letter)}{letter}", data)


def _boxes(read: Read, size: int) -> str | None:
    """JP2, AVIF and HEIF: boxes, each with its length; the last may run to the end."""
    at = 0
    if read(0, 4) == b"\xff\x4f\xff\x51":  # a bare JPEG 2000 codestream
        return None if read(size - 2, 2) == b"\xff\xd9" else "the end marker (EOC)"
    seen: set[bytes] = set()
    while at + 8 <= size:
        length, name = struct.unpack(">I4s", read(at, 8))
        if length == 1:
            (length,) = struct.unpack(">Q", read(at + 8, 8))
        elif length == 0:
            length = size - at
        if length < 8 or not any(name):
            break  # zeros that wait for content, or bytes after the end
        if at + length > size:
            return "data that a box announces"
        seen.add(name)
        at += length
    return None if seen & {b"mdat", b"jp2c", b"idat"} or b"meta" in seen else "the picture"


_CHECKS = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
    "pdf": _pdf,
    "jp2": _boxes,
    "avif": _boxes,
    "heif": _boxes,
}
