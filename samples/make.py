"""Renders the sample scans that `make run` puts into ./inbox: ``python samples/make.py``.

They are kept in the repository, so this is only for changing them.
"""
# ruff: noqa: INP001 -- a script, not a package

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
PAPER = (1240, 1754)  # A4 at 150 dpi
LETTER = """\
Harbour Office
14 Quay Street

12 March 1987

Dear Mrs Lindqvist,

Thank you for your letter of the second. The
barge Amalia will be at the north pier from
Monday on, and the crane is booked for noon.

Please have the forty crates of lamp glass
ready on the quay, each with its number on
two sides. Last time three of them were not
marked, and we looked for them until dark.

With kind regards,

J. Sorensen
Harbour master"""
INVOICE = [
    ("2", "Sash window, oak, 90 x 120", "412.00", "824.00"),
    ("6", "Brass handle, left", "18.50", "111.00"),
    ("1", "Fitting, half a day", "160.00", "160.00"),
]
MINUTES = [
    ("Minutes of the garden society", ["Present: Okafor, Brandt, Ruiz, Hale", "1. The old pear tree stays.",
     "2. Water is to be turned off on 20 October.", "3. The shed gets a new lock; Ruiz has the key."]),
    ("Minutes, page two", ["4. Plot 17 goes to the Weber family.", "5. The fee stays at 45 a year.",
     "Next meeting: 8 November, seven o'clock.", "Written down by M. Hale"]),
]  # fmt: skip


def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own, so that no font has to be installed."""
    loaded = ImageFont.load_default(size=size)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    return loaded


def scanned(page: Image.Image, angle: float) -> Image.Image:
    """As a scanner sees it: a little askew, with some dust."""
    turned = page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=245)
    draw, chance = ImageDraw.Draw(turned), random.Random(7)  # noqa: S311 -- dust, not a secret
    for _ in range(400):
        x, y = chance.randrange(page.width), chance.randrange(page.height)
        draw.ellipse(
            (x, y, x + chance.randrange(3), y + chance.randrange(3)), fill=chance.randrange(120, 235)
        )
    return turned


def letter() -> Image.Image:
    """A typed letter."""
    page = Image.new("L", PAPER, 245)
    ImageDraw.Draw(page).multiline_text((170, 190), LETTER, fill=30, font=font(36), spacing=22)
    return scanned(page, 0.4)


def invoice() -> Image.Image:
    """A table with a head, columns and a total."""
    page = Image.new("RGB", PAPER, "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, PAPER[0], 190), fill=(24, 84, 120))
    draw.text((100, 65), "Brennan Joinery Ltd", fill="white", font=font(54))
    draw.text((100, 270), "INVOICE 2024-0381", fill="black", font=font(44))
    draw.text((100, 350), "Date: 5 September 2024", fill="black", font=font(34))
    draw.text((700, 350), "Customer: Villa Rosa, Cork", fill="black", font=font(34))
    columns = ((100, "Qty"), (230, "Description"), (800, "Price"), (1010, "Amount"))
    for row, cells in enumerate((tuple(name for _, name in columns), *INVOICE)):
        y = 480 + 80 * row
        for (x, _), cell in zip(columns, cells, strict=True):
            draw.text((x, y), cell, fill="black", font=font(32))
        draw.line((100, y + 56, 1140, y + 56), fill=(150, 150, 150), width=2)
    draw.text((800, 860), "Total EUR", fill="black", font=font(36))
    draw.text((1010, 860), "1,095.00", fill="black", font=font(36))
    draw.text((100, 1600), "Payable within 30 days. Thank you.", fill=(60, 60, 60), font=font(30))
    return page


def receipt() -> Image.Image:
    """A photo taken with the phone on its side: upright only by its EXIF orientation."""
    page = Image.new("RGB", (760, 1000), (222, 214, 200))
    draw = ImageDraw.Draw(page)
    draw.rectangle((90, 70, 670, 930), fill=(250, 249, 244))
    lines = ("CAFE ZENTRAL", "Table 9", "2 Espresso  5.60", "1 Apple cake  4.20", "Total  9.80", "Thank you!")
    for row, line in enumerate(lines):
        draw.text((170, 150 + 120 * row), line, fill=(40, 40, 44), font=font(44))
    return page.transpose(Image.Transpose.ROTATE_90)


def minutes() -> list[Image.Image]:
    """Two typed pages, black and white."""
    pages = []
    for head, lines in MINUTES:
        page = Image.new("L", PAPER, 255)
        draw = ImageDraw.Draw(page)
        draw.text((150, 170), head, fill=0, font=font(52))
        draw.multiline_text((150, 330), "\n".join(lines), fill=0, font=font(38), spacing=46)
        pages.append(page.point(lambda v: 255 if v > 140 else 0).convert("1"))
    return pages


def main() -> None:
    """Write all of them beside this file."""
    letter().quantize(8).save(HERE / "letter.png", optimize=True, dpi=(150, 150))
    invoice().save(HERE / "invoice.jpg", quality=80, dpi=(150, 150))
    sideways = Image.Exif()
    sideways[0x0112] = 6
    receipt().save(HERE / "receipt.jpg", quality=80, exif=sideways)
    first, *others = minutes()
    first.save(
        HERE / "minutes.tif", save_all=True, append_images=others, compression="group4", dpi=(150, 150)
    )


if __name__ == "__main__":
    main()
