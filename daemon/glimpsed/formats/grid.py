"""HEIF pictures that are made of tiles, as phones write them: where each one stands, and how all of them are turned."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from glimpsed.formats.boxes import boxes, located
from glimpsed.formats.common import Read

_LARGEST = 16 << 20  # bytes of a box of metadata


@dataclass(frozen=True, slots=True)
class Grid:
    """The tiles of the primary picture, row by row, and what a reader is to find changed to be shown one of them."""

    width: int  # px, of all of it as it is stored
    height: int
    columns: int
    tiles: tuple[int, ...]  # their numbers
    # (`irot`, quarter turns to the left) and (`imir`, axis), in their order.
    turns: tuple[tuple[bytes, int], ...]
    primary: tuple[int, int]  # where the number of the primary picture stands, and its length in bytes
    flags: dict[int, int]  # number -> where the byte stands whose last bit hides it


def grid(read: Read, size: int) -> Grid | None:
    """Of a HEIF file; None when its primary picture is a single one. `struct.error` or IndexError when it is damaged."""
    top = {name: (start, end) for name, start, end in boxes(read, 0, size)}
    if b"meta" not in top:
        return None
    meta = {name: (start, end) for name, start, end in boxes(read, top[b"meta"][0] + 4, top[b"meta"][1])}
    if not {b"pitm", b"iinf", b"iref", b"iloc"} <= meta.keys():
        return None
    at, _ = meta[b"pitm"]
    length = 4 if read(at, 1) != b"\0" else 2
    number = _number(read, at + 4, length)
    kinds, flags = {}, {}
    for item, kind, flag in _items(read, *meta[b"iinf"]):
        kinds[item], flags[item] = kind, flag
    if kinds.get(number) != b"grid":
        return None
    description = _content(read, meta, number)
    rows, columns = description[2] + 1, description[3] + 1
    width, height = struct.unpack_from(">II" if description[1] & 1 else ">HH", description, 4)
    tiles = next((to for of, to in _made_of(read, *meta[b"iref"]) if of == number), ())
    if len(tiles) != rows * columns:
        return None
    turns = tuple(_turns(read, *meta[b"iprp"], number)) if b"iprp" in meta else ()
    return Grid(width, height, columns, tiles, turns, (at + 4, length), flags)


def _number(read: Read, at: int, length: int) -> int:
    return int.from_bytes(read(at, length), "big")


def _items(read: Read, start: int, end: int) -> Iterator[tuple[int, bytes, int]]:
    """(number, kind, place of its flags) of each item."""
    for _, at, _ in boxes(read, start + (6 if read(start, 1) == b"\0" else 8), end):
        wide = 4 if read(at, 1) == b"\3" else 2
        yield _number(read, at + 4, wide), bytes(read(at + 6 + wide, 4)), at + 3


def _made_of(read: Read, start: int, end: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(number, numbers of what it is made of)."""
    wide = 4 if read(start, 1) != b"\0" else 2
    for name, at, stop in boxes(read, start + 4, end):
        if name == b"dimg":
            count = min(_number(read, at + wide, 2), (stop - at) // wide)
            first = at + wide + 2
            yield _number(read, at, wide), tuple(_number(read, first + wide * n, wide) for n in range(count))


def _content(read: Read, meta: dict[bytes, tuple[int, int]], number: int) -> bytes:
    start, end = meta[b"iloc"]
    for item, method, first, last in located(bytes(read(start, min(end - start, _LARGEST)))):
        if item == number:
            base = meta[b"idat"][0] if method == 1 else 0
            return bytes(read(base + first, last - first))
    raise IndexError


def _turns(read: Read, start: int, end: int, number: int) -> Iterator[tuple[bytes, int]]:
    parts = {name: (at, stop) for name, at, stop in boxes(read, start, end)}
    properties = [(name, at) for name, at, _ in boxes(read, *parts[b"ipco"])]
    at, stop = parts[b"ipma"]
    wide, long = 4 if read(at, 1) != b"\0" else 2, _number(read, at + 3, 1) & 1
    at += 8
    while at < stop:
        item, count = _number(read, at, wide), _number(read, at + wide, 1)
        at += wide + 1
        for n in range(count):
            index = _number(read, at + n * (1 + long), 1 + long) & (0x7FFF if long else 0x7F)
            name, place = properties[index - 1] if index else (b"", 0)
            if item == number and name in {b"irot", b"imir"}:
                yield name, _number(read, place, 1) & 3
        at += count * (1 + long)
