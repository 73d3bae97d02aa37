"""JPEG 2000, HEIF, AVIF and Canon's raw files: boxes, each with its length, of which the last may be open."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator

from glimpsed.formats.common import Read, Size, find

_MOST = 10_000  # boxes at one level, items, extents of an item
_LARGEST_META = 16 << 20
_PROFILES = b"\x02", b"\x03"  # methods of `colr`: restricted, any
_PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")  # Canon's
_COD, _SOT, _EOC, _SOC = b"\xff\x52", b"\xff\x90", b"\xff\xd9", b"\xff\x4f\xff\x51"


def whole(read: Read, size: int) -> str | None:
    """Every box, every part of a picture that the metadata point at, and the codestream of an open box."""
    if read(0, 4) == _SOC:
        return _codestream(read, 0, size)
    seen: dict[bytes, tuple[int, int]] = {}
    for name, start, end in boxes(read, 0, size):
        if end > size:
            return "data that a box announces"
        seen.setdefault(name, (start, end))
    if b"jp2c" in seen:
        return _codestream(read, *seen[b"jp2c"])
    if b"meta" in seen:
        extents = list(_extents(read, *seen[b"meta"]))
        if any(end > size for _, end in extents):
            return "a part of the picture"
        if extents:
            return None
    return None if seen.keys() & {b"mdat", b"idat"} else "the picture"


def boxes(read: Read, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, start of its content, end) of each box from here on, up to what is none."""
    for _ in range(_MOST):
        start = read(at, 8) if at + 8 <= end else b""
        if len(start) < 8:
            return
        length, name = struct.unpack(">I4s", start)
        head = 8
        if length == 1:
            (length,) = struct.unpack(">Q", read(at + 8, 8))
            head = 16
        elif length == 0:
            length = end - at
        if length < head or not any(name):
            return  # zeros that wait for content, or bytes after the end
        yield name, at + head, at + length
        at += length


def within(read: Read, at: int, end: int, parents: Container[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """The same, and what is inside those of these names, to some depth."""
    todo = [(at, end)]
    for _ in range(_MOST):
        if not todo:
            return
        for name, start, stop in boxes(
            read,
            *todo.pop(),
        ):
            yield name, start, stop
            if name in parents:
                inside = {b"uuid": 16, b"meta": 4}.get(name, 0)
                if name == b"uuid" and read(start, 16) == _PREVIEW:
                    inside += 8
                todo.append((start + inside, min(stop, end)))


def size(read: Read, end: int) -> Size | None:
    """The largest picture that the properties of a HEIF or AVIF file tell of."""
    sizes = [
        struct.unpack(">II", read(start + 4, 8))
        for name, start, stop in within(read, 0, end, {b"meta", b"iprp", b"ipco"})
        if name == b"ispe" and stop - start >= 12
    ]
    return Size(*max(sizes, key=lambda size: size[0] * size[1])) if sizes else None


def levels(read: Read) -> int:
    """How many times a JPEG 2000 picture is there at half its size: what its COD marker says (ISO 15444-1, A.6.1)."""
    at = _start(read) + 2
    for _ in range(_MOST):
        marker = read(at, 10)
        if len(marker) < 10 or marker[0] != 0xFF or marker[:2] == _SOT:
            return 0
        if marker[:2] == _COD:
            return marker[9]
        at += 2 + int.from_bytes(marker[2:4], "big")
    return 0


def depths(read: Read) -> tuple[int, ...]:
    """The bits of each component of a JPEG 2000 picture: what its SIZ marker says (ISO 15444-1, A.5.1)."""
    siz = bytes(read(_start(read) + 2, 40))
    count = int.from_bytes(siz[38:40], "big")
    return tuple((bits & 127) + 1 for bits in read(_start(read) + 42, 3 * min(count, 5))[::3])


def profile(read: Read) -> bytes | None:
    """The colour profile (ICC) of a JPEG 2000 picture: what its first `colr` box says (ISO 15444-1, I.5.3.3)."""
    for name, start, stop in within(read, 0, 1 << 62, {b"jp2h"}):
        if name == b"colr":
            is_profile = read(start, 1) in _PROFILES
            return bytes(read(start + 3, min(stop - start - 3, _LARGEST_META))) if is_profile else None
    return None


def _start(read: Read) -> int:
    """Where the codestream of a JPEG 2000 picture starts."""
    if read(0, 4) == _SOC:
        return 0
    return next((at for name, at, _ in boxes(read, 0, 1 << 62) if name == b"jp2c"), 0)


def _extents(read: Read, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) in the file of each part of an item: what `iloc` says (ISO 14496-12, 8.11.3)."""
    for name, at, stop in boxes(read, start + 4, end):
        if name == b"iloc":
            for _, method, first, last in located(bytes(read(at, min(stop - at, _LARGEST_META)))):
                yield (first, last) if method == 0 else (0, 0)  # else within the metadata


def located(iloc: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(number of the item, how it is found, start, end) of each part, by what the box `iloc` holds."""
    version, sizes, more = iloc[0], iloc[4], iloc[5]
    offsets, lengths, bases, indices = sizes >> 4, sizes & 15, more >> 4, more & 15 if version else 0
    wide = 4 if version == 2 else 2
    at = 6

    def number(length: int) -> int:
        nonlocal at
        if at + length > len(iloc):
            raise IndexError
        at += length
        return int.from_bytes(iloc[at - length : at], "big")

    for _ in range(min(number(wide), _MOST)):
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(bases)
        for _ in range(min(number(2), _MOST)):
            number(indices)
            start = base + number(offsets)
            length = number(lengths)
            yield item, method, start, start + length


def _codestream(read: Read, at: int, end: int) -> str | None:
    """JPEG 2000: from tile part to tile part (ISO 15444-1, A.4.2) to its end mark."""
    if read(end - 2, 2) == _EOC:
        return None
    at += 2
    for _ in range(1_000_000):
        marker = read(at, 2)
        if marker == _EOC:
            return None
        if marker == _SOT:
            (length,) = struct.unpack(">I", read(at + 6, 4))
            if not length:  # the last one, which is open
                return None if find(read, _EOC, at, end) >= 0 else "the end marker (EOC)"
            at += length
        elif len(marker) == 2 and marker[0] == 0xFF:
            at += 2 + int.from_bytes(read(at + 2, 2), "big")
        else:
            break
        if at >= end:
            break
    return "the end marker (EOC)"
