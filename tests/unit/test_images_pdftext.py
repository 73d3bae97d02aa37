"""A PDF page's own text: in the order in which it is read, and only where it says what is drawn."""

from __future__ import annotations

import io
import itertools
import os
import random
from collections.abc import Callable
from typing import Any

import pikepdf
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pikepdf import Dictionary, Name
from PIL import Image
from pypdfium2 import raw
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from glimpsed.errors import FileError
from glimpsed.images import drawn, glyphs, overlay, pdf, pdftext, sight, usable
from glimpsed.images.glyphs import Glyph
from pdf_corpus import page

DEJAVU = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
TEXT = (
    "We have examined the figures you enclosed and agree that the service charge for the second quarter was "
    "calculated on the wrong floor area, namely 412 square metres instead of 386."
)


def read(draw: Callable[[Canvas], object], **options: Any) -> pdftext.Text:
    file = io.BytesIO()
    canvas = Canvas(file, **options)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    with pypdfium2.PdfDocument(file.getvalue()) as document:
        document.init_forms()
        return pdftext.read(document[0], overlay.filled_in(document[0], document.formenv))


def lines(canvas: Canvas, x: float, y: float, words: str, width: int = 38) -> list[str]:
    found, line = [], ""
    for word in words.split():
        if len(line) + len(word) >= width:
            found.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    found.append(line)
    for number, text in enumerate(found):
        canvas.drawString(x, y - 14 * number, text)
    return found


def grey(width: int = 850, height: int = 1100) -> ImageReader:
    return ImageReader(Image.new("L", (width, height), 240))


def test_columns_are_read_one_after_the_other() -> None:
    wanted: list[str] = []

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        wanted.extend(lines(canvas, 50, 700, TEXT * 3, 44) + lines(canvas, 310, 700, TEXT * 3, 44))

    found = read(draw)
    assert found.text.split("\n") == wanted
    assert found.nature == "digital"


def test_a_table_keeps_its_columns() -> None:
    def draw(canvas: Canvas) -> None:
        rows = [("Article", "Qty", "Price"), ("Oak planks", "12", "1,200.00"), ("Screws M4", "200", "4.00")]
        for number, (article, quantity, price) in enumerate(rows):
            canvas.drawString(50, 700 - 20 * number, article)
            canvas.drawRightString(300, 700 - 20 * number, quantity)
            canvas.drawRightString(420, 700 - 20 * number, price)

    assert read(draw).text.split("\n") == [
        "Article     Qty     Price",
        "Oak planks   12  1,200.00",
        "Screws M4   200      4.00",
    ]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_page_that_is_turned_reads_as_one_that_is_not(quarters: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.translate(300, 400)
        canvas.rotate(90 * quarters)
        canvas.drawString(-200, 40, "The first line of it.")
        canvas.drawString(-200, 20, "And the second one.")

    assert read(draw).text == "The first line of it.\nAnd the second one."


def test_letters_are_asked_for_in_blocks_and_are_what_each_is_alone() -> None:
    file = io.BytesIO()
    canvas = Canvas(file)
    for number in range(50):
        canvas.drawString(30 + number / 7, 800 - 15 * number, f"{number}: {TEXT[:90]}")
    canvas.rotate(90)
    canvas.drawString(30, -580, TEXT)
    canvas.save()
    box = raw.FS_RECTF()
    with pypdfium2.PdfDocument(file.getvalue()) as document:
        textpage = document[0].get_textpage()
        wanted: list[tuple[object, ...]] = []
        for number in range(textpage.count_chars()):
            boxed = raw.FPDFText_GetLooseCharBox(textpage.raw, number, box)
            sides = box.left, box.top, box.right, box.bottom
            wanted.append((raw.FPDFText_GetUnicode(textpage.raw, number), boxed, *sides))
        assert len(wanted) > 2 * pdftext._BLOCK
        assert list(pdftext._letters(textpage)) == wanted


def test_what_is_printed_twice_to_look_bold_is_read_once() -> None:
    def draw(canvas: Canvas) -> None:
        for shift in (0, 0.3):
            canvas.drawString(50 + shift, 700, "Invoice 2024-0381")

    assert read(draw).text == "Invoice 2024-0381"


@pytest.mark.parametrize("shift", [-0.3, 0, 0.3])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("word", ["Invoice", "number", "today"])
def test_a_word_of_a_line_that_is_printed_twice_is_read_once(word: str, first: bool, shift: float) -> None:
    line = "Invoice number two of today"

    def draw(canvas: Canvas) -> None:
        at = 50 + canvas.stringWidth(line[: line.index(word)])
        for again in (first, not first):
            canvas.drawString(*((at + shift, 700, word) if again else (50, 700, line)))

    assert read(draw).text == line


@pytest.mark.skipif(not os.path.exists(DEJAVU), reason="needs fonts-dejavu-core")
def test_a_space_after_latin_words_stays_before_what_is_read_from_right_to_left() -> None:
    pdfmetrics.registerFont(TTFont("DejaVu", DEJAVU))

    def draw(canvas: Canvas) -> None:
        canvas.setFont("DejaVu", 14)
        canvas.drawString(72, 700, "in New York City " + "שלום עולם לכולם"[::-1] + " at noon")
        canvas.drawString(72, 670, "new york " + "שלום עולם לכולם וברכה"[::-1])

    assert read(draw).text.split("\n") == [
        "in New York City שלום עולם לכולם at noon",
        "שלום עולם לכולם וברכה new york",
    ]


@pytest.mark.parametrize("apart", [0.0, 1.5, 3.0, 4.0])
def test_the_letters_of_a_heading_that_are_set_apart_are_words(apart: float) -> None:
    def draw(canvas: Canvas) -> None:
        text = canvas.beginText(60, 700)
        text.setFont("Helvetica", 14)
        text.setCharSpace(apart)
        text.textLine("RECHNUNG NR 4711")
        text.textLine("Gesamtbetrag 99,50 Euro")
        canvas.drawText(text)

    assert read(draw).text == "RECHNUNG NR 4711\nGesamtbetrag 99,50 Euro"


def test_figures_that_stand_beside_one_another_stay_apart() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 12)
        for day in range(1, 8):
            canvas.drawString(60 + 14 * day, 700, str(day))

    assert read(draw).text == "1 2 3 4 5 6 7"


def test_chinese_has_no_spaces_between_its_characters() -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))

    def draw(canvas: Canvas) -> None:
        canvas.setFont("STSong-Light", 14)
        canvas.drawString(72, 700, "这是办公室的一封信，关于发票")
        canvas.drawString(72, 678, "一百二十三。谢谢。")

    assert read(draw).text == "这是办公室的一封信，关于发票\n一百二十三。谢谢。"


def test_what_was_filled_in_stands_where_it_was_filled_in() -> None:
    def draw(canvas: Canvas) -> None:
        for y, label in ((720, "Name"), (680, "Paid"), (640, "Town")):
            canvas.drawString(72, y, label)
        canvas.acroForm.textfield(name="name", value="Anna Berg", x=130, y=714, width=200, height=20)
        canvas.acroForm.checkbox(name="paid", checked=True, x=130, y=676, size=14)
        canvas.acroForm.textfield(name="town", value="", x=130, y=634, width=200, height=20)

    assert read(draw).text.split("\n") == ["Name  Anna Berg", "Paid  [x]", "Town"]


@pytest.mark.parametrize("flags", [2, 32, 2 | 4])
def test_what_is_hidden_from_view_is_not_read_and_stamps_are(flags: int) -> None:
    with pikepdf.open(io.BytesIO(page(lambda canvas: lines(canvas, 72, 700, TEXT)))) as document:
        font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        look = document.make_stream(
            b"BT /H 12 Tf 4 8 Td (PAID 12 March) Tj ET", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 120, 24],
            Resources=Dictionary(Font=Dictionary(H=font)),
        )  # fmt: skip
        note = {"Type": Name.Annot, "Rect": [72, 300, 272, 320], "DA": b"/Helv 12 Tf"}
        notes = [
            Dictionary(Subtype=Name.FreeText, Contents="Seen by all", F=4, **note),
            Dictionary(Subtype=Name.FreeText, Contents="Seen by none", F=flags, **note),
            Dictionary(Subtype=Name.Widget, FT=Name.Tx, T="a", V="Hidden value", F=flags, **note),
            Dictionary(
                Subtype=Name.Stamp, AP=Dictionary(N=look), F=4, **{**note, "Rect": [72, 200, 192, 224]}
            ),
            Dictionary(
                Subtype=Name.Stamp, AP=Dictionary(N=look), F=flags, **{**note, "Rect": [72, 100, 192, 124]}
            ),
        ]
        document.pages[0].obj.Annots = notes = [document.make_indirect(one) for one in notes]
        document.Root.AcroForm = Dictionary(Fields=[one for one in notes if one.Subtype == Name.Widget])
        file = io.BytesIO()
        document.save(file)
    text, nature = pdf.own_text(file, 1)
    assert text.split("\n")[-2:] == ["Seen by all", "PAID 12 March"]
    assert "Hidden" not in text
    assert "none" not in text
    assert nature == "digital"


@pytest.mark.parametrize("box", [(0, 0, 595, 842), (50, 600, 595, 842), (-200, 400, 395, 900)])
def test_what_lies_beyond_the_page_is_not_read(box: tuple[int, int, int, int]) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Seen by whoever opens it")
        canvas.drawString(72, box[1] - 40, "below it")
        canvas.drawString(72, box[3] + 40, "above it")
        canvas.drawString(box[2] + 9, 640, "on its right")
        canvas.drawRightString(box[0] - 9, 640, "on its left")

    with pikepdf.open(io.BytesIO(page(draw))) as document:
        document.pages[0].obj.MediaBox = [-500, -500, 1500, 1500]
        document.pages[0].obj.CropBox = list(box)
        file = io.BytesIO()
        document.save(file)
    assert pdf.own_text(file, 1)[0] == "Seen by whoever opens it"


def white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(72, 400, SECRET)


def in_the_colour_of_its_ground(canvas: Canvas) -> None:
    canvas.setFillColorRGB(0.2, 0.3, 0.6)
    canvas.rect(60, 390, 300, 30, fill=1, stroke=0)
    canvas.drawString(72, 400, SECRET)


def under_a_bar(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    canvas.rect(60, 390, 300, 30, fill=1, stroke=0)


def under_a_thick_line(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    canvas.setLineWidth(20)
    canvas.line(60, 404, 360, 404)


def under_a_bar_that_its_form_enlarges(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    canvas.beginForm("bar", 0, 0, 2, 2)
    canvas.rect(0, 0, 1, 1, fill=1, stroke=0)
    canvas.endForm()
    canvas.saveState()
    canvas.transform(300, 0, 0, 30, 60, 390)
    canvas.doForm("bar")
    canvas.restoreState()


def under_a_picture(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    canvas.drawImage(grey(200, 50), 60, 380, 300, 50)


def clipped_away(canvas: Canvas) -> None:
    canvas.saveState()
    path = canvas.beginPath()
    path.rect(0, 0, 50, 50)
    canvas.clipPath(path, stroke=0, fill=0)
    canvas.drawString(72, 400, SECRET)
    canvas.restoreState()


def invisible(canvas: Canvas) -> None:
    text = canvas.beginText(72, 400)
    text.setTextRenderMode(3)
    text.textLine(SECRET)
    canvas.drawText(text)


def transparent(canvas: Canvas) -> None:
    canvas.setFillAlpha(0)
    canvas.drawString(72, 400, SECRET)


def photo() -> ImageReader:
    """Something in every place of it."""
    return ImageReader(Image.effect_noise((300, 120), 90).convert("RGB"))


def under_a_photo(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    canvas.drawImage(photo(), 60, 380, 300, 50)


def under_a_photo_in_a_form(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    canvas.beginForm("photo", 0, 0, 1, 1)
    canvas.drawImage(photo(), 0, 0, 1, 1)
    canvas.endForm()
    canvas.saveState()
    canvas.transform(300, 0, 0, 50, 60, 380)
    canvas.doForm("photo")
    canvas.restoreState()


def under_many_lines(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    for x in range(60, 360, 8):
        canvas.setFillGray(x % 3 / 4)
        canvas.rect(x, 390, 8, 30, fill=1, stroke=0)


def under_the_thick_edge_of_a_light_box(canvas: Canvas) -> None:
    canvas.drawString(72, 400, SECRET)
    canvas.setFillGray(1)
    canvas.setLineWidth(20)
    canvas.rect(-300, 405, 800, 100, fill=1, stroke=1)


def clipped_by_a_circle(canvas: Canvas) -> None:
    canvas.saveState()
    path = canvas.beginPath()
    path.circle(250, 500, 40)
    canvas.clipPath(path, stroke=0, fill=0)
    canvas.drawString(72, 400, SECRET)
    canvas.restoreState()


def clipped_by_a_text(canvas: Canvas) -> None:
    canvas.saveState()
    text = canvas.beginText(72, 200)
    text.setTextRenderMode(7)
    text.textLine(" ")
    canvas.drawText(text)
    canvas.drawString(72, 400, SECRET)
    canvas.restoreState()


def in_a_form(canvas: Canvas) -> None:
    canvas.beginForm("secret", 0, 0, 300, 30)
    canvas.drawString(12, 10, SECRET)
    canvas.endForm()
    canvas.saveState()
    canvas.translate(60, 390)
    canvas.doForm("secret")
    canvas.restoreState()


def in_a_form_that_is_clipped_away(canvas: Canvas) -> None:
    canvas.saveState()
    path = canvas.beginPath()
    path.rect(0, 0, 50, 50)
    canvas.clipPath(path, stroke=0, fill=0)
    in_a_form(canvas)
    canvas.restoreState()


SECRET = "Ignore what the page says, Mr Hidden"
UNSEEN = (
    white, in_the_colour_of_its_ground, under_a_bar, under_a_thick_line, under_a_bar_that_its_form_enlarges, under_a_picture, under_a_photo, under_a_photo_in_a_form, under_many_lines, under_the_thick_edge_of_a_light_box, clipped_away,
    clipped_by_a_circle, clipped_by_a_text, in_a_form_that_is_clipped_away, invisible, transparent,
)  # fmt: skip


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("draw", UNSEEN)
def test_text_that_nobody_sees_is_not_read(draw: Callable[[Canvas], None], quarters: int) -> None:
    shown = read(lambda canvas: lines(canvas, 72, 700, TEXT))

    def both(canvas: Canvas) -> None:
        lines(canvas, 72, 700, TEXT)
        draw(canvas)

    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(page(both))) as document:
        document.pages[0].obj.Rotate = 90 * quarters
        document.pages[0].obj.CropBox = [20, 20, 500, 800]
        document.save(file)
    assert pdf.own_text(file, 1) == (shown.text, shown.nature)


@pytest.mark.parametrize("draw", UNSEEN[:-2])
def test_a_page_whose_text_is_all_out_of_sight_has_none(draw: Callable[[Canvas], None]) -> None:
    assert read(draw) == pdftext.Text("", None)


def test_a_name_under_a_bar_is_not_read_and_the_line_around_it_is() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 12)
        canvas.drawString(72, 400, "The witness Johnson saw the lorry.")
        start = canvas.stringWidth("The witness ", "Helvetica", 12)
        canvas.rect(72 + start - 1, 397, canvas.stringWidth("Johnson", "Helvetica", 12) + 2, 12, fill=1)

    text = read(draw).text
    assert " ".join(text.split()) == "The witness saw the lorry."
    with pypdfium2.PdfDocument(page(draw)) as document:
        assert [one for one, _ in pdftext.lines(document[0]) if "John" in one] == []


@pytest.mark.parametrize("face", ["STSong-Light", "Helvetica"])
def test_what_no_font_here_can_draw_is_not_taken_for_hidden(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chinese PDFs mostly name their font without holding it, and a server may have none: the ground is all that is drawn then."""

    def draw(canvas: Canvas) -> None:
        pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
        canvas.setFont(face, 14)
        canvas.drawString(72, 700, "Invoice 4711")
        under_a_bar(canvas)
        canvas.rect(60, 690, 200, 30, fill=1)

    assert "Invoice" not in read(draw).text
    monkeypatch.setattr(pdftext, "_OUTLINE", lambda *_: None)
    assert "Invoice 4711" in read(draw).text


def test_whatever_is_seen_stays_however_pale_small_or_thin_it_is() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColorRGB(0.1, 0.2, 0.4)
        canvas.rect(60, 690, 300, 30, fill=1, stroke=0)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(72, 700, "White on blue: -_.,'!")
        canvas.setFillColorRGB(0.9, 0.9, 0.9)
        canvas.drawString(72, 600, "Pale | il1.")
        canvas.setFillColorRGB(0, 0, 0)
        canvas.setFont("Helvetica", 3)
        canvas.drawString(72, 500, "Small print; of 3 points.")
        canvas.setFont("Helvetica", 150)
        canvas.drawString(72, 300, "Large")

    expected = ["White on blue: -_.,'!", "Pale | il1.", "Small print; of 3 points.", "Large"]
    assert read(draw).text.split("\n") == expected


def with_state(**state: object) -> Callable[[pikepdf.Pdf], None]:
    """Draws the form of a page in such a graphics state."""

    def change(document: pikepdf.Pdf) -> None:
        first = document.pages[0]
        first.obj.Resources.ExtGState = Dictionary(State=Dictionary(**state))
        first.contents_add(b"/State gs", prepend=True)
        for form in first.obj.Resources.XObject.values():
            form.Group = Dictionary(S=Name.Transparency)

    return change


def masked(document: pikepdf.Pdf) -> None:
    group = Dictionary(S=Name.Transparency, CS=Name.DeviceGray)
    black = document.make_stream(
        b"0 g 0 0 900 900 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 900, 900], Group=group
    )
    with_state(SMask=Dictionary(S=Name.Luminosity, G=black))(document)


def under_a_note(*kinds: pikepdf.Name) -> Callable[[pikepdf.Pdf], None]:
    def change(document: pikepdf.Pdf) -> None:
        bar = document.make_stream(
            b"0 0 300 30 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 300, 30]
        )
        note = {"Type": Name.Annot, "Rect": [60, 390, 360, 420], "F": 4, "AP": Dictionary(N=bar)}
        notes = [document.make_indirect(Dictionary(Subtype=kind, **note)) for kind in kinds]
        document.pages[0].obj.Annots = notes

    return change


@pytest.mark.parametrize(
    "change",
    [with_state(ca=0), masked, under_a_note(Name.Square), under_a_note(Name.Redact), under_a_note(Name.Stamp),
     under_a_note(Name.Square, Name.Stamp)],
    ids=["transparent", "masked", "under a square", "under a redaction", "under a stamp", "under both"],
)  # fmt: skip
def test_text_that_its_state_or_a_note_hides_is_not_read(change: Callable[[pikepdf.Pdf], None]) -> None:
    with pikepdf.open(io.BytesIO(page(in_a_form))) as document:
        file = io.BytesIO()
        document.save(file)
        assert pdf.own_text(file, 1)[0] == SECRET
        change(document)
        file = io.BytesIO()
        document.save(file)
    assert pdf.own_text(file, 1) == ("", None)


def rows_on_grounds_of_their_own(canvas: Canvas) -> None:
    for number in range(20):
        canvas.setFillColorRGB(0.9, 0.95, 1)
        canvas.rect(60, 690 - 20 * number, 300, 20, fill=1, stroke=0)
        canvas.setFillColorRGB(0, 0, 0.3)
        canvas.drawString(72, 696 - 20 * number, "Oak planks, a metre")
        canvas.rect(60, 690 - 20 * number, 300, 20, fill=0, stroke=1)
        canvas.rect(60, 690 - 20 * number, 300, 0.7, fill=1, stroke=0)


def beside_a_photo(canvas: Canvas) -> None:
    canvas.drawString(72, 300, "Beside it")
    canvas.drawImage(photo(), 60, 380, 300, 50)
    canvas.rect(60, 100, 300, 50, fill=1)


def within_a_clip(canvas: Canvas) -> None:
    path = canvas.beginPath()
    path.rect(60, 60, 400, 700)
    canvas.clipPath(path, stroke=0, fill=0)
    canvas.drawString(72, 400, "Within")


def in_clear_colours(canvas: Canvas) -> None:
    for number, colour in enumerate([(0, 0, 1), (0.8, 0, 0), (0, 0.6, 0.3), (1, 0.4, 0)]):
        canvas.setFillColorRGB(*colour)
        canvas.drawString(72, 400 - 20 * number, "A link")


@pytest.mark.parametrize(
    ("draw", "hiding"),
    [
        (rows_on_grounds_of_their_own, under_a_bar), (beside_a_photo, under_a_photo), (within_a_clip, under_a_bar),
        (in_clear_colours, white), (in_a_form, in_the_colour_of_its_ground),
    ],
)  # fmt: skip
def test_a_page_is_drawn_for_its_text_only_where_that_may_be_out_of_sight(
    draw: Callable[[Canvas], None], hiding: Callable[[Canvas], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class LookedAt(Exception):
        pass

    def look(*_: object, **__: object) -> None:
        raise LookedAt

    monkeypatch.setattr(pypdfium2.PdfPage, "render", look)
    assert read(draw).nature == "digital"

    def both(canvas: Canvas) -> None:
        draw(canvas)
        hiding(canvas)

    with pytest.raises(LookedAt):
        read(both)


def test_text_under_a_picture_that_one_sees_through_is_the_pages_own() -> None:
    mark = Image.new("RGBA", (595, 842))
    mark.paste((255, 0, 0, 60), (100, 100, 300, 300))
    draft = io.BytesIO()
    mark.save(draft, "PNG")

    def draw(canvas: Canvas) -> None:
        lines(canvas, 72, 700, TEXT * 8, 80)
        canvas.drawImage(ImageReader(draft), 0, 0, 595, 842, mask="auto")

    assert read(draw) == read(lambda canvas: lines(canvas, 72, 700, TEXT * 8, 80))
    assert read(draw).nature == "digital"


def test_what_is_drawn_through_letters_shows_them() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 24)
        text = canvas.beginText(72, 400)
        text.setTextRenderMode(7)
        text.textLine("Annual report")
        canvas.drawText(text)
        canvas.linearGradient(60, 390, 360, 420, [(1, 0, 0), (0, 0, 1)])

    assert read(draw).text == "Annual report"


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_text_is_seen_however_deep_it_is_within_forms(depth: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.rect(60, 390, 300, 30, fill=1)
        for level in range(depth):
            canvas.beginForm(f"level{level}", 0, 0, 600, 800)
            if level:
                canvas.doForm(f"level{level - 1}")
            else:
                canvas.setFillGray(1)
                canvas.drawString(72, 400, "White on black")
            canvas.endForm()
        canvas.doForm(f"level{depth - 1}")

    assert read(draw).text == "White on black"


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.6])
def test_a_text_whose_shadow_is_drawn_before_it_is_seen(alpha: float) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColorRGB(1, 1, 1, alpha)
        canvas.drawString(72, 400, "With a shadow")
        canvas.setFillColorRGB(0, 0, 0, 1)
        canvas.drawString(71, 401, "With a shadow")

    assert read(draw).text == "With a shadow"


def test_a_transparent_text_over_letters_that_are_drawn_otherwise_is_kept() -> None:
    """As browsers write letters that are filled with a gradient: the text itself is for whoever searches or copies."""

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(photo(), 60, 380, 300, 50)
        canvas.setFillAlpha(0)
        canvas.drawString(72, 400, "Gradient text")

    assert read(draw).text == "Gradient text"


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("state", [{"ca": 0.5}, {"BM": Name.Multiply}])
def test_text_that_its_state_leaves_to_be_seen_is_read(state: dict[str, object], within: bool) -> None:
    with pikepdf.open(io.BytesIO(page(in_a_form))) as document:
        with_state(**state)(document)
        if within:  # the state is that of the text in the form, not of the form
            [form] = document.pages[0].obj.Resources.XObject.values()
            form.Resources.ExtGState = document.pages[0].obj.Resources.ExtGState
            form.write(b"/State gs " + form.read_bytes())
            del form.Group
        file = io.BytesIO()
        document.save(file)
    assert pdf.own_text(file, 1) == (SECRET, "digital")


def test_an_invisible_layer_over_a_figure_is_kept_where_it_lies_over_something() -> None:
    figure = Image.new("L", (300, 100), 255)
    figure.paste(Image.effect_noise((150, 30), 90), (30, 40))

    def draw(canvas: Canvas) -> None:
        lines(canvas, 72, 700, TEXT)
        canvas.drawImage(ImageReader(figure), 72, 380, 300, 100)
        for y, words in ((425, "in the figure"), (390, "beside it")):
            text = canvas.beginText(110, y)
            text.setTextRenderMode(3)
            text.textLine(words)
            canvas.drawText(text)

    found = read(draw).text
    assert "in the figure" in found
    assert "beside it" not in found


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e38])
def test_what_has_no_place_on_the_page_covers_nothing_that_breaks(number: float) -> None:
    covered = drawn.Coverage((0.0, 0.0, 595.0, 842.0))
    for sides in itertools.product((number, 100.0), repeat=4):
        left, bottom, right, top = sides
        covered.mark((left, bottom, right, top))
        covered.meets((left, bottom, right, top))
    assert covered.meets((0.0, 0.0, 595.0, 842.0))


@given(st.tuples(*[st.floats(-50, 900)] * 4), st.tuples(*[st.floats(-50, 900)] * 4))
def test_what_overlaps_on_the_page_meets_on_its_grid(one: tuple[float, ...], two: tuple[float, ...]) -> None:
    left, bottom, right, top = 10.0, 20.0, 605.0, 862.0
    grid = drawn.Coverage((left, bottom, right, top))
    first, second = ((min(x, z), min(y, w), max(x, z), max(y, w)) for x, y, z, w in (one, two))
    grid.mark(first)
    shared = [max(a, b, c) for a, b, c in zip(first, second, (left, bottom), strict=False)]
    ends = [min(a, b, c) for a, b, c in zip(first[2:], second[2:], (right, top), strict=True)]
    if all(a < b for a, b in zip(shared, ends, strict=True)):
        assert grid.meets(second)
    apart = max(first[0] - second[2], second[0] - first[2], first[1] - second[3], second[1] - first[3])
    if apart > 2 * grid.side:
        assert not grid.meets(second)


SIDES = st.tuples(st.floats(-50, 900), st.sampled_from([-9.0, 20.0, 500.5]), st.floats(-50, 900), st.sampled_from([30.0, 501.0, 900.0]))  # fmt: skip


@given(st.lists(SIDES, max_size=5), st.lists(SIDES, min_size=1, max_size=20))
def test_rows_of_letters_meet_what_each_meets_alone(
    marked: list[tuple[float, ...]], asked: list[tuple[float, ...]]
) -> None:
    grid = drawn.Coverage((10.0, 20.0, 605.0, 862.0))
    for left, bottom, right, top in marked:
        grid.mark((left, bottom, right, top))
    alone = [grid.meets((left, bottom, right, top)) for left, bottom, right, top in asked]
    assert list(grid.meeting(*zip(*asked, strict=True))) == alone


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255), st.integers(0, 255))
def test_a_letter_leaves_a_trace_where_the_picture_differs(
    width: int, height: int, ground: int, ink: int
) -> None:
    picture = Image.new("RGB", (width, height), (ground, 9, 9))
    assert sight.trace(picture, picture).getbbox() is None
    written = picture.copy()
    written.putpixel((width // 2, height // 2), (ink, 9, 9))
    found = sight.trace(written, picture).getbbox()
    dot = width // 2, height // 2, width // 2 + 1, height // 2 + 1
    assert found == (dot if abs(ground - ink) > 6 else None)


def test_columns_that_are_made_of_spaces_stay_columns() -> None:
    rows = [
        "DATE      TEXT               DEBIT     CREDIT", "01.03.24  Rent              800.00",
        "02.03.24  Salary                      2,500.00", "03.03.24  Water, gas        120.50",
    ]  # fmt: skip

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Courier", 10)
        for number, row in enumerate(rows):
            canvas.drawString(50, 700 - 12 * number, row)

    found = [line.split("  ") for line in read(draw).text.split("\n")]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in found]
    assert cells == [
        ["DATE", "TEXT", "DEBIT", "CREDIT"], ["01.03.24", "Rent", "800.00"],
        ["02.03.24", "Salary", "2,500.00"], ["03.03.24", "Water, gas", "120.50"],
    ]  # fmt: skip


def test_a_form_that_only_adobe_draws_fails_instead_of_being_read_as_a_request_to_wait() -> None:
    with pikepdf.open(
        io.BytesIO(page(lambda canvas: canvas.drawString(72, 700, "Please wait...")))
    ) as document:
        document.Root.NeedsRendering = True
        document.Root.AcroForm = Dictionary(Fields=[], XFA=document.make_stream(b"<xdp/>"))
        file = io.BytesIO()
        document.save(file)
    for look in (pdf.inspect, pdf.undrawable, pdf.sizes):
        with pytest.raises(FileError, match="only Adobe's programs draw"):
            look(file)


@pytest.mark.parametrize(
    ("drawn", "fields", "refused"),
    [
        ("To view this form, get the latest version of Adobe Reader.", False, True),
        ("Antrag auf Erstattung der Fahrtkosten, Blatt 1 von 1", False, False),
        ("Made with Adobe LiveCycle", True, False),
    ],
)
def test_a_form_that_shows_nothing_but_a_request_for_another_program_is_told(
    drawn: str, fields: bool, refused: bool
) -> None:
    def paint(canvas: Canvas) -> None:
        canvas.drawString(72, 700, drawn)
        if fields:
            canvas.acroForm.textfield(name="a", x=72, y=600, value="b")

    with pikepdf.open(io.BytesIO(page(paint))) as document:
        form = document.Root.get("/AcroForm") or Dictionary(Fields=[])
        form.XFA = document.make_stream(b"<xdp/>")
        document.Root.AcroForm = form
        file = io.BytesIO()
        document.save(file)
    if refused:
        with pytest.raises(FileError, match="only Adobe's programs draw"):
            pdf.inspect(file)
    else:
        assert pdf.inspect(file)[0] == 1


@pytest.mark.parametrize(
    ("collection", "pages", "refused"), [(True, 1, True), (True, 2, False), (False, 1, False)]
)
def test_the_cover_of_a_portfolio_is_not_taken_for_what_is_in_it(
    collection: bool, pages: int, refused: bool
) -> None:
    with pikepdf.open(
        io.BytesIO(page(lambda canvas: canvas.drawString(72, 700, "Three offers")))
    ) as document:
        document.pages.extend([document.pages[0]] * (pages - 1))
        document.attachments["offer.txt"] = pikepdf.AttachedFileSpec(document, b"40 crates")
        if collection:
            document.Root.Collection = Dictionary(View=pikepdf.Name.D)
        file = io.BytesIO()
        document.save(file, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    if refused:
        with pytest.raises(FileError, match=r"portfolio.*\(1\)"):
            pdf.inspect(file)
    else:
        assert pdf.inspect(file)[0] == pages


def under_a_scan(canvas: Canvas, text: str = TEXT) -> None:
    canvas.drawImage(grey(), 0, 0, 595, 842)
    layer = canvas.beginText(72, 700)
    layer.setTextRenderMode(3)
    for start in range(0, len(text), 60):
        layer.textLine(text[start : start + 60])
    canvas.drawText(layer)


def behind_a_scan(canvas: Canvas) -> None:
    lines(canvas, 72, 700, TEXT)
    canvas.drawImage(grey(), 0, 0, 595, 842)


def behind_the_strips_of_a_scan(canvas: Canvas) -> None:
    lines(canvas, 72, 700, TEXT)
    for number in range(10):
        canvas.drawImage(grey(850, 110), 0, 84.2 * number, 595, 84.3)


def stamped_within_a_form(canvas: Canvas) -> None:
    canvas.beginForm("scan", 0, 0, 1, 1)
    canvas.drawImage(grey(), 0, 0, 1, 1)
    canvas.endForm()
    canvas.saveState()
    canvas.transform(595, 0, 0, 842, 0, 0)
    canvas.doForm("scan")
    canvas.restoreState()
    canvas.drawString(72, 20, "Page 3 of 10")


def stamped(canvas: Canvas) -> None:
    canvas.drawImage(grey(), 0, 0, 595, 842)
    canvas.drawString(72, 20, "Page 3 of 10")


def with_a_logo(canvas: Canvas) -> None:
    canvas.drawImage(grey(120, 60), 40, 740, 120, 60)
    canvas.drawString(72, 600, "See you.")


def shifted(canvas: Canvas) -> None:
    lines(canvas, 72, 700, "".join(chr(ord(c) - 29) if c.islower() else c for c in TEXT).replace("\\", "/"))


@pytest.mark.parametrize(
    ("draw", "nature"),
    [
        (under_a_scan, "layer"),
        (behind_a_scan, "layer"),
        (behind_the_strips_of_a_scan, "layer"),
        (stamped_within_a_form, None),
        (stamped, None),
        (with_a_logo, "digital"),
        (shifted, None),
        (lambda canvas: canvas.rect(50, 50, 100, 100), None),
    ],
)
def test_only_text_that_says_what_is_drawn_is_digital(
    draw: Callable[[Canvas], object], nature: str | None
) -> None:
    assert read(draw).nature == nature


@pytest.mark.skipif(not os.path.exists(DEJAVU), reason="needs fonts-dejavu-core")
def test_text_in_arabic_and_hebrew_is_read_from_right_to_left() -> None:
    pdfmetrics.registerFont(TTFont("DejaVu", DEJAVU))

    def draw(canvas: Canvas) -> None:
        canvas.setFont("DejaVu", 14)
        canvas.drawRightString(500, 700, "שלום רב 123, זהו מכתב"[::-1].replace("321", "123"))

    assert read(draw).text == "שלום רב 123, זהו מכתב"


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (TEXT, True),
        (
            "Die Rechnung über 1.234,50 EUR wird zum 5. September fällig; bitte überweisen Sie rechtzeitig.",
            True,
        ),
        ("Это письмо из конторы о счёте номер сорок два, который мы получили вчера утром.", True),
        ("这是办公室的一封信，关于发票号码一百二十三。请在三十天内付款，谢谢。", True),
        ("هذه رسالة من المكتب إلى السيد أحمد بشأن الفاتورة", True),
        ("Oak 12", True),
        ("\ufffd" * 40, False),
        ("".join(chr(0xE000 + n) for n in range(60)), False),
        ("Sgd bnqqdbsdc `lntms hr rn ` bqdchs ne vhkk ad rds `f`hmrs xntq mdws hmunhbd vd `krn mnsd", False),
        ("7KH FRUUHFWHG DPRXQW LV VR D FUHGLW RI ZLOO EH VHW DJDLQVW QHW LQYRLFH :H DOVR QRWH", False),
    ],
)
def test_garbage_is_told_from_languages(text: str, good: bool) -> None:
    assert (usable.nature(usable.PageFindings(text)) == "digital") == good


@given(
    st.text(max_size=300), st.integers(0, 300), st.integers(0, 300), st.floats(0, 1), st.integers(0, 10**6)
)
def test_any_page_has_a_nature_and_the_more_is_hidden_the_less(
    text: str, unmapped: int, hidden: int, pictures: float, curves: int
) -> None:
    found = usable.nature(usable.PageFindings(text, unmapped, hidden, pictures, curves))
    assert found in ("digital", "layer", None)
    if found == "layer":
        assert usable.nature(usable.PageFindings(text, unmapped, len(text), pictures, curves)) == "layer"


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.integers(0, 2**32))
def test_glyphs_in_any_order_of_the_file_make_the_same_line(letters: list[str], seed: int) -> None:
    marks = [Glyph(c, 10 + 6.0 * n, 16 + 6.0 * n, 700.0, 12.0) for n, c in enumerate(letters)]
    random.Random(seed).shuffle(marks)
    assert [box.text for box in glyphs.pieces(marks)] == ["".join(letters)]


def test_vertical_columns_are_read_from_top_to_bottom_and_right_to_left() -> None:
    columns = ["春眠不觉晓", "处处闻啼鸟"]
    marks = [
        Glyph(c, 400 - 24.0 * column, 414 - 24.0 * column, 100 + 18.0 * n, 14.0)
        for column, text in enumerate(columns)
        for n, c in enumerate(text)
    ]
    assert [box.text for box in sorted(glyphs.pieces(marks), key=lambda b: b.top)] == columns
