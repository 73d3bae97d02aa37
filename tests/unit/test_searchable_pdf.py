"""Searchable PDFs: the pages as they are, the words where they stand, by other programs' judgement."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageCms
from reportlab.lib.pagesizes import A4 as A4_POINTS
from reportlab.pdfgen import canvas

import images_samples as samples
from glimpsed.formats.pdf import is_signed
from glimpsed.images import picture
from glimpsed.searchable import document, is_ours
from glimpsed.searchable.words import PageWords, PlacedLine, PlacedWord, bounds, upright
from searchable_samples import (
    A4,
    DPI,
    by_number,
    checked,
    drawn,
    encoded,
    near,
    needs_poppler,
    needs_qpdf,
    printed,
    text_of,
)

LINES = ["Invoice number 4711", "Straße Nr. 12 façade", "Total: 1.200,50 EUR"]
MEMORY = 640_000_000

pytestmark = [needs_poppler, needs_qpdf]


def of_pictures(data: bytes, kind: str, *pages: PageWords) -> bytes:
    return document.of_pictures(io.BytesIO(data), kind, by_number(*pages), MEMORY)  # type: ignore[arg-type]


def of_pdf(data: bytes, *pages: PageWords) -> bytes:
    return document.of_pdf(io.BytesIO(data), by_number(*pages))


def alike(one: Image.Image, other: Image.Image, most: float = 3.0) -> None:
    """The same picture, as far as two decoders agree."""
    assert one.size == pytest.approx(other.size, abs=2)
    difference = ImageChops.difference(one, other.resize(one.size)).convert("L")
    histogram = difference.histogram()
    assert sum(n * count for n, count in enumerate(histogram)) / sum(histogram) < most


def noisy(image: Image.Image) -> Image.Image:
    dice = random.Random(1)
    noise = Image.frombytes("L", (200, 200), bytes(dice.randrange(256) for _ in range(40_000)))
    image.paste(noise, (image.width // 2, image.height // 2))
    return image


# -- pictures


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGB", "JPEG", {"quality": 80}),
        ("L", "JPEG", {"quality": 80}),
        ("CMYK", "JPEG", {"quality": 90}),
        ("RGB", "JPEG", {"quality": 80, "progressive": True}),
        ("RGB", "PNG", {}),
        ("L", "PNG", {}),
        ("P", "PNG", {}),
        ("1", "PNG", {}),
        ("1", "TIFF", {"compression": "group4"}),
        ("1", "TIFF", {"compression": "tiff_lzw"}),
        ("L", "TIFF", {"compression": "tiff_lzw"}),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("RGB", "TIFF", {"compression": "tiff_deflate"}),
        ("RGB", "TIFF", {"compression": "jpeg", "quality": 80}),
        ("L", "TIFF", {"compression": "jpeg", "quality": 80}),
        ("CMYK", "TIFF", {"compression": "tiff_lzw"}),
        ("P", "GIF", {}),
        ("RGB", "BMP", {}),
        ("RGB", "JPEG2000", {}),
    ],
)
def test_a_picture_is_embedded_without_loss_and_without_growing(mode: str, kind: str, options: dict) -> None:
    image, page = printed(LINES)
    image = noisy(image).convert(mode)
    data = encoded(image, kind, **options)
    pdf = of_pictures(data, {"JPEG2000": "jp2"}.get(kind, kind.lower()), page)
    checked(pdf)
    with Image.open(io.BytesIO(data)) as opened:
        width = opened.width
        source = opened.convert("RGB")
    size = pypdfium2.PdfDocument(pdf)[0].get_size()
    shown = drawn(pdf, dpi=round(width / size[0] * 72))
    alike(source, shown, most=12 if mode == "CMYK" else 2)
    assert len(pdf) <= 1.05 * len(data) + 6000
    assert text_of(pdf).split() == " ".join(LINES).split()
    if kind == "JPEG":
        assert data in pdf


JARS = [
    Path("/usr/share/java") / f"{name}.jar"
    for name in (
        "preflight", "pdfbox2", "fontbox2", "xmpbox", "commons-logging", "commons-io", "javax.activation", "jaxb-api"
    )
]  # fmt: skip
needs_preflight = pytest.mark.skipif(
    shutil.which("java") is None or not all(jar.exists() for jar in JARS),
    reason="no validator of PDF/A: libpdfbox2-java, libactivation-java, libjaxb-api-java",
)
LASTING = [("JPEG", "RGB"), ("PNG", "L"), ("PNG", "P"), ("PNG", "1"), ("TIFF", "RGB"), ("WEBP", "RGB")]


def in_colour(kind: str, mode: str, **options: Any) -> tuple[bytes, PageWords]:
    image, page = printed(LINES)
    image.paste((200, 30, 30), (0, 0, 40, 40))
    return encoded(image.convert(mode), kind, **options), page


@pytest.mark.parametrize(("kind", "mode"), LASTING)
@pytest.mark.parametrize("source", ["picture", "pdf"])
@needs_preflight
def test_what_claims_to_be_pdf_a_is_found_to_be(kind: str, mode: str, source: str, tmp_path: Path) -> None:
    """Also where words come under the pages of a PDF that is PDF/A itself."""
    data, page = in_colour(kind, mode)
    made = of_pictures(data, kind.lower(), page)
    (tmp_path / "a.pdf").write_bytes(made if source == "picture" else of_pdf(made, page))
    command = ["java", "-cp", ":".join(map(str, JARS)), "org.apache.pdfbox.preflight.Validator_A1b"]
    run = subprocess.run([*command, str(tmp_path / "a.pdf")], capture_output=True, text=True, check=False)
    assert "is a valid PDF/A-1b file" in run.stdout, run.stdout


@pytest.mark.parametrize(("kind", "mode"), LASTING)
def test_pictures_of_usual_colours_become_pdf_a(kind: str, mode: str) -> None:
    data, page = in_colour(kind, mode)
    made = of_pictures(data, kind.lower(), page)
    with pikepdf.open(io.BytesIO(made)) as pdf:
        assert str(pdf.open_metadata()["pdfaid:part"]) == "1"
        profile = ImageCms.ImageCmsProfile(
            io.BytesIO(pdf.Root.OutputIntents[0].DestOutputProfile.read_bytes())
        )
    same = ImageCms.profileToProfile(samples.corners(), profile, ImageCms.createProfile("sRGB"))
    assert same is not None
    difference = ImageChops.difference(same, samples.corners())
    assert max(high for _, high in difference.getextrema()) <= 2  # type: ignore[misc, operator]


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [("JPEG", "CMYK", {}), ("JPEG2000", "RGB", {}), ("JPEG", "RGB", {"icc_profile": samples.srgb()}), ("PNG", "I;16", {})],
)  # fmt: skip
def test_what_pdf_1_4_does_not_know_makes_no_claim(kind: str, mode: str, options: dict[str, Any]) -> None:
    if options:  # of its own, so that it is kept
        options = {"icc_profile": options["icc_profile"].replace(b"sRGB", b"sRGX")}
    image, page = printed(LINES)
    image = image.convert("L").convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    data = encoded(image, kind, **options)
    assert b"pdfaid" not in of_pictures(data, {"JPEG2000": "jp2"}.get(kind, kind.lower()), page)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_picture_is_shown_upright_and_its_words_are_over_it(orientation: int, kind: str) -> None:
    image, page = printed(LINES, (1200, 800))
    back = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, 1)
    stored = image.transpose(picture._UPRIGHT[back]) if back in picture._UPRIGHT else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif.tobytes()}
    pdf = of_pictures(encoded(stored, kind, **options), kind.lower(), page)
    alike(image, drawn(pdf))
    near(pdf, page, points=2)


def test_each_page_of_a_tiff_is_a_page_of_its_own_size() -> None:
    first, words = printed(LINES)
    second, others = printed(["Second page"], (1200, 900))
    file = io.BytesIO()
    first.convert("1").save(
        file, "TIFF", compression="group4", dpi=(DPI, DPI), save_all=True, append_images=[second.convert("1")]
    )
    pdf = of_pictures(file.getvalue(), "tiff", words, PageWords(2, others.width, others.height, others.lines))
    checked(pdf)
    alike(first, drawn(pdf, 1), most=4)
    alike(second, drawn(pdf, 2), most=4)
    assert text_of(pdf).split() == [*" ".join(LINES).split(), "Second", "page"]


def test_a_fax_with_pixels_that_are_not_square_is_as_high_as_its_paper() -> None:
    image, page = printed(LINES, (1728, 2200))
    fax = image.convert("1").resize((1728, 1100))
    pdf = of_pictures(encoded(fax, "TIFF", compression="group4", dpi=(204, 98)), "tiff", page)
    width, height = pypdfium2.PdfDocument(pdf)[0].get_size()
    assert (width, height) == pytest.approx((1728 / 204 * 72, 1100 / 98 * 72), abs=2)
    alike(image, drawn(pdf, dpi=204).resize(image.size), most=8)


def test_what_is_transparent_is_seen_on_a_ground() -> None:
    image, page = printed(LINES)
    image.putalpha(image.convert("L").point(lambda value: 255 - value))
    pdf = of_pictures(encoded(image, "PNG"), "png", page)
    shown = Image.new("RGB", image.size, "white")
    shown.paste(image, mask=image.getchannel("A"))
    alike(shown, drawn(pdf))


@pytest.mark.parametrize("transparency", [0, bytes(range(0, 256, 4))], ids=["one", "many"])
def test_a_palette_with_transparent_colours_stays_one(transparency: int | bytes) -> None:
    _, page = printed(LINES)
    image = Image.effect_noise((1240, 1754), 60).convert("RGB").quantize(64)
    data = encoded(image, "PNG", transparency=transparency)
    with Image.open(io.BytesIO(data)) as stored:
        full = stored.convert("RGBA")
    shown = Image.new("RGBA", full.size, "white")
    shown.alpha_composite(full)
    pdf = of_pictures(data, "png", page)
    assert len(pdf) <= 1.05 * len(data) + 6000
    alike(shown.convert("RGB").reduce(20), drawn(pdf).resize(shown.size).reduce(20), most=4)


def test_the_same_picture_and_words_give_the_same_bytes() -> None:
    image, page = printed(LINES)
    data = encoded(image, "PNG")
    assert of_pictures(data, "png", page) == of_pictures(data, "png", page)


# -- words


def test_words_stand_over_their_picture() -> None:
    image, page = printed(LINES)
    near(of_pictures(encoded(image, "JPEG"), "jpeg", page), page, points=1)


@pytest.mark.parametrize("angle", [-7, -2, 2, 7])
def test_words_of_a_skewed_page_stand_over_their_picture(angle: int) -> None:
    image, page = printed(LINES)
    turned = image.rotate(angle, fillcolor="white", resample=Image.Resampling.BICUBIC)
    words = skewed(page, angle)
    pdf = of_pictures(encoded(turned, "JPEG"), "jpeg", words)
    near(
        pdf, words, points=3 if abs(angle) < 5 else 7
    )  # steep ones are drawn level, over the box around them
    found, printed_words = text_of(pdf).split(), " ".join(LINES).split()
    if abs(angle) < 5:
        assert found == printed_words
    else:  # each word by itself; poppler makes up lines of its own from them
        assert sorted(found) == sorted(printed_words)


@pytest.mark.parametrize("angle", [-4, -1.5, 0.7, 1.5, 3, 5, 8])
def test_every_word_of_a_skewed_page_of_print_is_found_whole(angle: float) -> None:
    lines = [" ".join(f"plank{line}x{word}" for word in range(9)) for line in range(30)]
    image, page = printed(lines, height=24)
    found = text_of(of_pictures(encoded(image, "PNG"), "png", skewed(page, angle))).split()
    assert sorted(found) == sorted(" ".join(lines).split())


def skewed(page: PageWords, angle: float) -> PageWords:
    """The words of a page that Pillow turned about its middle, against the clock."""
    import math

    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    middle = page.width / 2, page.height / 2

    def moved(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point[0] - middle[0], point[1] - middle[1]
        return middle[0] + x * cosine + y * sine, middle[1] - x * sine + y * cosine

    lines = tuple(
        tuple(PlacedWord(word.text, tuple(map(moved, word.quad))) for word in line)  # type: ignore[arg-type]
        for line in page.lines
    )
    return PageWords(page.number, page.width, page.height, lines)


@pytest.mark.parametrize(
    "text",
    [
        "发票号码 四千七百",
        "السلام عليكم ورحمة",
        "שלום עולם",
        "रिपोर्ट संख्या",
        "Ελληνικά Кириллица",
        "😀 𠀀𠀁 x",
    ],
)
def test_every_script_is_copied_as_it_is_read(text: str) -> None:
    image, page = printed([text])
    if any("\u0590" <= c <= "\u06ff" for c in text):  # printed from the right
        first, *_ = page.lines
        places = [word.quad for word in first][::-1]
        page = PageWords(1, *A4, (tuple(PlacedWord(w.text, q) for w, q in zip(first, places, strict=True)),))
    pdf = of_pictures(encoded(image, "JPEG"), "jpeg", page)
    checked(pdf)
    found = "".join(c for c in text_of(pdf) if c not in "\u202a\u202b\u202c\u200e\u200f\f")
    assert found.split() == text.split()
    copied = pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()
    assert copied.split() == text.split()


def test_a_dense_page_of_chinese_stays_small() -> None:
    dice = random.Random(3)
    lines = ["".join(chr(dice.randrange(0x4E00, 0x9000)) for _ in range(30)) for _ in range(25)]
    image, page = printed(lines)
    data = encoded(image, "JPEG", quality=60)
    pdf = of_pictures(data, "jpeg", page)
    assert len(pdf) <= 1.05 * len(data) + 6000
    assert "".join(text_of(pdf).split()) == "".join(lines)


def level(line: PlacedLine) -> PlacedLine:
    """As OCR engines see it: all words as high as their line."""
    _, top, _, bottom = bounds(line)
    return tuple(PlacedWord(w.text, upright(w.quad[0][0], top, w.quad[1][0], bottom)) for w in line)


def test_a_dense_page_of_print_grows_by_six_kilobytes_at_most() -> None:
    dice = random.Random(4)
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    words = ["".join(dice.choices(letters, range(26, 0, -1), k=dice.randint(2, 10))) for _ in range(900)]
    lines = [" ".join(words[n : n + 11]) for n in range(0, 600, 11)]
    image, page = printed(lines, (2480, 3508), 26)
    page = PageWords(1, page.width, page.height, tuple(map(level, page.lines)))
    data = encoded(image.convert("1"), "TIFF", compression="group4")
    assert len(of_pictures(data, "tiff", page)) <= 1.05 * len(data) + 6000


# -- PDFs


def scanned(
    *, rotate: int = 0, crop: tuple[float, ...] | None = None
) -> tuple[bytes, Image.Image, PageWords]:
    """A PDF that a scanner wrote, how it looks, and its words on what is seen of it."""
    image, page = printed(LINES)
    stored = image.rotate(rotate, expand=True) if rotate else image  # shown turned by the clock
    file = io.BytesIO()
    width, height = (side * 72 / DPI for side in stored.size)
    out = canvas.Canvas(file, pagesize=(width, height), pageCompression=1)
    out.setTitle("The title")
    out.bookmarkPage("one")
    out.addOutlineEntry("Chapter", "one")
    out.linkURL("https://example.org/", (10, 10, 60, 30))
    out.drawInlineImage(stored, 0, 0, width, height)
    out.translate(50, 50)  # whatever state it leaves the page in
    out.scale(3, 3)
    out.showPage()
    out.save()
    with pikepdf.open(io.BytesIO(file.getvalue())) as pdf:
        pdf.pages[0].obj.Rotate = rotate
        if crop is not None:
            pdf.pages[0].obj.CropBox = pikepdf.Array(crop)
        changed = io.BytesIO()
        pdf.save(changed)
    return changed.getvalue(), image, page


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_a_pdf_keeps_its_pages_and_gets_words(rotate: int) -> None:
    data, image, page = scanned(rotate=rotate)
    pdf = of_pdf(data, page)
    checked(pdf)
    alike(drawn(data), drawn(pdf), most=0.01)
    alike(image, drawn(pdf))
    near(pdf, page, points=2)
    assert text_of(pdf).split() == " ".join(LINES).split()
    assert len(pdf) <= 1.05 * len(data) + 6000
    with pikepdf.open(io.BytesIO(pdf)) as found:
        assert str(found.docinfo.Title) == "The title"
        assert [item.title for item in found.open_outline().root] == ["Chapter"]
        assert str(found.pages[0].Annots[0].A.URI) == "https://example.org/"


def test_words_stand_right_on_a_page_that_is_cropped() -> None:
    image, page = printed(LINES)
    data, _, _ = scanned(crop=(36.0, 72.0, 559.0, 800.0))
    whole = tuple(side * 72 / DPI for side in image.size)
    left, top = 36.0 * DPI / 72, (whole[1] - 800.0) * DPI / 72
    lines = tuple(
        tuple(PlacedWord(w.text, tuple((x - left, y - top) for x, y in w.quad)) for w in line)  # type: ignore[arg-type]
        for line in page.lines
    )
    seen = PageWords(1, (559 - 36) * DPI / 72, (800 - 72) * DPI / 72, lines)
    near(of_pdf(data, seen), seen, points=2, box="-cropbox")


def test_a_form_keeps_its_fields_and_what_was_typed_into_them() -> None:
    file = io.BytesIO()
    out = canvas.Canvas(file, pagesize=A4_POINTS)
    out.acroForm.textfield(name="who", value="Ada", x=100, y=700, width=200, height=20)
    out.showPage()
    out.save()
    pdf = of_pdf(file.getvalue(), printed(["words"])[1])
    with pikepdf.open(io.BytesIO(pdf)) as found:
        [field] = found.Root.AcroForm.Fields
        assert (str(field.T), str(field.V)) == ("who", "Ada")


def test_a_page_that_gets_no_words_is_as_it_was() -> None:
    data, _, _ = scanned()
    with pikepdf.open(io.BytesIO(data)) as before, pikepdf.open(io.BytesIO(of_pdf(data))) as after:
        assert before.pages[0].Contents.read_raw_bytes() == after.pages[0].Contents.read_raw_bytes()


def test_a_pdf_that_opens_without_a_password_keeps_its_protection() -> None:
    data, _, page = scanned()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        file = io.BytesIO()
        pdf.save(
            file,
            encryption=pikepdf.Encryption(
                owner="secret", user="", allow=pikepdf.Permissions(print_highres=False)
            ),
        )
    out = of_pdf(file.getvalue(), page)
    checked(out)
    with pikepdf.open(io.BytesIO(out)) as found:
        assert found.is_encrypted
        assert not found.allow.print_highres
    assert text_of(out).split() == " ".join(LINES).split()
    assert is_ours(out)


def test_a_pdf_that_is_closed_says_so() -> None:
    data, _, page = scanned()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        file = io.BytesIO()
        pdf.save(file, encryption=pikepdf.Encryption(owner="secret", user="other"))
    with pytest.raises(document.Unreadable, match="password"):
        of_pdf(file.getvalue(), page)


def test_ours_are_known_from_those_of_others() -> None:
    data, _, page = scanned()
    assert is_ours(of_pdf(data, page))
    assert is_ours(of_pictures(encoded(printed(LINES)[0], "JPEG"), "jpeg", page))
    assert not is_ours(data)


def test_a_signature_is_seen() -> None:
    assert is_signed(b"%PDF-1.7 ... /Type /Sig /ByteRange [0 840 960 240] ...")
    assert is_signed(b"%PDF-1.7 ... /Type /Sig /ByteRange 12 0 R ...")
    assert not is_signed(scanned()[0])
