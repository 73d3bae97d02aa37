"""The pages of the OCR report: text of which every letter is known, set on paper as people scan it."""

from __future__ import annotations

import functools
import itertools
import random
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from ocr_texts import FORM, ITEMS, PROSE
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

A4 = (8.27, 11.69)  # inches
FONTS = {  # what Debian's fonts-dejavu, fonts-liberation, fonts-noto-cjk and fonts-wqy-zenhei offer; the first that is there
    "serif": ("LiberationSerif-Regular.ttf", "DejaVuSerif.ttf"),
    "sans": ("LiberationSans-Regular.ttf", "DejaVuSans.ttf"),
    "mono": ("LiberationMono-Regular.ttf", "DejaVuSansMono.ttf"),
    "zh": ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc"),
}

Sheet = Image.Image
Set = tuple[Sheet, list[str]]


@dataclass(frozen=True)
class Page:
    """A page and what it says."""

    name: str
    language: str
    set_: Callable[[], Set]
    done: Callable[[Sheet], Sheet] | None = None  # to the sheet
    refused: bool = False  # in a script that the embedded engine says it does not know

    @functools.cached_property
    def truth(self) -> str:
        """Its lines in reading order."""
        return "\n".join(self.set_()[1])

    def draw(self) -> Sheet:
        sheet = self.set_()[0]
        return self.done(sheet) if self.done else sheet


@functools.cache
def _files() -> dict[str, str]:
    listed = subprocess.run(["fc-list", "--format", "%{file}\n"], capture_output=True, text=True, check=False)
    return {path.rpartition("/")[2]: path for path in listed.stdout.split("\n") if path}


def has(face: str) -> bool:
    """Whether one of its fonts is installed."""
    return any(name in _files() for name in FONTS[face])


@functools.cache
def font(face: str, px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(next(_files()[name] for name in FONTS[face] if name in _files()), px)


class Paper:
    """A white sheet that lines of text are set on; sizes in points."""

    def __init__(self, dpi: int, inches: tuple[float, float] = A4) -> None:
        self.dpi = dpi
        self.image = Image.new("L", (round(inches[0] * dpi), round(inches[1] * dpi)), 255)
        self.pen = ImageDraw.Draw(self.image)

    def px(self, points: float) -> int:
        return round(points * self.dpi / 72)

    def column(
        self,
        text: str,
        face: str,
        points: float,
        left: float,
        top: float,
        width: float,
        *,
        lines: int = 10**6,
    ) -> tuple[list[str], float]:
        """Set in lines of this width (inches); the lines, and where the next one would begin."""
        type_, step = font(face, self.px(points)), self.px(points * 1.35)
        set_: list[str] = []
        y = top * self.dpi
        for line in itertools.islice(_broken(text, type_, width * self.dpi, face), lines):
            self.pen.text((left * self.dpi, y), line, font=type_, fill=0)
            set_.append(line)
            y += step
        return set_, y / self.dpi

    def line(
        self, text: str, face: str, points: float, left: float, top: float, *, right: bool = False
    ) -> None:
        """One line, from its left edge or to its right one."""
        type_ = font(face, self.px(points))
        shift = type_.getlength(text) if right else 0
        self.pen.text((left * self.dpi - shift, top * self.dpi), text, font=type_, fill=0)


def _broken(text: str, type_: ImageFont.FreeTypeFont, width: float, face: str) -> Iterator[str]:
    pieces = list(text) if face == "zh" else text.split(" ")
    glue = "" if face == "zh" else " "
    line = ""
    for piece in pieces:
        longer = f"{line}{glue}{piece}" if line else piece
        if line and type_.getlength(longer) > width:
            yield line
            line = piece
        else:
            line = longer
    if line:
        yield line


def prose(language: str, start: int = 0, sentences: int = 24) -> str:
    """So many sentences, from another one on each time, so that no two columns say the same in the same place."""
    stop = "。" if language == "zh" else ". "
    parts = [part.strip().rstrip(".。") for part in PROSE[language].split(stop)]
    chosen = [f"{number}) {parts[number % len(parts)]}" for number in range(start, start + sentences)]
    return ("。" if language == "zh" else ". ").join(chosen)


def _face(language: str, face: str = "serif") -> str:
    return "zh" if language == "zh" else face


# -- layouts: each gives the sheet, and its lines in reading order


def plain(language: str, dpi: int, points: float = 11, face: str = "serif") -> Set:
    paper = Paper(dpi)
    lines, _ = paper.column(prose(language, 0, 90), _face(language, face), points, 1, 1, 6.2, lines=44)
    return paper.image, lines


def columns(language: str, dpi: int, count: int, *, heading: bool = False) -> Set:
    paper, lines, top = Paper(dpi), [], 1.0
    gap, width = 0.3, (6.7 - 0.3 * (count - 1)) / count
    face = _face(language)
    if heading:
        lines, top = paper.column(prose(language, 1, 1), face, 18, 0.8, 0.8, 6.7)
        top += 0.2
    for number in range(count):
        left = 0.8 + number * (width + gap)
        lines += paper.column(prose(language, 3 * number), face, 9.5, left, top, width, lines=46)[0]
    return paper.image, lines


def spread(language: str, dpi: int) -> Set:
    paper, lines = Paper(dpi, (A4[1] * 1.15, A4[0])), []
    for number in range(4):
        left = 0.6 + number * 3.0 + (number // 2) * 0.7
        lines += paper.column(prose(language, 5 * number), _face(language), 9.5, left, 0.8, 2.7, lines=34)[0]
    return paper.image, lines


def around_a_picture(language: str, dpi: int) -> Set:
    paper, face = Paper(dpi), _face(language)
    lines, _ = paper.column(prose(language), face, 10, 0.8, 0.8, 3.1, lines=46)
    above, y = paper.column(prose(language, 2), face, 10, 4.3, 0.8, 3.1, lines=12)
    photo = Image.radial_gradient("L").resize((round(3.1 * dpi), round(2.2 * dpi)))
    paper.image.paste(photo, (round(4.3 * dpi), round((y + 0.15) * dpi)))
    below, _ = paper.column(prose(language, 7), face, 10, 4.3, y + 2.5, 3.1, lines=18)
    return paper.image, lines + above + below


def bilingual(one: str, other: str, dpi: int) -> Set:
    paper = Paper(dpi)
    left, _ = paper.column(prose(one), _face(one), 10, 0.8, 0.8, 3.1, lines=40)
    right, _ = paper.column(prose(other), _face(other), 10, 4.3, 0.8, 3.1, lines=40)
    return paper.image, left + right


def infobox(language: str, dpi: int) -> Set:
    paper, face = Paper(dpi), _face(language)
    lines, y = paper.column(prose(language), face, 10.5, 0.8, 0.8, 4.3, lines=20)
    box, bottom = paper.column(prose(language, 5, 4), face, 8.5, 5.6, 0.95, 1.9, lines=14)
    paper.pen.rectangle(
        [5.45 * dpi, 0.8 * dpi, 7.6 * dpi, (bottom + 0.1) * dpi], outline=90, width=max(1, dpi // 100)
    )
    below, _ = paper.column(prose(language, 9), face, 10.5, 0.8, max(y, bottom) + 0.4, 6.7, lines=20)
    return paper.image, lines + box + below


def table(dpi: int) -> Set:
    paper, lines, top = Paper(dpi), ["Description Quantity Price Amount"], 1.5
    edges = (4.6, 5.6, 6.6)
    paper.line("Description", "sans", 10, 1, 1.1)
    for text, edge in zip(("Quantity", "Price", "Amount"), edges, strict=True):
        paper.line(text, "sans", 10, edge + 0.4, 1.1, right=True)
    for number, item in enumerate(ITEMS * 3):
        paper.line(item[0], "sans", 10, 1, top + number * 0.28)
        for text, edge in zip(item[1:], edges, strict=True):
            paper.line(text, "sans", 10, edge + 0.4, top + number * 0.28, right=True)
        lines.append(" ".join(item))
    return paper.image, lines


def form(dpi: int) -> Set:
    paper = Paper(dpi)
    for number, (key, value) in enumerate(FORM):
        paper.line(f"{key}:", "sans", 11, 1, 1 + number * 0.4)
        paper.line(value, "sans", 11, 4, 1 + number * 0.4)
    return paper.image, [f"{key}: {value}" for key, value in FORM]


def receipt(dpi: int, rows: int) -> Set:
    paper, lines = Paper(dpi, (3.15, 0.8 + rows * 0.22)), []
    for number, item in enumerate(itertools.islice(itertools.cycle(ITEMS), rows)):
        name = textwrap.shorten(item[0], 22, placeholder="")
        paper.line(name, "mono", 9, 0.2, 0.4 + number * 0.22)
        paper.line(item[3], "mono", 9, 2.95, 0.4 + number * 0.22, right=True)
        lines.append(f"{name} {item[3]}")
    return paper.image, lines


def panorama(dpi: int) -> Set:
    paper = Paper(dpi, (36, 4))
    lines = []
    for number in range(4):
        lines += paper.column(prose("en", number * 3), "sans", 16, 1 + number * 9, 0.8, 7.8, lines=8)[0]
    return paper.image, lines


def large(dpi: int) -> Set:
    paper = Paper(dpi, (11.69, 16.54))
    lines, _ = paper.column(prose("en", 0, 90), "serif", 8, 1, 1, 9.7, lines=90)
    return paper.image, lines


def stamp() -> Set:
    paper = Paper(72, (2.2, 0.7))
    paper.line("RECEIVED 14 MAR 2024", "sans", 13, 0.1, 0.2)
    return paper.image, ["RECEIVED 14 MAR 2024"]


# -- what scanners, fax machines and phones do to them


def skewed(degrees: float) -> Callable[[Sheet], Sheet]:
    return lambda sheet: sheet.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def noisy(sheet: Sheet) -> Sheet:
    dots = np.random.default_rng(7).normal(0, 38, (sheet.height, sheet.width))
    return Image.fromarray(np.clip(np.asarray(sheet) + dots, 0, 255).astype(np.uint8))


def faint(sheet: Sheet) -> Sheet:
    return sheet.point(lambda v: round(190 + v * 40 / 255))


def one_bit(sheet: Sheet) -> Sheet:
    return sheet.point(lambda v: 255 if v > 140 else 0)


def fax(sheet: Sheet) -> Sheet:
    small = sheet.resize((1728, round(sheet.height * 1728 / sheet.width / 1.04)), Image.Resampling.BOX)
    return one_bit(small)


def blurred(sheet: Sheet) -> Sheet:
    return sheet.filter(ImageFilter.GaussianBlur(sheet.width / 1100))


def dark(sheet: Sheet) -> Sheet:
    return ImageChops.invert(sheet)


def phone(sheet: Sheet) -> Sheet:
    """From an angle, in the light of one lamp, slightly out of focus."""
    width, height = sheet.size
    corners = [(0.05, 0.03), (0.02, 0.98), (0.99, 0.94), (0.93, 0.06)]
    wanted = [(0, 0), (0, height), (width, height), (width, 0)]
    rows, right = [], []
    for (x, y), (u, v) in zip([(a * width, b * height) for a, b in corners], wanted, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    turn = np.linalg.solve(np.array(rows, float), np.array(right, float))
    seen = sheet.transform(
        sheet.size, Image.Transform.PERSPECTIVE, tuple(turn), Image.Resampling.BICUBIC, fillcolor=150
    )
    light = (
        Image.linear_gradient("L").rotate(60, expand=True).resize(sheet.size).point(lambda v: 120 + v // 2)
    )
    return ImageChops.multiply(seen, light).filter(ImageFilter.GaussianBlur(0.7))


def turned(degrees: int) -> Callable[[Sheet], Sheet]:
    return lambda sheet: sheet.rotate(degrees, expand=True)


def speckled(sheet: Sheet) -> Sheet:
    pick = random.Random(3)
    sheet = sheet.copy()
    pen = ImageDraw.Draw(sheet)
    for _ in range(1200):
        x, y, r = pick.randrange(sheet.width), pick.randrange(sheet.height), pick.choice((1, 1, 2, 3))
        pen.ellipse([x, y, x + r, y + r], fill=pick.randrange(120))
    return sheet


DEGRADED: dict[str, Callable[[Sheet], Sheet]] = {
    "skew 2°": skewed(2),
    "skew -5°": skewed(-5),
    "noise": noisy,
    "faint": faint,
    "1 bit": one_bit,
    "fax": fax,
    "blur": blurred,
    "phone": phone,
    "white on black": dark,
    "dust": speckled,
    "upside down": turned(180),
    "on its side": turned(90),
    "on its other side": turned(270),
}


def pages() -> list[Page]:
    """All that can be set with the fonts that are there."""
    found: list[Page] = []

    def add(
        name: str, language: str, set_: Callable[[], Set], done: Callable[[Sheet], Sheet] | None = None
    ) -> None:
        if language == "zh" and not has("zh"):
            return
        found.append(
            Page(
                name=f"{name}, {language}", language=language, set_=set_, done=done, refused=language == "ru"
            )
        )

    languages = ("en", "de", "fr", "es", "it", "zh")
    for language, dpi in itertools.product(languages, (150, 200, 300)):
        add(f"typed, {dpi} dpi", language, functools.partial(plain, language, dpi))
    for number, (name, done) in enumerate(DEGRADED.items()):
        for language in ("en", languages[1 + number % 5]):
            add(name, language, functools.partial(plain, language, 200), done)
    for language, other in (("en", "de"), ("fr", "es")):
        add("2 columns", language, functools.partial(columns, language, 200, 2))
        add("3 columns", language, functools.partial(columns, language, 200, 3))
        add("4 columns", other, functools.partial(columns, other, 200, 4))
        add("heading over columns", other, functools.partial(columns, other, 200, 3, heading=True))
        add("spread", language, functools.partial(spread, language, 200))
        add("around a picture", other, functools.partial(around_a_picture, other, 200))
        add("bilingual", language, functools.partial(bilingual, language, other, 200))
        add("infobox", language, functools.partial(infobox, language, 200))
    add("table", "en", lambda: table(200))
    add("form", "en", lambda: form(200))
    add("receipt 1:5", "en", lambda: receipt(200, 72))
    add("receipt 1:10", "en", lambda: receipt(200, 140))
    add("panorama", "en", lambda: panorama(100))
    add("A3, 8 pt", "en", lambda: large(300))
    add("stamp", "en", stamp)
    add("small print, 6 pt", "en", lambda: plain("en", 300, 6))
    add("sans", "de", lambda: plain("de", 200, 11, "sans"))
    add("typewriter face", "en", lambda: plain("en", 200, 10, "mono"))
    add("Cyrillic", "ru", lambda: plain("ru", 200))
    assert len({page.name for page in found}) == len(found)
    return found
