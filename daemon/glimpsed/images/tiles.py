"""A HEIF picture of tiles, decoded one tile at a time, each made smaller at once: all of it would not fit."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

from glimpsed.formats.common import reader
from glimpsed.formats.grid import Grid, grid

_TURNS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}
_MIRRORED = {0: Image.Transpose.FLIP_TOP_BOTTOM, 1: Image.Transpose.FLIP_LEFT_RIGHT}


def smaller(file: BinaryIO, opened: Callable[[BinaryIO], Image.Image]) -> Callable[[int], Image.Image] | None:
    """What makes it upright at 1/n of its size, n being a power of two; None when it has no tiles."""
    try:
        found = grid(reader(file), file.seek(0, io.SEEK_END))
    except (struct.error, IndexError, KeyError):
        found = None
    file.seek(0)
    if found is None:
        return None
    tiles = found
    return lambda factor: _turned(_put_together(file, tiles, factor, opened), tiles)


def _put_together(
    file: BinaryIO, tiles: Grid, factor: int, opened: Callable[[BinaryIO], Image.Image]
) -> Image.Image:
    file.seek(0)
    data = bytearray(file.read())
    out = Image.new("RGB", (-(-tiles.width // factor), -(-tiles.height // factor)))
    for place, number in enumerate(tiles.tiles):
        at, length = tiles.primary
        data[at : at + length] = number.to_bytes(length, "big")
        data[tiles.flags[number]] &= 0xFE
        with opened(io.BytesIO(data)) as tile:
            small = tile.convert("RGB").reduce(factor)
            left, top = place % tiles.columns * tile.width, place // tiles.columns * tile.height
        data[tiles.flags[number]] |= 1
        out.paste(small, (left // factor, top // factor))
    return out


def _turned(image: Image.Image, tiles: Grid) -> Image.Image:
    for name, value in tiles.turns:
        turn = _TURNS.get(value) if name == b"irot" else _MIRRORED[value & 1]
        if turn is not None:
            image = image.transpose(turn)
    return image
