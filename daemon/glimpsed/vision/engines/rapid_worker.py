"""The process that holds rapidocr: pictures come in on stdin, lines of text with their boxes go out.

Started as a script, by path, so that none of the daemon is loaded here. A frame is four bytes of length,
big-endian, and so many bytes: a JPEG or PNG in, JSON out (``{"ready"}`` once, then ``{"boxes", "texts"}``
or ``{"error"}`` for each picture). The process ends when its stdin does, or its parent.
"""

from __future__ import annotations

import ctypes
import io
import json
import logging
import os
import signal
import struct
import sys
from typing import Any, BinaryIO

_PR_SET_PDEATHSIG = 1  # prctl(2)
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


def main() -> None:
    """Read pictures until there are no more."""
    _end_with_parent(int(sys.argv[1]))
    source, sink = sys.stdin.buffer, _private_stdout()
    try:
        ocr = _engine(json.loads(sys.argv[2]))
    except Exception as e:  # noqa: BLE001 - whatever a broken installation raises is told to the daemon
        _send(sink, {"error": f"{type(e).__name__}: {e}"})
        return
    _send(sink, {"ready": True})
    while (picture := _receive(source)) is not None:
        try:
            _send(sink, _read(ocr, picture))
        except Exception as e:  # noqa: BLE001 - one bad picture must not cost the process
            _send(sink, {"error": f"{type(e).__name__}: {e}"})


def _engine(settings: dict[str, Any]) -> Any:
    logging.disable(logging.CRITICAL)
    from rapidocr import RapidOCR  # noqa: PLC0415 - half a second, and it may be missing

    return RapidOCR(params={**_SETTINGS, **settings})


def _read(ocr: Any, picture: bytes) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - comes with rapidocr
    from PIL import Image, ImageOps  # noqa: PLC0415

    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS // 2  # Pillow refuses at twice this
    with Image.open(io.BytesIO(picture)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    bgr = np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])
    result = ocr(bgr)
    if result.boxes is None or not result.txts:
        return {"boxes": [], "texts": []}
    return {"boxes": np.asarray(result.boxes).round(1).tolist(), "texts": list(result.txts)}


def _end_with_parent(parent: int) -> None:
    """SIGKILL when the daemon dies, even in the middle of a page."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        sys.exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal; the daemon drains


def _private_stdout() -> BinaryIO:
    """The pipe to the daemon, kept from libraries that print."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink


def _receive(source: BinaryIO) -> bytes | None:
    head = source.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack(">I", head)
    body = source.read(size)
    return body if len(body) == size else None


def _send(sink: BinaryIO, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    sink.write(struct.pack(">I", len(body)) + body)
    sink.flush()


if __name__ == "__main__":
    main()
