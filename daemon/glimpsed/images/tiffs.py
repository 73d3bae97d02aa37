"""TIFF beyond what Pillow reads: what it takes for something else is written anew, or read a plane at a time.

A directory can be written anew at the end of the file without touching a pixel: with the tags that Pillow looks for, or
for one plane of several as a gray picture of its own.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, TypeAlias

from PIL import Image, UnidentifiedImageError

from glimpsed.errors import FileError
from glimpsed.formats.common import reader
from glimpsed.formats.tiff import EXTENTS, Directory, Missing, directories
from glimpsed.images import colour
from glimpsed.images.picture import Picture, affordable, orientation_of, stretch_of

Entry: TypeAlias = tuple[int, int, int, bytes]  # tag, type, count, values

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _ORIENTATION, _SAMPLES, _COUNTS, _PLANAR = 273, 274, 277, 279, 284
_COLOUR_MAP, _TILE_WIDTH, _TILE_OFFSETS, _EXTRA, _FORMAT = 320, 322, 324, 338, 339
_DIRECTORIES = frozenset({330, 34665, 34853, 40965})  # what points at other directories
# What is said of all planes together, or of where each one stands.
_OF_ALL_PLANES = (
    frozenset(
        {
            _BITS,
            _PHOTOMETRIC,
            _SAMPLES,
            _PLANAR,
            _COLOUR_MAP,
            _EXTRA,
            _FORMAT,
            _ORIENTATION,
            *EXTENTS,
            *EXTENTS.values(),
        }
    )
    | _DIRECTORIES
)
_JPEGS = {(6,), (7,)}
_SHORT, _LONG, _LONG8, _IFD8 = 3, 4, 16, 18
_COLOURS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"} | {
    32803: "camera raw", 34892: "camera raw", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip
_MERGED = {0: ("L", 1), 1: ("L", 1), 2: ("RGB", 3), 5: ("CMYK", 4)}  # modes, and their planes
_FORMATS = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
_PREMULTIPLIED, _ALPHA = 1, 2
_YCBCR = 6


def inspect(file: BinaryIO) -> tuple[int, int, int]:
    """Number of pages; width and height of the first one as it is stored."""
    with opened(file) as (image, _):
        tags = image.tag_v2  # type: ignore[attr-defined]
        return len(pages_of(image)), int(tags[_WIDTH]), int(tags[_HEIGHT])


def picture(file: BinaryIO, number: int, memory: int) -> Picture:
    """Page `number` (from 1)."""
    with opened(file) as (image, chain):
        pages = pages_of(image)
        if number > len(pages):
            raise FileError(f"There is no page {number}: the file has {len(pages)}.")
        frame = pages[number - 1]
        image.seek(frame)
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        turn, stretch = tags.get(_ORIENTATION), stretch_of(image)
        if frame < len(chain) and _apart(page := chain[frame]):
            affordable(image.size, "RGB", memory)
            merged = _merged(file, page)
            merged.info.update(image.info)
            return Picture(merged, colour.drawable, orientation_of(page.numbers(_ORIENTATION) or 1), stretch)
        # 8 bits a value, as some scanners write them
        if image.mode in {"P", "PA"} and max(tags[_COLOUR_MAP]) < 256:
            affordable(image.size, image.mode, memory)
            image.putpalette(bytes(tags[_COLOUR_MAP]), "RGB;L")
        bits, inverted = int(tags.get(_BITS, (16,))[0]), tags.get(_PHOTOMETRIC) == 0
        draw = functools.partial(colour.drawable, bits=bits, inverted=inverted)
        # What Pillow takes for an orientation it has turned by itself.
        return Picture(image, draw, 1 if isinstance(turn, int) else orientation_of(turn), stretch)


@contextlib.contextmanager
def opened(file: BinaryIO) -> Iterator[tuple[Image.Image, list[Directory]]]:
    """The image, and the pages as they stand in the file."""
    plugin: Any = importlib.import_module("PIL.TiffImagePlugin")
    chain = chain_of(file)
    # By itself, Pillow takes colours that are stored coarser than the light for as fine.
    plugin.READ_LIBTIFF = any(page.numbers(_PHOTOMETRIC) == (_YCBCR,) for page in chain)
    try:
        yield Image.open(_readable(file, chain), formats=("TIFF",)), chain
    except (UnidentifiedImageError, SyntaxError, KeyError, ValueError):
        if (unusual := _unusual(chain)) is None:
            raise
        raise FileError(
            f"The TIFF file cannot be decoded: {unusual}.", "Save it as 8 bits, in RGB or gray."
        ) from None


def pages_of(image: Image.Image) -> list[int]:
    """The frames that are pages, and not smaller copies of one (bit 0 of NewSubfileType)."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1:
        return [0]
    pages = []
    for frame in range(frames):
        image.seek(frame)
        if not int(image.tag_v2.get(_SUBFILE_TYPE, 0)) & 1:  # type: ignore[attr-defined]
            pages.append(frame)
    image.seek(0)
    return pages or [0]


def chain_of(file: BinaryIO) -> list[Directory]:
    """The directories of its pages, as far as they are there."""
    size = file.seek(0, io.SEEK_END)
    found: list[Directory] = []
    with contextlib.suppress(Missing):  # of what is cut off, those that are there
        found.extend(directories(reader(file), size))
    file.seek(0)
    return [directory for directory in found if not directory.sub]


def _unusual(pages: Sequence[Directory]) -> str | None:
    """In which respect Pillow may not know one of these, in words."""
    from PIL.TiffImagePlugin import COMPRESSION_INFO, OPEN_INFO  # noqa: PLC0415 - only for what cannot be read

    for page in pages:
        [compression] = page.numbers(_COMPRESSION)[:1] or (1,)
        if compression not in COMPRESSION_INFO:
            return f"its compression (number {compression}) is not known"
        [photometric] = page.numbers(_PHOTOMETRIC)[:1] or (0,)
        bits, forms = page.numbers(_BITS) or (1,), page.numbers(_FORMAT)[:1] or (1,)
        extra = page.numbers(_EXTRA)
        order = b"II" if page.order == "<" else b"MM"
        if (order, photometric, forms, 1, bits, extra) not in OPEN_INFO:
            name = _COLOURS.get(photometric, f"colour space {photometric}")
            alpha = " with transparency" if extra else ""
            return f"{bits[0]}-bit {_FORMATS.get(forms[0], '')}{name}{alpha} is not supported"
    return None


def _readable(file: BinaryIO, chain: Sequence[Directory]) -> BinaryIO:
    """The file itself; or with directories that Pillow finds its way in.

    It knows BigTIFF only in the byte order of PCs, tiles only under their own tags, and planes that stand apart only in
    some modes: then it gets the first of them to look at.
    """
    mark = file.read(4)
    file.seek(0)
    if mark != b"MM\0+" and not any(_apart(page) or _mistagged(page) for page in chain):
        return file
    pages = []
    for page in chain:
        entries = [entry for entry in _entries(page) if entry[0] not in _DIRECTORIES]
        if _mistagged(page):
            retagged = {_OFFSETS: _TILE_OFFSETS, _COUNTS: EXTENTS[_TILE_OFFSETS]}
            entries = [(retagged.get(tag, tag), *rest) for tag, *rest in entries]  # type: ignore[misc]
        pages.append(_plane_entries(page, 0) if _apart(page) else entries)
    return _rewritten(file, chain[0].order, pages)


def _mistagged(page: Directory) -> bool:
    """Whether its tiles stand under the tags of strips."""
    tags = {tag for tag, *_ in page.entries()}
    return _TILE_WIDTH in tags and _TILE_OFFSETS not in tags


def _apart(page: Directory) -> bool:
    """Whether its planes stand apart, and can be read one by one."""
    photometric, compression = page.numbers(_PHOTOMETRIC)[:1], page.numbers(_COMPRESSION)[:1]
    bits = page.numbers(_BITS)
    if photometric == (0,) and bits == (16,) and page.order == ">":
        return True  # white is 0, which Pillow knows in the other byte order alone
    known = photometric and photometric[0] in _MERGED and len(bits) >= _MERGED[photometric[0]][1]
    return bool(known and page.numbers(_PLANAR) == (2,) and len(bits) > 1 and compression not in _JPEGS)


def _merged(file: BinaryIO, page: Directory) -> Image.Image:
    """Of planes that stand apart, each read as a gray picture of its own."""
    extra = page.numbers(_EXTRA)
    [photometric] = page.numbers(_PHOTOMETRIC)
    mode, colours = _MERGED[photometric]
    alpha = extra[:1] in {(_PREMULTIPLIED,), (_ALPHA,)} and mode != "CMYK"
    planes = [_plane(file, page, n) for n in range(colours + alpha)]
    if photometric == 0:
        planes[0] = planes[0].point(lambda value: 255 - value)
    if not alpha:
        return Image.merge(mode, planes)
    full = Image.merge(
        "RGBa" if extra[0] == _PREMULTIPLIED else "RGBA",
        [planes[0]] * 3 + planes[1:] if mode == "L" else planes,
    )
    return full.convert("RGBA").convert("LA") if mode == "L" else full.convert("RGBA")


def _plane(file: BinaryIO, page: Directory, number: int) -> Image.Image:
    bits = page.numbers(_BITS)[number]
    gray = Image.open(_rewritten(file, page.order, [_plane_entries(page, number)]), formats=("TIFF",))
    gray.load()
    return colour.drawable(gray, bits=bits).convert("L")


def _plane_entries(page: Directory, number: int) -> list[Entry]:
    """A directory for one plane alone, as a gray picture."""
    entries = [entry for entry in _entries(page) if entry[0] not in _OF_ALL_PLANES]
    bits = page.numbers(_BITS)
    for tag in (*EXTENTS.keys(), *EXTENTS.values()):
        values = page.numbers(tag)
        each = len(values) // len(bits)
        if each:
            part = values[number * each : (number + 1) * each]
            entries.append((tag, _LONG, each, struct.pack(f"{page.order}{each}I", *part)))
    own = {_BITS: bits[number], _PHOTOMETRIC: 1, _SAMPLES: 1, _FORMAT: (page.numbers(_FORMAT) or (1,))[0]}
    return entries + [(tag, _SHORT, 1, struct.pack(f"{page.order}H", value)) for tag, value in own.items()]


def _entries(page: Directory) -> Iterator[Entry]:
    """What a directory holds, each with its values."""
    inline = 8 if page.big else 4
    for tag, kind, count, length, field in page.entries():
        values = (
            page.table[field : field + length]
            if length <= inline
            else bytes(page.read(page.offset(field), length))
        )
        if kind in {_LONG8, _IFD8}:
            numbers = struct.unpack(f"{page.order}{count}Q", values)
            yield tag, _LONG, count, struct.pack(f"{page.order}{count}I", *numbers)
        else:
            yield tag, kind, count, values


def _rewritten(file: BinaryIO, order: str, pages: Sequence[Sequence[Entry]]) -> BinaryIO:
    """The same file with other directories, which stand behind everything else."""
    file.seek(0)
    data = bytearray(file.read())
    data += b"\0" * (len(data) % 2)
    data[:8] = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", len(data))
    for n, entries in enumerate(pages):
        table, loose = struct.pack(order + "H", len(entries)), b""
        behind = len(data) + 2 + 12 * len(entries) + 4
        for tag, kind, count, values in sorted(entries):
            table += struct.pack(order + "HHI", tag, kind, count)
            if len(values) <= 4:
                table += values.ljust(4, b"\0")
            else:
                table += struct.pack(order + "I", behind + len(loose))
                loose += values + b"\0" * (len(values) % 2)
        data += table + struct.pack(order + "I", behind + len(loose) if n + 1 < len(pages) else 0) + loose
    return io.BytesIO(data)
