"""Real files, among them many that were made to crash decoders; skipped where the collection is not there."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import PIL.Image
import pytest

import images_samples as samples
from glimpsed.errors import FileError
from glimpsed.images.prepare import Images
from glimpsed.model import Content, Image

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
MEGABYTE = 1 << 20
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="no collection of real files"),
]
# Hostile or cut off on purpose, or in a variant that Pillow does not read.
UNREADABLE = ("crash-", "bmp__", "truncated_", "unknown_", "decompression_", "invalid")
READABLE = ("avif", "gif", "webp", "jpg", "pdf", "mpo", "png")


async def test_every_file_ends_as_pictures_or_with_a_reason_in_bounded_memory() -> None:
    images, peaks, failed = Images(2), [0], {}

    async def one(path: Path) -> None:
        content = read(path)
        try:
            document = await images.inspect(content)
            for page in range(1, document.pages + 1):
                check(*await images.prepare(content, page, samples.TARGET))
        except FileError as e:
            failed[path.name] = e.reason
        peaks.append(sum(peak(pid) for pid in images._pool.processes()))

    try:
        paths = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
        assert paths
        for at in range(0, len(paths), 8):
            await asyncio.gather(*(one(path) for path in paths[at : at + 8]))
        assert images.deaths == 0
        assert len(images._pool.processes()) <= 2
        assert max(peaks) < 700 * MEGABYTE
        surprising = {
            name: why
            for name, why in failed.items()
            if name.endswith(READABLE) and not name.startswith(UNREADABLE)
        }
        assert set(surprising) <= {"apng__chunk_no_fctl.png"}
    finally:
        await images.close()


def read(path: Path) -> Content:
    return samples.content(path.read_bytes())


def check(*images: Image) -> None:
    assert images
    for image in images:
        assert max(image.width, image.height) <= samples.TARGET.max_edge
        assert len(image.data) <= samples.TARGET.max_bytes
        with PIL.Image.open(io.BytesIO(image.data)) as shown:
            assert shown.get_format_mimetype() == image.media_type
            assert shown.size == (image.width, image.height)
            assert not shown.getexif()


def peak(pid: int) -> int:
    """The most memory that a process has held so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
