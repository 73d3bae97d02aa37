"""The program of the process that holds rapidocr: pictures come in, lines of text with their boxes go out."""

from __future__ import annotations

import functools
import logging
from typing import Any, BinaryIO

from glimpsed.children.program import Answer, Answering, serve
from glimpsed.errors import FileError
from glimpsed.words import cause

_MOST_PIXELS = 64_000_000
_SETTINGS = {
    "Global.log_level": "critical",
    # Threads that share one line wait for one another, at full speed: lines are read side by side instead.
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def start(settings: dict[str, Any]) -> Answering:
    """Load the model."""
    logging.disable(logging.CRITICAL)
    from rapidocr import RapidOCR  # noqa: PLC0415 - half a second, and it may be missing

    return functools.partial(_answer, ocr=RapidOCR(params={**_SETTINGS, **settings}))


def _answer(task: str | None, picture: BinaryIO, *, ocr: Any) -> Answer:
    """What the page says, or, as a `turn`, only how it lies."""
    from glimpsed.ocr import reader  # noqa: PLC0415 - needs NumPy

    try:
        if task == "turn":
            return {"turned": reader.turn(ocr, _picture(picture))}, []
        return {}, [reader.read(ocr, _picture(picture)).to_json()]
    except Exception as e:
        if isinstance(e, MemoryError) or "alloc" in str(e):
            raise  # a fresh process may fare better
        raise FileError(cause(e)) from None


def _picture(file: BinaryIO) -> Any:
    """Upright as EXIF says; BGR."""
    import numpy as np  # noqa: PLC0415 - comes with rapidocr
    from PIL import Image, ImageOps  # noqa: PLC0415

    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS // 2  # Pillow refuses at twice this
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])


if __name__ == "__main__":
    serve(start)
