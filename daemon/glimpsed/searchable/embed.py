"""Pictures as PDF images, without loss: in their own bytes where PDF knows the format, else packed anew.

JPEG and JPEG 2000 go as they are, so do the bytes of a PNG and of a fax in a TIFF; JPEGs within a TIFF, strip by strip. What
else there is (WebP, HEIC, LZW, …) PDF does not know: it is decoded, and packed as PNG packs it, or as a fax where it is
black and white. What is transparent stands on a ground, as models see it.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream
from PIL import Image

from glimpsed.errors import FileError
from glimpsed.formats import jpeg
from glimpsed.formats.common import NotPlain
from glimpsed.formats.sniff import Kind
from glimpsed.formats.tiff import Ifd
from glimpsed.images import colour, decode, tiffs
from glimpsed.images.picture import Picture, affordable, orientation_of, stretch_of

_COLOURS = {"1": Name.DeviceGray, "L": Name.DeviceGray, "RGB": Name.DeviceRGB, "CMYK": Name.DeviceCMYK}
_COMPONENTS = {"L": 1, "RGB": 3, "CMYK": 4}
_PROFILE = 3000  # bytes of a colour profile, packed: a page may grow by 6,000
_A4 = 842.0  # pt, the longer side of a page whose resolution nobody knows
_LEAST_DPI, _MOST_DPI = 73.0, 2400.0  # cameras say 72, and mean nothing by it
_SMALLEST, _LARGEST = 3.0, 14400.0  # pt, of a side: what PDF allows
_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _FILL, _OFFSETS, _ORIENTATION = 256, 257, 259, 262, 266, 273, 274
_SAMPLES, _ROWS, _COUNTS, _BITS, _TABLES = 277, 278, 279, 258, 347
_G4, _JPEG = (4,), (7,)
_BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Embedded:
    """A page's picture, in one or more strips from the top."""

    strips: tuple[tuple[Stream, int], ...]  # each with its rows
    width: int  # px as stored
    height: int
    orientation: int  # as EXIF counts it
    size: tuple[float, float]  # pt as stored


_EMPTY = Embedded((), 1, 1, 1, (_A4 / math.sqrt(2), _A4))


def pages(pdf: Pdf, file: BinaryIO, kind: Kind, memory: int) -> Iterator[Embedded]:
    """Each page of the file; a damaged one of several has no picture. Raises `FileError` where there is no other."""
    with decode.translated(kind):
        count = decode.inspect(file, kind, memory)[0]
    for number in range(1, count + 1):
        try:
            with decode.translated(kind):
                found = _page(pdf, file, kind, number, memory)
        except FileError:
            if count == 1:
                raise
            found = _EMPTY
        yield found


def _page(pdf: Pdf, file: BinaryIO, kind: Kind, number: int, memory: int) -> Embedded:
    if kind == "tiff" and (as_it_is := _from_tiff(pdf, file, number)) is not None:
        return as_it_is
    picture = decode.picture(file, kind, number, memory)
    image = picture.image
    affordable(image.size, image.mode, memory)
    size = _size(image, image.width, image.height, picture.stretch)
    stream = _as_it_is(pdf, file, picture, kind) or _packed(pdf, picture)
    width, height = int(stream.Width), int(stream.Height)
    return Embedded(((stream, height),), width, height, picture.orientation, size)


def _size(image: Image.Image, width: int, height: int, stretch: float) -> tuple[float, float]:
    """In points, by the resolution that the file says, if that makes sense."""
    said = image.info.get("dpi") or (0.0, 0.0)
    try:
        across = float(said[0])
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        across = 0.0
    if image.info.get("jfif_density") == image.info.get("dpi") and image.info.get("jfif_unit") == 0:
        across = 0.0  # a ratio, no resolution
    long = max(width, height * stretch)
    points = 72 / across if _LEAST_DPI <= across <= _MOST_DPI else _A4 / long
    points = min(points, _LARGEST / long)
    return max(_SMALLEST, width * points), max(_SMALLEST, height * stretch * points)


# -- as it is


def _as_it_is(pdf: Pdf, file: BinaryIO, picture: Picture, kind: Kind) -> Stream | None:
    image = picture.image
    if image.format in {"JPEG", "MPO"} and image.mode in _COMPONENTS:
        data = _all_of(image)
        try:
            usual = jpeg.usual(data)
        except NotPlain:
            return None
        return _jpeg(pdf, data, image) if usual else None
    if image.format == "JPEG2000" and image.mode in {"L", "RGB"}:
        return _stream(pdf, _all_of(image), image.size, Name.JPXDecode)
    if kind == "png":
        file.seek(0)
        return _png(pdf, file.read(), image)
    return None


def _all_of(image: Image.Image) -> bytes:
    file: BinaryIO = image.fp  # type: ignore[attr-defined]
    file.seek(0)
    return file.read()


def _jpeg(pdf: Pdf, data: bytes, image: Image.Image) -> Stream:
    stream = _stream(pdf, data, image.size, Name.DCTDecode, _colours(pdf, image.mode, image), bits=8)
    if image.mode == "CMYK" and "adobe" in image.info:  # Adobe stores them inverted
        stream.Decode = Array([1, 0] * 4)
    return stream


def _png(pdf: Pdf, data: bytes, image: Image.Image) -> Stream | None:
    """Its own packed rows, unless something is transparent, or they do not follow one another."""
    width, height, bits, colours, *_, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    found: dict[bytes, list[bytes]] = {}
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.setdefault(data[at + 4 : at + 8], []).append(data[at + 8 : at + 8 + length])
        at += 12 + length
    if interlaced or colours not in (0, 2, 3) or b"tRNS" in found or b"IDAT" not in found:
        return None
    space: Object
    if colours == 3:
        palette = found.get(b"PLTE", [b""])[0]
        space = Array([Name.Indexed, Name.DeviceRGB, len(palette) // 3 - 1, palette])
    else:
        space = _colours(pdf, "L" if colours == 0 else "RGB", image)
    stream = _stream(pdf, b"".join(found[b"IDAT"]), (width, height), Name.FlateDecode, space, bits=bits)
    stream.DecodeParms = Dictionary(
        Predictor=15, Colors=3 if colours == 2 else 1, BitsPerComponent=bits, Columns=width
    )
    return stream


# -- of a TIFF


def _from_tiff(pdf: Pdf, file: BinaryIO, number: int) -> Embedded | None:
    """A fax in one piece, or strips of JPEG, as they stand in the file; None for all others."""
    with tiffs.opened(file, number) as (image, page):
        if page is None:
            return None
        width, height = (page.numbers(tag)[0] for tag in (_WIDTH, _HEIGHT))
        strips = _strips(page)
        compression = page.numbers(_COMPRESSION)
        made: list[tuple[Stream, int]] = []
        if compression == _G4 and len(strips) == 1 and page.numbers(_BITS) in ((), (1,)):
            made = [(_fax(pdf, strips[0], (width, height), page), height)]
        elif compression == _JPEG and strips:
            made = _jpegs(pdf, strips, width, height, page)
        if not made:
            return None
        size = _size(image, width, height, stretch_of(image))
        turn = orientation_of(page.numbers(_ORIENTATION) or 1)
        return Embedded(tuple(made), width, height, turn, size)


def _strips(page: Ifd) -> list[bytes]:
    starts, lengths = page.numbers(_OFFSETS), page.numbers(_COUNTS)
    return [bytes(page.read(start, length)) for start, length in zip(starts, lengths, strict=False)]


def _fax(pdf: Pdf, data: bytes, size: tuple[int, int], page: Ifd) -> Stream:
    if page.numbers(_FILL) == (2,):
        data = data.translate(_BACKWARDS)
    black = page.numbers(_PHOTOMETRIC) == (1,)  # what the fax calls black is white
    stream = _stream(pdf, data, size, Name.CCITTFaxDecode, Name.DeviceGray, bits=1)
    stream.DecodeParms = Dictionary(K=-1, Columns=size[0], Rows=size[1], BlackIs1=black)
    return stream


def _jpegs(pdf: Pdf, strips: Sequence[bytes], width: int, height: int, page: Ifd) -> list[tuple[Stream, int]]:
    """All strips as one JPEG, where they can be, else one each; with the tables that they share."""
    samples = (page.numbers(_SAMPLES) or (1,))[0]
    photometric = page.numbers(_PHOTOMETRIC)
    rows = (page.numbers(_ROWS) or (height,))[0]
    if set(page.numbers(_BITS)) - {8} or (samples, photometric) not in {(1, (1,)), (3, (6,)), (3, (2,))}:
        return []
    entries = ((tag, page.offset(field), length) for tag, _, _, length, field in page.entries if length > 8)
    tables = next((bytes(page.read(at, length)) for tag, at, length in entries if tag == _TABLES), b"")
    whole = [tables[:-2] + data[2:] if tables else data for data in strips]
    joined = jpeg.joined_strips(whole, height) if len(whole) > 1 else None
    space = Name.DeviceGray if samples == 1 else Name.DeviceRGB
    made = []
    for number, data in enumerate([joined] if joined else whole):
        lines = height if joined else min(rows, height - number * rows)
        stream = _stream(pdf, data, (width, lines), Name.DCTDecode, space, bits=8)
        stream.DecodeParms = Dictionary(ColorTransform=1 if photometric == (6,) else 0)
        made.append((stream, lines))
    return made


# -- packed anew


def _packed(pdf: Pdf, picture: Picture) -> Stream:
    image = picture.image
    profile = image.info.get("icc_profile")
    image.load()
    if image.mode == "P" and "transparency" in image.info:
        image = colour.opaque_palette(image)
    if image.mode not in {"1", "L", "P", "RGB"} or "transparency" in image.info:
        image = picture.draw(image)
    if image.mode == "LAB":
        image = colour.to_srgb(image, profile)
    if image.mode == "1":
        return _as_fax(pdf, image)
    if image.mode == "CMYK":
        return _stream(
            pdf, zlib.compress(image.tobytes(), 9), image.size, Name.FlateDecode, Name.DeviceCMYK, bits=8
        )
    if image.mode != "P":
        image = colour.simplest(image)
        if image.mode == "1":
            return _as_fax(pdf, image)
    if profile:
        image.info["icc_profile"] = profile
    png = io.BytesIO()
    image.save(png, "PNG", icc_profile=None, optimize=image.mode == "P")
    packed = _png(pdf, png.getvalue(), image)
    assert packed is not None
    return packed


def _as_fax(pdf: Pdf, image: Image.Image) -> Stream:
    file = io.BytesIO()
    image.save(file, "TIFF", compression="group4", strip_size=1 << 30)
    [page] = tiffs.chain_of(file)
    return _fax(pdf, b"".join(_strips(page)), image.size, page)


# -- streams


def _stream(
    pdf: Pdf,
    data: bytes,
    size: tuple[int, int],
    packed: Name,
    colours: Object | None = None,
    *,
    bits: int | None = None,
) -> Stream:
    stream = Stream(pdf, data)
    stream.Type, stream.Subtype = Name.XObject, Name.Image
    stream.Width, stream.Height = size
    stream.Filter = packed
    if colours is not None:
        stream.ColorSpace = colours
    if bits is not None:
        stream.BitsPerComponent = bits
    return stream


def _colours(pdf: Pdf, mode: str, image: Image.Image) -> Any:
    """The colour space: by the picture's own profile, where that is small, and no more than what is usual."""
    profile = image.info.get("icc_profile")
    kinds = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
    if (
        not profile
        or b"sRGB" in profile
        or kinds.get(profile[16:20]) != mode
        or len(zlib.compress(profile)) > _PROFILE
    ):
        return _COLOURS[mode]
    stream = Stream(pdf, profile)
    stream.N, stream.Alternate = _COMPONENTS[mode], _COLOURS[mode]
    return Array([Name.ICCBased, pdf.make_indirect(stream)])
