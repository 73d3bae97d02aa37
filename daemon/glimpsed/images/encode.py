"""A prepared page to bytes: JPEG for photographs, lossless for text and flat areas where that is smaller."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

from PIL import Image

from glimpsed.errors import FileError
from glimpsed.images import colour
from glimpsed.images.plan import Target, attempts
from glimpsed.region import Region

_SAMPLES, _SAMPLE_ROWS = 3, 48  # strips of a picture that tell print from photograph
_WORTH = 0.9  # of JPEG's size: a PNG takes longer to make, so it must be smaller than this
_FEW = 256  # colours; a photograph has more


@dataclass(frozen=True, slots=True)
class Encoded:
    """One picture as it is sent."""

    media_type: str
    width: int  # px
    height: int
    data: bytes
    region: Region | None = None  # what it shows of its page


def encode(image: Image.Image, to: Target) -> Encoded:
    """An L or RGB image as at most `max_bytes`; `FileError` when that would leave nothing to read."""
    image.info = {}  # Pillow writes comments, XMP and profiles that it finds there into the new file
    image = colour.simplest(image)
    if (lossless := _lossless(image, to)) is not None:
        return lossless
    if image.mode == "1":
        image = image.convert("L")
    scaled = image
    for attempt in attempts(*image.size, to):
        if scaled.size != (attempt.width, attempt.height):
            scaled = image.resize((attempt.width, attempt.height), Image.Resampling.LANCZOS)
        data = _jpeg(scaled, attempt.quality)
        if len(data) <= to.max_bytes:
            return Encoded("image/jpeg", *scaled.size, data)
    raise FileError(
        f"The picture cannot be made smaller than {to.max_bytes:,} bytes and stay readable.",
        "Raise the model's max_bytes, or set 'bands' for the folder.",
    )


def _lossless(image: Image.Image, to: Target) -> Encoded | None:
    """As PNG, or else as lossless WebP, when that promises to be smaller than JPEG, and fits."""
    types = to.media_types & {"image/png", "image/webp"}
    if not types or not _flat(image, to.quality):
        return None
    for media_type in sorted(types):
        data = _png(image) if media_type == "image/png" else _webp(image)
        if len(data) <= to.max_bytes:
            return Encoded(media_type, *image.size, data)
    return None


def _flat(image: Image.Image, quality: int) -> bool:
    """Whether a few strips of the picture are clearly smaller as PNG than as JPEG."""
    if image.mode == "1":
        return True
    rows = min(_SAMPLE_ROWS, image.height // _SAMPLES) or image.height
    sample = Image.new(image.mode, (image.width, rows * _SAMPLES))
    for n in range(_SAMPLES):
        top = (image.height - rows) * (n + 1) // (_SAMPLES + 1)
        sample.paste(image.crop((0, top, image.width, top + rows)), (0, n * rows))
    if image.mode == "RGB" and sample.getcolors(_FEW) is None:
        return False
    return len(_png(sample)) <= _WORTH * len(_jpeg(sample, quality))


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    # Of print, run lengths alone are as small as all of deflate (498 of 506 KB), in 27 instead of 74 ms.
    image.save(out, "PNG", compress_type=zlib.Z_DEFAULT_STRATEGY if image.mode == "1" else zlib.Z_RLE)
    return out.getvalue()


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "WEBP", lossless=True, quality=20, method=2)
    return out.getvalue()
