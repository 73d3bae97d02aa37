"""Damaged files of every format end as a picture or a `FileError`, and a decoder that crashes is survived."""

from __future__ import annotations

import random

import pytest

import images_samples as samples
from glimpsed.children.program import Limits
from glimpsed.errors import FileError
from glimpsed.images.plan import Target
from glimpsed.images.prepare import Images
from glimpsed.model import Image

pytestmark = pytest.mark.anyio

ROUNDS = 25  # of each format; the seed is fixed, so that a failure comes again
TO = Target(200, 60_000)


def damaged(data: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, a part cut out, doubled, zeroed or cut off."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at = dice.randrange(min(len(out), dice.choice((64, 512, 1 << 30))))
        size = dice.randrange(1, 64)
        match dice.randrange(6):
            case 0 | 1:
                out[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            case 2:
                out[at : at + size] = dice.randbytes(size)
            case 3:
                del out[at : at + size]
            case 4:
                out[at:at] = out[at : at + size]
            case _:
                out[at : at + size] = bytes(size)
        if len(out) < 16:
            break
    return bytes(out[: dice.randrange(1, len(out) + 1)] if dice.randrange(8) == 0 else out)


@pytest.mark.parametrize("name", samples.EVERY)
async def test_damage_fails_the_file_at_most(name: str) -> None:
    dice, whole = random.Random(name), samples.EVERY[name]()
    images, failed = Images(1, limits=Limits(seconds=10)), list[FileError]()
    try:
        for _ in range(ROUNDS):
            content = samples.content(damaged(whole, dice))
            try:
                document = await images.inspect(content)
                prepared = await images.prepare(content, 1, TO)
            except FileError as e:
                failed.append(e)
            else:
                assert min(document.pages, document.width, document.height) >= 1
                assert_sendable(*prepared)
        assert all(e.reason.endswith(".") and e.advice.endswith(".") and "\n" not in e.reason for e in failed)
        assert failed  # or nothing was damaged
        assert await images.prepare(samples.content(whole), 1, TO)
        assert len(images._pool.processes()) <= 1
    finally:
        await images.close()


def assert_sendable(*images: Image) -> None:
    assert images
    for image in images:
        assert image.media_type in TO.media_types
        assert 1 <= max(image.width, image.height) <= TO.max_edge
        assert 0 < len(image.data) <= TO.max_bytes
