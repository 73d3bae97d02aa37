"""Every colour model that files come in, to what a model should see: gray or sRGB, 8 bits, opaque."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageChops, ImageFilter

_WITH_ALPHA = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_FULL = 255
_SEEN, _UNSEEN = 30, 16  # how far from a ground's shade something can be seen, and cannot
_BESIDE = 3  # px: the outline of a letter, or its shadow
_DIM = 64  # from black: dark gray on it is hard to read
_THIN = 12  # px: half of a broad stroke
_NEARLY_ALL = 0.995
_SOME = 0.03  # of the edges of all strokes
_A_LINE = 0.002  # of all that is shown
_GAMMA = 2.2  # of a screen
_GAMMAS = 0.1, 2.0
_SENSORS = (10, 12)  # bits
_ENOUGH = 1_000_000  # px that tell what ground is needed


def drawable(
    image: Image.Image, *, bits: int | None = None, inverted: bool = False, ground: int | None = None
) -> Image.Image:
    """In a mode that can be scaled with antialiasing: L, RGB, CMYK or LAB, with nothing transparent left.

    `bits` is how many of a 16-bit sample are used, where the file says so; `inverted` that 0 is white there;
    `ground` the shade behind what is transparent, where it is known.
    """
    mode = image.mode
    if _transparent(image):
        return _opaque(image, ground)
    if mode == "1":
        return image.convert("L")
    if mode == "P":
        return image.convert("L" if _gray_palette(image) else "RGB")
    if mode == "F" or mode.startswith("I"):
        gray = eight_bits(
            image, used_bits(image) if image.mode.startswith("I;16") and bits in {None, 16} else bits
        )
        return ImageChops.invert(gray) if inverted else gray
    return image if mode in {"L", "RGB", "CMYK", "LAB"} else image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A `drawable` image in L or RGB; a colour profile that makes no sense is as good as none."""
    if image.mode == "LAB" or profile:
        converted = _through_profile(image, profile)
        if converted is not None:
            return converted.convert("L") if image.mode == "L" else converted
    return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def brightened(image: Image.Image, gamma: Any) -> Image.Image:
    """A picture in L or RGB whose samples are light to this power, in sRGB: what a PNG may say (`gAMA`)."""
    if not isinstance(gamma, float) or is_usual(gamma):
        return image
    power = 1 / (gamma * _GAMMA)
    return image.point(
        [round(_FULL * (value / _FULL) ** power) for value in range(256)] * len(image.getbands())
    )


def is_usual(gamma: float) -> bool:
    """Whether everybody shows such samples as they are; what makes no sense is as good as none."""
    return abs(gamma * _GAMMA - 1) < 0.1 or not _GAMMAS[0] <= gamma <= _GAMMAS[1]


def simplest(image: Image.Image) -> Image.Image:
    """The same picture in the smallest mode that holds it: RGB, L, or 1 for pure black and white."""
    if image.mode == "RGB" and _is_gray(image):
        image = image.getchannel(0)
    if image.mode == "L" and not any(image.histogram()[1:255]):
        return image.convert("1", dither=Image.Dither.NONE)
    return image


def ground_of(image: Image.Image) -> int | None:
    """The shade that it can be seen on; None where nothing is transparent.

    White, as everybody's paper; but black under white print, and gray where there is print of both kinds.
    """
    if not _transparent(image):
        return None
    if image.width * image.height > _ENOUGH:
        scale = (_ENOUGH / (image.width * image.height)) ** 0.5
        small = max(1, int(image.width * scale)), max(1, int(image.height * scale))
        image = image.resize(small, Image.Resampling.NEAREST)
    full = _full(image)
    if full.getchannel("A").getextrema()[0] == _FULL or not _lost(full, _FULL):
        return _FULL
    return _FULL // 2 if _lost(full, 0, _DIM) else 0


def opaque_palette(image: Image.Image) -> Image.Image:
    """A picture of palette colours with nothing transparent left in them, on its ground."""
    key, ground = image.info["transparency"], ground_of(image)
    assert ground is not None
    colours = image.getpalette("RGB") or []
    alphas = (
        bytes(_FULL * (n != key) for n in range(256)) if isinstance(key, int) else key.ljust(256, b"\xff")
    )
    out = image.copy()
    out.putpalette([ground + (value - ground) * alphas[n // 3] // _FULL for n, value in enumerate(colours)])
    del out.info["transparency"]
    return out


def used_bits(image: Image.Image) -> int:
    """Of 16-bit samples: those of a sensor with fewer are stored as they are by some, and everybody shows them black."""
    _, high = image.convert("I").getextrema()
    assert isinstance(high, int)
    return next((bits for bits in _SENSORS if high >> bits == 0), 16)


def _keyed(image: Image.Image) -> Image.Image:
    """Gray and opacity of 16-bit samples of which one value is transparent."""
    low, high = image.info["transparency"] & _FULL, image.info["transparency"] >> 8
    data = image.convert("I;16").tobytes()
    halves = [Image.frombytes("L", image.size, data[start::2]) for start in (0, 1)]
    differ = [
        half.point([_FULL * (value != key) for value in range(256)])
        for half, key in zip(halves, (low, high), strict=True)
    ]
    return Image.merge("LA", (eight_bits(image, used_bits(image)), ImageChops.lighter(*differ)))


def _transparent(image: Image.Image) -> bool:
    return image.mode in _WITH_ALPHA or "transparency" in image.info


def _full(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = _keyed(image)
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")  # La becomes nothing else


def _opaque(image: Image.Image, ground: int | None) -> Image.Image:
    """On a ground that it can be seen on."""
    out = _on(
        _full(image), _FULL if (shade := ground_of(image) if ground is None else ground) is None else shade
    )
    return out.convert("L") if image.mode[0] in "LI" else out


def _on(full: Image.Image, shade: int) -> Image.Image:
    out = Image.new("RGB", full.size, (shade, shade, shade))
    out.paste(full, mask=full.getchannel("A"))
    return out


def _lost(full: Image.Image, shade: int, by: int = _UNSEEN) -> bool:
    """Whether there is print that this ground would swallow, and that has nothing beside it that shows where it is."""
    apart = ImageChops.difference(_on(full, shade).convert("L"), Image.new("L", full.size, shade))
    beside = apart.point(lambda value: _FULL * (value >= _SEEN))
    for _ in range(_BESIDE):
        beside = beside.filter(ImageFilter.MaxFilter(3))
    shown = full.getchannel("A").point(lambda value: _FULL * (value >= 128))
    swallowed = ImageChops.multiply(shown, apart.point(lambda value: _FULL * (value < by)))
    swallowed = ImageChops.subtract(swallowed, beside)
    if _area(swallowed) > _NEARLY_ALL * _area(shown):
        return True
    # Strokes of print are thin, and what borders on the ground is lost in it. What is broad, like a page with round
    # corners, shows what is on it by itself.
    edges = ImageChops.subtract(
        ImageChops.subtract(shown, shown.filter(ImageFilter.MinFilter(3))), _broad(shown)
    )
    lost = _area(ImageChops.multiply(swallowed, edges))
    return lost > _SOME * _area(edges) and lost > _A_LINE * _area(shown)


def _broad(shown: Image.Image) -> Image.Image:
    """What is left of a mask without all that is thinner than a stroke of print may be."""
    within = shown.filter(ImageFilter.BoxBlur(_THIN)).point(lambda value: _FULL * (value == _FULL))
    return within.filter(ImageFilter.BoxBlur(_THIN + _BESIDE)).point(lambda value: _FULL * (value > 0))


def _area(mask: Image.Image) -> int:
    return mask.histogram()[_FULL]


def _gray_palette(image: Image.Image) -> bool:
    colours = image.getpalette("RGB") or []
    return bool(colours) and colours[0::3] == colours[1::3] == colours[2::3]


def eight_bits(image: Image.Image, bits: int | None) -> Image.Image:
    """16-bit (of which so many are used), 32-bit or float samples, scaled (not clipped) to 8 bits."""
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
