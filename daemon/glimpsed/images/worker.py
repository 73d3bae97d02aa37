"""The program of a worker process: decodes hostile bytes, so that the daemon does not.

It imports what every picture needs and no more (see tests): it has to start in a blink. Nothing is ever written to a
disk.
"""

from __future__ import annotations

import functools
from dataclasses import astuple
from typing import Any, BinaryIO

from PIL import Image

from glimpsed.children.program import Answer, Answering, serve
from glimpsed.images import decode
from glimpsed.images.plan import ImageTask


def start(settings: dict[str, Any]) -> Answering:
    """What does the tasks, within `decoded` bytes for one page."""
    Image.MAX_IMAGE_PIXELS = None  # `decode` refuses by the bytes it takes, and says how many
    return functools.partial(_work, decoded=settings["decoded"])


def _work(task: ImageTask, file: BinaryIO, *, decoded: int) -> Answer:
    """The answer to one task, and the bytes of the pictures that it lists. Raises `FileError`."""
    if task.look == "text":
        text, nature = decode.own_text(file, task.kind, task.page)
        return {"text": text, "nature": nature}, []
    if task.look == "sizes":
        return {"sizes": [page.shown for page in decode.stored(file, task.kind, decoded)]}, []
    if task.look == "blank":
        return {"blank": decode.is_blank(file, task.kind, task.page, decoded)}, []
    if task.to is None:
        document = decode.inspect(file, task.kind, decoded)
        return {"document": document, "undrawable": decode.undrawable(file, task.kind)}, []
    done = decode.prepare(file, task.kind, task.page, task.to, decoded)
    images = [[e.media_type, e.width, e.height, len(e.data), astuple(e.region)] for e in done if e.region]
    return {"images": images}, [e.data for e in done]


if __name__ == "__main__":
    serve(start)
