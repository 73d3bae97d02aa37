"""BMP whose colours stand under masks that Pillow does not know: in another order, or of an unusual number of bits."""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL import Image

from glimpsed.errors import FileError
from glimpsed.images.picture import affordable
from glimpsed.images.samples import field

_BITFIELDS, _ALPHABITFIELDS = 3, 6
_V2, _V3 = 52, 56  # lengths of a header that has masks of its own, without and with one for transparency
_KNOWN = 40, 56, 108, 124, _V2


def by_masks(file: BinaryIO, memory: int) -> Image.Image | None:
    """The picture; None when Pillow reads it, or it has no masks at all. Raises `FileError`."""
    from PIL.BmpImagePlugin import BmpImageFile  # noqa: PLC0415 - registered with the first BMP

    file.seek(0)
    head = file.read(14 + 124)
    file.seek(0)
    if len(head) < 70:
        return None
    start, length, width, height, _, depth, compression = struct.unpack_from("<IIiiHHI", head, 10)
    if length not in _KNOWN or depth not in {16, 32} or compression not in {_BITFIELDS, _ALPHABITFIELDS}:
        return None
    masks = list(struct.unpack_from("<IIII", head, 54))
    if length < _V3 and compression == _BITFIELDS:
        masks[3] = 0
    if _knows(file, BmpImageFile):
        return None
    if width <= 0 or not height or not all(masks[:3]):
        raise FileError("The BMP file cannot be decoded: its masks make no sense.", "Save it again.")
    size = width, abs(height)
    affordable(size, "RGBA", memory)
    return _drawn(file, start, size, depth // 8, masks, upwards=height > 0)


def _knows(file: BinaryIO, plugin: type[Image.Image]) -> bool:
    try:
        plugin(file)  # type: ignore[call-arg] # the header alone is read
    except OSError:
        return False
    finally:
        file.seek(0)
    return True


def _drawn(
    file: BinaryIO, start: int, size: tuple[int, int], length: int, masks: list[int], *, upwards: bool
) -> Image.Image:
    width, height = size
    stride = -(-width * length // 4) * 4
    file.seek(start)
    data = file.read(stride * height)
    if len(data) < stride * height:
        raise FileError("The BMP file cannot be decoded: image file is truncated.", "Save or scan it again.")
    across = stride // length
    bands = [_band(data, length, mask) for mask in masks if mask]
    planes = [Image.frombytes("L", (across, height), band).crop((0, 0, width, height)) for band in bands]
    if len(planes) == 4 and planes[3].getbbox() is None:
        planes.pop()  # written by a program that knows of no transparency
    image = Image.merge("RGBA" if len(planes) == 4 else "RGB", planes)
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if upwards else image


def _band(data: bytes, length: int, mask: int) -> bytes:
    """One colour of all pixels, 0 to 255."""
    depth = mask.bit_length() - (mask & -mask).bit_length() + 1
    if mask.bit_length() > 8 * length or mask.bit_count() != depth:
        raise FileError("The BMP file cannot be decoded: its masks make no sense.", "Save it again.")
    return field(lambda n: data[length - 1 - n :: length], 8 * length - mask.bit_length(), depth)
