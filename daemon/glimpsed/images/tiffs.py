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
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TypeAlias

from PIL import Image, UnidentifiedImageError

from glimpsed.errors import FileError
from glimpsed.formats.common import reader
from glimpsed.formats.tiff import EXTENTS, Ifd, Missing, directories
from glimpsed.images import colour, samples
from glimpsed.images.picture import ON_ITS_SIDE, Picture, affordable, orientation_of, stretch_of

Entry: TypeAlias = tuple[int, int, int, bytes]  # tag, type, count, values

_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = (
    254,
    255,
    256,
    257,
    258,
    259,
    262,
)
_FILL, _OFFSETS, _ORIENTATION, _SAMPLES, _COUNTS, _PLANAR = 266, 273, 274, 277, 279, 284
_COLOUR_MAP, _TILE_WIDTH, _TILE_OFFSETS, _EXTRA, _FORMAT = 320, 322, 324, 338, 339
_DIRECTORIES = frozenset({330, 34665, 34853, 40965})  # what points at other directories
# What is said of all samples together, and where each plane of them stands.
_OF_SAMPLES = _DIRECTORIES | {
    _BITS,
    _PHOTOMETRIC,
    _SAMPLES,
    _PLANAR,
    _COLOUR_MAP,
    _EXTRA,
    _FORMAT,
    _ORIENTATION,
}
_OF_ALL_PLANES = _OF_SAMPLES | {*EXTENTS, *EXTENTS.values()}
_JPEGS = {(6,), (7,)}
_SHORT, _LONG, _LONG8, _IFD8 = 3, 4, 16, 18
_COLOURS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"} | {
    32803: "camera raw", 34892: "camera raw", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip
_COMPRESSIONS = dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000") | dict.fromkeys((50002, 52546), "JPEG XL") | {
    34661: "JBIG", 34715: "JBIG2", 34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP",
}  # fmt: skip
_OPTIONAL = frozenset({"lzma", "webp", "zstd"})
_PALETTE, _CIELAB = 3, 8
_MODES = {0: "L", 1: "L", 2: "RGB", _PALETTE: "RGB", 5: "CMYK", _CIELAB: "LAB", 9: "LAB"}
_CHANNELS = {0: 1, 1: 1, 2: 3, _PALETTE: 3, 5: 4, _CIELAB: 3, 9: 3}
_PLANAR_KNOWN = frozenset({0, 1, 2, 5})
_FORMATS = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
_PREMULTIPLIED, _ALPHA = 1, 2
_ALPHAS = {(_PREMULTIPLIED,), (_ALPHA,)}
_SMALLER, _MASK, _OLD_SMALLER = 1, 4, 2  # bits of NewSubfileType; a value of SubfileType, which it followed
_YCBCR = 6


def inspect(file: BinaryIO) -> tuple[int, int, int]:
    """Number of pages; width and height, as it is stored, of the first one that can be drawn."""
    count, beyond = len(pages_of(chain_of(file))), set(undrawable(file))
    first = next((number for number in range(1, count + 1) if number not in beyond), 1)
    with opened(file, first) as (image, _):
        tags = image.tag_v2  # type: ignore[attr-defined]
        return count, int(tags[_WIDTH]), int(tags[_HEIGHT])


def undrawable(file: BinaryIO) -> list[int]:
    """The pages (from 1), of several, that have no size, or are of a kind that nothing here decodes."""
    chain = chain_of(file)
    if len(frames := pages_of(chain)) == 1:
        return []
    image, first = _image(file, chain)
    return [n for n, frame in enumerate(frames, 1) if not _is_drawable(image, chain[frame], frame - first)]


def _is_drawable(image: Image.Image, page: Ifd, frame: int) -> bool:
    try:
        _refuse_compression(page)
        _seek(image, frame)
    except Exception:  # noqa: BLE001 - whatever comes out of a damaged directory
        return False
    return min(image.size) > 0


def picture(file: BinaryIO, number: int, memory: int) -> Picture:
    """Page `number` (from 1)."""
    with opened(file, number) as (image, page):
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        turn, stretch = tags.get(_ORIENTATION), stretch_of(image)
        if page is not None and _taken_apart(page):
            affordable(image.size, "RGB", memory)
            merged = _merged(page, _planes(file, page))
            merged.info.update(image.info)
            return Picture(merged, colour.drawable, orientation_of(page.numbers(_ORIENTATION) or 1), stretch)
        # 8 bits a value, as some scanners write them
        if image.mode in {"P", "PA"} and max(tags[_COLOUR_MAP]) < 256:
            affordable(image.size, image.mode, memory)
            image.putpalette(bytes(tags[_COLOUR_MAP]), "RGB;L")
        bits, inverted = int(tags.get(_BITS, (16,))[0]), tags.get(_PHOTOMETRIC) == 0
        draw = functools.partial(colour.drawable, bits=bits, inverted=inverted)
        if not isinstance(turn, int):
            return Picture(image, draw, orientation_of(turn), stretch)
        # What Pillow takes for an orientation it has turned by itself.
        return Picture(image, draw, 1, 1 / stretch if turn in ON_ITS_SIDE else stretch)


@contextlib.contextmanager
def opened(file: BinaryIO, number: int) -> Iterator[tuple[Image.Image, Ifd | None]]:
    """The image at page `number` (from 1), and the directory of that as it stands in the file, if there is one."""
    plugin: Any = importlib.import_module("PIL.TiffImagePlugin")
    chain = chain_of(file)
    frames = pages_of(chain)
    if number > len(frames):
        raise FileError(f"There is no page {number}: the file has {len(frames)}.")
    frame = frames[number - 1]
    page = chain[frame] if frame < len(chain) else None
    # By itself, Pillow takes colours that are stored coarser than the light for as fine.
    plugin.READ_LIBTIFF = any(page.numbers(_PHOTOMETRIC) == (_YCBCR,) for page in chain)
    if page is not None:
        _refuse_compression(page)
    try:
        image, first = _image(file, chain)
        _seek(image, frame - first)
        yield image, page
    except (UnidentifiedImageError, SyntaxError, KeyError, ValueError):
        if page is None or (unusual := _unusual(page)) is None:
            raise
        raise FileError(
            f"The TIFF file cannot be decoded: {unusual}.", "Save it as 8 bits, in RGB or gray."
        ) from None


def _image(file: BinaryIO, chain: Sequence[Ifd]) -> tuple[Image.Image, int]:
    """The image, and how many directories at its start were left out: Pillow opens none whose first one it does not know."""
    try:
        return Image.open(_readable(file, chain), formats=("TIFF",)), 0
    except Exception:
        for first in range(1, len(chain)):
            with contextlib.suppress(Exception):
                return Image.open(_readable(file, chain[first:], anew=True), formats=("TIFF",)), first
        raise


def _seek(image: Image.Image, frame: int) -> None:
    if frame < 0:
        raise UnidentifiedImageError
    image.seek(frame)


def _refuse_compression(page: Ifd) -> None:
    """Raises `FileError` for a page that nothing here unpacks."""
    from PIL.TiffImagePlugin import COMPRESSION_INFO  # noqa: PLC0415 - registered with the first TIFF

    [number] = page.numbers(_COMPRESSION)[:1] or (1,)
    known = COMPRESSION_INFO.get(number)
    if known is None or (known in _OPTIONAL and not _built_with(known)):
        name = _COMPRESSIONS.get(number, f"number {number}")
        raise FileError(
            f"The TIFF file cannot be decoded: its compression ({name}) is not known.",
            "Save it with another compression: LZW, Deflate or none.",
        )


@functools.cache
def _built_with(compression: str) -> bool:
    """Whether the libtiff beneath Pillow has what Pillow has a name for."""
    try:
        Image.new("RGB", (8, 8)).save(io.BytesIO(), "TIFF", compression=compression)
    except OSError:
        return False
    return True


def pages_of(chain: Sequence[Ifd]) -> list[int]:
    """The directories that are pages, and not smaller copies of one, or its mask."""
    return [n for n, directory in enumerate(chain) if not _is_beside(directory)] or [0]


def _is_beside(directory: Ifd) -> bool:
    kind, older = directory.numbers(_SUBFILE_TYPE), directory.numbers(_OLD_SUBFILE_TYPE)
    return bool(kind and kind[0] & (_SMALLER | _MASK)) or (not kind and older[:1] == (_OLD_SMALLER,))


def chain_of(file: BinaryIO) -> list[Ifd]:
    """The directories of its pages, as far as they are there."""
    size = file.seek(0, io.SEEK_END)
    found: list[Ifd] = []
    with contextlib.suppress(Missing):  # of what is cut off, those that are there
        found.extend(directories(reader(file), size))
    file.seek(0)
    return [directory for directory in found if not directory.sub]


def _unusual(page: Ifd) -> str | None:
    """In which respect Pillow may not know it, in words."""
    from PIL.TiffImagePlugin import OPEN_INFO  # noqa: PLC0415 - only for what cannot be read

    [photometric] = page.numbers(_PHOTOMETRIC)[:1] or (0,)
    bits, forms = page.numbers(_BITS) or (1,), page.numbers(_FORMAT)[:1] or (1,)
    extra = page.numbers(_EXTRA)
    order = b"II" if page.order == "<" else b"MM"
    if (order, photometric, forms, 1, bits, extra) in OPEN_INFO:
        return None
    name = _COLOURS.get(photometric, f"colour space {photometric}")
    alpha = " with transparency" if extra else ""
    return f"{bits[0]}-bit {_FORMATS.get(forms[0], '')}{name}{alpha} is not supported"


def _readable(file: BinaryIO, chain: Sequence[Ifd], *, anew: bool = False) -> BinaryIO:
    """The file itself; or with directories that Pillow finds its way in.

    It knows BigTIFF only in the byte order of PCs, tiles only under their own tags, and planes that stand apart only in
    some modes: then it gets the first of them to look at.
    """
    mark = file.read(4)
    file.seek(0)
    if (
        not anew
        and mark != b"MM\0+"
        and not any(_taken_apart(page) or _mistagged(page) or _unturned(page) for page in chain)
    ):
        return file
    pages = []
    for page in chain:
        entries = [entry for entry in _entries(page) if entry[0] not in _DIRECTORIES]
        if _unturned(page):
            entries = [entry for entry in entries if entry[0] != _FILL]
        if _mistagged(page):
            retagged = {_OFFSETS: _TILE_OFFSETS, _COUNTS: EXTENTS[_TILE_OFFSETS]}
            entries = [(retagged.get(tag, tag), *rest) for tag, *rest in entries]  # type: ignore[misc]
        if _apart(page):
            entries = _plane_entries(page, 0)
        elif _taken_apart(page):
            entries = [entry for entry in entries if entry[0] not in _OF_SAMPLES] + _as_gray(page, 8)
        pages.append(entries)
    return _rewritten(file, chain[0].order, pages)


def _mistagged(page: Ifd) -> bool:
    """Whether its tiles stand under the tags of strips."""
    tags = {tag for tag, *_ in page.entries}
    return _TILE_WIDTH in tags and _TILE_OFFSETS not in tags


def _unturned(page: Ifd) -> bool:
    """Whether it says of bits that they run backwards, where none do: libtiff takes a JPEG's as they are."""
    return page.numbers(_FILL) == (2,) and page.numbers(_COMPRESSION) in _JPEGS


def _apart(page: Ifd) -> bool:
    """Whether its planes stand apart, and can be read one by one."""
    photometric, compression = page.numbers(_PHOTOMETRIC)[:1], page.numbers(_COMPRESSION)[:1]
    bits = page.numbers(_BITS)
    if photometric == (0,) and bits == (16,) and page.order == ">":
        return True  # white is 0, which Pillow knows in the other byte order alone
    known = photometric and photometric[0] in _PLANAR_KNOWN and len(bits) >= _CHANNELS[photometric[0]]
    return bool(known and page.numbers(_PLANAR) == (2,) and len(bits) > 1 and compression not in _JPEGS)


def _indexed(page: Ifd) -> bool:
    """Whether each sample is one of 65,536 colours."""
    colours = page.numbers(_COLOUR_MAP)
    return (
        page.numbers(_PHOTOMETRIC) == (_PALETTE,) and samples.bits(page) == (16,) and len(colours) == 3 << 16
    )


def _packed(page: Ifd) -> bool:
    """Whether its samples fill no bytes, and can be told from one another here."""
    return samples.bits(page)[0] in samples.PACKED and samples.of_bytes(page)


def _taken_apart(page: Ifd) -> bool:
    return _apart(page) or samples.together(page) or _indexed(page)


def _planes(file: BinaryIO, page: Ifd) -> list[Image.Image]:
    """Each channel by itself, in 8 bits."""
    if _indexed(page):
        return _of_palette(file, page)
    if _apart(page):
        photometric, extra = (page.numbers(_PHOTOMETRIC) or (1,))[0], page.numbers(_EXTRA)
        count = _CHANNELS.get(photometric, 1) + (extra[:1] in _ALPHAS)
        return [_plane(file, page, n) for n in range(min(count, len(page.numbers(_BITS))))]
    return _in_bytes(file, page, _entries(page), len(samples.bits(page)))


def _in_bytes(file: BinaryIO, page: Ifd, entries: Iterable[Entry], count: int) -> list[Image.Image]:
    """So many channels that stand together, of a page that Pillow gets as bytes."""
    depth = samples.bits(page)[0]
    widths = {
        tag: (width * count * depth + 7) // 8 for tag in (_WIDTH, _TILE_WIDTH) for width in page.numbers(tag)
    }
    kept = [entry for entry in entries if entry[0] not in {*widths, *_OF_SAMPLES}]
    kept += [(tag, _LONG, 1, struct.pack(f"{page.order}I", width)) for tag, width in widths.items()]
    with Image.open(_rewritten(file, page.order, [kept + _as_gray(page, 8)]), formats=("TIFF",)) as data:
        return samples.planes(page, data, count)


def _of_palette(file: BinaryIO, page: Ifd) -> list[Image.Image]:
    """Red, green and blue of a page with 16 bits a pixel."""
    entries = [entry for entry in _entries(page) if entry[0] not in _OF_SAMPLES]
    colours = page.numbers(_COLOUR_MAP)
    shift = 8 if max(colours) > 255 else 0  # 8 bits a value, as some scanners write them
    with Image.open(_rewritten(file, page.order, [entries + _as_gray(page, 16)]), formats=("TIFF",)) as data:
        numbers = data.convert("I")
    tables = ([value >> shift for value in colours[band << 16 : band + 1 << 16]] for band in range(3))
    return [numbers.point(table, "L") for table in tables]


def _merged(page: Ifd, planes: list[Image.Image]) -> Image.Image:
    """The picture of these channels."""
    [photometric], extra = page.numbers(_PHOTOMETRIC), page.numbers(_EXTRA)[:1]
    count = _CHANNELS[photometric]
    if photometric == 0:
        planes[0] = planes[0].point(lambda value: 255 - value)
    if photometric == _CIELAB:  # signed there, and not in Pillow
        planes[1:3] = [plane.point(lambda value: value ^ 128) for plane in planes[1:3]]
    mode = _MODES[photometric]
    if extra not in _ALPHAS or len(planes) <= count or mode not in {"L", "RGB"}:
        return Image.merge(mode, planes[:count])
    colours = planes[:1] * 3 if mode == "L" else planes[:3]
    full = Image.merge("RGBa" if extra == (_PREMULTIPLIED,) else "RGBA", [*colours, planes[count]])
    return full.convert("RGBA").convert("LA") if mode == "L" else full.convert("RGBA")


def _plane(file: BinaryIO, page: Ifd, number: int) -> Image.Image:
    bits = page.numbers(_BITS)[number]
    if _packed(page):
        return _in_bytes(file, page, _plane_entries(page, number), 1)[0]
    gray = Image.open(_rewritten(file, page.order, [_plane_entries(page, number)]), formats=("TIFF",))
    gray.load()
    return colour.eight_bits(gray, bits) if gray.mode[0] in "IF" else gray.convert("L")


def _as_gray(page: Ifd, bits: int, form: int = 1) -> list[Entry]:
    own = {_BITS: bits, _PHOTOMETRIC: 1, _SAMPLES: 1, _FORMAT: form}
    return [(tag, _SHORT, 1, struct.pack(f"{page.order}H", value)) for tag, value in own.items()]


def _plane_entries(page: Ifd, number: int) -> list[Entry]:
    """A directory for one plane alone, as a gray picture."""
    entries = [entry for entry in _entries(page) if entry[0] not in _OF_ALL_PLANES]
    bits = page.numbers(_BITS)
    for tag in (*EXTENTS.keys(), *EXTENTS.values()):
        values = page.numbers(tag)
        each = len(values) // len(bits)
        if each:
            part = values[number * each : (number + 1) * each]
            entries.append((tag, _LONG, each, struct.pack(f"{page.order}{each}I", *part)))
    return entries + _as_gray(page, 8 if _packed(page) else bits[number], (page.numbers(_FORMAT) or (1,))[0])


def _entries(page: Ifd) -> Iterator[Entry]:
    """What a directory holds, each with its values."""
    inline = 8 if page.big else 4
    for tag, kind, count, length, field in page.entries:
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
