"""One picture of a file, opened but not yet decoded, with what its format says about how it is to be shown."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from glimpsed.errors import FileError
from glimpsed.formats.common import stretch
from glimpsed.region import Region

_SAID = ("dpi", "resolution", "aspect", "jfif_density")
_ACROSS, _DOWN = 282, 283  # EXIF tags of the resolution

_BYTES_A_PIXEL = {
    "1": 1,
    "L": 1,
    "P": 1,
    "I;16": 2,
    "I;16B": 2,
    "I;16L": 2,
}  # in Pillow's memory; 4 otherwise


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to draw."""

    image: Image.Image
    draw: Callable[[Image.Image], Image.Image]  # to a mode that can be scaled with antialiasing
    orientation: int = 1  # as EXIF counts it: what is still to be turned
    stretch: float = 1.0  # how much taller than wide a pixel is: about 2 in a fax of standard resolution
    smaller: Callable[[int], Image.Image] | None = None  # decodes it at 1/n of its size, n a power of two


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page, upright and of the size at which it is sent."""

    image: Image.Image
    rows: tuple[tuple[int, int], ...]  # of each band (`plan.Layout`)
    stored: tuple[int, int]  # px of the page as the file has it
    orientation: int = 1  # EXIF's, by which it was turned

    def region(self, top: int, bottom: int) -> Region:
        """What these rows show of the page."""
        height = self.image.height
        return Region(*self.stored, self.orientation, top / height, bottom / height)


ON_ITS_SIDE = frozenset({5, 6, 7, 8})  # orientations
_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """As EXIF's orientation says that it is to be seen."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def orientation_of(found: Any) -> int:
    """EXIF orientation, in whatever type somebody wrote it."""
    with contextlib.suppress(TypeError, ValueError, IndexError, ZeroDivisionError):
        value = int(found[0] if isinstance(found, bytes | tuple | list) else found)
        return value if 1 <= value <= 8 else 1
    return 1


def stretch_of(image: Image.Image) -> float:
    """How much taller than wide a pixel is, by the picture's resolution in both directions or its aspect."""
    if image.format == "JPEG" and "jfif_density" not in image.info:  # Pillow takes one of both for both
        exif = image.getexif()
        said = exif.get(_ACROSS, 1), exif.get(_DOWN, 1)
    else:
        said = next((image.info[name] for name in _SAID if name in image.info), (1, 1))
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        across, down = (float(number) for number in said)
        return stretch(across, down)
    return 1.0


def affordable(size: tuple[int, int], mode: str, memory: int) -> None:
    """Refuses, by its header, what would not fit in the memory that a worker may use."""
    width, height = size
    needed = width * height * _BYTES_A_PIXEL.get(mode, 4)
    if needed > memory:
        raise FileError(
            f"{width} by {height} pixels are too many: {needed / 1e6:,.0f} MB to decode, {memory / 1e6:,.0f} MB allowed.",
            "Scan it at a lower resolution, or split it.",
        )
