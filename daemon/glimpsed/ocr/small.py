"""Print that a first look at a page has missed, or found only roughly, by the ink that no line accounts for.

Runs in the OCR process only; the engine is not needed. Where letters are too small for the picture in which lines were
looked for, some lines are not found, and boxes of others reach into the lines beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

ROUGH = 11.0  # px that a line is high in the first picture: below that its box is rough
LARGE = 17.0  # px, likewise: its box may reach into the next line, as on a page seen aslant, and is good all the same
CROWDED = 0.2  # of two smaller lines' height they may share; more is the box's fault, not the print's
NEXT = 0.8  # of two lines' heights together: their middles are no further apart where one follows the other
CLOSER = 2.4  # times the first picture's scale: how close ink is looked at
LOWEST, HIGHEST = 5, 22  # px, at that scale, of missed print; what is higher was large enough to be found
LONG = 2.5  # heights of a word, at least
FEWEST = 6.0  # heights: less is not looked at again
APART = 5.0  # heights between areas that are looked at by themselves
READABLE = 13.0  # px that a line's ink gets for the second look
EDGE = 0.3  # of the page's strongest contrast

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a page to look at more closely."""

    box: tuple[int, int, int, int]  # left, top, right, bottom, px
    line: float  # px that its lines are high
    scale: float  # at which they are as high as they need to be


def doubtful(boxes: Array, scale: float) -> Array:
    """Which boxes are rough: tiny in the picture of that scale, or reaching into the line beside them.

    Lines of the same print as a tiny one's may have come out twice as high by reaching over what is between them.
    """
    if scale >= 1 or not len(boxes):
        return np.zeros(len(boxes), bool)
    across, down = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 0]
    wide, high = np.linalg.norm(across, axis=1), np.linalg.norm(down, axis=1)
    on_end = high > wide
    length, height = np.where(on_end, high, wide), np.maximum(np.where(on_end, wide, high), 1e-3)
    along = np.where(on_end[:, None], down, across) / np.maximum(length, 1e-3)[:, None]
    centres = boxes.mean(axis=1)
    apart = centres[None] - centres[:, None]
    beside = np.abs((apart * along[:, None]).sum(axis=2)) < 0.4 * (length[:, None] + length)
    distance = np.abs(apart[:, :, 0] * -along[:, None, 1] + apart[:, :, 1] * along[:, None, 0])
    np.fill_diagonal(beside, val=False)
    shared = np.where(beside, 1 - distance / (0.5 * (height[:, None] + height)), 0.0).max(axis=1)
    seen = height * scale
    tiny = seen < ROUGH
    next_to_tiny = (beside & tiny & (distance < NEXT * (height[:, None] + height))).any(axis=1)
    return np.asarray(tiny | ((seen < LARGE) & ((shared > CROWDED) | next_to_tiny)))


def areas(picture: Array, boxes: Array, scale: float) -> Iterator[Area]:
    """Where small print stands that no box covers; `scale` is that of the picture in which boxes were looked for."""
    if scale >= 1:
        return
    closer = min(1.0, CLOSER * scale)
    words = _words(_ink(picture, closer), boxes * closer)
    if not len(words):
        return
    line = float(np.median(words[:, 3] - words[:, 1]))
    for group in _groups(words, APART * line):
        if (group[:, 2] - group[:, 0]).sum() < FEWEST * line:
            continue
        low = np.percentile(group[:, 3] - group[:, 1], 30) / closer
        margin = 2.0 * line
        left, top = np.maximum(group[:, :2].min(axis=0) - margin, 0) / closer
        right, bottom = (group[:, 2:].max(axis=0) + margin) / closer
        box = int(left), int(top), min(int(right), picture.shape[1]), min(int(bottom), picture.shape[0])
        yield Area(box, float(low), max(scale, min(1.0, READABLE / max(float(low), 1.0))))


def _ink(picture: Array, scale: float) -> Array:
    """Where it goes from light to dark or back, whichever the letters are."""
    import cv2  # noqa: PLC0415 - comes with rapidocr

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    edges = cv2.morphologyEx(cv2.blur(grey, (2, 2)), cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    return (edges > max(24.0, EDGE * float(np.percentile(edges, 99.5)))).astype(np.uint8)


def _words(ink: Array, boxes: Array) -> Array:
    """Left, top, right and bottom of what looks like words, outside of the boxes: low and wide, and not solid as a rule is."""
    import cv2  # noqa: PLC0415 - as above

    if len(boxes):
        middle = boxes.mean(axis=1, keepdims=True)
        room = 0.5 * np.linalg.norm(boxes[:, 0] - boxes[:, 3], axis=1)[:, None, None]
        away = boxes - middle
        wider = boxes + np.sign(away) * np.minimum(room, 8.0) * np.array([1.0, 0.6])
        for quad in np.round(wider).astype(np.int32):
            cv2.fillConvexPoly(ink, quad, 0)
    ink = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((3, 1), np.uint8))  # between the two edges of a rule
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, 7), np.uint8))
    _, labels, found, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    left, top, width, height = (found[1:, n] for n in range(4))
    # Of ink alone: with `weights` NumPy goes over all of the page, as doubles.
    inked = np.bincount(labels[ink > 0], minlength=len(found))[1:]
    good = (height >= LOWEST) & (height <= HIGHEST) & (width >= LONG * height)
    good &= inked < 0.8 * width * height
    return np.stack([left, top, left + width, top + height], axis=1)[good]


def _groups(words: Array, gap: float) -> Iterator[Array]:
    """Words with less than a gap between their rows."""
    words = words[np.argsort(words[:, 1])]
    reach = np.maximum.accumulate(words[:, 3])
    yield from np.split(words, np.flatnonzero(words[1:, 1] > reach[:-1] + gap) + 1)
