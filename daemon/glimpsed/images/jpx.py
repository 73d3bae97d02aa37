"""JPEG 2000 whose samples have other than 8 bits: Pillow makes the brightest black, or less than white.

What has more bits, but for plain gray, it rounds up beyond the last of 8: PDFium, which reads such pictures within a PDF, does not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

from glimpsed.errors import FileError, MissingExtra
from glimpsed.formats import boxes
from glimpsed.formats.common import reader
from glimpsed.images import colour
from glimpsed.images.picture import affordable

_MOST_BITS = 16  # that PDFium knows
_NOTHING = 254, 1, 253, 255  # a colour that stays where it drew nothing
_COPIES = 4  # of all of it that are in memory, at 4 bytes a pixel, until it is drawn
_WITHIN = """1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 {0} {1}]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>> endobj
4 0 obj <</Length {2}>> stream
{3}
endstream endobj
5 0 obj <</Type/XObject/Subtype/Image/Width {0}/Height {1}/Filter/JPXDecode/Length {4}>> stream
"""


def deep(file: BinaryIO, opened: Image.Image, memory: int) -> Image.Image | None:
    """The picture in RGB; None where Pillow shows it rightly. What is transparent is shown. Raises `FileError`."""
    depths = boxes.depths(reader(file))
    if len(depths) < 2 or max(depths) <= 8:
        return None
    if len(depths) > 4 or max(depths) > _MOST_BITS or (opened.mode == "RGBA" and _is_bare(file)):
        raise FileError(
            f"The JP2 file cannot be decoded: {max(depths)} bits in {len(depths)} channels are not supported.",
            "Save it as 8 bits, in RGB or gray.",
        )
    affordable(opened.size, "RGB", memory // _COPIES)
    image = _drawn(file, opened.size)
    image.info.update(opened.info)
    return image


def drawable(file: BinaryIO, mode: str) -> Callable[..., Image.Image]:
    """What makes a picture `colour.drawable` in this mode: with samples of few bits, white is white."""
    most = max(boxes.depths(reader(file)), default=8)
    return functools.partial(_widened, bits=most) if most < 8 and mode in {"L", "RGB"} else colour.drawable


def _widened(image: Image.Image, *, bits: int) -> Image.Image:
    white = 255 >> (8 - bits) << (8 - bits)
    return image.point([min(255, round(value * 255 / white)) for value in range(256)] * len(image.getbands()))


def _is_bare(file: BinaryIO) -> bool:
    """Whether nothing says what its channels are."""
    return next(boxes.boxes(reader(file), 0, 12), (b"",))[0] != b"jP  "


def _drawn(file: BinaryIO, size: tuple[int, int]) -> Image.Image:
    try:
        import pypdfium2  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise MissingExtra("A JPEG 2000 file of more than 8 bits a colour", "pdf") from None
    file.seek(0)
    data = file.read()
    draw = f"{size[0]} 0 0 {size[1]} 0 0 cm /I Do"
    within = _WITHIN.format(*size, len(draw), draw, len(data)).encode()
    document = pypdfium2.PdfDocument(
        b"%PDF-1.5\n" + within + data + b"\nendstream endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n"
    )
    try:
        drawn: Image.Image = document[0].render(scale=1, rev_byteorder=True, fill_color=_NOTHING).to_pil()
    finally:
        document.close()
    drawn = drawn.convert("RGB")
    if drawn.getextrema() == tuple((value, value) for value in _NOTHING[:3]):
        raise FileError("The JP2 file cannot be decoded: it is damaged.", "Save or scan it again.")
    return drawn
