"""The letters of lines, each a picture of its own; runs in the OCR process only.

What a line costs goes by its width. On clean print the engine reads as well from a line that is made narrower, and it knows
where it does not: so each is read narrow first, and again as it is where the engine was not sure. Lines are read one by
one, each as wide as it is, and several at a time, each on a thread of its own: that takes less than batches, which are as
wide as their widest line, and less than sharing one line between threads.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from glimpsed.ocr import cuts
from glimpsed.ocr.page import ReadWord

NARROW = 0.8  # of its width: less loses one of two equal letters, and is sure of it
SURE = 0.98  # mean of a line's characters; below that it is read again
ROOM = 320  # px: the engine takes what is narrower for as wide
HEIGHT = 48  # px, at which it sees a line
SAMPLE = 8  # lines that tell whether a page is clean enough to begin narrow

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands in a line, or in a part of one."""

    words: list[ReadWord]  # starts and ends are columns of the picture
    confidence: float


def read(ocr: Any, pictures: Sequence[Array]) -> list[Piece]:
    """What each of them says."""
    one = functools.partial(_piece, ocr._load_rec_model())  # noqa: SLF001 - it has no other name
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        found = dict(_narrow(one, pictures, range(0, len(pictures), len(pictures) // SAMPLE or 1), threads))
        if sum(piece.confidence >= SURE for piece in found.values()) >= len(found) / 2:
            found |= _narrow(one, pictures, [n for n in range(len(pictures)) if n not in found], threads)
        again = [n for n in range(len(pictures)) if n not in found or found[n].confidence < SURE]
        found |= zip(again, threads.map(lambda n: one(pictures[n], 1.0), again), strict=True)
    return [found[n] for n in range(len(pictures))]


def _narrow(
    one: Callable[[Array, float], Piece],
    pictures: Sequence[Array],
    which: Sequence[int],
    threads: ThreadPoolExecutor,
) -> Iterator[tuple[int, Piece]]:
    """Those of the pictures that are wide enough for it to pay."""
    wide = [n for n in which if pictures[n].shape[1] * HEIGHT * NARROW >= ROOM * pictures[n].shape[0]]
    return zip(wide, threads.map(lambda n: one(pictures[n], NARROW), wide), strict=True)


def _piece(recogniser: Any, picture: Array, scale: float) -> Piece:
    import cv2  # noqa: PLC0415 - comes with rapidocr
    from rapidocr.ch_ppocr_rec import TextRecInput  # noqa: PLC0415 - as above

    seen = picture
    if scale < 1:
        seen = cv2.resize(picture, None, fx=scale, fy=1.0, interpolation=cv2.INTER_AREA)
    result = recogniser(TextRecInput(img=[seen], return_word_box=True))
    return Piece(cuts.words(picture, result.txts[0], result.word_results[0]), float(result.scores[0]))
