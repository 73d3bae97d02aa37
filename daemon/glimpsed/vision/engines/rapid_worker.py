"""The program of the process that holds rapidocr: pictures come in, lines of text with their boxes go out.

Started as a script, by path, so that next to nothing of the daemon is loaded here.
"""

from __future__ import annotations

import functools
import json
import logging
import os
from typing import Any, BinaryIO

from glimpsed.children.program import Answer, Answering, serve
from glimpsed.errors import FileError

_MOST_PIXELS = 64_000_000
# Measured on typed, printed and small pages of 1600 px: finding lines at 960 px reads as well as at full
# size, in a fifth of the time. The classifier of upside-down lines turns good ones around: left out.
_SETTINGS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,
    "Det.limit_side_len": 960,
    "Det.limit_type": "max",
    "EngineConfig.onnxruntime.intra_op_num_threads": len(os.sched_getaffinity(0)),
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def start(settings: dict[str, Any]) -> Answering:
    """Load the model."""
    logging.disable(logging.CRITICAL)
    from rapidocr import RapidOCR  # noqa: PLC0415 - half a second, and it may be missing

    return functools.partial(_answer, ocr=RapidOCR(params={**_SETTINGS, **settings}))


def _answer(_: object, picture: BinaryIO, *, ocr: Any) -> Answer:
    try:
        return {}, [json.dumps(_read(ocr, picture)).encode()]
    except Exception as e:
        if isinstance(e, MemoryError) or "alloc" in str(e):
            raise  # a fresh process may fare better
        raise FileError(f"{type(e).__name__}: {e}") from None


def _read(ocr: Any, picture: BinaryIO) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - comes with rapidocr
    from PIL import Image, ImageOps  # noqa: PLC0415

    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS // 2  # Pillow refuses at twice this
    with Image.open(picture) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    bgr = np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])
    result = ocr(bgr)
    if result.boxes is None or not result.txts:
        return {"boxes": [], "texts": []}
    return {"boxes": np.asarray(result.boxes).round(1).tolist(), "texts": list(result.txts)}


if __name__ == "__main__":
    serve(start)
