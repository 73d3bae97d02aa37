"""Every format, colour model and orientation comes out upright, in the right colours, at the right size."""

from __future__ import annotations

import io
import re
import struct
import sys
from collections.abc import Callable

import pikepdf
import pytest
from PIL import Image, ImageChops, ImageStat, TiffImagePlugin

import images_samples as samples
from glimpsed import extras
from glimpsed.errors import FileError
from glimpsed.formats.sniff import MEDIA_TYPES, sniff
from glimpsed.images import pdf
from glimpsed.images.plan import Target
from images_looks import assert_corners, inspect, near, opened, prepare, quarters


@pytest.fixture(autouse=True)
def _as_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


@pytest.mark.parametrize("name", sorted(set(samples.EVERY) - {"gray", "cmyk", "cmyk-tiff"}))
def test_every_format_shows_its_first_picture_in_its_colours(name: str) -> None:
    data = samples.EVERY[name]()
    [encoded] = prepare(data)
    assert (encoded.width, encoded.height) == (240, 160)
    assert_corners(opened(encoded))
    assert inspect(data) == (1, 240, 160)


@pytest.mark.parametrize("name", ["cmyk", "cmyk-tiff"])
def test_cmyk_is_not_shown_as_a_negative(name: str) -> None:
    [encoded] = prepare(samples.EVERY[name]())
    assert_corners(opened(encoded), by=25)


def test_cmyk_without_the_adobe_marker_is_not_stored_inverted() -> None:
    inverted = ImageChops.invert(samples.corners(mode="CMYK"))
    data = samples.save(inverted, "JPEG", quality=95)
    at = data.index(b"\xff\xee")
    plain = data[:at] + data[at + 2 + struct.unpack_from(">H", data, at + 2)[0] :]
    assert b"Adobe" not in plain
    [encoded] = prepare(plain)
    assert_corners(opened(encoded), by=25)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_end_upright(kind: str, orientation: int) -> None:
    data = samples.oriented(orientation, kind)
    [encoded] = prepare(data)
    assert (encoded.width, encoded.height) == (240, 160)
    assert_corners(opened(encoded), by=25)
    stored = (160, 240) if orientation >= 5 else (240, 160)
    assert inspect(data) == (1, *stored)


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_a_large_photo_is_scaled_and_turned_without_a_shift(orientation: int) -> None:
    data = samples.oriented(orientation, size=(2402, 1603))
    [encoded] = prepare(data, Target(500, 700_000))
    assert (encoded.width, encoded.height) == (500, 334)
    image = opened(encoded)
    assert_corners(image)
    edge = [x for x in range(500) if image.getpixel((x, 80))[1] > 95]  # type: ignore[index]
    assert abs(edge[0] - 250) <= 1


def test_xmp_orientation_counts_where_exif_has_none() -> None:
    turned = samples.corners().transpose(Image.Transpose.ROTATE_90)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    [encoded] = prepare(samples.save(turned, "JPEG", xmp=xmp, quality=95))
    assert_corners(opened(encoded))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000"])
def test_sixteen_bits_are_scaled_and_not_clipped(kind: str) -> None:
    image = Image.new("I;16", (160, 20))
    for x in range(160):
        for y in range(20):
            image.putpixel((x, y), x * 65535 // 159)
    [encoded] = prepare(samples.save(image, kind))
    shown = opened(encoded).convert("L")
    assert [abs(shown.getpixel((x, 10)) - x * 255 / 159) < 4 for x in range(160)] == [True] * 160  # type: ignore[operator]


def test_twelve_bits_in_a_tiff_use_the_whole_range() -> None:
    packed = bytes.fromhex("fff800") * 50 * 100  # pairs of 4095 and 2048
    ifd = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in {
        256: 100,
        257: 100,
        258: 12,
        259: 1,
        262: 1,
        277: 1,
        278: 100,
        279: len(packed),
    }.items():
        ifd[tag] = value
    ifd[273] = 0  # Pillow adds where the directory ends
    [encoded] = prepare(b"II*\0" + struct.pack("<I", 8) + ifd.tobytes(8) + packed)
    shown = opened(encoded).convert("L")
    assert shown.getpixel((0, 50)) == 255
    assert abs(shown.getpixel((1, 50)) - 128) <= 1  # type: ignore[operator]


def test_floats_are_scaled_to_what_they_hold() -> None:
    image = Image.linear_gradient("L").convert("F").point(lambda value: value * (1 / 255) + 0)
    [encoded] = prepare(samples.save(image, "TIFF"))
    assert ImageStat.Stat(opened(encoded).convert("L")).extrema == [(0, 255)]


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw"])
def test_black_and_white_scans_are_scaled_with_antialiasing(compression: str) -> None:
    page = samples.typed(2480, 3508, "1")
    [encoded] = prepare(samples.save(page, "TIFF", compression=compression))
    shown = opened(encoded).convert("L")
    best = page.convert("L").resize(shown.size, Image.Resampling.LANCZOS)
    assert sum(shown.histogram()[40:216]) > 10_000  # grays, which make small print readable
    assert ImageStat.Stat(ImageChops.difference(shown, best)).rms[0] < 6


def test_a_black_and_white_scan_that_fits_stays_black_and_white() -> None:
    page = samples.typed(mode="1")
    [encoded] = prepare(samples.save(page, "TIFF", compression="group4"))
    assert Image.open(io.BytesIO(encoded.data)).mode == "1"
    assert ImageChops.difference(opened(encoded).convert("L"), page.convert("L")).getbbox() is None


def test_a_very_large_scan_is_reduced_strip_by_strip_to_the_same_picture() -> None:
    page = samples.typed(6000, 8000, "1")
    [encoded] = prepare(samples.save(page, "TIFF", compression="group4"), Target(1600, 700_000))
    best = page.convert("L").resize((encoded.width, encoded.height), Image.Resampling.LANCZOS)
    assert ImageStat.Stat(ImageChops.difference(opened(encoded).convert("L"), best)).rms[0] < 6


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"), ("RGBA", "AVIF")]
)
def test_what_is_transparent_is_white(mode: str, kind: str) -> None:
    image = samples.corners().convert(mode)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 120, 80))
    image.putalpha(alpha)
    found = quarters(opened(prepare(samples.save(image, kind))[0]))
    assert near(found[0], (255, 255, 255))
    assert near(
        found[1],
        quarters(samples.corners().convert("L").convert("RGB") if mode == "LA" else samples.corners())[1],
        20,
    )


def test_half_transparent_is_mixed_with_white() -> None:
    data = samples.save(Image.new("RGBA", (50, 50), (0, 0, 0, 128)), "PNG")
    assert opened(prepare(data)[0]).getpixel((25, 25)) == (127, 127, 127)


def test_a_transparent_palette_entry_and_colour_key_are_white() -> None:
    palette = samples.corners().quantize(8)
    index = palette.getpixel((10, 10))
    assert near(
        quarters(opened(prepare(samples.save(palette, "PNG", transparency=index))[0]))[0], (255, 255, 255)
    )
    keyed = samples.save(samples.corners(), "PNG", transparency=samples.CORNERS[0])
    assert near(quarters(opened(prepare(keyed)[0]))[0], (255, 255, 255))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_colour_profile_is_applied(kind: str) -> None:
    red = Image.new("RGB", (64, 64), (255, 0, 0))
    data = samples.save(red, kind, icc_profile=samples.swapped_profile(), quality=95)
    [encoded] = prepare(data)
    assert near(opened(encoded).getpixel((32, 32)), (0, 0, 255), 20)  # type: ignore[arg-type]
    assert "icc_profile" not in Image.open(io.BytesIO(encoded.data)).info


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("picture", [samples.photo, samples.typed])
def test_no_metadata_survives_encoding(kind: str, picture: Callable[[], Image.Image]) -> None:
    data = samples.with_gps(picture(), kind, comment=b"SECRET-COMMENT", description="SECRET")
    assert b"SECRET" in data
    for types in ({"image/jpeg"}, {"image/jpeg", "image/png"}, {"image/jpeg", "image/webp"}):
        [encoded] = prepare(data, Target(300, 700_000, frozenset(types)))
        assert b"SECRET" not in encoded.data
        assert not Image.open(io.BytesIO(encoded.data)).getexif()


def test_a_profile_that_makes_no_sense_is_ignored() -> None:
    [encoded] = prepare(samples.save(samples.corners(), "PNG", icc_profile=b"no profile at all"))
    assert_corners(opened(encoded))


def test_tiff_pages_come_in_order_and_thumbnails_are_no_pages() -> None:
    pages = [Image.new("RGB", (60 + n, 50), colour) for n, colour in enumerate(samples.CORNERS)]
    thumbnail = Image.new("RGB", (8, 8), "black")
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}  # type: ignore[attr-defined]
    data = samples.save(pages[0], "TIFF", save_all=True, append_images=[pages[1], thumbnail, *pages[2:]])
    assert inspect(data) == (4, 60, 50)
    for n, colour in enumerate(samples.CORNERS):
        [encoded] = prepare(data, page=n + 1)
        assert (encoded.width, opened(encoded).getpixel((5, 5))) == (60 + n, colour)
    with pytest.raises(FileError, match="There is no page 5: the file has 4"):
        prepare(data, page=5)


def test_a_fax_with_oblong_pixels_gets_its_shape_back() -> None:
    page = samples.typed(1728, 2288, "1").resize((1728, 1144))
    [encoded] = prepare(
        samples.save(page, "TIFF", compression="group3", dpi=(204, 98)), Target(1500, 700_000)
    )
    assert encoded.height == 1500
    assert abs(encoded.width / encoded.height - 1728 / (1144 * 204 / 98)) < 0.01


def test_pdf_pages_are_drawn_at_the_size_that_is_sent() -> None:
    data = samples.pdf(b"BT /F 40 Tf 60 700 Td (first) Tj ET", b"0 0 1 rg 0 0 595 842 re f")
    assert inspect(data) == (2, 2479, 3508)
    [first] = prepare(data)
    assert (first.width, first.height) == (1447, 2048)
    shown = opened(first).convert("L")
    assert shown.getextrema() == (0, 255)
    # Drawn at that size, and not scaled to it: a black stem has no more than an edge of gray on each side.
    stem = list(shown.crop((0, 280, 400, 281)).tobytes())
    assert sum(40 < value < 216 for value in stem) <= 24
    [second] = prepare(data, page=2)
    assert opened(second).getpixel((700, 700)) == (0, 0, 255)
    with pytest.raises(FileError, match="There is no page 3"):
        prepare(data, page=3)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("unit", [1, 2, 5])
def test_a_page_in_units_of_its_own_is_as_large_as_it_says(unit: int, packed: bool) -> None:
    plainly = samples.pdf(b"0 0 m 90 90 l S", b"0 0 m 90 90 l S", size=(120, 60))
    with pikepdf.open(io.BytesIO(plainly)) as document:
        document.pages[0].obj.UserUnit = unit
        document.pages[0].obj.MediaBox = [0, 0, 100, 50]
        file = io.BytesIO()
        modes = pikepdf.ObjectStreamMode
        document.save(file, object_stream_mode=modes.generate if packed else modes.disable)
    first, second = pdf.sizes(file)
    assert first == (round(100 * unit * 300 / 72), round(50 * unit * 300 / 72))
    assert second == (500, 250)
    [drawn] = prepare(file.getvalue(), samples.TARGET)
    most = samples.TARGET.max_edge
    assert (drawn.width, drawn.height) == (first if first[0] <= most else (most, most // 2))


def test_a_scan_in_a_pdf_is_not_blown_up_beyond_its_own_resolution() -> None:
    data = samples.save(samples.photo(620, 877), "PDF", resolution=75)
    assert inspect(data) == (1, 620, 877)
    [encoded] = prepare(data)
    assert (encoded.width, encoded.height) == (620, 877)


def test_an_encrypted_pdf_fails_with_a_reason() -> None:
    with pytest.raises(FileError, match="protected by a password"):
        prepare(samples.pdf(b"", encrypted=True))


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", samples.pdf(), b"%PDF-1.4\n%%EOF\n"])
def test_a_broken_pdf_fails_with_a_reason(data: bytes) -> None:
    with pytest.raises(FileError, match=r"^The PDF (cannot be read|has no pages)"):
        inspect(data)


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("pdf", "pypdfium2", "pdf"), ("heif", "pillow_heif", "heif")]
)
def test_a_missing_extra_is_named(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = samples.EVERY[name]()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(FileError, match=re.escape(extras.command(extra))):
        prepare(data)


@pytest.mark.parametrize(
    "name", sorted(set(samples.EVERY) - {"pdf", "bigtiff", "mpo", "apng", "animated-gif"})
)
def test_a_file_that_is_cut_off_fails(name: str) -> None:
    data = samples.EVERY[name]()
    with pytest.raises(FileError):
        prepare(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data", [samples.png_header(60_000, 60_000), samples.png_header(40_000, 40_000, 1, 0)]
)
def test_a_bomb_is_refused_by_its_header(data: bytes) -> None:
    with pytest.raises(FileError, match="pixels are too many"):
        prepare(data)


def test_a_photograph_goes_as_jpeg_and_print_without_loss() -> None:
    assert prepare(samples.save(samples.photo(), "BMP"))[0].media_type == "image/jpeg"
    assert prepare(samples.save(samples.typed(), "BMP"))[0].media_type == "image/png"


def test_only_the_types_that_the_model_takes_are_used() -> None:
    page = samples.save(samples.typed(), "BMP")
    assert prepare(page, Target(2048, 700_000, frozenset({"image/jpeg"})))[0].media_type == "image/jpeg"
    webp = frozenset({"image/jpeg", "image/webp"})
    [encoded] = prepare(page, Target(2048, 700_000, webp))
    assert encoded.media_type == "image/webp"
    assert ImageChops.difference(opened(encoded).convert("L"), samples.typed()).getbbox() is None


def test_quality_gives_way_before_size() -> None:
    photo = samples.save(samples.photo(1600, 1200), "BMP")
    [best] = prepare(photo)
    for share, kept in ((0.9, True), (0.5, True), (0.12, False)):
        limit = int(len(best.data) * share)
        [encoded] = prepare(photo, Target(2048, limit))
        assert len(encoded.data) <= limit
        assert (encoded.width == 1600) == kept
        assert encoded.width >= 768


def test_what_cannot_be_made_to_fit_is_said() -> None:
    noise = samples.save(Image.effect_noise((900, 700), 60), "BMP")
    with pytest.raises(FileError, match="cannot be made smaller than 10,000 bytes"):
        prepare(noise, Target(2048, 10_000))


def test_bands_show_the_whole_page_and_overlap() -> None:
    page = samples.typed(2480, 3508)
    bands = prepare(samples.save(page, "PNG"), Target(2048, 5_000_000, bands=3))
    whole = page.resize((2048, round(3508 * 2048 / 2480)), Image.Resampling.LANCZOS)
    assert [band.width for band in bands] == [2048] * 3
    rows = bands[0].height
    for band, top in zip(bands, (0, (whole.height - rows) // 2, whole.height - rows), strict=True):
        part = whole.crop((0, top, 2048, top + rows))
        assert ImageStat.Stat(ImageChops.difference(opened(band).convert("L"), part)).rms[0] < 8
    assert sum(band.height for band in bands) > whole.height * 1.05


def test_the_name_of_each_kind_of_file_is_its_media_type() -> None:
    for name, data in samples.EVERY.items():
        kind = sniff(data())
        assert kind is not None, name
        assert "/" in MEDIA_TYPES[kind]
    assert sniff(b"") is None
    assert sniff(b"just text") is None
    assert sniff(b"\n\n" + samples.pdf(b"")) == "pdf"
