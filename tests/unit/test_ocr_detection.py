"""Small print is found where a first look misses it, on paper of any size, and plain pages are not looked at twice."""

from __future__ import annotations

import functools
import importlib
import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pytest.importorskip("rapidocr")
cv2 = importlib.import_module("cv2")
detection = importlib.import_module("glimpsed.ocr.detection")
small = importlib.import_module("glimpsed.ocr.small")
worker = importlib.import_module("glimpsed.ocr.rapid_worker")

Row = tuple[int, int, int, int]  # left, top of the letters, right, bottom; px


def sheet(height: int, width: int, *, dark: bool = False) -> Any:
    return np.full((height, width, 3), 20 if dark else 245, np.uint8)


def written(paper: Any, text: str, x: int, y: int, px: int, *, dark: bool = False) -> Row:
    """One line, capitals `px` high; where it stands."""
    scale = px / 21
    colour = (235, 235, 235) if dark else (0, 0, 0)
    cv2.putText(
        paper, text, (x, y + px), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, max(1, px // 9), cv2.LINE_AA
    )
    (wide, _), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, max(1, px // 9))
    return x, y, x + wide, y + px + below // 2


def quads(rows: list[Row]) -> Any:
    return np.array(
        [[[a, b], [c, b], [c, d], [a, d]] for a, b, c, d in rows],
        np.float32,
    ).reshape(-1, 4, 2)


def covers(area: Any, row: Row) -> bool:
    left, top, right, bottom = area.box
    return bool(left <= row[0] and top <= row[1] and right >= row[2] and bottom >= row[3])


@given(
    px=st.integers(9, 17),
    lines=st.integers(1, 12),
    top=st.integers(200, 1500),
    dark=st.booleans(),
    tall=st.integers(2300, 3400),
)
@settings(max_examples=40)
def test_ink_that_no_box_accounts_for_is_looked_at_again_and_only_that(
    px: int, lines: int, top: int, dark: bool, tall: int
) -> None:
    paper = sheet(tall, 1700, dark=dark)
    scale = detection.first_scale(paper)
    large = [written(paper, "A heading of the page", 100, 60, 40, dark=dark)]
    tiny = [
        written(paper, "of which the letters are far too small", 120, top + n * 2 * px, px, dark=dark)
        for n in range(lines)
    ]
    assert list(small.areas(paper, quads(large + tiny), scale)) == []
    found = list(small.areas(paper, quads(large), scale))
    assert all(any(covers(area, row) for area in found) for row in tiny)
    assert not any(covers(area, large[0]) for area in found)
    assert all(area.scale > scale for area in found)


@pytest.mark.parametrize("what", ["rules", "a photo", "dust", "nothing"])
def test_what_is_no_print_is_not_looked_at_again(what: str) -> None:
    paper = sheet(2400, 1700)
    rng = np.random.default_rng(1)
    if what == "rules":
        for y in range(200, 2200, 90):
            cv2.line(paper, (100, y), (1600, y), (0, 0, 0), 3)
        cv2.rectangle(paper, (100, 200), (1600, 2100), (0, 0, 0), 4)
    elif what == "a photo":
        rough = rng.normal(128, 60, (30, 40, 3)).clip(0, 255).astype(np.uint8)
        paper[400:1600, 100:1600] = cv2.resize(rough, (1500, 1200), interpolation=cv2.INTER_CUBIC)
    elif what == "dust":
        for x, y in rng.integers(20, 1680, (300, 2)):
            cv2.circle(paper, (int(x), int(y)), 2, (0, 0, 0), -1)
    assert list(small.areas(paper, quads([]), detection.first_scale(paper))) == []


def turned(boxes: Any, degrees: float) -> Any:
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return boxes @ np.array([[cosine, sine], [-sine, cosine]], np.float32)


@given(
    pitch=st.floats(0.5, 3),
    degrees=st.floats(-8, 8),
    high=st.floats(12, 16.5),
    count=st.integers(2, 40),
    columns=st.integers(1, 3),
)
def test_boxes_that_reach_into_the_next_line_are_rough_whatever_the_slant(
    pitch: float, degrees: float, high: float, count: int, columns: int
) -> None:
    rows = [
        (1000 * c, n * pitch * 2 * high, 1000 * c + 900, n * pitch * 2 * high + 2 * high)
        for n in range(count)
        for c in range(columns)
    ]
    boxes = turned(quads(rows), degrees)  # type: ignore[arg-type]
    rough = small.doubtful(boxes, 0.5)
    if pitch > 0.85:
        assert not rough.any()
    elif pitch < 0.75:
        assert rough.all()
    assert not small.doubtful(boxes * 2, 0.5).any()  # larger print is told apart all the same
    assert small.doubtful(boxes * 0.5, 0.5).all()  # and tiny print is not


@given(st.integers(60, 4000), st.integers(60, 9000), st.integers(0, 60), st.sampled_from([0.3, 0.5, 1.0]))
def test_each_line_of_a_large_area_is_found_once_and_whole(
    wide: int, tall: int, seed: int, scale: float
) -> None:
    """A detector that finds whatever ink it is shown, cut or not."""
    paper = np.zeros((tall, wide, 3), np.uint8)
    rows = [(10, y, wide - 10, y + 12) for y in range(10 + seed % 7, tall - 30, 24)]
    for left, top, right, bottom in rows:
        paper[top:bottom, left:right] = 255

    def look(shown: Any) -> Any:
        ink = (shown[:, shown.shape[1] // 2, 0] > 127).astype(np.int8)
        edges = np.flatnonzero(np.diff(np.concatenate(([0], ink, [0]))))
        right = shown.shape[1] - 10 * scale
        found = [[(10 * scale, a), (right, a), (right, b), (10 * scale, b)] for a, b in edges.reshape(-1, 2)]
        return SimpleNamespace(boxes=np.array(found) if found else None)

    class Detector:
        __call__ = staticmethod(look)

    engine = SimpleNamespace(_load_det_model=Detector)
    area = small.Area((0, 0, wide, tall), 12.0, scale)
    found = detection._within(engine, paper, area)
    middles = sorted(box[:, 1].mean() for box in found)
    assert len(middles) == len(rows)
    assert all(
        abs(middle - (row[1] + row[3]) / 2) <= 2 / scale for middle, row in zip(middles, rows, strict=True)
    )


@functools.cache
def engine() -> Any:
    return worker.start({}).keywords["ocr"]  # type: ignore[attr-defined]


WORDS = ("the ledgers of the harbour", "which nobody had counted yet", "and what they came to in all")


@pytest.mark.parametrize(
    ("height", "width", "px"),
    [(4400, 3100, 16), (3300, 4700, 16), (2400, 1700, 10)],
    ids=["A3", "plan", "A4"],
)
def test_the_engine_finds_each_line_of_the_smallest_print_under_the_largest(
    height: int, width: int, px: int
) -> None:
    paper = sheet(height, width)
    rows = [written(paper, "LARGE HEADING", 150, 150, 120)]
    tiny = 2 * px
    rows += [
        written(paper, WORDS[n % 3] + " and so on and on", x, 500 + n * tiny, px)
        for n in range(12)
        for x in (150, width // 2)
    ]
    boxes = detection.refined(engine(), paper, detection.rough(engine(), paper))
    middles = boxes.mean(axis=1)
    for left, top, right, bottom in rows:
        there = (abs(middles[:, 1] - (top + bottom) / 2) < tiny / 3) & (middles[:, 0] > left)
        there &= middles[:, 0] < right
        assert there.sum() == 1
    assert len(boxes) == len(rows)
