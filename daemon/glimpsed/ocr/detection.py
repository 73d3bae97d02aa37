"""Where lines are, whatever their size: first on a small picture, then larger where print may have been missed.

Runs in the OCR process only. What costs is the size of the picture, and every line of a plain page is found on a small
one. Smaller print is not found there, or only roughly: what `small` tells of it is looked at again at the scale that
it needs, piece by piece, so that neither the paper's size nor its shape counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from glimpsed.ocr import small

# Pixels of the longer side in which lines are looked for: every line of a plain A4 page is found at 736.
EDGE = 960
LARGEST = 2400  # px, for a wide picture
ROOM = 2_500_000  # px of one picture in which small print is looked for: memory goes by it
TILE = 1.5  # a page whose one side is longer than this times the other is looked at piece by piece
OVERLAP = 0.12  # of a piece's length, with the next one
EDGES = 3  # px: what ends as near to a cut is cut through

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


def rough(ocr: Any, picture: Array) -> Array:
    """The corners of each line that a first look finds, clockwise from the top left, in the picture's px.

    Every piece of the page by itself; a line that two pieces show is kept from where it is whole.
    """
    height, width = picture.shape[:2]
    edge = _edge(height, width)
    boxes = [
        _looked(ocr, picture, (0, top, width, bottom), min(1.0, edge / max(bottom - top, width)))
        for top, bottom in pieces(height, width)
    ]
    return once(np.concatenate(boxes)) if len(boxes) > 1 else boxes[0]


def refined(ocr: Any, picture: Array, boxes: Array) -> Array:
    """The same with what is too small for a first look, in place of what that made of it."""
    scale = first_scale(picture)
    doubtful = small.doubtful(boxes, scale)
    sure = boxes[~doubtful]
    again = [_within(ocr, picture, area) for area in small.areas(picture, sure, scale)]
    if not again:
        return boxes
    new = _beside(np.concatenate(again), sure)
    return once(np.concatenate([sure, _beside(boxes[doubtful], new), new]))


def first_scale(picture: Array) -> float:
    """How much smaller the picture is made to look for lines."""
    height, width = picture.shape[:2]
    longer = max(int(width), *(bottom - top for top, bottom in pieces(height, width)))
    return min(1.0, _edge(height, width) / longer)


def heights(boxes: Array) -> Array:
    """How high each line is, whichever way it runs."""
    sides = np.stack(
        [np.linalg.norm(boxes[:, 0] - boxes[:, 3], axis=1), np.linalg.norm(boxes[:, 0] - boxes[:, 1], axis=1)]
    )
    return sides.min(axis=0)


def pieces(height: int, width: int) -> Iterator[tuple[int, int]]:
    """(top, bottom) of overlapping pieces that are no higher than `TILE` times their width: lines are never cut across."""
    size = round(TILE * width)
    count = 1 if height <= size * 1.2 else math.ceil((height - OVERLAP * size) / (size * (1 - OVERLAP)))
    for number in range(count):
        start = round(number * (height - size) / (count - 1)) if count > 1 else 0
        yield (start, start + size) if count > 1 else (0, height)


def once(boxes: Array) -> Array:
    """Without the smaller of two that show the same line."""
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    areas = np.prod(high - low, axis=1)
    kept: list[int] = []
    for at in np.argsort(-areas):
        if kept:
            others = np.array(kept)
            shared = np.minimum(high[at], high[others]) - np.maximum(low[at], low[others])
            if (np.prod(np.clip(shared, 0, None), axis=1) > 0.5 * areas[at]).any():
                continue
        kept.append(int(at))
    return boxes[sorted(kept)]


def _edge(height: int, width: int) -> int:
    """A wide picture is looked at in one piece."""
    return max(EDGE, min(LARGEST, round(EDGE * width / (TILE * height))))


def _within(ocr: Any, picture: Array, area: small.Area) -> Array:
    """The lines of a part of the page, at its own scale."""
    left, top, right, bottom = area.box
    high = max(1, round(ROOM / (area.scale**2 * (right - left))))
    margin = min(high // 3, round(4 * area.line))
    count = max(1, math.ceil((bottom - top - margin) / (high - margin)))
    starts = (
        [top + round(n * (bottom - top - high) / (count - 1)) for n in range(count)] if count > 1 else [top]
    )
    boxes = [
        _looked(ocr, picture, (left, start, right, min(start + high, bottom)), area.scale) for start in starts
    ]
    return once(np.concatenate(boxes))


def _looked(ocr: Any, picture: Array, part: tuple[int, int, int, int], scale: float) -> Array:
    """The lines in a part of the picture (left, top, right, bottom) that do not end where it was cut."""
    import cv2  # noqa: PLC0415 - comes with rapidocr

    left, top, right, bottom = part
    shown = picture[top:bottom, left:right]
    if scale < 1:
        shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detector = ocr._load_det_model()  # noqa: SLF001 - its parts have no other names
    detector.limit_side_len, detector.limit_type = max(shown.shape[:2]), "max"
    result = detector(np.ascontiguousarray(shown))
    if result.boxes is None:
        return np.zeros((0, 4, 2), np.float32)
    boxes = np.asarray(result.boxes, np.float32) / scale + np.array([left, top], np.float32)
    return boxes[_whole(boxes, part, picture.shape)]


def _whole(boxes: Array, part: tuple[int, int, int, int], shape: tuple[int, ...]) -> Array:
    """Which boxes do not end where the part was cut out of the page."""
    left, top, right, bottom = part
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    inside = (low[:, 0] > left + EDGES) | (left == 0)
    inside &= (low[:, 1] > top + EDGES) | (top == 0)
    inside &= (high[:, 0] < right - EDGES) | (right == shape[1])
    return np.asarray(inside & ((high[:, 1] < bottom - EDGES) | (bottom == shape[0])))


def _beside(boxes: Array, others: Array) -> Array:
    """Those of the boxes that do not lie over one of the others."""
    if not len(boxes) or not len(others):
        return boxes
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    shared = np.minimum(high[:, None], others.max(axis=1)) - np.maximum(low[:, None], others.min(axis=1))
    covered = np.prod(np.clip(shared, 0, None), axis=2).max(axis=1)
    return boxes[covered < 0.3 * np.prod(high - low, axis=1)]
