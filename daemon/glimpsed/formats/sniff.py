"""What kind of file this is, by its content: the name's ending is never asked."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from glimpsed.formats import raster

Kind: TypeAlias = Literal[
    "jpeg", "png", "webp", "gif", "bmp", "tiff", "jp2", "avif", "heif", "pdf", "pnm", "tga", "ico", "cr3"
]

MEDIA_TYPES: dict[Kind, str] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "jp2": "image/jp2",
    "avif": "image/avif",
    "heif": "image/heic",
    "pdf": "application/pdf",
    "pnm": "image/x-portable-anymap",
    "tga": "image/x-tga",
    "ico": "image/vnd.microsoft.icon",
    "cr3": "image/x-canon-cr3",
}

# How the names of such files end, in lower case: these are looked at; what one is, its content says.
ENDINGS = frozenset(
    [
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "mpo",
        "png",
        "webp",
        "gif",
        "bmp",
        "dib",
        "tif",
        "tiff",
        "heic",
        "heif",
        "hif",
        "avif",
        "jp2",
        "j2k",
        "j2c",
        "jpx",
        "jpf",
        "jpeg2000",
        "pbm",
        "pgm",
        "ppm",
        "pnm",
        "tga",
        "ico",
        "dng",
        "cr2",
        "cr3",
        "nef",
        "arw",
        "pdf",
    ]
)
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),  # a bare codestream
)
_NETPBM = re.compile(rb"P[1-6][ \t\r\n#]")
_ICON = b"\0\0\1\0"  # also the first bytes of other things: the number of pictures tells
_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_FEW = 22  # bytes: with so many, all of these are known
_PDF_WITHIN = 1024  # readers accept a header that does not stand at the very start


def sniff(data: bytes) -> Kind | None:
    """The kind of file that starts with these bytes (`_PDF_WITHIN` are enough); None: none that is known."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _brand(data)
    if b"%PDF-" in data[:_PDF_WITHIN]:
        return "pdf"
    return _unmarked(data)


def begun(data: bytes) -> bool:
    """Whether a file that ends after these bytes may be the beginning of one that is known, too short to say which."""
    marks = (*(magic for magic, _ in _MAGIC), b"RIFF", b"%PDF-", *(b"P%d " % n for n in range(1, 7)))
    # What has its mark further on, or none, starts with a number, whose first byte is 0.
    return len(data) < _FEW and (
        data[:4] == b"RIFF" or data[:1] == b"\0" or any(m.startswith(data) for m in marks)
    )


def _unmarked(data: bytes) -> Kind | None:
    """What has hardly a mark, or none, and so comes last."""
    if _NETPBM.match(data):
        return "pnm"
    if (
        data[:4] == _ICON
        and 0 < int.from_bytes(data[4:6], "little") <= 256
        and len(data) >= 22
        and data[9] == 0
    ):
        return "ico"
    return "tga" if raster.is_tga(data) else None


def _brand(data: bytes) -> Kind | None:
    """AVIF or HEIF, by the brands of an ISO media file: the major one and the compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if b"crx " in brands:
        return "cr3"
    if brands & _AVIF:
        return "avif"
    return "heif" if brands & _HEIF else None
