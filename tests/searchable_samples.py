"""Searchable PDFs as other programs see them: poppler's words and pixels, qpdf's opinion."""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from glimpsed.searchable.words import PageWords, PlacedLine, PlacedWord, upright

PT, DPI = 72, 200
A4 = (1654, 2339)  # px at DPI

needs_poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None or shutil.which("pdftoppm") is None,
    reason="poppler-utils is not installed",
)
needs_qpdf = pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")

_WORD = re.compile(r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>')


def font(size: int) -> Any:
    for path in ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",):
        if os.path.exists(path):
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def printed(lines: list[str], size: tuple[int, int] = A4, height: int = 36) -> tuple[Image.Image, PageWords]:
    """A page of print, and its words where they stand."""
    image = Image.new("RGB", size, "white")
    draw, face = ImageDraw.Draw(image), font(height)
    found: list[PlacedLine] = []
    for n, text in enumerate(lines):
        x, y = size[0] // 10, size[1] // 10 + n * 2 * height
        words = []
        for word in text.split():
            draw.text((x, y), word, font=face, fill="black")
            words.append(PlacedWord(word, upright(*draw.textbbox((x, y), word, font=face))))
            x += round(draw.textlength(word + " ", font=face))
        found.append(tuple(words))
    return image, PageWords(1, *size, tuple(found))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **{"dpi": (DPI, DPI)} | options)
    return file.getvalue()


def run(*command: str, data: bytes) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(data)
        file.flush()
        done = subprocess.run(
            [file.name if part == "FILE" else part for part in command],
            check=False,
            capture_output=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def text_of(pdf: bytes, *options: str) -> str:
    return run("pdftotext", *options, "FILE", "-", data=pdf).decode()


def words_of(pdf: bytes, *options: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Each word that poppler finds, and its box in points."""
    found = run("pdftotext", "-bbox", *options, "FILE", "-", data=pdf).decode()
    for *box, text in _WORD.findall(found):
        yield html.unescape(text), tuple(map(float, box))


def drawn(pdf: bytes, page: int = 1, dpi: int = DPI) -> Image.Image:
    """As poppler draws it."""
    out = run("pdftoppm", "-r", str(dpi), "-f", str(page), "-l", str(page), "-singlefile", "FILE", data=pdf)
    return Image.open(io.BytesIO(out)).convert("RGB")


def checked(pdf: bytes) -> None:
    run("qpdf", "--check", "FILE", data=pdf)


def near(pdf: bytes, page: PageWords, *, points: float, dpi: int = DPI, box: str = "-nopgbrk") -> None:
    """Every word stands where it is printed, within so many points."""
    scale = PT / dpi
    found: dict[str, tuple[float, ...]] = dict(words_of(pdf, box))
    for line in page.lines:
        for word in line:
            xs, ys = [x * scale for x, _ in word.quad], [y * scale for _, y in word.quad]
            assert word.text in found, f"{word.text} is not among {sorted(found)}"
            assert found[word.text] == pytest.approx((min(xs), min(ys), max(xs), max(ys)), abs=points), (
                word.text
            )


def by_number(*pages: PageWords) -> Mapping[int, PageWords]:
    return {page.number: page for page in pages}
