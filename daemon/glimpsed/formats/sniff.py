"""What kind of file this is, by its content: the name's ending is never asked."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["jpeg", "png", "webp", "gif", "bmp", "tiff", "jp2", "avif", "heif", "pdf"]

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
}

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
_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
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
    return "pdf" if b"%PDF-" in data[:_PDF_WITHIN] else None


def _brand(data: bytes) -> Kind | None:
    """AVIF or HEIF, by the brands of an ISO media file: the major one and the compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if brands & _AVIF:
        return "avif"
    return "heif" if brands & _HEIF else None
