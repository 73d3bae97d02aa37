"""The program of a process that has Debian's tesseract read a picture, and waits for it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import Any, BinaryIO

from glimpsed.children.program import Answer, Answering, end_with_daemon, serve

_LARGEST_TEXT = 16 << 20


def start(settings: dict[str, Any]) -> Answering:
    """Only remembers the command line: tesseract has no mode in which it stays."""
    return functools.partial(_answer, command=settings["command"])


def _answer(task: tuple[tuple[str, ...], int], picture: BinaryIO, *, command: list[str]) -> Answer:
    """What tesseract says of the picture, turned clockwise by so many degrees.

    Without any arguments for it: whether there is anything on the page.
    """
    arguments, turned = task
    if not arguments:
        return {"ink": _has_ink(picture)}, []
    if turned:
        picture = _turned(picture, turned)
    done = subprocess.run(  # noqa: S603 - found on PATH, with the languages of the config
        [*command, *arguments],
        stdin=picture,
        capture_output=True,
        check=False,
        preexec_fn=end_with_daemon,
    )
    if done.returncode < 0:
        sys.exit(1)  # something killed it, and may not have done so for its picture
    complaints = done.stderr[-10_000:].decode("utf-8", "replace")
    return {"code": done.returncode, "complaints": complaints}, [done.stdout[:_LARGEST_TEXT]]


def _turned(picture: BinaryIO, degrees: int) -> BinaryIO:
    """A file of its own, in memory: tesseract reads from a descriptor."""
    from PIL import Image  # noqa: PLC0415 - only for a page that lies on its side or its head

    Image.MAX_IMAGE_PIXELS = None  # tesseract had the same picture
    file = os.fdopen(os.memfd_create("page"), "w+b")
    with Image.open(picture) as image:
        image.convert("RGB").rotate(-degrees, expand=True).save(file, "PPM")
    file.seek(0)
    return file


def _has_ink(picture: BinaryIO) -> bool:
    from PIL import Image  # noqa: PLC0415 - only for a page of which nothing was read

    from glimpsed.ocr import blank  # noqa: PLC0415 - as above

    Image.MAX_IMAGE_PIXELS = None  # tesseract had the same picture
    with Image.open(picture) as image:
        image.draft("L", (blank.EDGE, blank.EDGE))
        page = image.convert("L")
    page.thumbnail((blank.EDGE, blank.EDGE))
    return not blank.is_blank(page)


if __name__ == "__main__":
    serve(start)
