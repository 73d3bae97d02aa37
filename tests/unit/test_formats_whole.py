"""What counts as whole: every prefix of a real file is not, the file is, and so it is with bytes after it."""

from __future__ import annotations

import io
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import images_samples as samples
from glimpsed.formats import whole


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


@pytest.mark.parametrize("name", FILES)
def test_the_very_first_bytes_of_a_file_are_not_whole(name: str) -> None:
    """Too few to say what it is: a scanner that pauses there has not written a file that nobody knows."""
    data = FILES[name]
    assert not [length for length in range(1, min(64, len(data) // 2)) if problem(data[:length]) is None]


@pytest.mark.parametrize("name", ["jpeg", "progressive", "jpeg with a thumbnail", "png", "gif", "pdf"])
def test_a_file_of_full_size_whose_end_has_not_arrived_is_not_whole(name: str) -> None:
    data = FILES[name]
    cut = int(len(data) * 0.5)
    assert problem(data[:cut] + bytes(len(data) - cut))


@pytest.mark.parametrize("name", ["jpeg", "progressive", "png", "tiff", "webp", "bmp", "pdf"])
def test_bytes_after_the_end_are_fine(name: str) -> None:
    assert problem(FILES[name] + b"\0\0\0\x18ftypmp42 a motion photo's film") is None


@pytest.mark.parametrize(
    "data",
    [b"hello world, this is no image", b"see a.png", b"\xff\xd8 torn", b"\xff" * 40, b"P6 1 1 255 abc"],
)
def test_what_is_not_known_counts_as_whole(data: bytes) -> None:
    assert problem(data) is None


def test_zeros_and_nothing_are_not_whole() -> None:
    assert problem(b"")
    assert problem(bytes(4096))


def test_a_tiff_whose_directories_run_in_a_circle_ends() -> None:
    circle = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 256, 3, 1, 10) + struct.pack("<I", 8)
    assert problem(circle) is None


# -- an end mark that may also stand in the middle is no end


def linearized() -> bytes:
    """As qpdf lays it out: a first part with its own end mark, and what it needs after that."""
    body = samples.pdf(b"0 0 m 9 9 l S", b"0 9 m 9 0 l S")
    first = b"%PDF-1.4\n9 0 obj\n<</Linearized 1/L 0000000000/H[1 2]/O 3/E 9/N 2/T 9>>\nendobj\nstartxref\n0\n%%EOF\n"
    whole = first + body
    return whole.replace(b"0000000000", b"%010d" % len(whole), 1)


def test_a_linearized_pdf_is_whole_at_the_length_that_it_announces() -> None:
    data = linearized()
    assert problem(data) is None
    assert problem(data + b"\n") is None
    for size in range(data.index(b"%%EOF") + 5, len(data)):
        assert problem(data[:size]), size


def test_an_update_of_a_pdf_is_waited_for() -> None:
    before = samples.pdf(b"0 0 m 9 9 l S")
    update = (
        b"5 0 obj\n<</Length 3000>>stream\n" + b"x" * 3000 + b"\nendstream\nendobj\n"
        b"xref\n5 1\n%010d 00000 n \ntrailer\n<</Root 1 0 R/Size 6/Prev 9>>\nstartxref\n%d\n%%%%EOF\n"
    ) % (len(before), len(before) + 3060)
    assert problem(before) is None
    assert problem(before + update) is None
    assert problem(before + b"\0" * 100) is None
    for share in (0.1, 0.5, 0.9):
        assert problem(before + update[: int(len(update) * share)]), share


@pytest.mark.parametrize(
    "end",
    [b"", b"\n", b"\nstartxref\n", b"\nstartxref\n%d", b"\nstartxref\n%d\n%%%%", b"\nstartxref\n%d\n%%%%EO"],
)
def test_a_pdf_that_lacks_nothing_but_its_last_words_is_whole(end: bytes) -> None:
    data = samples.pdf(b"0 0 m 9 9 l S")
    at = data.index(b"xref")
    body = data[: data.index(b">>", data.index(b"trailer")) + 2]
    assert problem(body + (end % at if b"%d" in end else end)) is None
    assert problem(body[:-1])


@pytest.mark.parametrize(
    "end",
    [
        b"trailer<<>>" + b" " * 65_000 + b"x",
        b"startxref 1" + b" " * 65_000 + b"x",
        b"trailer<<" + b">>startxref1 " * 5000 + b"x",
        b"startxref " + b"1" * 60_000,
        b"1 " * 32_000,
    ],
)
def test_the_end_of_a_hostile_pdf_is_looked_at_once(end: bytes) -> None:
    began = time.process_time()
    assert problem(b"%PDF-1.4\n" + end)
    assert time.process_time() - began < 1.0


def test_a_length_of_more_digits_than_python_reads_is_none() -> None:
    problem(b"%PDF-1.4\n1 0 obj<</Linearized 1/L " + b"9" * 900 + b">>\n%%EOF")


def test_a_pdf_with_a_table_in_a_stream_lacks_nothing_but_its_end_mark() -> None:
    data = b"%PDF-1.5\n" + b"9 0 obj\n<</Type/XRef>>stream\nxyz\nendstream\nendobj\nstartxref\n9\n"
    assert problem(data) is None
    assert problem(data.replace(b"\n9\n", b"\n12\n"))


@pytest.mark.parametrize("extra", [b"", b"\x21\xfe\x03a;b\0", b"\x21\xff\x0bNETSCAPE2.0\x03\1\0\0\0"])
def test_a_gif_ends_where_its_blocks_do(extra: bytes) -> None:
    data = FILES["gif"]
    data = data[:-1] + extra + b";"
    assert problem(data) is None
    assert problem(data + b"blocks of a phone's own") is None
    for size in range(20, len(data)):
        assert problem(data[:size]), size


def test_a_png_inside_a_png_is_not_its_end() -> None:
    data = FILES["png"]
    outer = data[:33] + samples.png_chunk(b"caNv", data) + data[33:]
    assert problem(outer) is None
    for size in (33 + 8 + len(data), len(outer) // 2):
        assert problem(outer[:size])


def _open_box(data: bytes, name: bytes) -> bytes:
    """That box with a length of zero: it runs to the end of the file."""
    at = data.index(name) - 4
    return data[:at] + bytes(4) + data[at + 4 :]


@pytest.mark.parametrize("open_tile", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_an_open_codestream_of_jpeg_2000_ends_with_its_mark(bare: bool, open_tile: bool) -> None:
    data = _picture("JPEG2000", no_jp2=bare)
    if not bare:
        data = _open_box(data, b"jp2c")
    if open_tile:
        at = data.index(b"\xff\x90\0\x0a")
        data = data[: at + 6] + bytes(4) + data[at + 10 :]
    assert problem(data) is None
    assert problem(data + b"more") is None
    for size in range(100, len(data), 7):
        assert problem(data[:size]), size


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_every_part_that_the_metadata_of_a_heif_point_at_has_to_be_there(kind: str) -> None:
    data = samples.save(samples.photo(120, 90), kind)
    opened = _open_box(data, b"mdat")
    assert problem(opened) is None
    after_metadata = data.index(b"mdat") - 4
    for size in range(after_metadata, len(data), 5):
        assert problem(data[:size]), size
        assert problem(opened[:size]), size


def test_the_raw_picture_of_a_camera_file_stands_in_a_directory_below() -> None:
    data = samples.dng(samples.corners())
    assert problem(data) is None
    for share in (0.3, 0.6, 0.9, 0.99):
        assert problem(data[: int(len(data) * share)]), share


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("tiled", [False, True])
def test_strips_and_tiles_are_waited_for(big: bool, tiled: bool) -> None:
    data = samples.tiff(samples.corners(), big=big, tiled=tiled)
    assert problem(data) is None
    assert problem(data + b"more") is None
    for size in range(16, len(data), 997):
        assert problem(data[:size]), size


@settings(max_examples=300)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_no_damage_makes_it_fail_or_hang(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    problem(bytes(damaged))
