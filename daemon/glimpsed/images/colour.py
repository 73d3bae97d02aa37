"""Every colour model that files come in, to what a model should see: gray or sRGB, 8 bits, opaque."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageChops, ImageFilter

_WITH_ALPHA = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_FULL = 255
_LIGHT, _DARK = 225, 30  # what can hardly be seen on white, and on black
_THIN = 0.08  # of an area is its outline: strokes of 25 px
_NEARLY_ALL = 0.995
_SOME = 0.15  # of all outlines
_ENOUGH = 4_000_000  # px that tell what ground is needed


def drawable(image: Image.Image, *, bits: int | None = None, inverted: bool = False) -> Image.Image:
    """In a mode that can be scaled with antialiasing: L, RGB, CMYK or LAB, with nothing transparent left.

    `bits` is how many of a 16-bit sample are used, where the file says so; `inverted` that 0 is white there.
    """
    mode = image.mode
    if mode in _WITH_ALPHA or "transparency" in image.info:
        return _opaque(image)
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


def _opaque(image: Image.Image) -> Image.Image:
    """On a ground that it can be seen on."""
    gray = image.mode in {"LA", "La", "L"}
    if image.mode == "La":  # which Pillow turns into nothing else
        image = image.convert("LA")
    full = image.convert("RGBA")
    shade = _ground(full)
    out = Image.new("RGB", image.size, (shade, shade, shade))
    out.paste(full, mask=full.getchannel("A"))
    return out.convert("L") if gray else out


def _ground(full: Image.Image) -> int:
    """White, as everybody's paper; but black under white print, and gray where there is print of both kinds."""
    alpha = full.getchannel("A")
    if alpha.getextrema()[0] == _FULL:
        return _FULL
    if full.width * full.height > _ENOUGH:
        scale = (_ENOUGH / (full.width * full.height)) ** 0.5
        small = max(1, int(full.width * scale)), max(1, int(full.height * scale))
        full = full.resize(small, Image.Resampling.NEAREST)
        alpha = full.getchannel("A")
    shown = alpha.point(lambda value: _FULL * (value >= 128))
    light = full.convert("RGB").convert("L")
    print_of = {
        "white": ImageChops.multiply(shown, light.point(lambda value: _FULL * (value >= _LIGHT))),
        "black": ImageChops.multiply(shown, light.point(lambda value: _FULL * (value <= _DARK))),
    }
    edge = ImageChops.subtract(shown, shown.filter(ImageFilter.MinFilter(3)))
    most = _area(edge)
    lost = {}
    for name, part in print_of.items():
        outline = _area(ImageChops.multiply(part, edge))
        # Strokes of print are thin. What is broad, like a page with round corners, shows what is on it by itself,
        # unless there is nothing on it.
        thin = outline > _THIN * _area(part) or _area(part) > _NEARLY_ALL * _area(shown)
        lost[name] = outline > _SOME * most > 0 and thin
    if not lost["white"]:
        return _FULL
    return _FULL // 2 if lost["black"] else 0


def _area(mask: Image.Image) -> int:
    return mask.histogram()[_FULL]


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
