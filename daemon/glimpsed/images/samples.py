"""TIFF pages with bits, numbers or channels that Pillow does not know together: read as bytes, and taken apart.

What packs the bytes (strips, tiles, LZW, Deflate, …) is libtiff's work all the same: the page is opened as a gray picture that
is as wide as its rows have bytes. Of whole numbers the highest byte is enough for 8 bits a channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from PIL import Image

from glimpsed.formats.tiff import Ifd

Size: TypeAlias = tuple[int, int]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL, _SAMPLES, _PLANAR = (
    256,
    257,
    258,
    259,
    262,
    266,
    277,
    284,
)
_PREDICTOR, _TILE_WIDTH, _EXTRA, _FORMAT = 317, 322, 338, 339
_BYTES = {
    1,
    5,
    8,
    32773,
    32946,
    34925,
    50000,
}  # compressions that keep bytes: none, LZW, Deflate, PackBits, LZMA, Zstandard
_KNOWN = {0, 1, 2, 5, 8, 9}  # gray, RGB, CMYK, Lab
_CIELAB = 8
_WHOLE, _SIGNED, _FLOAT = 1, 2, 3
PACKED = frozenset(range(1, 16)) - {8}  # bits a sample that fill no bytes
_DEPTHS = {_WHOLE: {*PACKED, 8, 16, 24, 32, 64}, _SIGNED: {8, 16, 32}, _FLOAT: {32, 64}}
_CEILINGS = (1.0, 255.0, 65535.0)  # of floating-point numbers, as they are usual


def bits(page: Ifd) -> tuple[int, ...]:
    """Of each sample: some programs write the number once for all of them."""
    found = page.numbers(_BITS) or (1,)
    return found * samples(page) if len(found) == 1 else found


def samples(page: Ifd) -> int:
    """Of each pixel."""
    return (page.numbers(_SAMPLES) or (1,))[0]


def together(page: Ifd) -> bool:
    """Whether its samples stand side by side, in a combination that Pillow does not know but that can be read here."""
    from PIL.TiffImagePlugin import OPEN_INFO  # noqa: PLC0415 - imported with the first TIFF

    depths, form = bits(page), (page.numbers(_FORMAT) or (_WHOLE,))[0]
    photometric, fill = (page.numbers(_PHOTOMETRIC) or (-1,))[0], (page.numbers(_FILL) or (1,))[0]
    mark = b"II" if page.order == "<" else b"MM"
    if (mark, photometric, (form,), fill, depths, page.numbers(_EXTRA)) in OPEN_INFO and not (
        (form == _WHOLE and depths[0] == 32)
        or (form == _SIGNED and depths[0] == 8)  # known, but taken for something else
    ):
        return False
    return (
        photometric in _KNOWN
        and fill in {1, 2}  # libtiff turns each byte around
        and len(set(depths)) == 1
        and depths[0] in _DEPTHS.get(form, ())
        and page.numbers(_PLANAR) in {(), (1,)}
        and page.numbers(_PREDICTOR) in {(), (1,)}
        and of_bytes(page)
        and len(depths) >= {2: 3, 5: 4, 8: 3, 9: 3}.get(photometric, 1)
        and all(width * len(depths) * depths[0] % 8 == 0 for width in page.numbers(_TILE_WIDTH))
    )


def of_bytes(page: Ifd) -> bool:
    """Whether what packs the page keeps its bytes, whatever they are made of."""
    return (page.numbers(_COMPRESSION) or (1,))[0] in _BYTES


def planes(page: Ifd, data: Image.Image, count: int) -> list[Image.Image]:
    """Each of so many channels in 8 bits. `data`: the page's bytes, as gray."""
    size = page.numbers(_WIDTH)[0], page.numbers(_HEIGHT)[0]
    depth, form = bits(page)[0], (page.numbers(_FORMAT) or (_WHOLE,))[0]
    if form == _FLOAT:
        floats = _floats(data.tobytes(), size, count, depth // 8, page.order)
        return _lab(floats) if page.numbers(_PHOTOMETRIC) == (_CIELAB,) else _scaled(floats)
    if depth in PACKED:
        return _packed(data, size, count, depth)
    found = _wholes(data.tobytes(), size, count, depth // 8, page.order)
    return [plane.point(lambda value: value ^ 128) for plane in found] if form == _SIGNED else found


def _wholes(data: bytes, size: Size, count: int, length: int, order: str) -> list[Image.Image]:
    """The highest byte of each that is used at all."""
    found: list[Image.Image] = []
    for place in range(length) if order == ">" else range(length - 1, -1, -1):
        found = [Image.frombytes("L", size, data[n * length + place :: count * length]) for n in range(count)]
        if any(plane.getbbox() for plane in found):
            break
    return found


def _packed(data: Image.Image, size: Size, count: int, depth: int) -> list[Image.Image]:
    """Numbers that follow one another bit by bit; each row begins with a byte of its own."""
    width, height = size
    unit, each = depth // math.gcd(depth, 8), 8 // math.gcd(depth, 8)  # bytes, and the numbers in them
    across = -(-width * count // each)
    whole = Image.new("L", (unit * across, height))
    whole.paste(data)
    raw = whole.tobytes()
    numbers = bytearray(each * across * height)
    for place in range(each):
        numbers[place::each] = field(lambda n: raw[n::unit], place * depth, depth)
    rows = (
        Image.frombytes("L", (each * across, height), bytes(numbers))
        .crop((0, 0, width * count, height))
        .tobytes()
    )
    return [Image.frombytes("L", size, rows[n::count]) for n in range(count)]


def field(byte: Callable[[int], bytes], start: int, depth: int) -> bytes:
    """The numbers of `depth` bits from bit `start` of each unit on, as 0 to 255.

    `byte` gives the nth byte of all units, the one with the highest bits first.
    """
    (at, skipped), kept = divmod(start, 8), min(depth, 8)
    found = byte(at)
    if skipped:
        found = found.translate(bytes(value << skipped & 255 for value in range(256)))
    if skipped + kept > 8:
        rest = byte(at + 1).translate(bytes(value >> 8 - skipped for value in range(256)))
        found = (int.from_bytes(found) | int.from_bytes(rest)).to_bytes(len(found))
    most = (1 << kept) - 1
    return found.translate(bytes((value >> 8 - kept) * 255 // most for value in range(256)))


def _floats(data: bytes, size: Size, count: int, length: int, order: str) -> list[Image.Image]:
    found = []
    for n in range(count):
        numbers = bytearray(len(data) // count)
        for place in range(length):
            numbers[place::length] = data[n * length + place :: count * length]
        raw = f"F;{8 * length}{'B' if order == '>' else ''}F"
        found.append(Image.frombytes("F", size, bytes(numbers), "raw", raw))
    return found


def _lab(found: list[Image.Image]) -> list[Image.Image]:
    """As the 8 bits of CIE L*a*b* have them: L* of 100 is white, a* and b* are signed."""
    light, *others = found
    moved = [plane.point(lambda value: value * 1.0 + 128.5).convert("L") for plane in others]
    signed = [plane.point(lambda value: value ^ 128) for plane in moved]
    return [light.point(lambda value: value * 2.55 + 0.5).convert("L"), *signed]


def _scaled(found: list[Image.Image]) -> list[Image.Image]:
    """To what they hold, all in the same way."""
    ends: list[Any] = [end for plane in found for end in plane.getextrema()]
    low, high = min(0.0, *ends), max(ends)
    top = next((ceiling for ceiling in _CEILINGS if low >= 0 and high <= ceiling), high)
    scale = 255.0 / (top - low) if top > low else 1.0

    def line(value: Any) -> Any:  # Pillow reads scale and offset off this expression
        return value * scale + (0.5 - low * scale)

    return [plane.point(line).convert("L") for plane in found]
