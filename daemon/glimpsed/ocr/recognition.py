"""The words of lines, each a picture of its own; runs in the OCR process only.

What a line costs goes by its width. On clean print the engine reads as well from a line that is made narrower, and it knows
where it does not: so each is read narrow first, and again as it is where the engine was not sure. Lines are read one by
one, each as wide as it is, and several at a time, each on a thread of its own: that takes less than batches, which are as
wide as their widest line, and less than sharing one line between threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from glimpsed.ocr import cuts
from glimpsed.ocr.letters import HEIGHT, ROOM, Recogniser
from glimpsed.ocr.page import Word

NARROW = 0.8  # of its width: less loses one of two equal letters, and is sure of it
SURE = 0.995  # mean of a line's characters; below that it is read again
SAMPLE = 8  # lines that tell whether a page is clean enough to begin narrow

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands in a line, or in a part of one."""

    words: list[Word]  # starts and ends are columns of the picture
    confidence: float


def read(recogniser: Recogniser, pictures: Sequence[Array]) -> list[Piece]:
    """What each of them says."""

    def piece(number: int, scale: float) -> Piece:
        letters = recogniser(pictures[number], scale=scale)
        confidence = float(np.mean([c.confidence for c in letters])) if letters else 0.0
        return Piece(cuts.words(pictures[number], letters), confidence)

    def narrow(which: Sequence[int]) -> Iterator[tuple[int, Piece]]:
        """Those that are wide enough for it to pay."""
        wide = [n for n in which if pictures[n].shape[1] * HEIGHT * NARROW >= ROOM * pictures[n].shape[0]]
        return zip(wide, threads.map(lambda n: piece(n, NARROW), wide), strict=True)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        found = dict(narrow(range(0, len(pictures), len(pictures) // SAMPLE or 1)))
        if sum(one.confidence >= SURE for one in found.values()) >= len(found) / 2:
            found |= narrow([n for n in range(len(pictures)) if n not in found])
        again = [n for n in range(len(pictures)) if n not in found or found[n].confidence < SURE]
        found |= zip(again, threads.map(lambda n: piece(n, 1.0), again), strict=True)
    return [found[n] for n in range(len(pictures))]
