"""Pictures whose right look is known, in every format: what the tests of `glimpsed.images` decode."""

from __future__ import annotations

import functools
import io
import os
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeAlias

from PIL import Image, ImageCms, ImageDraw, ImageFont

from glimpsed.images.plan import Target
from glimpsed.model import Content, Version

CORNERS = ((220, 30, 30), (30, 160, 30), (30, 30, 220), (250, 250, 250))  # of a page: the reading order
TARGET = Target(2048, 700_000)
# The stored picture that each EXIF orientation turns upright: the inverse of what a viewer does.
STORED: dict[int, Image.Transpose | None] = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def corners(width: int = 240, height: int = 160, mode: str = "RGB") -> Image.Image:
    """Four quarters in the colours of `CORNERS`."""
    image = Image.new("RGB", (width, height))
    for number, colour in enumerate(CORNERS):
        left, top = number % 2 * width // 2, number // 2 * height // 2
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image if mode == "RGB" else image.convert(mode)


def photo(width: int = 640, height: int = 480, seed: int = 1) -> Image.Image:
    """Smooth shapes with grain: what a camera gives."""
    base = Image.merge(
        "RGB", [Image.radial_gradient("L").resize((width, height)).rotate(90 * n) for n in range(3)]
    )
    grain = Image.frombytes("L", (width, height), random.Random(seed).randbytes(width * height))
    return Image.blend(base, grain.convert("RGB"), 0.1)


def typed(width: int = 1240, height: int = 1754, mode: str = "L") -> Image.Image:
    """A page of print."""
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(8, height // 60))
    for line in range(40):
        text = (
            f"{line:02d} The quick brown fox jumps over the lazy dog, and pays 1,284.50 in {line + 3} days."
        )
        draw.text((width // 12, height * (line + 2) // 44), text, 0, font)
    return image.convert(mode)


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    out = io.BytesIO()
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    image.save(out, kind, **options)
    return out.getvalue()


def oriented(orientation: int, kind: str = "JPEG", size: tuple[int, int] = (240, 160)) -> bytes:
    """`corners`, stored so that this EXIF orientation puts it upright."""
    image, turn = corners(*size), STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image if turn is None else image.transpose(turn)
    return save(stored, kind, exif=exif, quality=95)


def with_gps(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """With EXIF that says where it was taken, XMP, a comment, and whatever else a format carries."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[29] = "SECRET-DATE"
    return save(image, kind, exif=exif, xmp=b"<x:xmpmeta>SECRET-XMP</x:xmpmeta>", **options)


@functools.cache  # it holds the time at which it was made
def srgb() -> bytes:
    """An ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and blue exchanged: whoever ignores it shows the wrong colours."""
    profile = bytearray(srgb())
    for at in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile)


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """One marker segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def png_chunk(name: bytes, body: bytes) -> bytes:
    """One chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG that is all promise."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + data + png_chunk(b"IEND", b"")


def pdf(*contents: bytes, size: tuple[int, int] = (595, 842), encrypted: bool = False) -> bytes:
    """A PDF whose pages draw these content streams in Helvetica (/F)."""
    count = len(contents)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>"
        % (count, b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(count))),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for n, content in enumerate(contents):
        packed = zlib.compress(content)
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>"
            % (*size, 5 + 2 * n),
            b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
        ]
    return pdf_of(*objects, encrypted=encrypted)


def stream(dictionary: bytes, data: bytes) -> bytes:
    """A PDF's stream object, with its length."""
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (dictionary, len(data), data)


def pdf_of(*objects: bytes, encrypted: bool = False) -> bytes:
    """A PDF of these objects, from number 1 on; the first one is its catalog."""
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % at for at in offsets)
    lock = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (b"11" * 32, b"22" * 32)
    trailer = b"trailer<</Root 1 0 R/Size %d%s>>\n" % (len(objects) + 1, lock if encrypted else b"")
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s%sstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, trailer, len(out),
    )  # fmt: skip


Entry: TypeAlias = tuple[int, int, tuple[int, ...] | bytes]  # tag, type (3 SHORT, 4 LONG, 7 bytes), values
_TYPES = {1: "B", 3: "H", 4: "I", 7: "B", 8: "h", 9: "i", 16: "Q"}


def tiff_file(
    *directories: Sequence[Entry], data: bytes = b"", big: bool = False, order: str = "<", sub: int = 0
) -> bytes:
    """A TIFF by hand: pixel data first (from byte 16 on), then the directories, the last `sub` of them below the first."""
    width, field = ("Q", 8) if big else ("I", 4)
    start = 16 + len(data) + len(data) % 2
    places, out = [start], b""
    for entries in directories:  # all have the same form, so that their sizes are known before their offsets
        below = 1 if sub and entries is directories[0] else 0
        size = (8 if big else 2) + (20 if big else 12) * (len(entries) + below) + field
        loose = (
            sum(len(_packed(e, order)) + 1 for e in entries if len(_packed(e, order)) > field) + sub * field
        )
        places.append(places[-1] + size + loose + 8)
    for n, listed in enumerate(directories):
        entries = (
            [*listed, (330, 16 if big else 4, tuple(places[-1 - sub : -1]))]
            if sub and n == 0
            else list(listed)
        )
        table, loose = b"", b""
        at = places[n] + (8 if big else 2) + (20 if big else 12) * len(entries) + field
        for tag, kind, values in sorted(entries):
            packed = _packed((tag, kind, values), order)
            count = (
                len(values)
                if not isinstance(values, bytes) or kind == 7
                else len(values) // struct.calcsize(_TYPES[kind])
            )
            table += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count)
            if len(packed) <= field:
                table += packed.ljust(field, b"\0")
            else:
                table += struct.pack(order + width, at + len(loose))
                loose += packed + b"\0" * (len(packed) % 2)
        chained = n + 1 < len(directories) - sub
        out += struct.pack(order + ("Q" if big else "H"), len(entries)) + table
        out += struct.pack(order + width, places[n + 1] if chained else 0) + loose
        out = out.ljust(places[n + 1] - start, b"\0")
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = mark + (struct.pack(order + "HHQ", 8, 0, start) if big else struct.pack(order + "I", start))
    return head.ljust(16, b"\0") + data.ljust(start - 16, b"\0") + out


def _packed(entry: Entry, order: str) -> bytes:
    _, kind, values = entry
    return (
        values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_TYPES[kind]}", *values)
    )


def tiff(
    image: Image.Image,
    *,
    big: bool = False,
    tiled: bool = False,
    order: str = "<",
    more: Sequence[Entry] = (),
) -> bytes:
    """An uncompressed RGB TIFF of one strip, or of tiles, of which those at the edge are larger than the picture."""
    width, height = image.size
    entries: list[Entry] = [
        (256, 4, (width,)), (257, 4, (height,)), (258, 3, (8, 8, 8)), (259, 3, (1,)), (262, 3, (2,)), (277, 3, (3,)),
    ]  # fmt: skip
    if not tiled:
        data = image.tobytes()
        entries += [(273, 4, (16,)), (278, 4, (height,)), (279, 4, (len(data),))]
        return tiff_file([*entries, *more], data=data, big=big, order=order)
    side = 64
    corners = [(x, y) for y in range(0, height, side) for x in range(0, width, side)]
    tiles = [image.crop((x, y, x + side, y + side)).tobytes() for x, y in corners]
    offsets = tuple(16 + n * len(tiles[0]) for n in range(len(tiles)))
    entries += [
        (322, 3, (side,)),
        (323, 3, (side,)),
        (324, 4, offsets),
        (325, 4, (len(tiles[0]),) * len(tiles)),
    ]
    return tiff_file([*entries, *more], data=b"".join(tiles), big=big, order=order)


def dng(preview: Image.Image, *, orientation: int = 1, order: str = "<") -> bytes:
    """A camera's raw file: a tiny thumbnail in the first directory; below it the mosaic, and the preview as JPEG."""
    thumbnail = preview.resize((16, 12)).tobytes()
    mosaic = random.Random(1).randbytes(320 * 240 * 2)
    jpeg = save(preview, "JPEG", quality=95)
    shown, raw = 16 + len(thumbnail) + len(mosaic), 16 + len(thumbnail)

    def picture(
        width: int, height: int, kind: int, photometric: int, compression: int, at: int, size: int
    ) -> list[Entry]:
        return [
            (254, 4, (kind,)), (256, 4, (width,)), (257, 4, (height,)), (258, 3, (16,) if photometric == 32803 else (8, 8, 8)),
            (259, 3, (compression,)), (262, 3, (photometric,)), (273, 4, (at,)), (277, 3, (1 if photometric == 32803 else 3,)),
            (278, 4, (height,)), (279, 4, (size,)),
        ]  # fmt: skip

    first = [
        *picture(16, 12, 1, 2, 1, 16, len(thumbnail)),
        (274, 3, (orientation,)),
        (50706, 1, (1, 4, 0, 0)),
    ]
    return tiff_file(
        first,
        picture(320, 240, 0, 32803, 1, raw, len(mosaic)),
        picture(*preview.size, 1, 6, 7, shown, len(jpeg)),
        data=thumbnail + mosaic + jpeg,
        order=order,
        sub=2,
    )


EVERY: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: save(corners(), "JPEG", quality=95),
    "progressive": lambda: save(corners(), "JPEG", quality=95, progressive=True),
    "gray": lambda: save(corners(mode="L"), "JPEG"),
    "cmyk": lambda: save(corners(mode="CMYK"), "JPEG", quality=95),
    "mpo": lambda: save(corners(), "MPO", save_all=True, append_images=[photo(240, 160)], quality=95),
    "png": lambda: save(corners(), "PNG"),
    "palette": lambda: save(corners().quantize(8), "PNG"),
    "apng": lambda: save(corners(), "PNG", save_all=True, append_images=[photo(240, 160)]),
    "webp": lambda: save(corners(), "WEBP", quality=95),
    "lossless-webp": lambda: save(corners(), "WEBP", lossless=True),
    "animated-webp": lambda: save(
        corners(), "WEBP", save_all=True, append_images=[photo(240, 160)], lossless=True
    ),
    "gif": lambda: save(corners(), "GIF"),
    "animated-gif": lambda: save(corners(), "GIF", save_all=True, append_images=[photo(240, 160)]),
    "bmp": lambda: save(corners(), "BMP"),
    "tiff": lambda: save(corners(), "TIFF"),
    "lzw": lambda: save(corners(), "TIFF", compression="tiff_lzw"),
    "deflate": lambda: save(corners(), "TIFF", compression="tiff_adobe_deflate"),
    "jpeg-in-tiff": lambda: save(corners(), "TIFF", compression="jpeg", quality=95),
    "bigtiff": lambda: save(corners(), "TIFF", big_tiff=True),
    "cmyk-tiff": lambda: save(corners(mode="CMYK"), "TIFF"),
    "lab-tiff": lambda: save(_lab(), "TIFF"),
    "palette-tiff": lambda: save(corners().quantize(8), "TIFF"),
    "jp2": lambda: save(corners(), "JPEG2000"),
    "j2k": lambda: save(corners(), "JPEG2000", no_jp2=True),
    "avif": lambda: save(corners(), "AVIF", quality=95),
    "heif": lambda: save(corners(), "HEIF", quality=95),
    "pdf": lambda: save(corners(), "PDF", resolution=300, quality=95),
    "ppm": lambda: save(corners(), "PPM"),
    "tga": lambda: save(corners(), "TGA"),
    "ico": lambda: save(corners(), "ICO", sizes=[(240, 160)]),
    "dng": lambda: dng(corners()),
    "planes": lambda: tiff(corners(), big=True, order=">", tiled=True),
}


def _lab() -> Image.Image:
    lab = ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(corners(), ImageCms.createProfile("sRGB"), lab, outputMode="LAB")


def as_file(data: bytes) -> BinaryIO:
    """Open, without a name: what a worker gets."""
    descriptor = os.memfd_create("test")
    file = os.fdopen(descriptor, "w+b")
    file.write(data)
    file.seek(0)
    return file


def content(data: bytes) -> Content:
    """As the pipeline hands it over."""
    return Content(data, "", Version(len(data), 0))
