"""PDFs as many programs write them, each with the text that a person would read on it; None where it is to be looked at."""

from __future__ import annotations

import functools
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pikepdf
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

Draw = Callable[[Canvas], object]
Nature = Literal["digital", "layer"]

A4 = (595, 842)
LEFT, TOP, LEADING = 72, 760, 16
PARAGRAPH = (
    "The service charge for the second quarter was calculated on the wrong floor area, namely 412 square metres instead "
    "of 386. We therefore ask you to credit the difference and to send us a corrected statement within fourteen days."
)
LETTER = [
    "Dear Ms Berg,", "thank you for your letter of 12 March. We have looked into it,", "and agree with what you say.",
    "Yours sincerely,", "H. Olsen",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One page."""

    name: str
    pdf: Callable[[], bytes]
    text: str | None
    nature: Nature | None = "digital"


def font(name: str = "DejaVu", file: str = "DejaVuSans.ttf") -> str:
    path = f"/usr/share/fonts/truetype/dejavu/{file}"
    if name not in pdfmetrics.getRegisteredFontNames():
        if os.path.exists(path):
            pdfmetrics.registerFont(TTFont(name, path))
        else:
            pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name


def page(draw: Draw, size: tuple[float, float] = A4, **options: object) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=size, **options)
    canvas.setFont("Helvetica", 11)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def changed(data: bytes, change: Callable[[pikepdf.Pdf], object], **options: object) -> bytes:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        file = io.BytesIO()
        pdf.save(file, **options)
    return file.getvalue()


def wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def put(canvas: Canvas, lines: list[str], x: float = LEFT, y: float = TOP, leading: float = LEADING) -> None:
    for number, line in enumerate(lines):
        canvas.drawString(x, y - leading * number, line)


def in_font(name: str, lines: list[str], size: float = 12) -> Draw:
    def draw(canvas: Canvas) -> None:
        canvas.setFont(name, size)
        put(canvas, lines, leading=1.6 * size)

    return draw


# -- office suites


def justified(canvas: Canvas) -> None:
    lines = wrapped(PARAGRAPH, 80)
    for number, line in enumerate(lines):
        text = canvas.beginText(LEFT, TOP - LEADING * number)
        gaps = line.count(" ")
        missing = 450 - pdfmetrics.stringWidth(line, "Helvetica", 11)
        if number + 1 < len(lines):
            text.setWordSpace(missing / gaps)
        text.textOut(line)
        canvas.drawText(text)


def letter_with_head(canvas: Canvas) -> None:
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(LEFT, 790, "Olsen & Sons Ltd")
    canvas.setFont("Helvetica", 11)
    put(canvas, LETTER, y=700)
    canvas.setFont("Helvetica", 7)
    canvas.drawString(LEFT, 40, "Olsen & Sons Ltd, 4 Harbour Road, Bergen")


def bullets(canvas: Canvas) -> None:
    canvas.setFont(font(), 11)
    put(canvas, ["• oak planks", "• screws", "• glue"])


def numbered(canvas: Canvas) -> None:
    for number, line in enumerate(["check the area", "correct the sum", "send it again"], 1):
        y = TOP - LEADING * number
        canvas.drawString(LEFT, y, f"{number}.")
        canvas.drawString(LEFT + 13, y, line)


def superscripts(canvas: Canvas) -> None:
    canvas.drawString(LEFT, TOP, "an area of 386 m")
    x = LEFT + pdfmetrics.stringWidth("an area of 386 m", "Helvetica", 11)
    canvas.setFont("Helvetica", 6)
    canvas.drawString(x, TOP + 4, "2")
    canvas.setFont("Helvetica", 11)
    canvas.drawString(x + 4, TOP, " in all")


def runs_of_fonts(canvas: Canvas) -> None:
    x = LEFT
    for name, text in (
        ("Helvetica", "pay "),
        ("Helvetica-Bold", "1,200.00 EUR "),
        ("Times-Italic", "by Friday"),
    ):
        canvas.setFont(name, 11)
        canvas.drawString(x, TOP, text)
        x += pdfmetrics.stringWidth(text, name, 11)


def tabs(canvas: Canvas) -> None:
    for number, (label, value) in enumerate(
        (("From:", "H. Olsen"), ("To:", "A. Berg"), ("Date:", "12 March"))
    ):
        canvas.drawString(LEFT, TOP - LEADING * number, label)
        canvas.drawString(LEFT + 60, TOP - LEADING * number, value)


def decorated(canvas: Canvas) -> None:
    canvas.setFillGray(0.2)
    canvas.rect(60, 740, 300, 40, fill=1)
    canvas.setFillGray(1)
    canvas.drawString(LEFT, TOP, "White on a dark ground")
    canvas.setFillGray(0)
    canvas.drawString(LEFT, TOP - 60, "and underlined")
    canvas.line(LEFT, TOP - 62, 150, TOP - 62)


def address_beside_reference(canvas: Canvas) -> None:
    put(canvas, ["Anna Berg", "4 Harbour Road", "5003 Bergen"])
    put(canvas, ["Invoice no. 2024-0381", "Customer no. 10023", "12 March 2024"], x=380)


def bordered_table(canvas: Canvas) -> None:
    for number, row in enumerate(
        (("Article", "Qty", "Price"), ("Oak planks", "12", "1,200.00"), ("Glue", "3", "9.50"))
    ):
        y = TOP - 24 * number
        for x in (60, 220, 300, 400):
            canvas.line(x, y - 8, x, y + 16)
        canvas.line(60, y + 16, 400, y + 16)
        canvas.drawString(66, y, row[0])
        canvas.drawRightString(294, y, row[1])
        canvas.drawRightString(394, y, row[2])


def columns(count: int, width: int) -> tuple[Draw, str]:
    lines = wrapped(PARAGRAPH * 3, width)

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 9)
        for n in range(count):
            put(canvas, lines, x=50 + n * 505 / count, leading=12)

    return draw, "\n".join(lines * count)


def headline_over_columns(canvas: Canvas) -> None:
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawCentredString(297, 800, "The harbour is to be made deeper this summer")
    columns(2, 50)[0](canvas)


# -- TeX: letters where they belong, no spaces, ligatures


def tex(lines: list[str], ligatures: bool = True) -> Draw:
    def draw(canvas: Canvas) -> None:
        name = font("DejaVuSerif", "DejaVuSerif.ttf")
        for number, line in enumerate(lines):
            x, y = float(LEFT), TOP - 14 * number
            for word in line.split():
                text = word.replace("ffi", "ﬃ").replace("fi", "ﬁ").replace("fl", "ﬂ") if ligatures else word
                for letter in text:
                    part = canvas.beginText(round(x, 2), y)
                    part.setFont(name, 10)
                    part.textOut(letter)
                    canvas.drawText(part)
                    x += pdfmetrics.stringWidth(letter, name, 10) - 0.05
                x += 3.3

    return draw


def formula(canvas: Canvas) -> None:
    canvas.setFont(font(), 11)
    canvas.drawString(LEFT, TOP, "so that E = mc")
    x = LEFT + pdfmetrics.stringWidth("so that E = mc", "DejaVu", 11)
    canvas.setFont("DejaVu", 7)
    canvas.drawString(x, TOP + 4, "2")
    canvas.setFont("DejaVu", 11)
    canvas.drawString(LEFT, TOP - 20, "holds for all α ≤ β.")


def hyphenated(canvas: Canvas) -> None:
    put(canvas, ["the cost of the mainte-", "nance of the harbour"])


def page_number_below(canvas: Canvas) -> None:
    put(canvas, wrapped(PARAGRAPH, 70))
    canvas.drawCentredString(297, 40, "17")


# -- how streams are written


def backwards(canvas: Canvas) -> None:
    for number in reversed(range(len(LETTER))):
        canvas.drawString(LEFT, TOP - LEADING * number, LETTER[number])


def letter_by_letter(canvas: Canvas) -> None:
    x = float(LEFT)
    for letter in "Invoice 2024-0381 of May":
        canvas.drawString(x, TOP, letter)
        x += pdfmetrics.stringWidth(letter, "Helvetica", 11)


def spread_out(canvas: Canvas) -> None:
    text = canvas.beginText(LEFT, TOP)
    text.setCharSpace(1.0)
    text.textOut("Statement of account")
    canvas.drawText(text)


def squeezed(canvas: Canvas) -> None:
    text = canvas.beginText(LEFT, TOP)
    text.setHorizScale(70)
    text.textOut("Narrow print on a slip of paper")
    canvas.drawText(text)


def twice(canvas: Canvas) -> None:
    for shift in (0, 0.25, 0.5):
        canvas.drawString(LEFT + shift, TOP, "Bold by hand")


def in_a_form(canvas: Canvas) -> None:
    canvas.beginForm("letter")
    canvas.setFont("Helvetica", 11)
    put(canvas, LETTER)
    canvas.endForm()
    canvas.doForm("letter")


def turned(degrees: int) -> Draw:
    def draw(canvas: Canvas) -> None:
        canvas.translate(300, 420)
        canvas.rotate(degrees)
        put(canvas, LETTER, x=-150, y=60)

    return draw


def shown_turned(degrees: int) -> Callable[[], bytes]:
    def turn(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Rotate = degrees

    def make() -> bytes:
        return changed(page(turned(degrees)), turn)

    return make


def note_in_the_margin(canvas: Canvas) -> None:
    put(canvas, LETTER)
    canvas.translate(30, 300)
    canvas.rotate(90)
    canvas.drawString(0, 0, "Received 14 March")


# -- forms and notes


def form(canvas: Canvas) -> None:
    for y, label in ((720, "Name"), (680, "Town"), (640, "Paid")):
        canvas.drawString(LEFT, y, label)
    canvas.acroForm.textfield(name="name", value="Anna Berg", x=130, y=714, width=200, height=20)
    canvas.acroForm.choice(
        name="town", value="Oslo", options=["Oslo", "Bergen"], x=130, y=674, width=100, height=20
    )
    canvas.acroForm.checkbox(name="paid", checked=True, x=130, y=636, size=14)


def with_note() -> bytes:
    def note(pdf: pikepdf.Pdf) -> None:
        made = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.FreeText, Rect=pikepdf.Array([72, 600, 300, 620]),
            Contents="Approved, H. O.", DA="/Helv 11 Tf 0 g",
        )  # fmt: skip
        pdf.pages[0].obj.Annots = pikepdf.Array([pdf.make_indirect(made)])

    return changed(page(lambda canvas: put(canvas, LETTER)), note)


# -- layers, logos and garbage


def grey() -> ImageReader:
    return ImageReader(Image.new("L", (600, 840), 235))


def layer(lines: list[str], *, scan_last: bool = False) -> Draw:
    def draw(canvas: Canvas) -> None:
        if not scan_last:
            canvas.drawImage(grey(), 0, 0, *A4)
        text = canvas.beginText(LEFT, TOP)
        text.setTextRenderMode(0 if scan_last else 3)
        for line in lines:
            text.textLine(line)
        canvas.drawText(text)
        if scan_last:
            canvas.drawImage(grey(), 0, 0, *A4)

    return draw


def logo_only(canvas: Canvas) -> None:
    canvas.drawImage(grey(), 200, 500, 200, 200)


def stamped_scan(canvas: Canvas) -> None:
    canvas.drawImage(grey(), 0, 0, *A4)
    canvas.drawString(LEFT, 30, "Page 1 of 4")


def logo_over_a_letter(canvas: Canvas) -> None:
    canvas.drawImage(grey(), 400, 720, 120, 80)
    put(canvas, LETTER, y=680)


def outlines(canvas: Canvas) -> None:
    """Letters drawn as curves, with one line of text."""
    path = canvas.beginPath()
    for n in range(3000):
        x, y = 72 + 8 * (n % 55), 780 - 12 * (n // 55)
        path.moveTo(x, y)
        for k in range(8):
            path.curveTo(x + 1, y + k, x + 2, y + 2, x + k, y + 3)
    canvas.drawPath(path, fill=1)
    canvas.drawString(LEFT, 30, "Page 3")


def remapped(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """With another table from codes to characters."""

    def mend(pdf: pikepdf.Pdf) -> None:
        for found in pdf.objects:
            if isinstance(found, pikepdf.Dictionary) and "/ToUnicode" in found:
                found.ToUnicode = pdf.make_stream(change(found.ToUnicode.read_bytes()))

    return changed(data, mend)


def to_private_use() -> bytes:
    import re

    def change(cmap: bytes) -> bytes:
        return re.sub(rb"<00([0-9A-Fa-f]{2})>", rb"<E0\1>", cmap)

    return remapped(page(in_font(font(), wrapped(PARAGRAPH, 60))), change)


def shifted() -> bytes:
    """As an engine without tables reads a subset whose codes are three below the letters."""
    return page(
        lambda c: put(
            c, ["".join(chr(ord(x) - 29) if x > " " else x for x in line) for line in wrapped(PARAGRAPH, 60)]
        )
    )


# -- scripts


def east(face: str, lines: list[str]) -> Callable[[], bytes]:
    def make() -> bytes:
        pdfmetrics.registerFont(UnicodeCIDFont(face))
        return page(in_font(face, lines, 14))

    return make


def upright_chinese() -> bytes:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))

    def draw(canvas: Canvas) -> None:
        canvas.setFont("STSong-Light", 16)
        for column, text in enumerate(("床前明月光", "疑是地上霜", "举头望明月")):
            for row, letter in enumerate(text):
                canvas.drawString(450 - 30 * column, 760 - 20 * row, letter)

    return page(draw)


def from_the_right(lines: list[str], size: float = 14) -> Draw:
    """As a program without shaping draws it: letter after letter, from the right edge; numbers from the left."""

    def draw(canvas: Canvas) -> None:
        name = font()
        for number, line in enumerate(lines):
            x = 500.0
            for word in line.split():
                letters = word if word[0].isdigit() else word[::-1]
                x -= pdfmetrics.stringWidth(word, name, size)
                at = x
                for letter in letters:
                    text = canvas.beginText(at, TOP - 24 * number)
                    text.setFont(name, size)
                    text.textOut(letter)
                    canvas.drawText(text)
                    at += pdfmetrics.stringWidth(letter, name, size)
                x -= 0.3 * size

    return draw


def drawn(draw: Draw, size: tuple[float, float] = A4) -> Callable[[], bytes]:
    return functools.partial(page, draw, size)


GREEK = ["Σας ευχαριστούμε για την επιστολή", "της 12ης Μαρτίου."]
RUSSIAN = ["Благодарим вас за письмо", "от 12 марта 2024 года."]
POLISH = ["Dziękujemy za list z dnia", "dwunastego marca, łączna kwota 1 200,50 zł"]
VIETNAMESE = ["Cảm ơn quý khách đã gửi thư", "ngày mười hai tháng ba."]
GERMAN = ["Größe der Fläche: 386 m", "Überprüfung gemäß Straßengesetz"]
TEX = ["The official figure of the first floor", "is fluently affixed to the file"]
CASES = [
    Case("letter", drawn(lambda c: put(c, LETTER)), "\n".join(LETTER)),
    Case("justified", drawn(justified), "\n".join(wrapped(PARAGRAPH, 80))),
    Case("letterhead", drawn(letter_with_head), "\n".join(["Olsen & Sons Ltd", *LETTER, "Olsen & Sons Ltd, 4 Harbour Road, Bergen"])),
    Case("bullets", drawn(bullets), "• oak planks\n• screws\n• glue"),
    Case("numbered", drawn(numbered), "1. check the area\n2. correct the sum\n3. send it again"),
    Case("superscript", drawn(superscripts), "an area of 386 m2 in all"),
    Case("fonts", drawn(runs_of_fonts), "pay 1,200.00 EUR by Friday"),
    Case("tabs", drawn(tabs), "From:  H. Olsen\nTo:    A. Berg\nDate:  12 March"),
    Case("decorated", drawn(decorated), "White on a dark ground\nand underlined"),
    Case("address", drawn(address_beside_reference), "Anna Berg       Invoice no. 2024-0381\n4 Harbour Road  Customer no. 10023\n5003 Bergen     12 March 2024"),
    Case("table", drawn(bordered_table), "Article     Qty     Price\nOak planks   12  1,200.00\nGlue          3      9.50"),
    Case("two columns", drawn(columns(2, 50)[0]), columns(2, 50)[1]),
    Case("three columns", drawn(columns(3, 33)[0]), columns(3, 33)[1]),
    Case("headline", drawn(headline_over_columns), "The harbour is to be made deeper this summer\n" + columns(2, 50)[1]),
    Case("landscape", drawn(lambda c: put(c, LETTER, y=500), (842, 595)), "\n".join(LETTER)),
    Case("slip", drawn(lambda c: put(c, ["Total 9.50", "Thank you"], x=10, y=280), (160, 300)), "Total 9.50\nThank you"),
    Case("tex", drawn(tex(TEX)), "\n".join(TEX)),
    Case("tex without ligatures", drawn(tex(TEX, ligatures=False)), "\n".join(TEX)),
    Case("tex paragraph", drawn(tex(wrapped(PARAGRAPH, 70))), "\n".join(wrapped(PARAGRAPH, 70))),
    Case("formula", drawn(formula), "so that E = mc2\nholds for all α ≤ β."),
    Case("hyphens", drawn(hyphenated), "the cost of the mainte-\nnance of the harbour"),
    Case("page number", drawn(page_number_below), "\n".join([*wrapped(PARAGRAPH, 70), "17"])),
    Case("backwards", drawn(backwards), "\n".join(LETTER)),
    Case("letter by letter", drawn(letter_by_letter), "Invoice 2024-0381 of May"),
    Case("spread out", drawn(spread_out), "Statement of account"),
    Case("squeezed", drawn(squeezed), "Narrow print on a slip of paper"),
    Case("printed thrice", drawn(twice), "Bold by hand"),
    Case("in a form object", drawn(in_a_form), "\n".join(LETTER)),
    *(Case(f"lies at {n}", drawn(turned(n)), "\n".join(LETTER)) for n in (90, 180, 270)),
    *(Case(f"shown turned by {n}", shown_turned(n), "\n".join(LETTER)) for n in (90, 180, 270)),
    Case("margin note", drawn(note_in_the_margin), "\n".join([*LETTER, "Received 14 March"])),
    Case("object streams", lambda: changed(page(lambda c: put(c, LETTER)), lambda _: None, object_stream_mode=pikepdf.ObjectStreamMode.generate), "\n".join(LETTER)),
    Case("linearized", lambda: changed(page(lambda c: put(c, LETTER)), lambda _: None, linearize=True), "\n".join(LETTER)),
    Case("without printing", lambda: changed(page(lambda c: put(c, LETTER)), lambda _: None, encryption=pikepdf.Encryption(owner="x", user="")), "\n".join(LETTER)),
    Case("form", drawn(form), "Name  Anna Berg\nTown  Oslo\nPaid  [x]"),
    Case("note", with_note, "\n".join([*LETTER, "Approved, H. O."])),
    Case("greek", drawn(in_font(font(), GREEK)), "\n".join(GREEK)),
    Case("russian", drawn(in_font(font(), RUSSIAN)), "\n".join(RUSSIAN)),
    Case("polish", drawn(in_font(font(), POLISH)), "\n".join(POLISH)),
    Case("vietnamese", drawn(in_font(font(), VIETNAMESE)), "\n".join(VIETNAMESE)),
    Case("german", drawn(in_font(font(), GERMAN)), "\n".join(GERMAN)),
    Case("chinese", east("STSong-Light", ["发票号码：二零二四", "购买方名称：北京公司"]), "发票号码：二零二四\n购买方名称：北京公司"),
    Case("traditional chinese", east("MSung-Light", ["發票號碼二零二四"]), "發票號碼二零二四"),
    Case("japanese", east("HeiseiMin-W3", ["請求書番号は二〇二四です"]), "請求書番号は二〇二四です"),
    Case("korean", east("HYSMyeongJo-Medium", ["청구서 번호 이천이십사"]), "청구서 번호 이천이십사"),
    Case("upright chinese", upright_chinese, "床前明月光\n疑是地上霜\n举头望明月"),
    Case("arabic", drawn(from_the_right(["السلام عليكم ورحمة الله", "رقم الفاتورة 2024"])), "السلام عليكم ورحمة الله\nرقم الفاتورة 2024"),
    Case("arabic in shapes", drawn(from_the_right(["ﺍﻟﺴﻼﻡ ﻋﻠﻴﻜﻢ", "ﺭﻗﻢ ﺍﻟﻔﺎﺗﻮﺭﺓ 2024"])), "السلام عليكم\nرقم الفاتورة 2024"),
    Case("hebrew", drawn(from_the_right(["שלום עולם", "חשבונית מספר 381"])), "שלום עולם\nחשבונית מספר 381"),
    Case("ocr layer", drawn(layer(wrapped(PARAGRAPH, 70))), "\n".join(wrapped(PARAGRAPH, 70)), "layer"),
    Case("text behind a scan", drawn(layer(wrapped(PARAGRAPH, 70), scan_last=True)), "\n".join(wrapped(PARAGRAPH, 70)), "layer"),
    Case("logo over a letter", drawn(logo_over_a_letter), "\n".join(LETTER)),
    Case("logo alone", drawn(logo_only), None, None),
    Case("stamped scan", drawn(stamped_scan), None, None),
    Case("letters as curves", drawn(outlines), None, None),
    Case("empty", drawn(lambda _: None), None, None),
    Case("private use", to_private_use, None, None),
    Case("shifted codes", shifted, None, None),
]  # fmt: skip


# -- a browser


BROWSER: list[tuple[str, str]] = [
    ("<p>Invoice number 4711</p><p>of the first of May</p>", "Invoice number 4711\nof the first of May"),
    ("<h1>Office file</h1><ul><li>affix it</li><li>flip it</li></ul>", "Office file\naffix it\nflip it"),
    (
        "<table><tr><td>Oak planks<td align=right>12<td align=right>1,200.00<tr><td>Glue<td align=right>3<td align=right>9.50</table>",
        "Oak planks  12  1,200.00\nGlue         3      9.50",
    ),
    ("<p dir=rtl>السلام عليكم ورحمة الله</p>", "السلام عليكم ورحمة الله"),
    ("<p dir=rtl>שלום עולם 381</p>", "שלום עולם 381"),
    ("<p>Größe: 386&nbsp;m², Straße Nr.&nbsp;12</p>", "Größe: 386 m², Straße Nr. 12"),
]


def printed_by_a_browser() -> bytes | None:
    """The pages of `BROWSER`; None where there is no Chromium, or it cannot print here."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        return None
    style = "<meta charset=utf-8><style>section{break-after:page} body{font:14px 'DejaVu Sans'} td{padding:0 12px}</style>"
    with tempfile.TemporaryDirectory(prefix="glimpsed-print-") as home:
        html, out = Path(home, "page.html"), Path(home, "page.pdf")
        html.write_text(
            style + "".join(f"<section>{body}</section>" for body, _ in BROWSER), encoding="utf-8"
        )
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={home}/profile", f"--print-to-pdf={out}", html.as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(
                command, capture_output=True, timeout=120, check=False, env={**os.environ, "HOME": home}
            )
        except subprocess.TimeoutExpired:
            return None
        return out.read_bytes() if out.exists() else None


def names() -> Iterator[str]:
    return (case.name for case in CASES)
