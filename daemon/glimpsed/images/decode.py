"""Pages of picture files: opened by content, upright, at the size at which they are sent.

Runs in the worker processes only: everything here hands hostile bytes to native decoders. What they raise
becomes `FileError` in `translated`, once.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias

from PIL import Image, ImageChops, UnidentifiedImageError

from glimpsed.errors import FileError, GlimpsedError, MissingExtra
from glimpsed.formats.sniff import Kind
from glimpsed.images import colour, pdf
from glimpsed.images.encode import Encoded, encode
from glimpsed.images.plan import Layout, Target, layout

Box: TypeAlias = tuple[float, float, float, float]

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
# LANCZOS takes a third longer, and makes no difference that a model could see.
FILTER = Image.Resampling.BICUBIC
_STRIP = 16_000_000  # px that are copied at a time
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


def own_text(file: BinaryIO, kind: Kind, number: int) -> tuple[str, str | None]:
    """The text that page `number` (from 1) of a PDF has itself, and what it is good for."""
    with translated(kind):
        return pdf.own_text(file, number)


def is_blank(file: BinaryIO, kind: Kind, number: int, memory: int) -> bool:
    """Whether there is nothing on page `number` (from 1)."""
    from glimpsed.images import blank  # noqa: PLC0415 - asked by few folders

    to = Target(max_edge=blank.EDGE, max_bytes=0)
    with translated(kind):
        image, _ = pdf.render(file, number, to) if kind == "pdf" else _page(file, kind, number, to, memory)
        return blank.is_blank(image)


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
    width, height = image.size[0], round(image.size[1] * _stretch(image, kind))
    plan = layout(*((height, width) if turned else (width, height)), to)
    size = (plan.height, plan.width) if turned else (plan.width, plan.height)
    box = _drafted(image, size) if kind == "jpeg" else None
    _affordable(image, memory)
    profile = image.info.get("icc_profile")
    upright = colour.to_srgb(_scaled(image, kind, size, box), profile)
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
    return upright, plan


def _open(file: BinaryIO, kind: Kind) -> Image.Image:
    if kind == "heif":
        try:
            import pillow_heif  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise MissingExtra("A HEIC file", "heif") from None
        pillow_heif.register_heif_opener()
        return Image.open(file, formats=("HEIF",))
    name, module = _FORMATS[kind]
    importlib.import_module(module)
    return Image.open(file, formats=(name,))


def _seek(image: Image.Image, kind: Kind, number: int) -> None:
    """To a TIFF's page; everything else has one, the first picture."""
    pages = _tiff_pages(image) if kind == "tiff" else [0]
    if number > len(pages):
        raise FileError(f"There is no page {number}: the file has {len(pages)}.")
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
            f"{width} by {height} pixels are too many: {needed / 1e6:,.0f} MB to decode, {memory / 1e6:,.0f} MB allowed.",
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


def _stretch(image: Image.Image, kind: Kind) -> float:
    """How much taller than wide a pixel is: about 2 in a fax of standard resolution, 204 by 98 dpi."""
    if kind != "tiff" or image.mode != "1":
        return 1.0
    across, down = (float(dpi) for dpi in image.info.get("dpi", (1, 1)))
    return across / down if down and 1.5 < across / down < 2.5 else 1.0


def _drafted(image: Image.Image, size: tuple[int, int]) -> Box | None:
    """Has libjpeg decode at a half, a quarter or an eighth where that is still enough.

    The box that comes back is the picture's exact part of what is then decoded, which is rounded up:
    without it the page shifts.
    """
    drafted = image.draft(None, size)
    return drafted[1] if drafted else None


def _scaled(image: Image.Image, kind: Kind, size: tuple[int, int], box: Box | None) -> Image.Image:
    """Decoded, made drawable, and scaled."""
    draw = _drawing(image, kind)
    image.load()
    factor = min(image.width // size[0], image.height // size[1]) // 2
    if factor > 1 and image.width * image.height > _STRIP and image.mode not in {"I", "F"}:
        image, box = _in_strips(image, factor, draw)
    else:
        image = draw(image)
    if image.size == size:
        return image
    return image.resize(size, FILTER, box=box, reducing_gap=2.0)


def _drawing(image: Image.Image, kind: Kind) -> Callable[[Image.Image], Image.Image]:
    """`colour.drawable`, with what only the file knows of its samples."""
    if kind == "tiff":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits, inverted = int(tags.get(_BITS, (16,))[0]), tags.get(_PHOTOMETRIC) == 0
        return functools.partial(colour.drawable, bits=bits, inverted=inverted)
    if kind == "jpeg" and image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for one of Adobe's, which are stored inverted.
        return ImageChops.invert
    return colour.drawable


def _in_strips(
    image: Image.Image, factor: int, draw: Callable[[Image.Image], Image.Image]
) -> tuple[Image.Image, Box]:
    """Made drawable and reduced by an integer factor, a strip at a time: a copy of all of it would not fit."""
    width, height = image.size
    rows = max(1, _STRIP // (width * factor)) * factor
    out: Image.Image | None = None
    for top in range(0, height, rows):
        strip = draw(image.crop((0, top, width, min(height, top + rows)))).reduce(factor)
        out = out or Image.new(strip.mode, (strip.width, -(-height // factor)))
        out.paste(strip, (0, top // factor))
    assert out is not None
    return out, (0, 0, width / factor, height / factor)


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
            f"The {name} file needs more memory to decode than is allowed.",
            "Scan it at a lower resolution, or split it.",
        ) from None
    except UnidentifiedImageError:
        raise FileError(
            f"The {name} file cannot be decoded: its header makes no sense.", "Save or scan it again."
        ) from None
    except Exception as e:  # noqa: BLE001 - see above
        what = str(e).splitlines()[0][:200] if str(e) else type(e).__name__
        raise FileError(
            f"The {name} file cannot be decoded: {what.rstrip('.')}.", "Save or scan it again."
        ) from None
