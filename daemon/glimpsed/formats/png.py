"""PNG: chunks, each with its length and checksum."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from glimpsed.formats import orientation
from glimpsed.formats.common import NotPlain, Read, Size, joined, square, windowed

_MOST_CHUNKS = 10_000  # a hostile file may have millions, and the event loop would wait
_MOST_LOOKED_AT = 1_000_000  # in a thread
_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"pHYs"})
_TELLING = frozenset({b"gAMA", b"eXIf"})
_LENGTHS = {b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"pHYs": 9, b"cICP": 4}  # bytes of what is kept
_LARGEST_PROFILE = 1 << 20  # bytes, inflated; decoders refuse the picture with a larger one
_PROFILES = frozenset({b"sRGB", b"iCCP"})  # which go before gAMA
_USUAL = range(41_000, 50_000)  # of gAMA: what a screen does
_PICTURE = frozenset({b"IDAT", b"IEND"})
_FURTHER = frozenset({b"acTL", b"fcTL", b"fdAT"})  # pictures of an animation than the first one
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_GRAY, _RGB = 0, 2
_DEPTHS = {_GRAY: (1, 2, 4, 8), _RGB: (8,)}  # what is legal of up to 8 bits a channel


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the chunks of a file stand, as (start, end), each kind in its order."""

    header: list[
        tuple[int, int]
    ]  # with the file's mark, and all that is needed to show the picture but its data
    beside: list[tuple[int, int]]  # what else is told about it
    picture: list[tuple[int, int]]
    late: bool  # whether anything else stands after it


def whole(read: Read, size: int) -> str | None:
    """From chunk to chunk: an end chunk that merely stands inside another one is none."""
    for name, _, end in _chunks(windowed(read, size), size, _MOST_LOOKED_AT):
        if name == b"IEND" and end <= size:
            return None
        if not name.isalpha() or end > size:
            break
    return "the end chunk (IEND)"


def size(data: bytes) -> Size:
    """From the header."""
    return _header(data)[0]


def plain(data: bytes, *, keep_metadata: bool) -> bytes:
    """Gray or RGB of at most 8 bits a channel, opaque, upright, up to IEND; without what is no part of the picture."""
    _, bits, colour, methods = _header(data)
    if bits not in _DEPTHS.get(colour, ()) or methods not in {b"\0\0\0", b"\0\0\1"}:
        raise NotPlain
    kept = [(0, 8)]
    xmp, view = None, memoryview(data)
    seen: dict[bytes, bytes] = {}
    for name, start, end in _chunks(lambda at, length: data[at : at + length], len(data), _MOST_CHUNKS):
        body = view[start + 8 : end - 4]
        damaged = struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(view[start + 4 : end - 4])
        if damaged or _is_odd(name, body) or _changes(name, body):
            raise NotPlain
        seen[name] = bytes(body) if name in _TELLING else b""
        if name in {b"tEXt", b"zTXt", b"iTXt"}:
            found = _text(bytes(body))
            xmp = xmp if found is None else found
        if keep_metadata or name in _KEPT:
            kept.append((start, end))
        if name == b"IEND":
            break
    if not {b"IDAT", b"IEND"} <= seen.keys() or not _as_stored(seen, xmp):
        raise NotPlain
    return joined(data, kept)


def parted(read: Read, size: int) -> Parts:
    """The first picture and what is told about it. `struct.error` where it is damaged."""
    header, beside, picture, late = [(0, 8)], [], [], False
    for name, start, end in _chunks(windowed(read, size), size, _MOST_LOOKED_AT):
        if name in _PICTURE:
            picture.append((start, end))
        elif name[:1].isupper():
            header.append((start, end))
        else:
            late = late or bool(picture)
            if name not in _FURTHER:
                beside.append((start, end))
        if name == b"IEND":
            break
    return Parts(header, beside, picture, late)


def _is_odd(name: bytes, body: memoryview) -> bool:
    """Whether a decoder may refuse the picture for what stands there."""
    if name == b"iCCP":
        packed = bytes(body).partition(b"\0")[2]
        try:
            profile = zlib.decompressobj().decompress(packed[1:], _LARGEST_PROFILE + 1)
        except zlib.error:
            return True
        return packed[:1] != b"\0" or len(profile) > _LARGEST_PROFILE
    return len(body) != _LENGTHS.get(name, len(body))


def _changes(name: bytes, body: memoryview) -> bool:
    """Whether there is more to be shown than the samples, or in another shape."""
    return name == b"tRNS" or (name == b"pHYs" and not square(*struct.unpack_from(">II", body)))


def _as_stored(seen: dict[bytes, bytes], xmp: int | None) -> bool:
    """Whether the picture is shown upright, and as bright as its samples are."""
    gamma = int.from_bytes(seen[b"gAMA"]) if b"gAMA" in seen and not seen.keys() & _PROFILES else _USUAL[0]
    exif = orientation.exif(seen[b"eXIf"]) if b"eXIf" in seen else None
    turn = exif or (orientation.UPRIGHT if xmp is None else xmp)
    return gamma in _USUAL and turn == orientation.UPRIGHT


def _chunks(read: Read, size: int, most: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk."""
    at = 8
    for _ in range(most):
        if at + 12 > size:
            return
        length, name = struct.unpack(">I4s", read(at, 8))
        start, at = at, at + 12 + length
        yield name, start, at


def _header(data: bytes) -> tuple[Size, int, int, bytes]:
    """Size, bits a sample, colour type, and the methods of compression, filter and interlace."""
    length, name, width, height, bits, colour = struct.unpack_from(">I4sIIBB", data, 8)
    if length != 13 or name != b"IHDR" or not (width and height):
        raise NotPlain
    return Size(width, height), bits, colour, data[26:29]


def _text(body: bytes) -> int | None:
    """The orientation that a text chunk may hold: XMP, or EXIF in ImageMagick's hexadecimal."""
    if body.startswith(b"Raw profile type "):
        return orientation.UNKNOWN
    if not body.startswith(_XMP_KEYWORD):
        return None
    if body[len(_XMP_KEYWORD)]:  # compressed
        return orientation.UNKNOWN
    found = orientation.XMP.search(body)
    return int(found[1]) if found else None
