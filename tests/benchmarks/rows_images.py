"""Preparing a scan beside Pillow alone; reading pages beside tesseract."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import bench_images
from bench import Row, Sizes, compared, scratch
from reportlab.pdfgen.canvas import Canvas

import pictures
from daemon import glimpsed
from glimpsed.images import pdf
from glimpsed.images.prepare import DECODED
from glimpsed.searchable import worker
from glimpsed.searchable.words import SearchableTask
from images_samples import content
from searchable_samples import printed

SCANS = ("A4 300 dpi, JPEG", "A4 300 dpi, PNG", "A4 300 dpi, G4")
WORDS = [
    "harbour",
    "oak",
    "plank",
    "invoice",
    "timber",
    "quay",
    "supplier",
    "total",
    "amount",
    "thirty",
    "days",
    "receipt",
    "letter",
    "minutes",
]


def prepare(_base: Path, _sizes: Sizes) -> Iterator[Row]:
    """A scan → ready to send, in CPU, since a busy machine would decide otherwise."""
    made = bench_images.pages()
    for name in SCANS:
        data = content(made[name]).data
        pillow = bench_images.cpu(lambda data=data: bench_images.by_pillow(data))  # type: ignore[misc]
        ours = bench_images.cpu(lambda data=data: bench_images.by_us(data, bench_images.JPEG_ONLY))  # type: ignore[misc]
        yield compared(
            f"{name} → ready to send, CPU",
            ours,
            "ms",
            pillow,
            "Pillow: decode, resize, encode",
            "≤ 1.2 ×",
            met=ours <= 1.2 * pillow,
        )


def documents(_base: Path, _sizes: Sizes) -> Iterator[Row]:
    """A born-digital page's text, and words under a scan, in CPU."""
    file = io.BytesIO()
    canvas = Canvas(file)
    for _ in range(100):
        for line in range(45):
            canvas.drawString(60, 800 - 16 * line, " ".join(WORDS[(line + word) % 14] for word in range(11)))
        canvas.showPage()
    canvas.save()
    began = time.process_time()
    for number in range(1, 101):
        pdf.own_text(file, number)
    took = (time.process_time() - began) * 10
    yield Row("born-digital PDF, 100 pages, its text, CPU a page", took, "ms", goal="≤ 20 ms", met=took <= 20)

    pages = [printed(_text(number), (2480, 3508), 40) for number in range(20)]
    scans = io.BytesIO()
    pages[0][0].save(scans, "PDF", resolution=300, save_all=True, append_images=[p for p, _ in pages[1:]])
    lines = [
        [number, 0, 0.0, [[word.text, [*word.quad[0], *word.quad[2]]] for word in line]]
        for number, (_, page) in enumerate(pages, 1)
        for line in page.lines
    ]
    texts = [["\n".join(_text(number)), [number + 1]] for number in range(20)]
    head = json.dumps({"name": "scan.pdf", "own": [], "lines": lines, "texts": texts}).encode()
    task, data = SearchableTask("pdf", ["hocr", "pdf"], len(head)), scans.getvalue()
    began = time.process_time()
    _, (_, made) = worker._work(task, io.BytesIO(head + data), decoded=DECODED)
    took, grown = (time.process_time() - began) * 50, 100 * (len(made) / len(data) - 1)
    yield Row("searchable PDF of 20 scans beyond OCR, CPU a page", took, "ms", goal="≤ 50 ms", met=took <= 50)
    yield Row("the same, larger than its source by", grown, "%", goal="≤ 5 %", met=grown <= 5)


def ocr(base: Path, sizes: Sizes) -> Iterator[Row]:
    """The embedded model beside tesseract: seconds a page, and characters that are wrong."""
    if shutil.which("tesseract") is None:
        return
    with scratch(base, "ocr") as here:
        known = {f"{number}.png": _text(number) for number in range(sizes.pages)}
        (here / "inbox").mkdir()
        for name, text in known.items():
            (here / "inbox" / name).write_bytes(pictures.page(text))
        began = time.monotonic()
        for name in known:
            subprocess.run(
                ["tesseract", str(here / "inbox" / name), str(here / name)],
                check=True,
                capture_output=True,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )
        theirs = (time.monotonic() - began) / sizes.pages
        began = time.monotonic()
        run = glimpsed("once", here / "inbox", home=here, seconds=600)
        ours = (time.monotonic() - began) / sizes.pages
        assert run.returncode == 0, run.stderr
        wrong = [
            sum(
                _distance("".join(text), "".join((folder / f"{name}.txt").read_text().split("\n")))
                for name, text in known.items()
            )
            / sum(len("".join(text)) for text in known.values())
            for folder in (here / "inbox", here)
        ]
    yield compared(
        "embedded OCR, a typed page, start included",
        ours,
        "s",
        theirs,
        "tesseract, one page after the other",
        more={"wrong characters, ours %": wrong[0] * 100, "theirs %": wrong[1] * 100},
    )


def _text(seed: int) -> list[str]:
    """Lines of a made-up letter, another for each page."""
    return [
        " ".join(WORDS[(seed * 7 + line * 5 + word * 3) % len(WORDS)] for word in range(6))
        + f" {seed * 37 + line * 11}"
        for line in range(16)
    ]


def _distance(a: str, b: str) -> int:
    """Edits between two texts (Levenshtein), blanks aside."""
    a, b = a.replace(" ", ""), b.replace(" ", "")
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
