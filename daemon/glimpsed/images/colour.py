"""Every colour model that files come in, to what a model should see: gray or sRGB, 8 bits, opaque."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageChops

_WITH_ALPHA = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})


def drawable(image: Image.Image, *, bits: int | None = None, inverted: bool = False) -> Image.Image:
    """In a mode that can be scaled with antialiasing: L, RGB, CMYK or LAB, with nothing transparent left.

    `bits` is how many of a 16-bit sample are used, where the file says so; `inverted` that 0 is white there.
    """
    mode = image.mode
    if mode in _WITH_ALPHA or "transparency" in image.info:
        return _on_white(image)
    if mode == "1":
        return image.convert("L")
    if mode == "P":
        return image.convert("L" if _gray_palette(image) else "RGB")
    if mode == "F" or mode.startswith("I"):
        gray = _eight_bits(image, bits)
        return ImageChops.invert(gray) if inverted else gray
    return image if mode in {"L", "RGB", "CMYK", "LAB"} else image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A `drawable` image in L or RGB; a colour profile that makes no sense is as good as none."""
    if image.mode == "LAB" or profile:
        converted = _through_profile(image, profile)
        if converted is not None:
            return converted.convert("L") if image.mode == "L" else converted
    return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def simplest(image: Image.Image) -> Image.Image:
    """The same picture in the smallest mode that holds it: RGB, L, or 1 for pure black and white."""
    if image.mode == "RGB" and _is_gray(image):
        image = image.getchannel(0)
    if image.mode == "L" and not any(image.histogram()[1:255]):
        return image.convert("1", dither=Image.Dither.NONE)
    return image


def _on_white(image: Image.Image) -> Image.Image:
    gray = image.mode in {"LA", "La"} or (image.mode == "L")
    full = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(full, mask=full.getchannel("A"))
    return white.convert("L") if gray else white


def _gray_palette(image: Image.Image) -> bool:
    colours = image.getpalette("RGB") or []
    return bool(colours) and colours[0::3] == colours[1::3] == colours[2::3]


def _eight_bits(image: Image.Image, bits: int | None) -> Image.Image:
    """16-bit, 32-bit or float samples, scaled (not clipped) to 8 bits."""
    if image.mode.startswith("I;16"):
        return _scaled(image.convert("I"), 0, (1 << (bits or 16)) - 1)
    low, high = image.getextrema()
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    if not (low == low and high == high):  # noqa: PLR0124 - not a number
        return image.convert("L")
    if low >= 0:
        ceilings = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        return _scaled(image, 0, next((c for c in ceilings if high <= c), high))
    return _scaled(image, low, high)


def _scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    scale = 255.0 / (high - low) if high > low else 1.0
    half = 0.5 if image.mode == "F" else 0.0

    def line(value: Any) -> Any:  # Pillow reads scale and offset off this expression
        return value * scale + (half - low * scale)

    return image.point(line).convert("L")


def _is_gray(image: Image.Image) -> bool:
    tiny = image.resize((64, 64), Image.Resampling.NEAREST)
    return _same_channels(tiny) and _same_channels(image)


def _same_channels(image: Image.Image) -> bool:
    red, green, blue = image.split()
    differ = ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox()
    return differ is None


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    from PIL import ImageCms  # noqa: PLC0415 - most files have no profile

    try:
        srgb = ImageCms.createProfile("sRGB")
        if profile and image.mode != "LAB":
            source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "RGB" and b"sRGB" in profile:
                return image
        else:
            source = ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
