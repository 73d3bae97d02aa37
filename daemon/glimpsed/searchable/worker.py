"""The program of the process that makes searchable PDFs and hOCR: it reads hostile files, so that the daemon does not.

The bytes that come with a task are its JSON, then the file; what goes back is what was made, one after the other.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import Image

from glimpsed.children.program import Answer, Answering, serve
from glimpsed.formats.sniff import Kind
from glimpsed.images import decode, pdf
from glimpsed.searchable import hocr, seen
from glimpsed.searchable.align import align
from glimpsed.searchable.words import PageWords, SearchableTask, divided


def start(settings: dict[str, Any]) -> Answering:
    """What does the tasks, within `decoded` bytes for one page."""
    Image.MAX_IMAGE_PIXELS = None  # `decode` refuses by the bytes it takes, and says how many
    return functools.partial(_work, decoded=settings["decoded"])


def _work(task: SearchableTask, file: BinaryIO, *, decoded: int) -> Answer:
    told = json.loads(file.read(task.length))
    source = io.BytesIO(file.read())
    pages = _pages(source, task.kind, told, decoded)
    made: dict[str, bytes] = {}
    answer: dict[str, Any] = {}
    if "hocr" in task.outputs:
        made["hocr"] = hocr.render(told["name"], pages)
    if "pdf" in task.outputs:
        from glimpsed.searchable import document  # noqa: PLC0415 - an optional extra

        words = {page.number: page for page in pages if page.number not in told["own"]}
        try:
            if task.kind == "pdf":
                made["pdf"] = document.of_pdf(source, words)
            else:
                made["pdf"] = document.of_pictures(source, task.kind, words, decoded)
        except document.Unreadable as e:
            answer["without_pdf"] = str(e)
    return answer | {"sizes": {kind: len(data) for kind, data in made.items()}}, list(made.values())


def _pages(source: BinaryIO, kind: Kind, told: Mapping[str, Any], decoded: int) -> list[PageWords]:
    """Every page with the words that go onto it."""
    own = set(told["own"])
    found: dict[int, list[seen.ToldLine]] = {}
    for line in told["lines"]:
        found.setdefault(line[0], []).append(line)
    pages = []
    for number, page_as_stored in enumerate(decode.stored(source, kind, decoded), 1):
        stored = page_as_stored.width, page_as_stored.height, page_as_stored.orientation
        size = seen.size(*stored)
        page = PageWords(number, *size)
        if number in own:
            page = replace(page, lines=_own_lines(source, number, size))
        elif number in found:
            page = replace(page, lines=seen.lines(found[number], *stored))
        pages.append(page)
    for text, numbers in told["texts"]:
        about = [pages[number - 1] for number in numbers if number <= len(pages)]
        for page in align(text, about):
            if page.number not in own:
                pages[page.number - 1] = page
    return pages


def _own_lines(source: BinaryIO, number: int, size: tuple[int, int]) -> tuple[Any, ...]:
    with decode.translated("pdf"):
        return tuple(divided(text, quad) for text, quad in pdf.own_lines(source, number, size))


if __name__ == "__main__":
    serve(start)
