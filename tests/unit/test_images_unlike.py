"""Pictures that a decoder shows other than they are meant, and says nothing: bits, brightness, and what they stand on."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from PIL import Image, ImageDraw, ImageFont

import images_samples as samples
from glimpsed.errors import FileError
from glimpsed.formats import boxes, plain
from glimpsed.formats.common import NotPlain, reader
from glimpsed.images import colour
from glimpsed.images.plan import Target
from images_looks import near, opened, prepare, quarters

WHITE, BLACK, RED, GRAY = (255, 255, 255), (0, 0, 0), (255, 0, 0), (128, 128, 128)
# 32 by 32, in quarters of these four: OpenJPEG's RGB of 16 and of 12 bits, ImageMagick's gray of 4.
DEEP = {
    16: b"c-muNVBpCLP*C9IYUg5LU=T?wsVvAUFj4@r8KAT-kj?<oVwo8!ML=2sjG6h_L24NIlk;<m7{N>d1_mY*pyK5J{{I6R^ub~ZPz(d8d}e+|MhN;J#J~d-U}R)sVPRnWAH%@q(9qE_0f_#mFsL#xIv1rTmZYXABvmT-7o_HS1-QB^l%*CGXXfWA80nen8T_BX0P+9><2Io7$@hOu?qJU7dh6plMO8WUfsx|H6B-gix*kz%4F5$E|D6;oatz`O-59Z?UE{yMo>EQUf$#HnN_1^GR~609JFQ25tMMTL2@|E>nToF>yDJT}H7@!t_z)aq=r$$Sjdg|Gk2eMi(_&T1b$GY~+)n@F%C^7Jmt)`Xzv7UBRa4$vz1ewu;<Cc-+seF5?zLyM#JE2{yqhhuJ!@_0J)RWtj3w_gUH+_jW1?YmO+d~@dQ$boe@7}8?K{H1aNpr?s{0O~|Kkx?|HwJue_~^Uk|aw$<J+ZYwzal!Ssb=*NvQbwCvT>{io(fL?;qcCV((sj-c|p4SR|+3;@^$|l2Z06+Of<V-kfI2dHeQ!1JEQVph**eCN1zhdt2|=+opy@DfWdvMheLcr!GY{pP%8!_vP^Oo^@95txFCqZfJPm%lgN5zRKNz$RhhqSMuz(?9~SvqG$i%z>E5a4F}BTS<Y$d3|=k5U7fb}?R3pGUrv-3?C_r_-z@U=s=$1Zg?jamoC@k699S^9|KHgV7yfh8mgzVBeZRmdZs+sEx7jbvO>vWYBeT8fze`g8|C<2Oj`p7",
    12: b"c-muNVBpCLP*C9IYUg5LU=T?wsVvAUFj4@r8KAT-kj?<oVwo8!ML=2sjG4LFL24NIlk;<m7{N>d1_s90K*h=b{r?9t=!3-+pcn>F`OMsmj1crch=B(vz{tqN!otA#KZb$JAt5890EqslFsL#xIv1rTmZYXABvmT-7o_HS1-QB^l%*CGXXfWA80nen8T_BX0P+9>V=hqp<ogd3m@~TG`nXO}RStb%q<Ha!hJ=u=M-&^wf04w0C&h{!gE&JsMl5O9`0uZ$RMU6h`@EeJU0cpoMYHox>(Sq8d`LjTM5%YC;<HE3-m9^uDp$Wc#v*huZCZAC!~Y7#1y)UYbM<ED@rla{yKgJ=GP&2D(GuhS{P1qJ$o8zYrT2JJ#50z>&vf~-=8cJl%{2iz8|nV@A9U>x9I>CUK}nJ&pYiR|Guv8QxGWA^w<J{j{F7I&qHyxm`^UGO*t-{>ch$ch7Rjl%__t$#xQccx^M*I4nR4FVZ#e%!-u}QEpb?&DZ|fa<+tiRK#lFzTNS@);rO4*<GyM3z9Dd%j&g#8&$)UydDt7}Si|jXD$+KI3{)4#ui4yw>0cP_o=QMQ&uNL91PFwqSy5^cMCrS%;_|KDX7WsOWA85X){ec$w4H}dC|D6qS;XgNRans-T3!LJ1K0kb${nFeNH}R(bE=l$OZvp`2!_Pw",
}
FLAT = b"c-muNVBpCLP*C9IYUg5LU=T?wsVvAUFj4@r8KAT-kj?<oVwo8!ML=2sj2W5PL24NIlk;<m7{N?IAbt;2oc!Pae;|V<SWE$mVE~oS$jr$2KZt<`#AIM)VPRnWAHyK*prD~)fQ<g9FsL#xIv1rTmZYXABvmT-7o_HS1-QB^l%*CGXXfWA80nen8T_BXzy&ro4`|Nh^DP3*=O>5=9Dc~cTF(q*%2<iWa<H6|<2}rxbAEzOjgsSq2JyX_O*0e>s#lAxJwL&vM%nSg0VPS!>W6Bt>h=B$oL1IW(Y8N7!2~Q}HqUa|g8Eiz4V7&9W|8mzZvp^UKux*"
ANY = Target(2048, 700_000, as_is=False)


def stored(packed: bytes) -> bytes:
    return zlib.decompress(base64.b85decode(packed))


def shown(data: bytes) -> Image.Image:
    return opened(prepare(data, ANY)[0])


@pytest.mark.parametrize("bits", DEEP)
def test_white_of_many_bits_stays_white_in_jpeg_2000(bits: int) -> None:
    data = stored(DEEP[bits])
    for found in (data, data[data.index(b"\xff\x4f\xff\x51") :]):
        assert boxes.depths(reader(io.BytesIO(found))) == (bits,) * 3
        for one, meant in zip(quarters(shown(found)), (WHITE, BLACK, RED, GRAY), strict=True):
            assert near(one, meant)


def test_white_of_few_bits_is_white_in_jpeg_2000() -> None:
    assert boxes.depths(reader(io.BytesIO(stored(FLAT)))) == (4,)
    first, second, _, fourth = quarters(shown(stored(FLAT)))
    assert near(first, WHITE)
    assert near(second, BLACK)
    assert near(fourth, (136, 136, 136))


def test_jpeg_2000_of_more_bits_than_any_decoder_takes_is_refused_with_them() -> None:
    data = bytearray(stored(DEEP[16]))
    at = data.index(b"\xff\x4f\xff\x51") + 42
    data[at], data[at + 3], data[at + 6] = 19, 19, 19
    with pytest.raises(FileError, match="20 bits in 3 channels"):
        shown(bytes(data))


def test_damaged_jpeg_2000_of_many_bits_is_no_blank_page() -> None:
    data = bytearray(stored(DEEP[16]))
    at = data.index(b"\xff\x52")  # how it is coded
    data[at + 4 : at + 14] = b"\xee" * 10
    with pytest.raises(FileError, match="cannot be decoded"):
        shown(bytes(data))


@pytest.mark.parametrize("compression", [1, 8, 32773])
@pytest.mark.parametrize(
    ("bits", "samples_a_pixel", "photometric"), [(8, 4, 5), (16, 3, 2), (16, 1, 1), (4, 1, 1)]
)
def test_bits_that_run_backwards_are_read_in_every_mode(
    bits: int, samples_a_pixel: int, photometric: int, compression: int
) -> None:
    """FillOrder 2, as fax software writes it."""
    side, values = 16, [int(n * ((1 << bits) - 1) / 255) for n in range(256)]
    row = [values[x * 15] for x in range(side) for _ in range(samples_a_pixel)]
    if bits == 16:
        line = struct.pack(f"<{len(row)}H", *row)
    else:
        line = (
            bytes(row) if bits == 8 else bytes(a << 4 | b for a, b in zip(row[::2], row[1::2], strict=True))
        )
    plain_data = line * side
    if compression == 32773:
        packed = b"".join(bytes([len(line) - 1]) + line for _ in range(side))
    else:
        packed = zlib.compress(plain_data) if compression == 8 else plain_data

    def file(order: int) -> bytes:
        turned = (
            packed if order == 1 else packed.translate(bytes(int(f"{n:08b}"[::-1], 2) for n in range(256)))
        )
        entries: list[samples.Entry] = [
            (256, 3, (side,)), (257, 3, (side,)), (258, 3, (bits,) * samples_a_pixel), (259, 3, (compression,)),
            (262, 3, (photometric,)), (266, 3, (order,)), (273, 4, (16,)), (277, 3, (samples_a_pixel,)), (278, 3, (side,)),
            (279, 4, (len(turned),)),
        ]  # fmt: skip
        return samples.tiff_file(entries, data=turned)

    one, two = (shown(file(order)) for order in (1, 2))
    assert one.getextrema() != ((0, 0),) * 3
    for place in range(1, side, 3):
        assert near(one.getpixel((place, 8)), two.getpixel((place, 8)), 3)  # type: ignore[arg-type]


def test_a_jpeg_in_a_tiff_has_no_bits_that_run_backwards() -> None:
    image = samples.corners(mode="CMYK")
    data = bytearray(samples.save(image, "TIFF", compression="jpeg", tiffinfo={266: 1}))
    right = quarters(shown(bytes(data)))
    at = data.index(struct.pack("<HHIH", 266, 3, 1, 1)) + 8
    data[at] = 2
    assert quarters(shown(bytes(data))) == right


def png(rows: bytes, bits: int, kind: int, size: tuple[int, int], *chunks: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, 0)
    listed = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in listed
    )


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_transparent_shade_of_a_png_is_counted_in_its_own_bits(bits: int) -> None:
    """The middle shade is nothing: what is on it stands on white."""
    most = (1 << bits) - 1
    shade, each = most // 3, 8 // bits
    value = sum(shade << (bits * n) for n in range(each))
    dark = [0] * (8 // each)
    row = b"\0" + bytes([value] * (24 // each) + dark)
    image = shown(png(row * 32, bits, 0, (32, 32), (b"tRNS", struct.pack(">H", shade))))
    assert near(image.getpixel((8, 16)), WHITE)  # type: ignore[arg-type]
    assert near(image.getpixel((29, 16)), BLACK)  # type: ignore[arg-type]


def test_a_png_of_linear_light_is_as_bright_as_a_screen_shows_it() -> None:
    rows = (b"\0" + bytes([55, 55, 55] * 32)) * 32
    linear, usual = ((b"gAMA", struct.pack(">I", value)) for value in (100_000, 45_455))
    for chunks, meant in (((linear,), 127), ((usual,), 55), ((linear, (b"sRGB", b"\0")), 55), ((), 55)):
        data = png(rows, 8, 2, (32, 32), *chunks)
        assert near(shown(data).getpixel((5, 5)), (meant,) * 3, 3)  # type: ignore[arg-type]
        if meant == 55:
            assert plain.plain("png", data, keep_metadata=False).data
        else:
            with pytest.raises(NotPlain):
                plain.plain("png", data, keep_metadata=False)


@pytest.mark.parametrize("gamma", [0.0, 1e-5, 40.0, -1.0, float("nan"), None, 0.45])
def test_gamma_that_makes_no_sense_changes_nothing(gamma: float | None) -> None:
    image = samples.corners()
    assert colour.brightened(image, gamma) is image


def print_on(image: Image.Image, left: int, count: int, shade: int, top: int = 6, step: int = 18) -> None:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=16)
    for n in range(count):
        draw.text((left, top + n * step), f"Line {n} of the text, 12.50", (shade, shade, shade, 255), font)


@pytest.mark.parametrize(
    ("box", "within", "beside", "ground"),
    [
        (255, 0, 0, 255),
        (250, 0, 40, 255),
        (20, 255, 255, 0),
        (255, 0, 255, 0),
        (246, 30, None, 255),
    ],
)
def test_print_beside_a_filled_box_is_seen_whatever_is_in_the_box(
    box: int, within: int, beside: int | None, ground: int
) -> None:
    image = Image.new("RGBA", (800, 600), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 400, 599), (box, box, box, 255))
    print_on(image, 20, 32, within)
    if beside is not None:
        print_on(image, 430, 3, beside, step=60)
    assert colour.ground_of(image) == ground


def test_a_few_white_lines_among_many_black_ones_are_seen() -> None:
    image = Image.new("RGBA", (800, 600), (0, 0, 0, 0))
    print_on(image, 20, 25, 0)
    print_on(image, 20, 2, 255, top=500)
    assert colour.ground_of(image) == 127


BESIDE = {
    "profile": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(2_000_000))),
    "no profile": (b"iCCP", b""),
    "text": (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000))),
    "much text": (b"tEXt", b"Comment\0" + b"-" * 70_000_000),
    "xmp": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
    "exif": (b"eXIf", b"II*\0"),
    "light": (b"gAMA", b"?"),
    "shape": (b"pHYs", b"?"),
    "colour space": (b"sRGB", b""),
    "animation": (b"acTL", b"?"),
    "transparency": (b"tRNS", b"?"),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", BESIDE)
def test_a_png_is_read_whatever_is_wrong_with_what_is_beside_its_picture(name: str, late: bool) -> None:
    data = samples.oriented(1 if name == "exif" else 6, "PNG")
    at = len(data) - 12 if late else 33
    for chunk in (samples.png_chunk(*BESIDE[name]), samples.png_chunk(b"tEXt", b"k\0v")[:-1] + b"?"):
        image = shown(data[:at] + chunk + data[at:])
        assert image.size == (240, 160)
        assert quarters(image) == quarters(samples.corners())


@pytest.mark.parametrize("name", ["profile", "no profile", "light", "shape", "colour space"])
def test_a_png_that_other_decoders_may_refuse_does_not_go_as_it_is(name: str) -> None:
    data = samples.save(samples.corners(), "PNG")
    assert plain.plain("png", data, keep_metadata=False).data
    with pytest.raises(NotPlain):
        plain.plain("png", data[:33] + samples.png_chunk(*BESIDE[name]) + data[33:], keep_metadata=False)
