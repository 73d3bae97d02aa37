"""Writes tests/ocr_boxes.txt: where the embedded OCR's detector sees the lines of the report's layouts, and what is set there.

Each box is a line: the corners clockwise from the top left in px, and the first letters of the words that are set there.
Boxes stand in the order in which they are to be read.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ocr_pages
from ocr_pages import Set
from PIL import Image, ImageDraw

from glimpsed.ocr import detection

WRITTEN = Path(__file__).parents[1] / "ocr_boxes.txt"
LETTERS = 24  # of a box's text: more says no more about its place
LAYOUTS: dict[str, Callable[[], Set]] = {
    "plain": lambda: ocr_pages.plain("en", 200),
    "2 columns": lambda: ocr_pages.columns("en", 200, 2),
    "3 columns": lambda: ocr_pages.columns("fr", 200, 3),
    "4 columns": lambda: ocr_pages.columns("de", 200, 4),
    "heading over columns": lambda: ocr_pages.columns("es", 200, 3, heading=True),
    "spread": lambda: ocr_pages.spread("en", 200),
    "around a picture": lambda: ocr_pages.around_a_picture("de", 200),
    "bilingual": lambda: ocr_pages.bilingual("fr", "es", 200),
    "infobox": lambda: ocr_pages.infobox("en", 200),
    "table": lambda: ocr_pages.table(200),
    "form": lambda: ocr_pages.form(200),
    "receipt": lambda: ocr_pages.receipt(200, 72),
    "panorama": lambda: ocr_pages.panorama(100),
}

Word = tuple[int, float, float, str]  # which call set it, its middle in px


def main() -> None:
    from rapidocr import RapidOCR

    ocr = RapidOCR(params={"Global.log_level": "critical"})
    parts = [f"# {name}\n{''.join(seen(ocr, set_))}" for name, set_ in LAYOUTS.items()]
    WRITTEN.write_text("\n".join(parts))


def seen(ocr: Any, set_: Callable[[], Set]) -> Iterator[str]:
    """The lines of the file for one page. Raises ValueError where the detector joins what is not to be read together."""
    sheet, words = watched(set_)
    picture = np.ascontiguousarray(np.asarray(sheet.convert("RGB"))[:, :, ::-1])
    boxes = detection.refined(ocr, picture, detection.rough(ocr, picture))
    held: dict[int, list[Word]] = {}
    for word in words:
        holding = [n for n, quad in enumerate(boxes) if _holds(quad, word)]
        if len(holding) == 1:
            held.setdefault(holding[0], []).append(word)
    for at, inside in sorted(held.items(), key=lambda item: item[1][0][:2]):
        if len({call for call, *_ in inside}) > 1:
            raise ValueError(inside)
        corners = " ".join(str(round(float(number))) for number in boxes[at].ravel())
        yield f"{corners} {' '.join(text for *_, text in inside)[:LETTERS].strip()}\n"


def watched(set_: Callable[[], Set]) -> tuple[Image.Image, list[Word]]:
    """The page, and its words in the order in which they were set, which is that of reading."""
    words: list[Word] = []
    calls = itertools.count()
    text = ImageDraw.ImageDraw.text

    @functools.wraps(text)
    def watch(pen: Any, at: tuple[float, float], line: str, *, font: Any, **others: Any) -> None:
        call, before = next(calls), ""
        for word in line.split(" "):
            start, end = font.getlength(before), font.getlength(before + word)
            words.append((call, at[0] + (start + end) / 2, at[1] + font.size * 0.6, word))
            before += f"{word} "
        text(pen, at, line, font=font, **others)

    ImageDraw.ImageDraw.text = watch  # type: ignore[method-assign,assignment]
    try:
        sheet, lines = set_()
    finally:
        ImageDraw.ImageDraw.text = text  # type: ignore[method-assign]
    assert [word for *_, word in words] == [word for line in lines for word in line.split()], (
        "set in another order than read"
    )
    return sheet, words


def _holds(quad: Any, word: Word) -> bool:
    low, high = quad.min(axis=0), quad.max(axis=0)
    return bool(low[0] <= word[1] <= high[0] and low[1] <= word[2] <= high[1])


if __name__ == "__main__":
    main()
