"""JPEG, PNG and WebP files that need no decoder: what they are, and the same picture without its metadata.

Pure Python over lengths and markers, so it is safe on hostile bytes in the daemon's own process. Every byte
of pixel data is kept as it is; what goes is EXIF, XMP, IPTC, comments, thumbnails, and what stands after the
picture's end. ICC profiles stay. `NotPlain` means that a worker has to look: the file may be fine.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from glimpsed.images.sniff import MEDIA_TYPES, Kind
from glimpsed.model import Bytes

XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)(\d)')
_UPRIGHT = 1
_MOST_PIECES = 10_000  # segments or chunks: a hostile file may have millions, and the event loop would wait
_UNKNOWN = 0  # there may be an orientation where only a decoder can read it


class NotPlain(Exception):
    """Not whole, not known, or not simple enough to be sent without a decoder."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels, as they are stored: before any orientation."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A whole, upright, opaque picture in gray or RGB of at most 8 bits a channel."""

    media_type: str
    data: Bytes


def measure(kind: Kind, data: Bytes) -> Size:
    """The stored size, from the header alone; `NotPlain` when a decoder is needed to know it."""
    try:
        size = _size(kind, data)
    except (struct.error, IndexError):
        raise NotPlain from None
    if not (size.width and size.height):
        raise NotPlain
    return size


def _size(kind: Kind, data: Bytes) -> Size:
    match kind:
        case "jpeg":
            return _jpeg_size(data)
        case "png":
            return _png_header(data)[0]
        case "webp":
            return _webp_size(data)
        case "gif":
            return Size(*struct.unpack_from("<HH", data, 6))
        case _:
            raise NotPlain


def plain(kind: Kind, data: Bytes, *, keep_metadata: bool) -> Plain:
    """The picture as it can be sent without decoding it; `NotPlain` when it cannot."""
    try:
        match kind:
            case "jpeg":
                kept = _jpeg(data, keep_metadata=keep_metadata)
            case "png":
                kept = _png(data, keep_metadata=keep_metadata)
            case "webp":
                kept = _webp(data, keep_metadata=keep_metadata)
            case _:
                raise NotPlain
    except (struct.error, IndexError):
        raise NotPlain from None
    return Plain(MEDIA_TYPES[kind], kept)


# ---- JPEG: segments (ITU T.81 B.1.1)

_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive; the others are not sent around
_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
# What ends entropy-coded data: a marker that is no stuffed zero, no restart and no fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _segments(data: Bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment up to EOI; a scan's segment holds its entropy-coded data."""
    at = 2
    for _ in range(_MOST_PIECES):
        start = at
        if data[at] != 0xFF:
            raise NotPlain
        while data[at] == 0xFF:  # fill bytes
            at += 1
        marker = data[at]
        at += 1
        if marker == _EOI:
            yield marker, start, at
            return
        at += struct.unpack_from(">H", data, at)[0]
        if marker == _SOS:
            found = _MARKER.search(data, at)
            if not found:
                raise NotPlain  # the file ends in the middle
            at = found.start()
        if at > len(data):
            raise NotPlain
        yield marker, start, at
    raise NotPlain


def _jpeg_size(data: Bytes) -> Size:
    for marker, start, end in _segments(data):
        if marker in _FRAMES or marker in _OTHER_FRAMES:
            return _frame(data, start, end)[0]
    raise NotPlain


def _frame(data: Bytes, start: int, end: int) -> tuple[Size, int, int]:
    """Size, bits a sample and number of components of a frame header."""
    body = data[start:end].lstrip(b"\xff")[3:]
    bits, height, width, components = struct.unpack_from(">BHHB", body)
    return Size(width, height), bits, components


def _jpeg(data: Bytes, *, keep_metadata: bool) -> Bytes:
    frames = 0
    kept = [(0, 2)]
    exif = xmp = None
    for marker, start, end in _segments(data):
        body = data[start + 4 : start + 64]
        if marker in _FRAMES:
            frames += 1
            size, bits, components = _frame(data, start, end)
            if bits != 8 or components not in {1, 3} or not (size.width and size.height):
                raise NotPlain
        elif marker in _OTHER_FRAMES:
            raise NotPlain
        elif marker == 0xE1 and body.startswith(b"Exif\0"):
            exif = exif or _orientation(data[start + 10 : end])
        elif marker == 0xE1:
            found = XMP_ORIENTATION.search(data, start, end)
            xmp = int(found[1]) if found else xmp
        if keep_metadata or not _private(marker, body):
            kept.append((start, end))
    if frames != 1 or (exif or xmp or _UPRIGHT) != _UPRIGHT:
        raise NotPlain
    return _joined(data, kept)


def _private(marker: int, body: bytes) -> bool:
    """Whether a segment is no part of the picture: of APP0 to APP15, three kinds say how to show it."""
    if marker == _COM:
        return True
    if not 0xE0 <= marker <= 0xEF:
        return False
    if marker == 0xE0 and body.startswith(b"JFIF\0"):
        return body[12:14] != b"\0\0"  # it carries a thumbnail
    shows = (marker == 0xE2 and body.startswith(b"ICC_PROFILE\0")) or (
        marker == 0xEE and body.startswith(b"Adobe")
    )
    return not shows


# ---- PNG: chunks

_PNG_KEPT = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"pHYs"}
)
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"


def _png_header(data: Bytes) -> tuple[Size, int, int]:
    """Size, bits a sample and colour type."""
    length, name, width, height, bits, colour = struct.unpack_from(">I4sIIBB", data, 8)
    if length != 13 or name != b"IHDR" or not (width and height):
        raise NotPlain
    return Size(width, height), bits, colour


def _png(data: Bytes, *, keep_metadata: bool) -> Bytes:
    _, bits, colour = _png_header(data)
    if bits > 8 or colour not in {0, 2}:
        raise NotPlain
    kept = [(0, 8)]
    exif = xmp = None
    at, pixels, view = 8, 0, memoryview(data)
    for _ in range(_MOST_PIECES):
        length, name = struct.unpack_from(">I4s", data, at)
        start, at = at, at + 12 + length
        if (
            struct.unpack_from(">I", data, at - 4)[0] != zlib.crc32(view[start + 4 : at - 4])
            or name == b"tRNS"
        ):
            raise NotPlain
        if name == b"eXIf":
            exif = _orientation(data[start + 8 : at - 4])
        elif name in {b"tEXt", b"zTXt", b"iTXt"}:
            found = _png_text(data[start + 8 : at - 4])
            xmp = xmp if found is None else found
        if keep_metadata or name in _PNG_KEPT:
            kept.append((start, at))
        pixels += name == b"IDAT"
        if name == b"IEND":
            break
    else:
        raise NotPlain
    if not pixels or (exif or (_UPRIGHT if xmp is None else xmp)) != _UPRIGHT:
        raise NotPlain
    return _joined(data, kept)


def _png_text(body: bytes) -> int | None:
    """The orientation that a text chunk may hold: XMP, or EXIF in ImageMagick's hexadecimal."""
    if body.startswith(b"Raw profile type "):
        return _UNKNOWN
    if not body.startswith(_XMP_KEYWORD):
        return None
    if body[len(_XMP_KEYWORD)]:  # compressed
        return _UNKNOWN
    found = XMP_ORIENTATION.search(body)
    return int(found[1]) if found else None


# ---- WebP: RIFF chunks

_ICC, _ALPHA, _ANIMATED = 0x20, 0x10, 0x02


def _webp_chunks(data: Bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk, its padding included."""
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise NotPlain
    at = 12
    for _ in range(_MOST_PIECES):
        if at >= end:
            return
        name, length = struct.unpack_from("<4sI", data, at)
        start, at = at, at + 8 + length + length % 2
        if at > end:
            raise NotPlain
        yield name, start, at
    raise NotPlain


def _webp_size(data: Bytes) -> Size:
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


def _webp(data: Bytes, *, keep_metadata: bool) -> Bytes:
    parts: list[bytes] = []
    exif = xmp = None
    pictures = 0
    for name, start, end in _webp_chunks(data):
        chunk = data[start:end]
        if name == b"VP8X":
            if chunk[8] & (_ALPHA | _ANIMATED):
                raise NotPlain
            chunk = chunk if keep_metadata else chunk[:8] + bytes([chunk[8] & _ICC]) + chunk[9:]
        elif name == b"VP8L" and struct.unpack_from("<I", chunk, 9)[0] >> 28 & 1:
            raise NotPlain  # alpha
        elif name == b"EXIF":
            exif = _orientation(chunk[8:].removeprefix(b"Exif\0\0"))
        elif name == b"XMP ":
            found = XMP_ORIENTATION.search(chunk)
            xmp = int(found[1]) if found else None
        pictures += name in {b"VP8 ", b"VP8L"}
        if keep_metadata or name in {b"VP8X", b"VP8 ", b"VP8L", b"ICCP"}:
            parts.append(chunk)
    if pictures != 1 or (exif or xmp or _UPRIGHT) != _UPRIGHT:
        raise NotPlain
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


# ---- shared


def _orientation(tiff: bytes) -> int | None:
    """EXIF orientation of the first directory, None when it has none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        at = struct.unpack_from(order + "I", tiff, 4)[0]
        for entry in range(struct.unpack_from(order + "H", tiff, at)[0]):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, at + 2 + 12 * entry)
            if tag == 0x0112 and kind == 3:
                return value if 2 <= value <= 8 else _UPRIGHT
    except struct.error:
        return None  # cut off; decoders ignore such EXIF too
    return None


def _joined(data: Bytes, ranges: list[tuple[int, int]]) -> Bytes:
    """Those ranges of the data, in one copy; the data itself when that is all of it."""
    view = memoryview(data)
    merged = [ranges[0]]
    for start, end in ranges[1:]:
        if start == merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return data if merged == [(0, len(data))] else b"".join(view[start:end] for start, end in merged)
