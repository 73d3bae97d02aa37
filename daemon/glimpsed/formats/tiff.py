"""TIFF and BigTIFF, and the camera files that are made of it: directories of entries that point into the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from glimpsed.formats.common import Read

_MOST_DIRECTORIES = 10_000  # against loops
_SIZES = {
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
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_SUB_DIRECTORIES = 330
# Strips, tiles, and a JPEG that stands by itself: tag of the offsets -> tag of the byte counts
EXTENTS = {273: 279, 324: 325, 513: 514}
_TABLE_MOST = 1 << 20  # bytes read of one table


# (tag, type, count, length of the values in bytes, where the entry's own field stands in the table).
Entry: TypeAlias = tuple[int, int, int, int, int]


class Missing(Exception):
    """What its message names is not there."""


@dataclass(frozen=True, slots=True)
class Ifd:
    """The entries of one directory."""

    order: str  # of bytes, as `struct` writes it
    big: bool
    sub: bool  # whether another directory points at it, and not the chain of pages
    table: bytes
    read: Read
    entries: tuple[Entry, ...]

    def offset(self, field: int) -> int:
        """Where the values stand that do not fit into the field."""
        return int(struct.unpack_from(self.order + ("Q" if self.big else "I"), self.table, field)[0])

    def numbers(self, wanted: int) -> tuple[int, ...]:
        """The whole numbers of a tag, as far as they are believed; none when it is not there."""
        for tag, kind, _, announced, field in self.entries:
            if tag == wanted and (letter := _LETTERS.get(kind)):
                length = min(announced, _TABLE_MOST)
                inline = length <= (8 if self.big else 4)
                data = self.table[field : field + length] if inline else self.read(self.offset(field), length)
                return struct.unpack(f"{self.order}{len(data) // struct.calcsize(letter)}{letter}", data)
        return ()


def whole(read: Read, size: int) -> str | None:
    """Whether everything that the entries of its directories point at lies within the file."""
    try:
        for directory in directories(read, size):
            if not _within(directory, size):
                return "data that a directory announces"
    except Missing as e:
        return str(e)
    return None


def directories(read: Read, size: int) -> Iterator[Ifd]:
    """Each directory of the chain, and after it those that it points at. Raises `Missing`."""
    order = "<" if read(0, 1) == b"I" else ">"
    big = struct.unpack(order + "H", read(2, 2))[0] == 43
    (first,) = struct.unpack(order + "Q", read(8, 8)) if big else struct.unpack(order + "I", read(4, 4))
    if not first:
        raise Missing("the directory")
    width, head, step = ("Q", 8, 20) if big else ("I", 2, 12)
    todo, seen = [(first, False)], {0}
    while todo and len(seen) < _MOST_DIRECTORIES:
        at, sub = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        if at + head > size:
            raise Missing("a directory")
        (count,) = struct.unpack(order + ("Q" if big else "H"), read(at, head))
        end = at + head + count * step
        if not count or end + struct.calcsize(width) > size:
            raise Missing("a directory")
        table = bytes(read(at + head, count * step))
        directory = Ifd(order, big, sub, table, read, tuple(_entries(table, order, big=big)))
        yield directory
        if not sub:
            todo.append((struct.unpack(order + width, read(end, struct.calcsize(width)))[0], False))
        todo += [(below, True) for below in reversed(directory.numbers(_SUB_DIRECTORIES))]


def _entries(table: bytes, order: str, *, big: bool) -> Iterator[Entry]:
    form, step, skip = ("HHQ8x", 20, 12) if big else ("HHI4x", 12, 8)
    whole = len(table) - len(table) % step
    for number, (tag, kind, count) in enumerate(struct.iter_unpack(order + form, table[:whole])):
        yield tag, kind, count, _SIZES.get(kind, 1) * count, number * step + skip


def _within(directory: Ifd, size: int) -> bool:
    inline = 8 if directory.big else 4
    for *_, length, field in directory.entries:
        if length > inline and directory.offset(field) + length > size:
            return False
    for offsets, counts in EXTENTS.items():
        starts, lengths = directory.numbers(offsets), directory.numbers(counts)
        if any(start + length > size for start, length in zip(starts, lengths, strict=False)):
            return False
        if not lengths and any(start >= size for start in starts):
            return False
    return True
