"""Pictures that other readers show rightly: palettes, planes, turned, squashed, masked, transparent, raw, too large."""

from __future__ import annotations

import functools
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageFont, ImageStat

import images_samples as samples
from glimpsed.errors import FileError
from glimpsed.formats import boxes, plain
from glimpsed.formats.common import NotPlain
from glimpsed.formats.sniff import sniff
from glimpsed.images import decode
from glimpsed.images.plan import Target
from images_looks import assert_corners, inspect, near, opened, prepare

pytestmark = pytest.mark.usefixtures("_as_in_a_worker")


@pytest.fixture
def _as_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


def shown(data: bytes, to: Target = samples.TARGET, page: int = 1) -> Image.Image:
    [encoded] = prepare(data, to, page)
    return opened(encoded)


def planar(
    image: Image.Image,
    *,
    bits: int = 8,
    photometric: int = 2,
    order: str = "<",
    packed: bool = False,
    extra: int | None = None,
) -> bytes:
    """A TIFF whose planes stand apart, in two strips each."""
    width, height = image.size
    planes = [band.tobytes() for band in image.split()]
    if bits == 16:
        planes = [struct.pack(f"{order}{width * height}H", *(v * 257 for v in plane)) for plane in planes]
    half = width * (height // 2) * bits // 8
    strips = [part for plane in planes for part in (plane[:half], plane[half:])]
    if packed:
        strips = [zlib.compress(strip) for strip in strips]
    offsets = tuple(16 + sum(len(s) for s in strips[:n]) for n in range(len(strips)))
    entries: list[samples.Entry] = [
        (256, 3, (width,)), (257, 3, (height,)), (258, 3, (bits,) * len(planes)), (259, 3, (8 if packed else 1,)),
        (262, 3, (photometric,)), (273, 4, offsets), (277, 3, (len(planes),)), (278, 3, (height // 2,)),
        (279, 4, tuple(map(len, strips))), (284, 3, (2,)),
    ]  # fmt: skip
    if extra is not None:
        entries.append((338, 3, (extra,)))
    return samples.tiff_file(entries, data=b"".join(strips), order=order)


# -- silently wrong


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("scale", [1, 257])
def test_a_palette_of_eight_or_sixteen_bits_a_value_is_shown_in_its_colours(
    bits: int, scale: int, order: str
) -> None:
    colours = (
        [(255, 255, 255), (200, 20, 30), (0, 0, 0), (10, 200, 60)]
        if bits > 1
        else [(250, 250, 250), (200, 20, 30)]
    )
    size = 1 << bits
    table = [c[band] * scale for band in range(3) for c in (colours * size)[:size]]
    per_byte = 8 // bits
    row = [0] * (64 - 64 // len(colours) * (len(colours) - 1)) + [
        n for n in range(1, len(colours)) for _ in range(64 // len(colours))
    ]
    packed = bytes(
        sum(row[at + n] << (8 - bits * (n + 1)) for n in range(per_byte)) for at in range(0, 64, per_byte)
    )
    entries: list[samples.Entry] = [
        (256, 3, (64,)), (257, 3, (32,)), (258, 3, (bits,)), (259, 3, (1,)), (262, 3, (3,)), (273, 4, (16,)),
        (277, 3, (1,)), (278, 3, (32,)), (279, 4, (len(packed) * 32,)), (320, 3, tuple(table)),
    ]  # fmt: skip
    image = shown(samples.tiff_file(entries, data=packed * 32, order=order))
    for n, colour in enumerate(colours):
        found = image.getpixel((64 * n // len(colours) + 5, 16))
        assert near(found, colour), (n, found, colour)  # type: ignore[arg-type]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [8, 16])
def test_planes_that_stand_apart_are_put_together(bits: int, order: str, packed: bool) -> None:
    assert_corners(shown(planar(samples.corners(), bits=bits, order=order, packed=packed)))
    cmyk = planar(samples.corners(mode="CMYK"), bits=bits, photometric=5, order=order, packed=packed)
    assert_corners(shown(cmyk), by=25)
    gray = samples.corners(mode="L")
    for photometric, stored in ((1, gray), (0, ImageChops.invert(gray))):
        with_alpha = Image.merge("LA", (stored, Image.new("L", gray.size, 255)))
        image = shown(
            planar(with_alpha, bits=bits, photometric=photometric, order=order, packed=packed, extra=2)
        )
        assert ImageStat.Stat(ImageChops.difference(image.convert("L"), gray)).rms[0] < 6
    full = samples.corners().convert("RGBA")
    assert_corners(shown(planar(full, bits=bits, order=order, packed=packed, extra=2)))


def test_what_is_transparent_in_a_plane_of_its_own_is_not_shown() -> None:
    alpha = Image.new("L", (240, 160), 0)
    alpha.paste(255, (0, 0, 240, 80))
    image = shown(planar(Image.merge("LA", (Image.new("L", (240, 160), 40), alpha)), photometric=1, extra=2))
    assert near(image.getpixel((120, 40)), (40, 40, 40))  # type: ignore[arg-type]
    assert near(image.getpixel((120, 120)), (255, 255, 255))  # type: ignore[arg-type]


@pytest.mark.parametrize("premultiplied", [False, True])
def test_gray_with_transparency_is_shown_on_white(premultiplied: bool) -> None:
    pixels = bytes([40, 255] * 240 * 80 + [0, 0] * 240 * 80)
    entries: list[samples.Entry] = [
        (256, 3, (240,)), (257, 3, (160,)), (258, 3, (8, 8)), (259, 3, (1,)), (262, 3, (1,)), (273, 4, (16,)),
        (277, 3, (2,)), (278, 3, (160,)), (279, 4, (len(pixels),)), (338, 3, (1 if premultiplied else 2,)),
    ]  # fmt: skip
    image = shown(samples.tiff_file(entries, data=pixels))
    assert near(image.getpixel((120, 40)), (40, 40, 40))  # type: ignore[arg-type]
    assert near(image.getpixel((120, 120)), (255, 255, 255))  # type: ignore[arg-type]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_strips_and_tiles_in_every_order_of_bytes_are_read(big: bool, tiled: bool, order: str) -> None:
    data = samples.tiff(samples.corners(), big=big, tiled=tiled, order=order)
    assert_corners(shown(data), by=2)
    assert inspect(data) == (1, 240, 160)


@pytest.mark.parametrize("order", "<>")
def test_white_is_zero_in_sixteen_bits_of_either_byte_order(order: str) -> None:
    pixels = struct.pack(f"{order}4096H", *([65535 - 60 * 257] * 4096))
    entries: list[samples.Entry] = [
        (256, 3, (64,)), (257, 3, (64,)), (258, 3, (16,)), (259, 3, (1,)), (262, 3, (0,)), (273, 4, (16,)),
        (277, 3, (1,)), (278, 3, (64,)), (279, 4, (len(pixels),)),
    ]  # fmt: skip
    assert near(shown(samples.tiff_file(entries, data=pixels, order=order)).getpixel((9, 9)), (60, 60, 60), 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("coarse", [1, 2])
def test_colours_that_are_stored_coarser_than_the_light_are_read(coarse: int) -> None:
    colours = {"red": (76, 85, 255), "gray": (200, 128, 128)}
    blocks = b"".join(
        bytes([light] * coarse * coarse + [blue, red])
        for _ in range(0, 64, coarse)
        for x in range(0, 64, coarse)
        for light, blue, red in [colours["red" if x < 32 else "gray"]]
    )
    entries: list[samples.Entry] = [
        (256, 3, (64,)), (257, 3, (64,)), (258, 3, (8, 8, 8)), (259, 3, (1,)), (262, 3, (6,)), (273, 4, (16,)),
        (277, 3, (3,)), (278, 3, (64,)), (279, 4, (len(blocks),)), (530, 3, (coarse, coarse)),
    ]  # fmt: skip
    image = shown(samples.tiff_file(entries, data=blocks))
    assert near(image.getpixel((10, 30)), (254, 0, 0))  # type: ignore[arg-type]
    assert near(image.getpixel((50, 30)), (200, 200, 200))  # type: ignore[arg-type]


def test_tiles_under_the_tags_of_strips_are_tiles() -> None:
    data = samples.tiff(samples.corners(), tiled=True).replace(
        struct.pack("<HH", 324, 4), struct.pack("<HH", 273, 4)
    )
    assert_corners(shown(data.replace(struct.pack("<HH", 325, 4), struct.pack("<HH", 279, 4))), by=2)


TYPES = {"BYTE": (1, "B"), "SHORT": (3, "H"), "LONG": (4, "I"), "SSHORT": (8, "h"), "SLONG": (9, "i")}


@pytest.mark.parametrize("written", TYPES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_an_orientation_counts_in_whatever_type_it_was_written(
    orientation: int, kind: str, order: str, written: str
) -> None:
    number, letter = TYPES[written]
    value = struct.pack(order + letter, orientation)
    turned = samples.corners().transpose(samples.STORED[orientation])  # type: ignore[arg-type]
    if kind == "TIFF":
        data = samples.tiff(turned, order=order, more=[(274, number, value)])
    else:
        exif = b"Exif\0\0" + samples.tiff_file([(274, number, value)], order=order)
        data = samples.save(turned, kind, exif=exif, quality=95)
        with pytest.raises(NotPlain):
            plain.plain(sniff(data) or "jpeg", data, keep_metadata=False)
    assert_corners(shown(data), by=25)


def masked_pdf(kind: str) -> bytes:
    """A 'compact' scan: a coarse ground, and the print as a fine mask of one bit."""
    print_ = samples.typed(1240, 1754, "1")
    fine = ImageChops.invert(print_) if kind == "SMask" else print_
    bits = zlib.compress(fine.tobytes())
    head = b"/Type/XObject/Subtype/Image/Width 1240/Height 1754/BitsPerComponent 1/Filter/FlateDecode"
    ground = zlib.compress(b"\xff\xfa\xf0" * 80 * 110)
    ink = zlib.compress(b"\x10\x10\x30" * 80 * 110)
    coarse = b"/Type/XObject/Subtype/Image/Width 80/Height 110/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode"
    mask = {
        "SMask": head + b"/ColorSpace/DeviceGray",
        "Mask": head + b"/ImageMask true",
        "stencil": head + b"/ImageMask true",
    }[kind]
    draws = b"q 595 0 0 842 0 0 cm /G Do Q " + (b"0 0 .2 rg " if kind == "stencil" else b"")
    draws += b"q 595 0 0 842 0 0 cm /" + (b"M" if kind == "stencil" else b"I") + b" Do Q"
    return samples.pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</G 5 0 R/I 6 0 R/M 7 0 R>>>>>>",
        samples.stream(b"", draws),
        samples.stream(coarse, ground),
        samples.stream(coarse + (b"" if kind == "stencil" else b"/%s 7 0 R" % kind.encode()), ink),
        samples.stream(mask, bits),
    )


@pytest.mark.parametrize("kind", ["SMask", "Mask", "stencil"])
def test_a_compact_scan_is_drawn_as_finely_as_its_finest_layer(kind: str) -> None:
    image = shown(masked_pdf(kind), Target(4000, 5_000_000))
    assert abs(image.width - 1240) <= 1
    page = samples.typed(1240, 1754)
    found = image.convert("L").resize(page.size)
    assert ImageStat.Stat(ImageChops.difference(found, page)).rms[0] < 60
    assert sum(found.histogram()[:100]) > sum(page.histogram()[:100]) / 2  # the print is there, and dark


def lettered(colour: tuple[int, ...], *, ground: Image.Image | None = None) -> Image.Image:
    image = ground or Image.new("RGBA", (600, 200), (255, 255, 255, 0))
    ImageDraw.Draw(image).text(
        (20, 60), "Forty crates of lamp glass", colour, ImageFont.load_default(size=40)
    )
    return image


def contrast(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    low, high = image.convert("L").crop(box).getextrema()
    return high - low  # type: ignore[operator]


ALL = (0, 0, 600, 200)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "palette", "ICO"])
def test_white_print_on_nothing_is_shown_on_a_ground_that_it_can_be_seen_on(kind: str) -> None:
    image = lettered((255, 255, 255, 255))
    if kind == "palette":
        data = samples.save(image.quantize(16), "PNG")
    elif kind == "ICO":
        data = samples.save(image.crop((0, 40, 256, 140)), "ICO", sizes=[(256, 100)])
    else:
        data = samples.save(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert contrast(shown(data), (0, 0, 250, 90) if kind == "ICO" else ALL) > 200


def test_dark_print_on_nothing_and_pages_with_round_corners_are_shown_on_white() -> None:
    dark = shown(samples.save(lettered((20, 20, 60, 255)), "PNG"))
    assert dark.getpixel((2, 2)) == (255, 255, 255)
    page = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    ImageDraw.Draw(page).rounded_rectangle((0, 0, 599, 199), 30, (255, 255, 255, 255))
    corner = shown(samples.save(lettered((0, 0, 0, 255), ground=page), "PNG"))
    assert near(corner.getpixel((1, 1)), (255, 255, 255))  # type: ignore[arg-type]
    assert contrast(corner, ALL) > 200


def test_white_and_black_print_on_nothing_are_both_seen() -> None:
    both = Image.new("RGBA", (600, 400), (0, 0, 0, 0))
    both.paste(lettered((255, 255, 255, 255)), (0, 0))
    both.paste(lettered((0, 0, 0, 255)), (0, 200))
    image = shown(samples.save(both, "PNG"))
    assert contrast(image, (0, 0, 600, 200)) > 90
    assert contrast(image, (0, 200, 600, 400)) > 90


def test_a_very_large_picture_gets_one_ground_for_all_of_it() -> None:
    image = Image.new("RGBA", (4200, 4200), (255, 255, 255, 0))
    image.paste(lettered((255, 255, 255, 255)).resize((4200, 1400)), (0, 2800))
    small = shown(samples.save(image, "PNG"), Target(600, 700_000)).convert("L")
    assert contrast(small, (0, 400, 600, 600)) > 200
    assert small.getpixel((300, 10)) == small.getpixel((2, 597))


def test_letters_with_an_outline_and_pastel_drawings_stay_on_white() -> None:
    image = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    font = ImageFont.load_default(size=40)
    draw = ImageDraw.Draw(image)
    draw.text(
        (20, 60),
        "Forty crates of lamp glass",
        (0, 0, 0, 255),
        font,
        stroke_width=3,
        stroke_fill=(255, 255, 255, 255),
    )
    draw.rectangle((20, 150, 500, 160), (255, 255, 0, 255))
    assert shown(samples.save(image, "PNG")).getpixel((2, 2)) == (255, 255, 255)


def test_a_coloured_drawing_with_some_white_in_it_stays_on_white() -> None:
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((50, 50, 350, 350), (200, 30, 30, 255))
    draw.ellipse((150, 150, 250, 250), (255, 255, 255, 255))
    assert near(shown(samples.save(image, "PNG")).getpixel((2, 2)), (255, 255, 255))  # type: ignore[arg-type]


# -- squashed


def squashed(across: int, down: int, mode: str) -> Image.Image:
    """A circle on A4, as it is stored at these resolutions."""
    page = Image.new("L", (827, 1169), 255)
    ImageDraw.Draw(page).ellipse((200, 300, 600, 700), 0)
    return page.resize((round(8.27 * across), round(11.69 * down))).convert(mode)


@pytest.mark.parametrize("resolution", [(204, 98), (204, 391), (200, 100), (100, 200), (300, 150)])
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("TIFF", "1"),
        ("TIFF", "L"),
        ("TIFF", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "RGB"),
        ("PNG", "1"),
        ("PNG", "RGB"),
        ("BMP", "L"),
    ],
)
def test_pixels_that_are_not_square_are_made_so(kind: str, mode: str, resolution: tuple[int, int]) -> None:
    data = samples.save(squashed(*resolution, mode), kind, dpi=resolution)
    image = shown(data).convert("L")
    assert abs(image.height / image.width - 11.69 / 8.27) < 0.02
    left, top, right, bottom = ImageChops.invert(image).point(lambda v: 255 * (v > 128)).getbbox()  # type: ignore[misc]
    assert abs((right - left) / (bottom - top) - 1) < 0.03
    if kind not in {"BMP", "TIFF"}:
        with pytest.raises(NotPlain):
            plain.plain(sniff(data) or "png", data, keep_metadata=False)


@pytest.mark.parametrize("resolution", [(300, 300), (300, 301), (1, 1), (72, 7200), (0, 300)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_pixels_that_are_square_or_whose_shape_makes_no_sense_are_left_alone(
    kind: str, resolution: tuple[int, int]
) -> None:
    image = shown(samples.save(samples.corners(), kind, dpi=resolution))
    assert image.size == (240, 160)


def test_turned_and_squashed_at_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = squashed(200, 100, "L").transpose(Image.Transpose.ROTATE_90)  # the fine axis is down now
    image = shown(samples.save(stored, "JPEG", dpi=(100, 200), exif=exif, quality=95))
    assert abs(image.height / image.width - 11.69 / 8.27) < 0.02


# -- samples that stand side by side


def in_bits(values: Iterable[int], bits: int) -> bytes:
    """A row of numbers, one after the other, filled up to a whole byte."""
    written = "".join(f"{value:0{bits}b}" for value in values)
    return int(written.ljust(-(-len(written) // 8) * 8, "0"), 2).to_bytes(-(-len(written) // 8))


def half_a_step(code: str) -> int:
    """By which values of 0 to 255 are rounded in so many bits."""
    return 128 // ((1 << int(code)) - 1) if code.isdigit() else 0


def of_samples(
    channels: Sequence[Image.Image],
    code: str,
    *,
    photometric: int = 2,
    order: str = "<",
    extra: int | None = None,
    packed: bool = False,
    tiled: bool = False,
) -> bytes:
    """A TIFF of channels in 8 bits, each value written as this letter of `struct` has it; `12`: in so many bits."""
    width, height = channels[0].size
    kind = {"b": 2, "h": 2, "i": 2, "f": 3, "d": 3}.get(code, 1)
    most = {"b": 127, "B": 255, "H": 65535, "I": (1 << 32) - 1}.get(code, 1.0)
    if code.isdigit():
        most = (1 << int(code)) - 1

    def value(eight: int) -> float:
        return eight - 128 if code == "b" else eight / 255 if kind == 3 else round(eight * int(most) / 255)

    def rows(box: tuple[int, int, int, int]) -> bytes:
        parts = [channel.crop(box).tobytes() for channel in channels]
        values = [value(eight) for pixel in zip(*parts, strict=True) for eight in pixel]
        if not code.isdigit():
            return struct.pack(f"{order}{len(values)}{code}", *values)
        across = len(values) // (box[3] - box[1])
        lines = (values[n : n + across] for n in range(0, len(values), across))
        return b"".join(in_bits(map(int, line), int(code)) for line in lines)

    side = 16 if tiled else width
    places = [
        (x, y, x + side, y + (side if tiled else height))
        for y in range(0, height, side if tiled else height)
        for x in range(0, width, side)
    ]
    parts = [zlib.compress(rows(box)) if packed else rows(box) for box in places]
    offsets = tuple(16 + sum(map(len, parts[:n])) for n in range(len(parts)))
    lengths = tuple(map(len, parts))
    bits = int(code) if code.isdigit() else 8 * struct.calcsize(code)
    entries: list[samples.Entry] = [
        (256, 3, (width,)), (257, 3, (height,)), (258, 3, (bits,) * len(channels)), (259, 3, (8 if packed else 1,)),
        (262, 3, (photometric,)), (277, 3, (len(channels),)), (339, 3, (kind,) * len(channels)),
    ]  # fmt: skip
    entries += (
        [(322, 3, (16,)), (323, 3, (16,)), (324, 4, offsets), (325, 4, lengths)]
        if tiled
        else [(273, 4, offsets), (278, 3, (height,)), (279, 4, lengths)]
    )
    entries += [(338, 3, (extra,))] if extra is not None else []
    return samples.tiff_file(entries, data=b"".join(parts), order=order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["plain", "packed", "tiled"])
@pytest.mark.parametrize("code", ["1", "2", "3", "4", "6", "10", "12", "14", "15", "I", "f", "d"])
def test_colours_in_any_number_of_bits_are_read(code: str, form: str, order: str) -> None:
    image = samples.corners(48, 32)
    image = shown(
        of_samples(image.split(), code, order=order, packed=form == "packed", tiled=form == "tiled")
    )
    assert image.size == (48, 32)
    assert_corners(image, by=2 + half_a_step(code))


@pytest.mark.parametrize("code", ["3", "5", "6", "7", "9", "10", "12", "14", "b", "I", "f", "d"])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_grays_in_any_number_of_bits_are_read_with_black_where_it_belongs(
    code: str, photometric: int, order: str
) -> None:
    gray = samples.corners(48, 32, "L")
    stored = ImageChops.invert(gray) if photometric == 0 else gray
    image = shown(of_samples([stored], code, photometric=photometric, order=order))
    by = 3 + half_a_step(code)
    assert ImageChops.difference(image.convert("L"), gray).getextrema()[1] <= by  # type: ignore[operator]


@pytest.mark.parametrize("width", [47, 48])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [2, 3, 4, 6, 10, 12, 14])
def test_planes_of_any_number_of_bits_are_put_together(bits: int, order: str, width: int) -> None:
    image = samples.corners(width, 32)
    most = (1 << bits) - 1
    planes = []
    for plane in image.split():
        values = [round(value * most / 255) for value in plane.tobytes()]
        planes.append(b"".join(in_bits(values[n : n + width], bits) for n in range(0, len(values), width)))
    entries: list[samples.Entry] = [
        (256, 3, (width,)), (257, 3, (32,)), (258, 3, (bits,) * 3), (259, 3, (1,)), (262, 3, (2,)),
        (273, 4, tuple(16 + n * len(planes[0]) for n in range(3))), (277, 3, (3,)), (278, 3, (32,)),
        (279, 4, tuple(map(len, planes))), (284, 3, (2,)),
    ]  # fmt: skip
    found = shown(samples.tiff_file(entries, data=b"".join(planes), order=order))
    assert found.size == (width, 32)
    assert_corners(found, by=2 + half_a_step(str(bits)))


@pytest.mark.parametrize("scale", [1, 257])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_palette_with_sixteen_bits_a_pixel_is_shown_in_its_colours(order: str, scale: int) -> None:
    width, height = 48, 32
    numbers = [(7, 300, 40_000, 65_535)[y // 16 * 2 + x // 24] for y in range(height) for x in range(width)]
    table = [0] * (3 << 16)
    for number, colour in zip((7, 300, 40_000, 65_535), samples.CORNERS, strict=True):
        for band in range(3):
            table[(band << 16) + number] = colour[band] * scale
    entries: list[samples.Entry] = [
        (256, 3, (width,)), (257, 3, (height,)), (258, 3, (16,)), (259, 3, (1,)), (262, 3, (3,)), (273, 4, (16,)),
        (277, 3, (1,)), (278, 3, (height,)), (279, 4, (2 * width * height,)), (320, 3, tuple(table)),
    ]  # fmt: skip
    data = struct.pack(f"{order}{len(numbers)}H", *numbers)
    image = shown(samples.tiff_file(entries, data=data, order=order))
    assert image.size == (width, height)
    assert_corners(image, by=1)


@pytest.mark.parametrize("code", ["B", "H"])
@pytest.mark.parametrize("photometric", [0, 1, 5])
@pytest.mark.parametrize("extra", [0, 1, 2])
def test_channels_beside_gray_and_inks_are_told_from_them(code: str, photometric: int, extra: int) -> None:
    mode = "CMYK" if photometric == 5 else "L"
    image = samples.corners(48, 32, mode)
    channels = list((ImageChops.invert(image) if photometric == 0 else image).split())
    opaque = Image.new("L", image.size, 255)
    found = shown(of_samples([*channels, opaque], code, photometric=photometric, extra=extra))
    meant = samples.corners(48, 32, mode).convert("RGB")
    assert max(high for _, high in ImageChops.difference(found, meant).getextrema()) <= 3  # type: ignore[misc, operator]


@pytest.mark.parametrize("photometric", [8, 9])
@pytest.mark.parametrize("code", ["B", "H"])
def test_lab_is_read_with_its_sign_and_without(photometric: int, code: str) -> None:
    lab = ImageCms.profileToProfile(
        samples.corners(48, 32),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    light, *others = Image.frombytes("RGB", lab.size, lab.tobytes()).split()  # as CIELab stores it: signed
    if photometric == 9:
        others = [other.point(lambda value: value ^ 128) for other in others]
    assert_corners(shown(of_samples([light, *others], code, photometric=photometric)), by=12)


@pytest.mark.parametrize("code", "fd")
@pytest.mark.parametrize("order", "<>")
def test_lab_in_floating_point_is_in_its_own_units(order: str, code: str) -> None:
    colours = [(54.0, 81.0, 70.0), (88.0, -79.0, 81.0), (30.0, 68.0, -112.0), (100.0, 0.0, 0.0)]
    pixels = b"".join(struct.pack(f"{order}3{code}", *colours[n // 8 % 4]) for n in range(32 * 8))
    bits = 8 * struct.calcsize(f"={code}")
    entries: list[samples.Entry] = [
        (256, 3, (32,)), (257, 3, (8,)), (258, 3, (bits,) * 3), (259, 3, (1,)), (262, 3, (8,)), (273, 4, (16,)),
        (277, 3, (3,)), (278, 3, (8,)), (279, 4, (len(pixels),)), (339, 3, (3, 3, 3)),
    ]  # fmt: skip
    image = shown(samples.tiff_file(entries, data=pixels, order=order))
    found = [image.getpixel((8 * n + 4, 4)) for n in range(4)]
    meant = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert all(near(one, other, by=40) for one, other in zip(found, meant, strict=True)), found  # type: ignore[arg-type]


def test_the_profile_of_a_jpeg_2000_counts() -> None:
    red, green, blue = samples.corners().split()
    data = samples.save(Image.merge("RGB", (blue, green, red)), "JPEG2000")
    profile = samples.swapped_profile()
    for method in (2, 3):
        box = struct.pack(">I4s3B", 11 + len(profile), b"colr", method, 0, 0) + profile
        header, at = data.index(b"jp2h") - 4, data.index(b"colr") - 4
        (length,), (old,) = (struct.unpack_from(">I", data, place) for place in (header, at))
        longer = struct.pack(">I", length - old + len(box)) + data[header + 4 : at] + box + data[at + old :]
        assert_corners(shown(data[:header] + longer), by=20)


def test_twelve_bits_in_sixteen_are_not_black_and_one_scale_holds_for_a_whole_large_page() -> None:
    ramp = Image.linear_gradient("L").convert("I").point(lambda value: value * 16 + 15).convert("I;16")
    image = shown(samples.save(ramp, "TIFF")).convert("L")
    assert [abs(image.getpixel((9, y)) - y) < 2 for y in range(256)] == [True] * 256  # type: ignore[operator]
    large = ramp.resize((5000, 5000), Image.Resampling.NEAREST)
    image = shown(samples.save(large, "PNG"), Target(500, 700_000)).convert("L")
    assert [abs(image.getpixel((9, y)) - y * 255 / 499) < 6 for y in range(0, 500, 20)] == [True] * 25  # type: ignore[operator]


def test_one_value_of_sixteen_bits_is_transparent_and_not_all() -> None:
    meant = samples.corners(mode="L")
    gray = meant.convert("I").point(lambda value: value * 257).convert("I;16")
    image = shown(samples.save(gray, "PNG", transparency=gray.getpixel((5, 5)))).convert("L")
    assert image.getpixel((5, 5)) == 255
    assert [abs(image.getpixel(at) - meant.getpixel(at)) < 2 for at in ((200, 5), (5, 120))] == [True, True]  # type: ignore[operator]


@pytest.mark.parametrize("orientation", [6, 8])
@pytest.mark.parametrize("kind", [3, 4])
def test_the_shape_of_pixels_is_that_of_the_page_as_it_is_stored(orientation: int, kind: int) -> None:
    stored = squashed(200, 100, "RGB").transpose(samples.STORED[orientation] or Image.Transpose.ROTATE_90)
    resolution: list[samples.Entry] = [(274, kind, (orientation,)), (282, 4, (100,)), (283, 4, (200,))]
    image = shown(samples.tiff(stored, more=resolution))
    assert abs(image.height / image.width - 11.69 / 8.27) < 0.02


def test_copies_and_masks_are_no_pages_whatever_tag_says_so() -> None:
    page, small = samples.corners(), samples.corners(24, 16)
    together = samples.tiff_file(
        *(
            [(256, 3, (image.width,)), (257, 3, (image.height,)), (258, 3, (8, 8, 8)), (262, 3, (2,)), (277, 3, (3,)), (273, 4, (at,)),
             (278, 3, (image.height,)), (279, 4, (len(image.tobytes()),)), *kind]
            for image, at, kind in ((small, 16, [(254, 4, (1,))]), (small, 16, [(255, 3, (2,))]), (page, 16 + 24 * 16 * 3, [(254, 4, (2,))]), (small, 16, [(254, 4, (4,))]))
        ),
        data=small.tobytes() + page.tobytes(),
    )  # fmt: skip
    assert inspect(together) == (1, 240, 160)
    assert_corners(shown(together))


def test_a_page_with_a_coarse_picture_is_still_drawn_as_large_as_a_page() -> None:
    dots = b"q 240 0 0 160 30 150 cm BI /W 8 /H 4 /IM true /F /AHx ID AA55AA55> EI Q"
    image = shown(samples.pdf(dots, size=(300, 400)))
    assert image.size == (300, 400)
    assert image.convert("L").getextrema() == (0, 255)


# -- with a reason


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({258: (10, 10, 10), 262: (2,), 259: (5,), 277: (3,), 317: (2,)}, "10-bit RGB"),
        ({258: (16, 16, 16), 262: (2,), 277: (3,), 339: (3, 3, 3)}, "16-bit floating-point RGB"),
        ({258: (16, 16, 16), 259: (5,), 262: (8,), 277: (3,), 317: (2,)}, "16-bit Lab"),
        ({258: (64,), 262: (1,), 277: (1,), 339: (6,)}, "64-bit complex gray"),
        ({258: (14,), 262: (1,), 277: (1,), 317: (2,)}, "14-bit gray"),
        ({258: (16,), 262: (32844,), 277: (1,)}, "16-bit LogL"),
        ({258: (8,), 259: (34712,), 262: (1,), 277: (1,)}, r"compression \(JPEG 2000\)"),
        ({258: (8,), 259: (34887,), 262: (1,), 277: (1,)}, r"compression \(LERC\)"),
        ({258: (8, 8, 8), 259: (52546,), 262: (2,), 277: (3,)}, r"compression \(JPEG XL\)"),
        ({258: (8,), 259: (65001,), 262: (1,), 277: (1,)}, r"compression \(number 65001\)"),
    ],
)
def test_an_unusual_tiff_fails_with_its_bits_or_colour_space(
    tags: dict[int, tuple[int, ...]], reason: str
) -> None:
    data = bytes(64 * 64 * 24)
    plainly: dict[int, tuple[int, ...]] = {
        256: (64,),
        257: (64,),
        259: (1,),
        273: (16,),
        278: (64,),
        279: (len(data),),
    }
    entries: list[samples.Entry] = [
        (tag, 3 if tag not in {273, 279} else 4, value) for tag, value in {**plainly, **tags}.items()
    ]
    for look in (inspect, prepare):
        with pytest.raises(FileError, match=reason):
            look(samples.tiff_file(entries, data=data))  # type: ignore[operator]


@pytest.mark.skipif(shutil.which("vips") is None, reason="libvips's tools are not installed")
@pytest.mark.parametrize("compression", ["webp", "zstd", "deflate", "lzw", "packbits", "jpeg"])
@pytest.mark.parametrize("tiles", [[], ["--tile"]], ids=["strips", "tiles"])
def test_a_tiff_of_any_compression_is_read_or_fails_with_its_name(
    compression: str, tiles: list[str], tmp_path: Path
) -> None:
    samples.corners(256, 128).save(source := tmp_path / "source.png")
    made = tmp_path / "made.tif"
    run = subprocess.run(
        ["vips", "tiffsave", source, made, "--compression", compression, *tiles],
        capture_output=True, check=False,
    )  # fmt: skip
    if run.returncode:
        pytest.skip(f"this libvips does not write {compression}")
    try:
        image = shown(made.read_bytes())
    except FileError as e:
        assert "its compression (WebP) is not known" in str(e)  # noqa: PT017 - Pillow may be built with it or without
    else:
        assert_corners(image)


def test_a_damaged_pdf_does_not_get_the_reason_of_the_one_before() -> None:
    locked, damaged = samples.pdf(b"0 0 m 9 9 l S", encrypted=True), b"%PDF-1.4\nnothing of use\n%%EOF\n"
    for data, reason in (
        (locked, "password"),
        (damaged, "cannot be read"),
        (locked, "password"),
        (damaged, "cannot be read"),
    ):
        with pytest.raises(FileError, match=reason):
            inspect(data)


def test_a_page_without_a_size_is_told_of_and_the_others_are_read() -> None:
    pages = [b"[0 0 300 400]", b"[0 0 300 400]/CropBox[600 800 900 900]", b"[0 0 200 100]"]
    data = samples.pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 3/Kids[3 0 R 4 0 R 5 0 R]>>",
        *(b"<</Type/Page/Parent 2 0 R/MediaBox%s>>" % box for box in pages),
    )
    assert inspect(data) == (3, 1250, 1667)
    with samples.as_file(data) as file:
        assert decode.undrawable(file, "pdf") == [2]
    assert shown(data, page=3).size == (833, 417)
    with pytest.raises(FileError, match="Page 2 has no size"):
        prepare(data, page=2)


# -- other formats


@pytest.mark.parametrize("kind", ["pbm", "pgm", "ppm", "tga", "ico", "bmp"])
def test_formats_that_other_programs_write_are_read(kind: str) -> None:
    picture = (
        samples.corners()
        if kind in {"ppm", "tga", "ico", "bmp"}
        else samples.corners(mode={"pbm": "1", "pgm": "L"}[kind])
    )
    if kind == "ico":
        data = samples.save(picture, "ICO", sizes=[(16, 16), (240, 160)])
    else:
        data = samples.save(picture, {"tga": "TGA", "bmp": "BMP"}.get(kind, "PPM"))
    image = shown(data)
    assert image.size == (240, 160)
    assert ImageStat.Stat(ImageChops.difference(image, picture.convert("RGB"))).rms[0] < 12


MASKS = {
    "blue first": (16, (0x1F, 0x7E0, 0xF800, 0)),
    "6, 5, 5": (16, (0xFC00, 0x3E0, 0x1F, 0)),
    "4, 4, 4": (16, (0xF00, 0xF0, 0xF, 0)),
    "4, 4, 4, 4": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "red first": (32, (0xFF, 0xFF00, 0xFF0000, 0)),
    "mixed": (32, (0xFF00, 0xFF0000, 0xFF, 0)),
    "10, 10, 10": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
    "10, 10, 10, 2": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
    "7, 7, 7 from below": (32, (0x7F, 0x3F80, 0x1FC000, 0)),
    "as most have it": (32, (0xFF0000, 0xFF00, 0xFF, 0)),
}


def masked_bmp(name: str, *, head: int = 40, downwards: bool = False) -> bytes:
    """A BMP of the corners, 47 px wide, all of it opaque."""
    depth, masks = MASKS[name]
    image = samples.corners(47, 32)
    if not downwards:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    shifts = [(mask & -mask).bit_length() - 1 for mask in masks if mask]
    most = [mask >> shift for mask, shift in zip(masks, shifts, strict=False)]

    def number(pixel: tuple[int, ...]) -> int:
        parts = zip((*pixel, 255), most, shifts, strict=False)
        return sum(round(value * top / 255) << shift for value, top, shift in parts)

    rgb = image.tobytes()
    words = [
        number((rgb[n], rgb[n + 1], rgb[n + 2])).to_bytes(depth // 8, "little") for n in range(0, len(rgb), 3)
    ]
    stride = -(-47 * depth // 32) * 4
    data = b"".join(b"".join(words[n : n + 47]).ljust(stride, b"\0") for n in range(0, len(words), 47))
    start = 14 + head + (12 if head == 40 else 0)
    info = struct.pack(
        "<IiiHHIIiiII", head, 47, -32 if downwards else 32, 1, depth, 3, len(data), 2835, 2835, 0, 0
    )
    info = (info + struct.pack("<IIII", *masks))[: start - 14].ljust(start - 14, b"\0")
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + data


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("head", [40, 52, 56, 108, 124])
@pytest.mark.parametrize("name", MASKS)
def test_a_bmp_is_shown_whatever_its_masks(name: str, head: int, downwards: bool) -> None:
    image = shown(masked_bmp(name, head=head, downwards=downwards))
    assert image.size == (47, 32)
    assert_corners(image, by=10)


@pytest.mark.parametrize("damage", ["cut off", "apart", "none"])
def test_a_bmp_whose_masks_make_no_sense_or_that_is_cut_off_fails_with_the_reason(damage: str) -> None:
    data = bytearray(masked_bmp("blue first", head=56))
    if damage == "cut off":
        del data[-400:]
    else:
        struct.pack_into("<I", data, 54, 0x50F if damage == "apart" else 0)
    with pytest.raises(FileError, match="truncated" if damage == "cut off" else "masks make no sense"):
        prepare(bytes(data))


def test_netpbm_in_digits_and_with_remarks_is_read() -> None:
    image = shown(b"P2\n# made by hand\n4 2\n# of values\n15\n0 15 0 15\n15 0 15 0\n")
    assert image.size == (4, 2)
    assert image.getpixel((1, 0)) == (255, 255, 255)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_targa_of_every_kind_is_known_by_its_header(mode: str, compressed: bool) -> None:
    picture = samples.corners().quantize(8) if mode == "P" else samples.corners(mode=mode)
    data = samples.save(picture, "TGA", compression="tga_rle" if compressed else None)
    assert sniff(data[:1024]) == "tga"
    assert shown(data).size == (240, 160)


@pytest.mark.parametrize(
    "data",
    [
        b"hello world, this is no image at all, not even nearly",
        bytes(range(64)),
        b"\0\0\2\0" + b"x" * 60,
        b"PK\3\4" + bytes(60),
        b"ID3" + bytes(60),
    ],
)
def test_what_is_no_picture_is_not_taken_for_one_without_a_mark(data: bytes) -> None:
    assert sniff(data) is None


@pytest.mark.parametrize("orientation", [1, 6, 8])
@pytest.mark.parametrize("order", "<>")
def test_of_a_cameras_raw_file_its_largest_picture_is_read_upright(orientation: int, order: str) -> None:
    turn = samples.STORED[orientation]
    stored = samples.corners(480, 320) if turn is None else samples.corners(480, 320).transpose(turn)
    data = samples.dng(stored, orientation=orientation, order=order)
    assert inspect(data) == (1, *stored.size)
    image = shown(data)
    assert image.size == (480, 320)
    assert_corners(image)


def test_canons_older_raw_files_keep_it_in_the_first_directory() -> None:
    jpeg = samples.save(samples.corners(480, 320), "JPEG", quality=95)
    small = samples.save(samples.corners(160, 120), "JPEG", quality=95)
    lossless = jpeg.replace(b"\xff\xc0", b"\xff\xc3", 1).replace(
        struct.pack(">HH", 320, 480), struct.pack(">HH", 3200, 4800)
    )
    at = [16, 16 + len(jpeg), 16 + len(jpeg) + len(small)]
    first: list[samples.Entry] = [
        (256, 3, (480,)), (257, 3, (320,)), (258, 3, (8, 8, 8)), (259, 3, (6,)), (273, 4, (at[0],)), (274, 3, (1,)),
        (279, 4, (len(jpeg),)),
    ]  # fmt: skip
    second: list[samples.Entry] = [(513, 4, (at[1],)), (514, 4, (len(small),))]
    third: list[samples.Entry] = [(259, 3, (6,)), (273, 4, (at[2],)), (279, 4, (len(lossless),))]
    data = samples.tiff_file(first, second, third, data=jpeg + small + lossless)
    image = shown(data[:8] + b"CR\2\0" + data[12:])
    assert image.size == (480, 320)
    assert_corners(image)


@pytest.mark.parametrize(("compression", "photometric"), [(34713, 32803), (32767, 32803), (1, 34892)])
def test_nikons_sonys_and_linear_raw_files_are_known(compression: int, photometric: int) -> None:
    data = samples.dng(samples.corners(480, 320))
    data = data.replace(
        struct.pack("<HHIHH", 262, 3, 1, 32803, 0), struct.pack("<HHIHH", 262, 3, 1, photometric, 0)
    )
    raw = data.index(struct.pack("<HHIHH", 262, 3, 1, photometric, 0))
    data = data[: raw - 4] + struct.pack("<HH", compression, 0) + data[raw:]
    data = data.replace(struct.pack("<HHI", 50706, 1, 4), struct.pack("<HHI", 50707, 1, 4))
    assert shown(data).size == (480, 320)


def test_a_file_whose_own_directories_hold_only_copies_shows_its_largest_picture() -> None:
    small, large = (
        samples.corners(16, 12).tobytes(),
        samples.save(samples.corners(480, 320), "JPEG", quality=95),
    )
    place: list[samples.Entry] = [(513, 4, (16 + len(small),)), (514, 4, (len(large),))]
    thumbnail: list[samples.Entry] = [
        (254, 4, (1,)), (256, 3, (16,)), (257, 3, (12,)), (258, 3, (8, 8, 8)), (259, 3, (1,)), (262, 3, (2,)),
        (273, 4, (16,)), (277, 3, (3,)), (278, 3, (12,)), (279, 4, (len(small),)), (274, 3, (1,)),
    ]  # fmt: skip
    below = samples.tiff_file(thumbnail, place, data=small + large, sub=1)
    alone = samples.tiff_file([(254, 4, (1,)), (259, 3, (6,)), *place], data=small + large)
    for data in (below, alone):
        assert shown(data).size == (480, 320)
        assert_corners(shown(data))
    page = [entry if entry[0] != 254 else (254, 4, (0,)) for entry in thumbnail]
    assert shown(samples.tiff_file(page, place, data=small + large, sub=1)).size == (16, 12)  # that is a page


def test_canons_newer_raw_files_keep_it_in_boxes() -> None:
    def box(name: bytes, *content: bytes) -> bytes:
        body = b"".join(content)
        return struct.pack(">I4s", len(body) + 8, name) + body

    stored = samples.corners(480, 320).transpose(Image.Transpose.ROTATE_90)
    large = samples.save(stored, "JPEG", quality=95)
    preview = samples.save(samples.photo(160, 120), "JPEG")
    cmt1 = samples.tiff_file([(274, 3, (6,))])
    ftyp = box(b"ftyp", b"crx \0\0\0\1crx isom")

    def moov(at: int) -> bytes:
        stbl = box(
            b"stbl",
            box(b"stsz", bytes(4), struct.pack(">II", len(large), 1)),
            box(b"co64", bytes(4), struct.pack(">IQ", 1, at)),
        )
        canon = box(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), box(b"CMT1", cmt1))
        return box(b"moov", canon, box(b"trak", box(b"mdia", box(b"minf", stbl))))

    uuid = box(
        b"uuid", bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16"), bytes(8), box(b"PRVW", bytes(16), preview)
    )
    at = len(ftyp + moov(0) + uuid) + 8
    data = ftyp + moov(at) + uuid + box(b"mdat", large)
    assert inspect(data) == (1, 320, 480)
    image = shown(data)
    assert image.size == (480, 320)
    assert_corners(image)


def test_a_raw_file_without_a_preview_says_so() -> None:
    data = samples.dng(samples.corners())
    start = data.index(b"\xff\xd8\xff")
    with pytest.raises(FileError, match="no preview"):
        prepare(data[:start] + bytes(3) + data[start + 3 :])


# -- larger than a worker may decode at once


def test_jpeg_2000_is_decoded_smaller_where_all_of_it_would_not_fit() -> None:
    large = samples.save(samples.corners(3001, 2003), "JPEG2000", num_resolutions=6, irreversible=True)
    for bare in (False, True):
        data = large[large.index(b"\xff\x4f\xff\x51") :] if bare else large
        [encoded] = prepare(data, Target(500, 700_000), memory=8_000_000)
        assert (encoded.width, encoded.height) == (500, 334)
        assert_corners(opened(encoded))
    with pytest.raises(FileError, match="3001 by 2003 pixels are too many"):
        prepare(
            samples.save(samples.corners(3001, 2003), "JPEG2000", num_resolutions=1),
            Target(500, 700_000),
            memory=8_000_000,
        )


def test_a_large_jpeg_is_decoded_smaller() -> None:
    data = samples.save(samples.corners(4000, 3000), "JPEG", quality=90)
    [encoded] = prepare(data, Target(900, 700_000), memory=4_000_000)
    assert_corners(opened(encoded))


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_what_is_too_large_says_how_large_it_is(kind: str) -> None:
    data = samples.save(samples.corners(), kind)
    at = data.index(b"ispe") + 8
    data = data[:at] + struct.pack(">II", 17000, 17000) + data[at + 8 :]
    with samples.as_file(data) as file, pytest.raises(FileError, match="17000 by 17000 pixels are too many"):
        decode.inspect(file, sniff(data) or "avif", 640_000_000)


def of_tiles(turn: bytes = b"", *, side: int = 512, size: tuple[int, int] = (2000, 1500)) -> bytes:
    """A HEIC of tiles, as phones write it; with a property like ``irot`` that turns all of it."""
    import pillow_heif

    plain_size = pillow_heif.options.GRID_TILE_SIZE
    pillow_heif.options.GRID_TILE_SIZE = side
    try:
        data = samples.save(samples.corners(*size), "HEIF", quality=60)
    finally:
        pillow_heif.options.GRID_TILE_SIZE = plain_size
    if not turn:
        return data
    new = struct.pack(">I", len(turn) + 8 - 4) + turn[:4] + turn[4:] if len(turn) > 4 else b""
    properties = data.index(b"ipco") - 4
    [length] = struct.unpack_from(">I", data, properties)
    end = properties + length  # where the new property goes; after it comes `ipma`
    ipma = end
    count = sum(1 for _ in boxes.boxes(lambda at, n: data[at : at + n], properties + 8, end))
    entry = ipma + 8 + 4 + 4  # of the primary picture: number, count, indices
    assert data[entry : entry + 2] == b"\0\1"
    listed = entry + 3 + data[entry + 2]
    delta = len(new) + 1
    out = bytearray(data[:end] + new + data[end:listed] + bytes([count + 1]) + data[listed:])
    out[entry + len(new) + 2] += 1
    for name, more in ((b"ipco", len(new)), (b"ipma", 1), (b"iprp", delta), (b"meta", delta)):
        at = out.index(name) - 4
        struct.pack_into(">I", out, at, struct.unpack_from(">I", out, at)[0] + more)
    iloc = out.index(b"iloc") + 4
    assert out[iloc] == 1
    for n in range(struct.unpack_from(">H", out, iloc + 6)[0]):
        item = iloc + 8 + 20 * n
        if not out[item + 3]:  # in the file, not in the metadata
            struct.pack_into(">I", out, item + 12, struct.unpack_from(">I", out, item + 12)[0] + delta)
    return bytes(out)


@pytest.mark.parametrize(
    "turn",
    [b"", b"irot\1", b"irot\2", b"irot\3", b"imir\0", b"imir\1"],
    ids=lambda turn: turn.decode() or "none",
)
def test_a_heic_of_tiles_is_decoded_smaller_tile_by_tile(turn: bytes) -> None:
    data = of_tiles(turn)
    to = Target(500, 700_000)
    [whole] = prepare(data, to)
    [pieces] = prepare(data, to, memory=8_000_000)
    assert max(pieces.width, pieces.height) == 500
    assert (pieces.width, pieces.height) == (whole.width, whole.height)
    assert ImageStat.Stat(ImageChops.difference(opened(whole), opened(pieces))).rms[0] < 6
    if not turn:
        assert_corners(opened(pieces))
    with pytest.raises(FileError, match="pixels are too many"):
        prepare(data, Target(1900, 700_000), memory=8_000_000)


# -- as other decoders show it

CONVERT, VIPS, PDFTOPPM = (
    shutil.which(name, path="/usr/bin:/usr/local/bin") for name in ("convert", "vips", "pdftoppm")
)
FIELD = Path(__file__).parents[3] / "shared" / "field" / "images"


def by_imagemagick(path: Path, out: Path) -> Image.Image:
    subprocess.run(
        [
            str(CONVERT),
            f"{path}[0]",
            "-auto-orient",
            "-background",
            "white",
            "-alpha",
            "remove",
            "-colorspace",
            "sRGB",
            f"PNG24:{out}",
        ],
        check=True,
        capture_output=True,
    )
    return Image.open(out).convert("RGB")


def by_vips(path: Path, out: Path) -> Image.Image:
    for step in (["autorot", str(path), f"{out}.v"], ["colourspace", f"{out}.v", str(out), "srgb"]):
        subprocess.run([str(VIPS), *step], capture_output=True, check=True)
    image = Image.open(out).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def by_poppler(path: Path, out: Path) -> Image.Image:
    subprocess.run(
        [str(PDFTOPPM), "-singlefile", "-r", "150", "-png", str(path), str(out)[:-4]],
        check=True,
        capture_output=True,
    )
    return Image.open(out).convert("RGB")


def alike(one: Image.Image, other: Image.Image) -> bool:
    """The same shape, polarity, turn and colours, whatever the resolution."""
    if abs(one.width / one.height / (other.width / other.height) - 1) > 0.03:
        return False
    small = [image.resize((64, 64), Image.Resampling.BOX) for image in (one, other)]
    return max(ImageStat.Stat(ImageChops.difference(*small)).rms) < 20


MADE: dict[str, Callable[[], bytes]] = {
    **{name: samples.EVERY[name] for name in ("jpeg", "progressive", "cmyk", "png", "palette", "webp", "gif", "bmp", "tiff", "lzw", "jpeg-in-tiff", "cmyk-tiff", "palette-tiff", "bigtiff", "lab-tiff")},
    "planes": lambda: planar(samples.corners()),
    "planes of 16 bits": lambda: planar(samples.corners(), bits=16, packed=True),
    "planes of 16 bits, big-endian": lambda: planar(samples.corners(), bits=16, order=">"),
    "bigtiff, big-endian": lambda: samples.tiff(samples.corners(), big=True, order=">"),
    "tiles": lambda: samples.tiff(samples.corners(), tiled=True),
    "turned tiff": lambda: samples.oriented(6, "TIFF"),
    "turned jpeg": lambda: samples.oriented(8, "JPEG"),
    "transparent": lambda: samples.save(lettered((20, 20, 90, 255)), "PNG"),
    "ppm": lambda: samples.save(samples.corners(), "PPM"),
    "pbm": lambda: samples.save(samples.typed(300, 400, "1"), "PPM"),
    **{f"{code} bits": functools.partial(of_samples, samples.corners(48, 32).split(), code) for code in ("4", "6", "10", "14")},
    **{f"masks {name}": functools.partial(masked_bmp, name) for name in MASKS if name != "10, 10, 10, 2"},
    "tga": lambda: samples.save(samples.corners(), "TGA"),
}  # fmt: skip
OWN_COLOURS = {("cmyk", by_vips), ("cmyk-tiff", by_vips), ("lab-tiff", by_imagemagick)}
ENDINGS = {"tga": ".tga"}  # whose content tells other programs nothing


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(by_imagemagick, marks=pytest.mark.skipif(CONVERT is None, reason="no ImageMagick")),
        pytest.param(by_vips, marks=pytest.mark.skipif(VIPS is None, reason="no libvips")),
    ],
)
def test_a_picture_looks_as_another_decoder_shows_it(
    name: str, other: Callable[[Path, Path], Image.Image], tmp_path: Path
) -> None:
    path = tmp_path / f"picture{ENDINGS.get(name, '')}"
    path.write_bytes(MADE[name]())
    if (name, other) in OWN_COLOURS:
        pytest.skip("that decoder takes other inks")
    try:
        meant = other(path, tmp_path / "other.png")
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("that decoder does not read it")
    assert alike(shown(path.read_bytes()), meant)


@pytest.mark.skipif(PDFTOPPM is None, reason="no poppler")
@pytest.mark.parametrize("kind", ["SMask", "Mask", "stencil", "text"])
def test_a_page_looks_as_poppler_shows_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "page.pdf"
    path.write_bytes(samples.EVERY["pdf"]() if kind == "text" else masked_pdf(kind))
    assert alike(shown(path.read_bytes()), by_poppler(path, tmp_path / "other.png"))


@pytest.mark.skipif(not FIELD.is_dir() or VIPS is None, reason="no collection of real files, or no libvips")
@pytest.mark.parametrize(
    "name",
    [
        "cramps-tile.tif",
        "flower-rgb-planar-16.tif",
        "BigTIFFMotorola.tif",
        "colormap_8bit_values.tif",
        "exif6_long.jpg",
    ],
)
def test_real_files_look_as_libvips_shows_them(name: str, tmp_path: Path) -> None:
    assert alike(shown((FIELD / name).read_bytes()), by_vips(FIELD / name, tmp_path / "other.png"))
