"""Formats of a short header and pixels: PBM, PGM and PPM (Netpbm), and TGA."""

from __future__ import annotations

import re
import struct

from glimpsed.formats.common import Read

_NUMBERS = {1: 2, 2: 3, 3: 3, 4: 2, 5: 3, 6: 3}  # in a Netpbm header: width, height, greatest value
_SPACE = re.compile(rb"(?:\s|#[^\n]*\n)*(\d+)")
_HEAD = 1024
_TGA_KINDS = {1, 2, 3, 9, 10, 11}  # palette, colour, gray; the same with run lengths
_TGA_RUNS = 8


def whole_netpbm(read: Read, size: int) -> str | None:
    """By the size of its picture; of one in digits, by the least that it can take."""
    head = bytes(read(0, min(_HEAD, size)))
    kind, at, numbers = head[1] - ord("0"), 2, []
    for _ in range(_NUMBERS[kind]):
        found = _SPACE.match(head, at)
        if not found:
            return "a part of its header"
        numbers.append(int(found[1]))
        at = found.end()
    width, height, most = (*numbers, 1)[:3]
    samples = width * height * (3 if kind in {3, 6} else 1)
    if kind == 4:
        least = 1 + (width + 7) // 8 * height
    elif kind in {5, 6}:
        least = 1 + samples * (1 if most < 256 else 2)
    else:
        least = samples * (1 if kind == 1 else 2)
    return None if at + least <= size else "data that its header announces"


def whole_tga(read: Read, size: int) -> str | None:
    """By the size of its picture; run lengths tell nothing."""
    head = read(0, 18)
    identity, kind = head[0], head[2]
    colours, colour_bits = struct.unpack_from("<HB", head, 5)
    width, height, bits = struct.unpack_from("<HHB", head, 12)
    least = 18 + identity + (colours * ((colour_bits + 7) // 8) if head[1] else 0)
    if not kind & _TGA_RUNS:
        least += width * height * ((bits + 7) // 8)
    return None if least <= size else "data that its header announces"


def is_tga(head: bytes) -> bool:
    """Whether these may be the first bytes of one: it has no mark of its own."""
    if len(head) < 18:
        return False
    first, colours, colour_bits = struct.unpack_from("<HHB", head, 3)
    width, height, bits, flags = struct.unpack_from("<HHBB", head, 12)
    palette = head[1] == 1 and colour_bits in {15, 16, 24, 32} and 0 < colours <= 256 and first < 256
    plain = head[1] == 0 and not (first or colours or colour_bits)
    depths = {1: {8}, 9: {8}, 3: {8, 16}, 11: {8, 16}}.get(head[2], {15, 16, 24, 32})
    fits = head[2] in _TGA_KINDS and bits in depths and (palette if head[2] & 7 == 1 else plain or palette)
    return bool(fits and width and height and not flags & 0xC0)
