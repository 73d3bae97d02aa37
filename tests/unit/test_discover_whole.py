"""What counts as whole: every prefix of a real file is not, the file is, and so it is with bytes after it."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from glimpsed.discover import whole


def _picture(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image = Image.effect_noise((61, 47), 80).convert("RGB")
    image.save(out, kind, **options)
    return out.getvalue()


def _pages() -> bytes:
    out = io.BytesIO()
    pages = [Image.effect_noise((60, 50), 90) for _ in range(3)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    return out.getvalue()


def _big_tiff() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((60, 50), 90).save(out, "TIFF", big_tiff=True)
    return out.getvalue()


def _with_thumbnail() -> bytes:
    thumbnail = _picture("JPEG")
    body = _picture("JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    return body[:2] + segment + body[2:]


FILES = {
    "jpeg": _picture("JPEG"),
    "progressive": _picture("JPEG", progressive=True),
    "jpeg with a thumbnail": _with_thumbnail(),
    "png": _picture("PNG"),
    "gif": _picture("GIF"),
    "webp": _picture("WEBP"),
    "bmp": _picture("BMP"),
    "tiff": _picture("TIFF"),
    "tiff of pages": _pages(),
    "bigtiff": _big_tiff(),
    "jp2": _picture("JPEG2000"),
    "avif": _picture("AVIF"),
    "pdf": _picture("PDF"),
}


def problem(data: bytes) -> str | None:
    def read(offset: int, length: int) -> bytes:
        assert offset >= 0
        return data[offset : offset + length]

    return whole.problem(read, len(data))


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_whole(name: str) -> None:
    assert problem(FILES[name]) is None


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_is_not_whole(name: str) -> None:
    data = FILES[name]
    for share in (0.1, 0.3, 0.5, 0.9, 0.97):
        cut = data[: max(16, int(len(data) * share))]
        assert problem(cut), f"{name} cut to {share}"


@pytest.mark.parametrize("name", ["jpeg", "progressive", "jpeg with a thumbnail", "png", "gif", "pdf"])
def test_a_file_of_full_size_whose_end_has_not_arrived_is_not_whole(name: str) -> None:
    data = FILES[name]
    cut = int(len(data) * 0.5)
    assert problem(data[:cut] + bytes(len(data) - cut))


@pytest.mark.parametrize("name", ["jpeg", "progressive", "png", "tiff", "webp", "bmp", "pdf"])
def test_bytes_after_the_end_are_fine(name: str) -> None:
    assert problem(FILES[name] + b"\0\0\0\x18ftypmp42 a motion photo's film") is None


@pytest.mark.parametrize("data", [b"hello world, this is no image", b"\x00\x01", b"P6 1 1 255 abc"])
def test_what_is_not_known_counts_as_whole(data: bytes) -> None:
    assert problem(data) is None


def test_zeros_and_nothing_are_not_whole() -> None:
    assert problem(b"")
    assert problem(bytes(4096))


def test_a_tiff_whose_directories_run_in_a_circle_ends() -> None:
    circle = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 256, 3, 1, 10) + struct.pack("<I", 8)
    assert problem(circle) is None


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_no_damage_makes_it_fail_or_hang(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    problem(bytes(damaged))
