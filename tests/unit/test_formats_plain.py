"""What fits goes out without a decoder: pixel data byte for byte, whole, and without metadata."""

from __future__ import annotations

import io
import itertools
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

import images_samples as samples
from glimpsed.formats import jpeg
from glimpsed.formats import plain as formats
from glimpsed.formats.common import NotPlain, Size
from glimpsed.formats.sniff import sniff

KINDS = ("JPEG", "PNG", "WEBP")


def plain(data: bytes, *, keep_metadata: bool = False) -> bytes:
    kind = sniff(data)
    assert kind is not None
    return formats.plain(kind, data, keep_metadata=keep_metadata).data


def pixels(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "restart_marker_rows": 2}])
@pytest.mark.parametrize("kind", KINDS)
def test_location_and_camera_are_removed_and_the_picture_is_not_touched(
    kind: str, options: dict[str, object]
) -> None:
    data = samples.with_gps(
        samples.photo(), kind, icc_profile=samples.swapped_profile(), comment=b"SECRET-COMMENT", **options
    )
    if kind == "JPEG":
        data = data[:2] + samples.jpeg_segment(0xED, b"Photoshop 3.0\0 SECRET-IPTC") + data[2:]
    if kind == "PNG":
        data = (
            data[:33]
            + samples.png_chunk(b"tEXt", b"Comment\0SECRET")
            + samples.png_chunk(b"tIME", b"1234567")
            + data[33:]
        )
    assert b"SECRET" in data
    clean = plain(data)
    assert b"SECRET" not in clean
    found = Image.open(io.BytesIO(clean))
    assert not found.getexif()
    assert found.info["icc_profile"] == samples.swapped_profile()
    assert ImageChops.difference(pixels(clean), pixels(data)).getbbox() is None
    assert pixel_data(clean) == pixel_data(data)


def pixel_data(data: bytes) -> bytes:
    """The bytes of the first scan, of all IDAT, of the VP8 chunk."""
    match sniff(data):
        case "jpeg":
            return data[data.rindex(b"\xff\xda") :]
        case "png":
            return data[data.index(b"IDAT") : data.rindex(b"IEND") - 4]
        case _:
            at = data.index(b"VP8 ")
            return data[at : at + 8 + struct.unpack_from("<I", data, at + 4)[0]]


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_is_kept_where_that_is_wanted(kind: str) -> None:
    data = samples.with_gps(samples.photo(), kind)
    assert plain(data, keep_metadata=True) == data


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_without_metadata_is_sent_byte_for_byte(kind: str) -> None:
    data = samples.save(samples.photo(), kind)
    assert plain(data) == data


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_after_the_end_are_fine_and_not_sent(kind: str) -> None:
    data = samples.save(samples.photo(), kind)
    assert plain(data + b"ftypmp42 a motion photo's film" * 100) == data
    assert plain(data + b"more" * 9, keep_metadata=True) == data


def test_of_several_pictures_in_a_file_the_first_is_sent() -> None:
    alone = plain(samples.save(samples.corners(), "JPEG", quality=95))
    assert plain(samples.EVERY["mpo"]()) == alone


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_noticed(kind: str) -> None:
    data = samples.save(samples.photo(64, 48), kind)
    for size in range(len(data)):
        with pytest.raises(NotPlain):
            formats.plain(sniff(data) or "png", data[:size], keep_metadata=False)


def test_a_file_that_is_allocated_but_not_yet_written_is_not_whole() -> None:
    for kind in KINDS[:2]:
        data = samples.save(samples.photo(), kind)
        with pytest.raises(NotPlain):
            plain(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_any_orientation_but_the_first_needs_a_decoder(kind: str, orientation: int) -> None:
    data = samples.oriented(orientation, kind)
    if orientation == 1:
        assert plain(data)
    else:
        with pytest.raises(NotPlain):
            plain(data)


def filled(data: bytes) -> bytes:
    """A JPEG with fill bytes before each of its segments, as the standard allows."""
    ends = [end for _, _, end in jpeg.segments(lambda at, length: data[at : at + length], 2, len(data))]
    return b"\xff\xff".join(
        data[start:end] for start, end in itertools.pairwise([0, 2, *ends[:-1], len(data)])
    )


def test_fill_bytes_before_a_segment_hide_nothing_of_what_it_says() -> None:
    with pytest.raises(NotPlain):
        plain(filled(samples.oriented(6)))
    data = samples.save(samples.photo(), "JPEG", icc_profile=samples.swapped_profile(), keep_rgb=True)
    clean = plain(filled(data))
    assert Image.open(io.BytesIO(clean)).info["icc_profile"] == samples.swapped_profile()
    assert ImageChops.difference(pixels(clean), pixels(data)).getbbox() is None
    assert b"SECRET" not in plain(filled(samples.save(samples.photo(), "JPEG", comment=b"SECRET")))


@pytest.mark.parametrize("kind", KINDS)
def test_an_orientation_in_xmp_needs_a_decoder(kind: str) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    if kind == "PNG":
        text = samples.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
        whole = samples.save(samples.photo(), kind)
        data = whole[:33] + text + whole[33:]
    else:
        data = samples.save(samples.photo(), kind, xmp=xmp)
    with pytest.raises(NotPlain):
        plain(data)


def test_text_that_only_a_decoder_can_read_needs_one() -> None:
    whole = samples.save(samples.photo(), "PNG")
    for text in (
        b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"?"),
        b"Raw profile type exif\0\0" + zlib.compress(b"?"),
    ):
        with pytest.raises(NotPlain):
            plain(whole[:33] + samples.png_chunk(b"iTXt", text) + whole[33:])


NOT_PLAIN = {
    "cmyk": samples.EVERY["cmyk"],
    "palette": samples.EVERY["palette"],
    "animated-webp": samples.EVERY["animated-webp"],
    "gif": samples.EVERY["gif"],
    "tiff": samples.EVERY["tiff"],
    "rgba": lambda: samples.save(samples.corners().convert("RGBA"), "PNG"),
    "gray-alpha": lambda: samples.save(samples.corners().convert("LA"), "PNG"),
    "colour-key": lambda: samples.save(samples.corners(), "PNG", transparency=(1, 2, 3)),
    "16-bit": lambda: samples.save(Image.new("I;16", (9, 9)), "PNG"),
    "alpha-webp": lambda: samples.save(Image.new("RGBA", (9, 9), (0, 0, 0, 9)), "WEBP"),
    "alpha-lossless": lambda: samples.save(Image.new("RGBA", (9, 9), (0, 0, 0, 9)), "WEBP", lossless=True),
    "empty": lambda: samples.png_header(0, 5),
    "no pixels": lambda: samples.png_header(5, 5).replace(b"IDAT", b"iDAT"),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_not_plain_gray_or_rgb_needs_a_decoder(name: str) -> None:
    with pytest.raises(NotPlain):
        plain(NOT_PLAIN[name]())


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_gray_and_black_and_white_png_are_plain(mode: str) -> None:
    data = samples.save(samples.typed(200, 300, mode), "PNG")
    assert plain(data) == data


@pytest.mark.parametrize(
    "name",
    ["jpeg", "progressive", "cmyk", "mpo", "png", "apng", "webp", "lossless-webp", "animated-webp", "gif"],
)
def test_the_size_is_known_from_the_header_alone(name: str) -> None:
    data = samples.EVERY[name]()
    kind = sniff(data)
    assert kind is not None
    assert formats.measure(kind, data) == Size(240, 160)
    assert formats.measure(kind, data[:700]) == Size(240, 160)


def test_a_thumbnail_in_the_jfif_header_is_removed() -> None:
    data = samples.save(samples.photo(), "JPEG")
    thumb = samples.jpeg_segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\1abc")
    assert b"abc" not in plain(data[:2] + thumb + data[20:])


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + samples.jpeg_segment(0xFE, b"") * 500_000,
        samples.png_header(9, 9)[:33] + samples.png_chunk(b"tEXt", b"") * 500_000,
        b"RIFF"
        + struct.pack("<I", 4_000_018)
        + b"WEBPVP8L\0\0\0\0"
        + b"\x2f"
        + bytes(9)
        + b"EXIF\0\0\0\0" * 500_000,
    ],
)
def test_a_million_pieces_do_not_hold_up_the_event_loop(data: bytes) -> None:
    began = time.process_time()
    with pytest.raises(NotPlain):
        plain(data)
    assert time.process_time() - began < 0.5


@settings(max_examples=300, derandomize=True)
@given(st.sampled_from(KINDS), st.data())
def test_damage_never_raises_anything_else(kind: str, data: st.DataObject) -> None:
    whole = bytearray(samples.with_gps(samples.photo(32, 24), kind))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        whole[at] = data.draw(st.integers(0, 255))
    found = sniff(bytes(whole))
    if found is None:
        return
    for look in (
        lambda: formats.measure(found, bytes(whole)),
        lambda: formats.plain(found, bytes(whole), keep_metadata=False),
    ):
        try:
            look()
        except NotPlain:
            continue
