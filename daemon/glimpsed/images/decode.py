"""Pages of picture files: opened by content, upright, at the size at which they are sent.

Runs in the worker processes only: everything here hands hostile bytes to native decoders. What they raise
becomes `FileError` in `translated`, once.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, TypeAlias

from PIL import Image, ImageChops, UnidentifiedImageError

from glimpsed.errors import FileError, GlimpsedError, MissingExtra
from glimpsed.formats import boxes
from glimpsed.formats.common import reader
from glimpsed.formats.sniff import Kind
from glimpsed.images import colour, jpx, masks, pdf, raw, tiffs, tiles
from glimpsed.images.encode import Encoded, encode
from glimpsed.images.picture import (
    ON_ITS_SIDE,
    Drawn,
    Picture,
    affordable,
    orientation_of,
    stretch_of,
    upright,
)
from glimpsed.images.plan import Target, layout
from glimpsed.region import turned
from glimpsed.words import cause

Box: TypeAlias = tuple[float, float, float, float]

_FORMATS: dict[Kind, tuple[str, str]] = {  # Pillow's name, and the module that registers it
    "jpeg": ("JPEG", "PIL.JpegImagePlugin"),
    "png": ("PNG", "PIL.PngImagePlugin"),
    "webp": ("WEBP", "PIL.WebPImagePlugin"),
    "gif": ("GIF", "PIL.GifImagePlugin"),
    "bmp": ("BMP", "PIL.BmpImagePlugin"),
    "jp2": ("JPEG2000", "PIL.Jpeg2KImagePlugin"),
    "avif": ("AVIF", "PIL.AvifImagePlugin"),
    "pnm": ("PPM", "PIL.PpmImagePlugin"),
    "tga": ("TGA", "PIL.TgaImagePlugin"),
    "ico": ("ICO", "PIL.IcoImagePlugin"),
}
# LANCZOS takes a third longer, and makes no difference that a model could see.
FILTER = Image.Resampling.BICUBIC
_STRIP = 16_000_000  # px that are copied at a time
_ORIENTATION = 0x0112
# Pillow's names of what can be decoded at less than its size.
_SCALED = frozenset({"JPEG", "JPEG2000", "MPO"})
_NO_LIMIT = 1 << 62
_COPIES = 4  # of a HEIF picture that are in memory while it is decoded


def inspect(file: BinaryIO, kind: Kind, memory: int = _NO_LIMIT) -> tuple[int, int, int]:
    """Number of pages; width and height of the first one as it is stored."""
    with translated(kind):
        if kind == "pdf":
            return pdf.inspect(file)
        if kind == "tiff" and raw.from_tiff(file) is None:
            return tiffs.inspect(file)
        return 1, *_only(file, kind, memory)[0].size


@dataclass(frozen=True, slots=True)
class Stored:
    """A page as the file has it, px, and how it is to be shown."""

    width: int
    height: int
    orientation: int = 1  # EXIF's
    stretch: float = 1.0  # how much taller than wide a pixel is

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height of the page as it is seen, with pixels that are square."""
        return _square((self.width, self.height), self.orientation, self.stretch)


def stored(file: BinaryIO, kind: Kind, memory: int = _NO_LIMIT) -> list[Stored]:
    """Every page; a PDF's are upright. Of several, a damaged one is 1 by 1."""
    with translated(kind):
        if kind == "pdf":
            return [Stored(*size) for size in pdf.sizes(file)]
        count = inspect(file, kind, memory)[0]
        return [_stored(file, kind, number, memory, among=count) for number in range(1, count + 1)]


def _stored(file: BinaryIO, kind: Kind, number: int, memory: int, *, among: int) -> Stored:
    try:
        with translated(kind):
            one = picture(file, kind, number, memory)
    except FileError:
        if among == 1:
            raise
        return Stored(1, 1)
    return Stored(*one.image.size, one.orientation, one.stretch)


def _square(size: tuple[int, int], orientation: int, stretch: float) -> tuple[int, int]:
    width, height = round(size[0] / min(1.0, stretch)), round(size[1] * max(1.0, stretch))
    return (height, width) if orientation in ON_ITS_SIDE else (width, height)


def undrawable(file: BinaryIO, kind: Kind) -> list[int]:
    """The pages (from 1) of several that there is nothing to draw of, as far as is known without decoding any."""
    with translated(kind):
        if kind == "pdf":
            return pdf.undrawable(file)
        return tiffs.undrawable(file) if kind == "tiff" and raw.from_tiff(file) is None else []


def own_text(file: BinaryIO, kind: Kind, number: int) -> tuple[str, str | None]:
    """The text that page `number` (from 1) of a PDF has itself, and what it is good for."""
    with translated(kind):
        return pdf.own_text(file, number)


def is_blank(file: BinaryIO, kind: Kind, number: int, memory: int) -> bool:
    """Whether there is nothing on page `number` (from 1)."""
    from glimpsed.ocr import blank  # noqa: PLC0415 - asked by few folders

    to = Target(max_edge=blank.EDGE, max_bytes=0)
    with translated(kind):
        return blank.is_blank(_drawn(file, kind, number, to, memory).image)


def prepare(file: BinaryIO, kind: Kind, number: int, to: Target, memory: int) -> list[Encoded]:
    """Page `number` (from 1), encoded, in as many bands as the plan has."""
    with translated(kind):
        drawn = _drawn(file, kind, number, to, memory)
        return [
            replace(
                encode(drawn.image.crop((0, top, drawn.image.width, bottom)), to),
                region=drawn.region(top, bottom),
            )
            for top, bottom in drawn.rows
        ]


def _drawn(file: BinaryIO, kind: Kind, number: int, to: Target, memory: int) -> Drawn:
    if kind == "pdf":
        return pdf.render(file, number, to)
    return _page(picture(file, kind, number, memory), to, memory)


def _page(picture: Picture, to: Target, memory: int) -> Drawn:
    picture = replace(picture, orientation=turned(picture.orientation, to.turn))
    image, on_its_side = picture.image, picture.orientation in ON_ITS_SIDE
    stored = image.size
    plan = layout(*_square(stored, picture.orientation, picture.stretch), to)
    size = (plan.height, plan.width) if on_its_side else (plan.width, plan.height)
    factor = 1 << max(1, min(image.width // size[0], image.height // size[1])).bit_length() - 1
    if picture.smaller and factor > 1 and 4 * image.width * image.height > memory // _COPIES:
        box: Box | None = (0, 0, image.width / factor, image.height / factor)
        picture = replace(picture, image=picture.smaller(factor))
        affordable(picture.image.size, picture.image.mode, memory)
    else:
        decoded, box = _drafted(image, size, factor)
        affordable(decoded, image.mode, memory)
    profile = image.info.get("icc_profile")
    scaled = colour.to_srgb(_scaled(picture, size, box), profile)
    if not profile and "srgb" not in image.info:
        scaled = colour.brightened(scaled, image.info.get("gamma"))
    return Drawn(upright(scaled, picture.orientation), plan.rows, stored, picture.orientation)


def picture(file: BinaryIO, kind: Kind, number: int, memory: int) -> Picture:
    """Page `number`: a TIFF has several, everything else has one, the first picture."""
    if kind == "tiff" and raw.from_tiff(file) is None:
        return tiffs.picture(file, number, memory)
    if number > 1:
        raise FileError(f"There is no page {number}: the file has 1.")
    image, turn = _only(file, kind, memory)
    draw: Callable[[Image.Image], Image.Image] = colour.drawable
    if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        draw = ImageChops.invert  # Pillow takes every CMYK JPEG for one of Adobe's, which are stored inverted
    if image.format == "PNG":
        _as_meant(image)
    if image.format == "JPEG2000":
        draw = jpx.drawable(file, image.mode)
    smaller = _smaller(file, kind) if kind == "heif" else None
    # Whose scaled decoding may need far less than its size.
    if image.format not in _SCALED and smaller is None:
        affordable(image.size, image.mode, memory)
    return Picture(image, draw, _orientation(image) if turn is None else turn, stretch_of(image), smaller)


def _as_meant(image: Any) -> None:
    """A PNG's transparent shade of 2 or 4 bits as Pillow has its pixels: widened to 8."""
    key = image.info.get("transparency")
    widened = {"L;2": 85, "L;4": 17}.get(str(image.tile[0].args)) if image.tile else None
    if widened and isinstance(key, int):
        image.info["transparency"] = key * widened & 255


def _only(file: BinaryIO, kind: Kind, memory: int) -> tuple[Image.Image, int | None]:
    """The first picture, and how it is turned, where that is known from elsewhere than its EXIF."""
    if found := raw.from_cr3(file) if kind == "cr3" else raw.from_tiff(file) if kind == "tiff" else None:
        return _open(found[0], "jpeg"), found[1]
    if kind == "avif" or (kind == "heif" and _smaller(file, kind) is None):
        told = boxes.size(reader(file), file.seek(0, io.SEEK_END))
        if told is not None:  # their libraries refuse what is too large without a reason
            affordable((told.width, told.height), "RGB", memory)
    if kind == "jp2":
        opened = _open(file, kind)
        if profile := boxes.profile(reader(file)):  # Pillow does not tell of it
            opened.info["icc_profile"] = profile
        deep = jpx.deep(file, opened, memory)
        return (opened, None) if deep is None else (deep, 1)
    if kind == "bmp" and (masked := masks.by_masks(file, memory)) is not None:
        return masked, 1
    # libheif turns HEIFs itself; GIF and BMP know no orientation.
    return _open(file, kind), 1 if kind in {"heif", "gif", "bmp"} else None


def _smaller(file: BinaryIO, kind: Kind) -> Callable[[int], Image.Image] | None:
    return tiles.smaller(file, lambda tile: _open(tile, kind))


def _open(file: BinaryIO, kind: Kind) -> Image.Image:
    if kind == "heif":
        try:
            import pillow_heif  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise MissingExtra("A HEIC file", "heif") from None
        pillow_heif.register_heif_opener(decode_threads=1)  # one worker a core: more may not be had
        return Image.open(file, formats=("HEIF",))
    name, module = _FORMATS[kind]
    plugin: Any = importlib.import_module(module)
    if kind == "avif":
        plugin.DEFAULT_MAX_THREADS = 1  # as above
    if kind == "png":
        from glimpsed.images import pngs  # noqa: PLC0415 - most are sent as they are

        opened: Image.Image = pngs.opened(file, functools.partial(Image.open, formats=(name,)))
        return opened
    return Image.open(file, formats=(name,))


def _orientation(image: Image.Image) -> int:
    """EXIF (or XMP) orientation; what makes no sense is as good as none. Decodes a PNG."""
    if image.format == "PNG":
        image.load()
    try:
        return orientation_of(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - whatever comes out of damaged EXIF
        return 1


def _drafted(image: Image.Image, size: tuple[int, int], factor: int) -> tuple[tuple[int, int], Box | None]:
    """Has the decoder work at a half, a quarter or an eighth where that is still enough, and it can.

    What comes back is the size that is then decoded, and the picture's exact part of it, which is rounded up:
    without it the page shifts.
    """
    if image.format in {"JPEG", "MPO"}:
        drafted = image.draft(None, size)
        return image.size, drafted[1] if drafted else None
    if image.format != "JPEG2000":
        return image.size, None
    file: BinaryIO = image.fp  # type: ignore[attr-defined]
    power = min(factor.bit_length() - 1, boxes.levels(reader(file)))
    while power and any(0 < side % (1 << power) < 1 << (power - 1) for side in image.size):
        power -= 1  # Pillow rounds to the nearest, where the format rounds up
    image.reduce = power  # type: ignore[method-assign, assignment] # Pillow's name for it
    width, height = (-(-side >> power) for side in image.size)
    return (width, height), (0, 0, image.width / (1 << power), image.height / (1 << power))


def _scaled(picture: Picture, size: tuple[int, int], box: Box | None) -> Image.Image:
    """Decoded, made drawable, and scaled."""
    image, draw = picture.image, picture.draw
    image.load()
    if image.format == "JPEG2000":
        image.reduce = 0  # type: ignore[method-assign, assignment] # the method of that name is wanted now
    factor = min(image.width // size[0], image.height // size[1]) // 2
    if factor > 1 and image.width * image.height > _STRIP and image.mode not in {"I", "F"}:
        image, box = _in_strips(image, factor, draw)
    else:
        image = draw(image)
    if image.size == size:
        return image
    return image.resize(size, FILTER, box=box, reducing_gap=2.0)


def _in_strips(image: Image.Image, factor: int, draw: Callable[..., Image.Image]) -> tuple[Image.Image, Box]:
    """Made drawable and reduced by an integer factor, a strip at a time: a copy of all of it would not fit."""
    # One ground for all of them, and one white.
    if (ground := colour.ground_of(image)) is not None:
        draw = functools.partial(draw, ground=ground)
    if image.mode.startswith("I;16"):
        draw = functools.partial(draw, bits=colour.used_bits(image))
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
        what = cause(e)[:200]
        raise FileError(
            f"The {name} file cannot be decoded: {what.rstrip('.')}.", "Save or scan it again."
        ) from None
