"""Pictures decoded as a worker does it, and how they look: what the tests of `glimpsed.images` share."""

from __future__ import annotations

import io

from PIL import Image

import images_samples as samples
from glimpsed.formats.sniff import sniff
from glimpsed.images import decode
from glimpsed.images.encode import Encoded
from glimpsed.images.plan import Target

MEMORY = 640_000_000


def prepare(data: bytes, to: Target = samples.TARGET, page: int = 1, memory: int = MEMORY) -> list[Encoded]:
    kind = sniff(data)
    assert kind is not None
    with samples.as_file(data) as file:
        return decode.prepare(file, kind, page, to, memory)


def inspect(data: bytes) -> tuple[int, int, int]:
    kind = sniff(data)
    assert kind is not None
    with samples.as_file(data) as file:
        return decode.inspect(file, kind)


def opened(encoded: Encoded) -> Image.Image:
    image = Image.open(io.BytesIO(encoded.data))
    assert image.size == (encoded.width, encoded.height)
    assert image.get_format_mimetype() == encoded.media_type
    return image.convert("RGB")


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    w, h = image.size
    return [image.getpixel((w * x // 4, h * y // 4)) for y in (1, 3) for x in (1, 3)]  # type: ignore[misc]


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def assert_corners(image: Image.Image, by: int = 12) -> None:
    for found, meant in zip(quarters(image), samples.CORNERS, strict=True):
        assert near(found, meant, by), (quarters(image), samples.CORNERS)
