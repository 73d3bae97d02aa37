"""Preparing pages, against what Pillow and libvips need for the same: decode, scale to 2048 px, JPEG.

    python tests/benchmarks/bench_images.py

`pyvips[binary]` is measured too where it can be imported. CPU ms on two shared, busy cores, Pillow 13.0 with
LANCZOS, libvips 8.18 with one thread, ours as JPEG, ours in the type that it chooses:

    A4 300 dpi, JPEG      203   57  145  156
    A4 300 dpi, PNG       103   80   87  111 (PNG)
    A4 300 dpi, G4         82   79   53  100 (PNG)
    A4 600 dpi, LZW       191  110  146  166 (PNG)
    24 MP photo, JPEG     476  178  199  211

libvips scales colour faster and is about even otherwise; on idle cores it was ahead by 15 % on the A4 JPEG. It
is not used: Pillow would still be needed (and is the one that opens every format above), and a second set of
native decoders is a second set of ways to be attacked.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image, ImageOps

import images_samples as samples
from glimpsed.formats import plain
from glimpsed.formats.sniff import sniff
from glimpsed.images import decode
from glimpsed.images.encode import Encoded
from glimpsed.images.plan import Target
from glimpsed.images.prepare import DECODED, Images
from glimpsed.model import Content

EDGE, ROUNDS = 2048, 9
JPEG_ONLY = Target(EDGE, 2_000_000, frozenset({"image/jpeg"}))
ALL = Target(EDGE, 2_000_000)


def pages() -> dict[str, bytes]:
    """What scanners and phones give."""
    print_ = samples.typed(2480, 3508)
    scan = Image.blend(print_.convert("RGB"), samples.photo(2480, 3508), 0.15)
    return {
        "A4 300 dpi, JPEG": samples.save(scan, "JPEG", quality=85),
        "A4 300 dpi, PNG": samples.save(print_, "PNG"),
        "A4 300 dpi, G4": samples.save(print_.convert("1"), "TIFF", compression="group4"),
        "A4 600 dpi, LZW": samples.save(samples.typed(4960, 7016), "TIFF", compression="tiff_lzw"),
        "24 MP photo, JPEG": samples.save(samples.photo(6000, 4000), "JPEG", quality=90),
    }


def by_pillow(data: bytes) -> bytes:
    """The shortest good way: `thumbnail` uses draft mode and a reducing gap."""
    image = Image.open(io.BytesIO(data))
    if image.mode == "1":
        image = image.convert("L")
    image.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    ImageOps.exif_transpose(image).save(out, "JPEG", quality=85)
    return out.getvalue()


def by_vips(data: bytes) -> bytes:
    """libvips' own shrink-on-load."""
    import pyvips  # type: ignore[import-not-found, unused-ignore]

    return bytes(pyvips.Image.thumbnail_buffer(data, EDGE, height=EDGE, size="down").jpegsave_buffer(Q=85))


def by_us(data: bytes, to: Target) -> list[Encoded]:
    """What a worker does; getting there and back is about a millisecond."""
    kind = sniff(data)
    assert kind is not None
    with samples.as_file(data) as file:
        return decode.prepare(file, kind, 1, to, DECODED)


def cpu(call: Callable[[], object]) -> float:
    """Milliseconds of CPU, the best of several: the machine may be busy with other things."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times) * 1e3


async def main() -> None:
    """Print the tables."""
    contents = {name: samples.content(data) for name, data in pages().items()}
    images = Images(2)
    await images.start()
    print(  # noqa: T201 - what it is for
        f"{'CPU ms':20} {'Pillow':>8} {'libvips':>8} {'JPEG':>8} {'ratio':>6} {'any type':>9} {'ratio':>6}"
    )
    for name, content in contents.items():
        compare(name, content.data)
    as_it_is()
    await two_workers(contents["A4 300 dpi, JPEG"], images)
    await images.close()


def compare(name: str, data: bytes) -> None:
    """One line of the table."""
    pillow = cpu(lambda: by_pillow(data))
    try:
        vips = f"{cpu(lambda: by_vips(data)):.0f}"
    except ImportError:
        vips = "-"
    jpeg, best = (cpu(lambda to=to: by_us(data, to)) for to in (JPEG_ONLY, ALL))  # type: ignore[misc]
    print(  # noqa: T201 - what it is for
        f"{name:20} {pillow:8.0f} {vips:>8} {jpeg:8.0f} {jpeg / pillow:6.2f} {best:9.0f} {best / pillow:6.2f}"
    )


def as_it_is() -> None:
    """CPU of the path without a decoder, for a JPEG of 400 KB."""
    data = samples.with_gps(samples.photo(1600, 1200), quality=80)
    quality = 80
    while len(data) < 400_000:
        quality += 1
        data = samples.with_gps(samples.photo(1600, 1200), quality=quality)
    began = time.process_time()
    for _ in range(50):
        plain.plain("jpeg", data, keep_metadata=False)
    print(  # noqa: T201 - what it is for
        f"as it is, {len(data) // 1000} KB JPEG: {(time.process_time() - began) / 50 * 1e3:.2f} ms of CPU (2 allowed)"
    )


async def two_workers(content: Content, images: Images) -> None:
    """How much faster two workers are than one, on as many pages."""
    alone = Images(1)
    await alone.start()
    await asyncio.gather(*(images.prepare(content, 1, ALL) for _ in range(4)))  # both are started
    seconds = []
    for them in (alone, images):
        began = time.perf_counter()
        await asyncio.gather(*(them.prepare(content, 1, ALL) for _ in range(12)))
        seconds.append(time.perf_counter() - began)
    await alone.close()
    print(  # noqa: T201 - what it is for
        f"two workers on {len(os.sched_getaffinity(0))} cores: {seconds[0] / seconds[1]:.2f} times one worker"
    )


if __name__ == "__main__":
    asyncio.run(main())
