"""A page through rapidocr's parts: lines found at the scale that their height needs, turned upright, then read.

Runs in the OCR process only, beside the engine. Detection works on a small picture, recognition on cuts from the
full one: print of any size on paper of any shape is read, and a page that lies on its side or its head is turned
before it is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from glimpsed.ocr import blank, cuts, detection, recognition
from glimpsed.ocr.page import Page, ReadLine
from glimpsed.ocr.strange import LEGIBLE, is_read, is_strange

SMALL, MARGIN = 320, 32  # px: smaller pictures are enlarged, and get a margin
VOTERS = 12  # lines that are asked which way up the page lies
SEEN = 4  # heights of a line that the classifier sees: it squeezes a longer one into that, and then tosses a coin
CONTESTED = 1 / 3  # of the votes for upright: so many for the other way leave it open
READERS = 3  # of the voters, that are then read both ways
ALONE = 0.25  # of the page, at most, that is looked at by itself
CERTAIN = 0.9  # of a reading there: below that it may be a stain
TALL = 1.5  # times as high as wide: a line that stands on its end

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


@dataclass(frozen=True, slots=True)
class UprightPage:
    """A page that stands upright."""

    picture: Array
    boxes: Array  # the corners of its lines, px
    lines: list[Array]  # each as a picture
    turned: int  # degrees clockwise that it was turned by


def read(ocr: Any, picture: Array) -> Page:
    """Read an upright or turned page; RGB as BGR, full size."""
    page = _page(ocr, picture)
    if page.lines or page.strange or (mark := _mark(picture)) is None:
        return page
    left, top, right, bottom = mark
    if (right - left) * (bottom - top) > ALONE * picture.shape[0] * picture.shape[1]:
        return replace(page, ink=True)
    # A number alone on a large page is too small to be found among so much paper.
    part = _page(ocr, np.ascontiguousarray(picture[top:bottom, left:right]))
    found = [line for line in part.lines if line.confidence >= CERTAIN and not part.turned]
    moved = [replace(line, quad=[[x + left, y + top] for x, y in line.quad]) for line in found]
    return replace(page, lines=moved, ink=True)


def _page(ocr: Any, picture: Array) -> Page:
    """The same, of what is large enough; whether there is ink only as far as lines tell."""
    height, width = picture.shape[:2]
    picture, scale, margin = _enlarged(picture)
    page = standing(ocr, picture)
    if page.turned % 180:
        height, width = width, height
    boxes = (page.boxes - margin) / scale
    lines = _read(ocr, boxes.round(1), page.lines)
    good = [line for line in lines if is_read(line)]
    if all(line.confidence < LEGIBLE for line in good):
        good = []  # a stain, a hole or a scribble is read as a letter, too
    whole = _whole(boxes, height)  # half a line looks like a script of its own
    strange = is_strange(boxes[whole], [line for line, kept in zip(lines, whole, strict=True) if kept])
    return Page(good, width, height, page.turned, bool(good), strange)


def turn(ocr: Any, picture: Array) -> int:
    """By how many degrees clockwise the page has to be turned to stand upright."""
    return standing(ocr, _enlarged(picture)[0]).turned


def standing(ocr: Any, picture: Array) -> UprightPage:
    """The page turned upright, as far as its lines tell."""
    boxes = detection.rough(ocr, picture)
    turned = 0
    if not _stands_on_end(boxes):
        boxes = detection.refined(ocr, picture, boxes)
    if _stands_on_end(boxes):
        picture = np.ascontiguousarray(np.rot90(picture, -1))
        boxes, turned = detection.refined(ocr, picture, detection.rough(ocr, picture)), 90
    lines = ocr.crop_text_regions(picture, boxes) if len(boxes) else []
    if lines and _upside_down(ocr, lines):
        picture = np.ascontiguousarray(picture[::-1, ::-1])
        corner = np.array(picture.shape[1::-1], boxes.dtype)
        boxes = (corner - boxes)[:, [2, 3, 0, 1]]
        lines = [np.ascontiguousarray(line[::-1, ::-1]) for line in lines]
        turned += 180
    return UprightPage(picture, boxes, lines, turned)


def _enlarged(picture: Array) -> tuple[Array, float, int]:
    """A small picture larger and with a margin, without which its lines are not found; by how much, and how wide a one."""
    import cv2  # noqa: PLC0415 - comes with rapidocr

    height, width = picture.shape[:2]
    if max(height, width) >= SMALL and min(height, width) >= 64:
        return picture, 1.0, 0
    scale = 1.0 if max(height, width) >= SMALL else min(3.0, SMALL / max(height, width))
    larger = (
        cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale > 1 else picture
    )
    return cv2.copyMakeBorder(larger, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REPLICATE), scale, MARGIN


# -- which way up


def _stands_on_end(boxes: Array) -> bool:
    """Whether most lines run from top to bottom: the page lies on its side."""
    if len(boxes) < 2:
        return False
    size = boxes.max(axis=1) - boxes.min(axis=1)
    long = np.maximum(size[:, 0], size[:, 1]) > 2 * np.minimum(size[:, 0], size[:, 1])
    if long.sum() < 2:
        return False
    areas = np.prod(size[long], axis=1)
    tall = size[long, 1] > TALL * size[long, 0]
    return bool(areas[tall].sum() > 0.6 * areas.sum())


def _upside_down(ocr: Any, cuts: list[Array]) -> bool:
    """A vote of the beginnings of the longest lines; one alone is wrong often enough."""
    longest = sorted(cuts, key=lambda cut: -cut.shape[1])[:VOTERS]
    voters = [np.ascontiguousarray(cut[:, : SEEN * cut.shape[0]]) for cut in longest]
    votes = ocr._load_cls_model()(voters).cls_res  # noqa: SLF001 - as above
    turned = sum(score for label, score in votes if "180" in label)
    upright = sum(score for label, score in votes if "180" not in label)
    if len(voters) < 2 or turned <= CONTESTED * upright:
        return False
    # Of some short words the classifier is sure that they stand on their head, each time that they come: what can be
    # read of them tells.
    asked = voters[:READERS]
    on_its_head = [np.ascontiguousarray(cut[::-1, ::-1]) for cut in asked]
    return _legible(ocr, on_its_head) > _legible(ocr, asked)


def _legible(ocr: Any, cuts: list[Array]) -> float:
    """How surely they are read."""
    return sum(piece.confidence for piece in recognition.read(ocr, cuts))


# -- what they say


def _read(ocr: Any, boxes: Array, lines: list[Array]) -> list[ReadLine]:
    """Each line as a whole, or, where it is so long that letters would be lost, in pieces that are put together again."""
    divided = [cuts.divided(line) for line in lines]
    read = iter(recognition.read(ocr, [piece for several in divided for _, piece in several]))
    found = []
    for quad, line, several in zip(boxes.tolist(), lines, divided, strict=True):
        parts, scores = [], []
        for (start, _), piece in zip(several, read, strict=False):
            parts.append(
                [replace(word, start=start + word.start, end=start + word.end) for word in piece.words]
            )
            scores.append(piece.confidence)
        height, width = line.shape[:2]
        words = [
            replace(word, start=word.start / width, end=word.end / width)
            for word in cuts.run_on(parts, height)
        ]
        found.append(ReadLine(quad, " ".join(word.text for word in words), float(np.mean(scores)), words))
    return found


def _whole(boxes: Array, height: int) -> Array:
    """Which lines do not end where the picture does, cut through; all of them where there is no other."""
    low, high = boxes[:, :, 1].min(axis=1), boxes[:, :, 1].max(axis=1)
    whole = (low > detection.EDGES) & (high < height - detection.EDGES)
    return whole if whole.any() else np.ones(len(boxes), bool)


def _mark(picture: Array) -> tuple[int, int, int, int] | None:
    """What is on a page (left, top, right, bottom), with some paper around it; None where it is blank."""
    import cv2  # noqa: PLC0415 - comes with rapidocr

    height, width = picture.shape[:2]
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    scale = min(1.0, blank.EDGE / max(height, width))
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    box = blank.mark(Image.fromarray(grey))
    if box is None:
        return None
    left, top, right, bottom = (round(side / scale) for side in box)
    room = bottom - top
    return max(0, left - room), max(0, top - room), min(width, right + room), min(height, bottom + room)
