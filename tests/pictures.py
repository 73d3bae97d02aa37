"""Images for tests, made on the spot."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

LETTER = [
    "Harbour Office, 14 Quay Street",
    "Invoice number 20417",
    "Supplier: Northern Timber Company",
    "Twelve oak planks, planed on both sides",
    "Total amount due: 1,284.50",
    "Please pay within thirty days.",
]

DEJAVU = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"  # fonts-dejavu-core

# What a page of the corpus says (scans/typewriter.png).
TYPED = """\
Linzensoep à la Waterman
4 ons linzen
3 liter water
3 uien
bloem, boter
2 kopjes melk
laurier, kruidnagel, kerrie, zout
De linzen wassen en in 1 liter kokend wa-
ter 1 dag laten weken. 2 liter water bij
de linzen voegen, zonder het water waarin
ze geweekt zijn af te gieten. De helft van
de uien bakken met laurier en kruidnagel.
Alle uien, kerrie en zout bij de linzen
voegen. Alles aan de kook brengen. Van de
bloem met boter en melk een papje maken en
verder afmaken met de soep. Als de linzen
gaar zijn is de soep klaar."""


def picture(kind: str = "PNG", size: tuple[int, int] = (320, 240), seed: int = 0) -> bytes:
    """A small photo-like picture; another seed gives another content."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(image).text((10, 10), f"picture {seed}", fill=(seed % 256, seed // 256 % 256, 90))
    return encoded(image, kind)


def page(lines: list[str] = LETTER, size: tuple[int, int] = (1240, 1754), kind: str = "PNG") -> bytes:
    """A typed page; Pillow's own font has Latin letters alone, DejaVu has Cyrillic and Greek ones, too."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    latin = max(map(ord, "".join(lines)), default=0) < 0x100
    font = ImageFont.load_default(size=34) if latin else ImageFont.truetype(DEJAVU, 34)
    for number, line in enumerate(lines):
        draw.text((120, 160 + 90 * number), line, fill="black", font=font)
    return encoded(image, kind)


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def drop(folder: Path, name: str, data: bytes) -> Path:
    """Write it in one go, as a copy would."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
