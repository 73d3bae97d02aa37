"""Pages of picture files: opened by content, upright, at the size at which they are sent.

Runs in the worker processes only: everything here hands hostile bytes to native decoders. What they raise
becomes `FileError` in `translated`, once.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from glimpsed.errors import FileError, GlimpsedError, MissingExtra
from glimpsed.images import colour, pdf
from glimpsed.images.encode import Encoded, encode
from glimpsed.images.plan import Layout, Target, layout
from glimpsed.images.sniff import Kind

_FORMATS: dict[Kind, tuple[str, str]] = {  # Pillow's name, and the module that registers it
    "jpeg": ("JPEG", "PIL.JpegImagePlugin"),
    "png": ("PNG", "PIL.PngImagePlugin"),
    "webp": ("WEBP", "PIL.WebPImagePlugin"),
    "gif": ("GIF", "PIL.GifImagePlugin"),
    "bmp": ("BMP", "PIL.BmpImagePlugin"),
    "tiff": ("TIFF", "PIL.TiffImagePlugin"),
    "jp2": ("JPEG2000", "PIL.Jpeg2KImagePlugin"),
    "avif": ("AVIF", "PIL.AvifImagePlugin"),
}
_BYTES_A_PIXEL = {
    "1": 1,
    "L": 1,
    "P": 1,
    "I;16": 2,
    "I;16B": 2,
    "I;16L": 2,
}  # in Pillow's memory; 4 otherwise
_ORIENTATION = 0x0112
_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _WIDTH, _HEIGHT = 254, 258, 262, 256, 257  # TIFF tags
_TURNED = frozenset({5, 6, 7, 8})
_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def inspect(file: BinaryIO, kind: Kind) -> tuple[int, int, int]:
    """Number of pages; width and height of the first one as it is stored."""
    with translated(kind):
        if kind == "pdf":
            return pdf.inspect(file)
        image = _open(file, kind)
        if kind == "tiff":
            tags = image.tag_v2  # type: ignore[attr-defined]
            return len(_tiff_pages(image)), int(tags[_WIDTH]), int(tags[_HEIGHT])
        return 1, *image.size


def prepare(file: BinaryIO, kind: Kind, number: int, to: Target, memory: int) -> list[Encoded]:
    """Page `number` (from 1), encoded, in as many bands as the plan has."""
    with translated(kind):
        image, plan = pdf.render(file, number, to) if kind == "pdf" else _page(file, kind, number, to, memory)
        return [encode(image.crop((0, top, image.width, bottom)), to) for top, bottom in plan.rows]


def _page(file: BinaryIO, kind: Kind, number: int, to: Target, memory: int) -> tuple[Image.Image, Layout]:
    image = _open(file, kind)
    _seek(image, kind, number)
    if kind != "jpeg":  # whose scaled decoding may need far less than its size
        _affordable(image, memory)
    orientation = _orientation(image, kind)
    turned = orientation in _TURNED
    width, height = image.size
    plan = layout(*((height, width) if turned else (width, height)), to)
    size = (plan.height, plan.width) if turned else (plan.width, plan.height)
    box = _drafted(image, size)
    _affordable(image, memory)
    profile = image.info.get("icc_profile")
    scaled = _scaled(_loaded(image, kind), size, box)
    upright = colour.to_srgb(scaled, profile)
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
    return upright, plan


def _open(file: BinaryIO, kind: Kind) -> Image.Image:
    if kind == "heif":
        try:
            import pillow_heif  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise MissingExtra("a HEIC file", "heif") from None
        pillow_heif.register_heif_opener()
        return Image.open(file, formats=("HEIF",))
    name, module = _FORMATS[kind]
    importlib.import_module(module)
    return Image.open(file, formats=(name,))


def _seek(image: Image.Image, kind: Kind, number: int) -> None:
    """To a TIFF's page; everything else has one, the first picture."""
    pages = _tiff_pages(image) if kind == "tiff" else [0]
    if number > len(pages):
        raise FileError(f"there is no page {number}: the file has {len(pages)}")
    if kind == "tiff":
        image.seek(pages[number - 1])


def _tiff_pages(image: Image.Image) -> list[int]:
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


def _affordable(image: Image.Image, memory: int) -> None:
    """Refuses, by its header, what would not fit in the memory that a worker may use."""
    width, height = image.size
    needed = width * height * _BYTES_A_PIXEL.get(image.mode, 4)
    if needed > memory:
        raise FileError(
            f"{width} by {height} pixels are too many: {needed / 1e6:,.0f} MB to decode, {memory / 1e6:,.0f} MB allowed",
            "Scan it at a lower resolution, or split it.",
        )


def _orientation(image: Image.Image, kind: Kind) -> int:
    """EXIF (or XMP) orientation; Pillow turns TIFFs itself, libheif HEIFs. Decodes a PNG."""
    if kind in {"tiff", "heif", "gif", "bmp"}:
        return 1
    if kind == "png":
        image.load()
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) else 1


def _drafted(image: Image.Image, size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Has libjpeg decode at a half, a quarter or an eighth where that is still enough.

    The box that comes back is the picture's exact part of what is then decoded, which is rounded up:
    without it the page shifts.
    """
    drafted = image.draft(None, size) if hasattr(image, "draft") else None
    return drafted[1] if drafted else None


def _loaded(image: Image.Image, kind: Kind) -> Image.Image:
    bits = photometric = None
    if kind == "tiff":
        bits = int(image.tag_v2.get(_BITS, (16,))[0])  # type: ignore[attr-defined]
        photometric = image.tag_v2.get(_PHOTOMETRIC)  # type: ignore[attr-defined]
    image.load()
    if kind == "jpeg" and image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for one of Adobe's, which are stored inverted.
        return Image.eval(image, lambda value: 255 - value)
    return colour.drawable(image, bits=bits, inverted=photometric == 0)


def _scaled(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None
) -> Image.Image:
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


@contextlib.contextmanager
def translated(kind: Kind) -> Iterator[None]:
    """What decoders raise, as `FileError`. Anything may come out of them on hostile input."""
    name = kind.upper()
    try:
        yield
    except MissingExtra as e:
        raise FileError(
            str(e), "Install it, restart glimpsed, and run 'glimpsed retry' on the file."
        ) from None
    except GlimpsedError:
        raise
    except (MemoryError, Image.DecompressionBombError):
        raise FileError(
            f"the {name} file needs more memory to decode than is allowed",
            "Scan it at a lower resolution, or split it.",
        ) from None
    except UnidentifiedImageError:
        raise FileError(
            f"the {name} file cannot be decoded: its header makes no sense", "Save or scan it again."
        ) from None
    except Exception as e:  # noqa: BLE001 - see above
        what = str(e).splitlines()[0][:200] if str(e) else type(e).__name__
        raise FileError(f"the {name} file cannot be decoded: {what}", "Save or scan it again.") from None
