"""Charts: axes that end at round numbers, bars within them that are as high as their values."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glimpsed.looks.charts import HEIGHT, WIDTH, Chart, nice


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.1, 2), (3, 5), (7, 10), (0.03, 0.05), (120, 200)]
)
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert nice(value) == pytest.approx(top)


@example({"": 5e-324})
@given(st.dictionaries(st.text("<&abc", max_size=5), st.floats(0, 1e9), min_size=1, max_size=60))
def test_bars_stay_inside_and_are_as_high_as_their_value(data: dict[str, float]) -> None:
    chart = Chart(list(data), {"<in>": list(data.values())})
    drawn = list(ET.fromstring(str(chart.drawn())).iter("rect"))
    assert len(drawn) == sum(value > 0 for value in data.values())
    heights = [float(rect.get("height", -1)) for rect in drawn]
    for rect, height in zip(drawn, heights, strict=True):
        x, y, width = (float(rect.get(k, -1)) for k in ("x", "y", "width"))
        assert 0 <= x <= x + width <= WIDTH
        assert 0 <= y <= y + height <= HEIGHT
    values = [value for value in data.values() if value > 0]
    for height, value in zip(heights, values, strict=True):
        assert height == pytest.approx(max(heights) * value / max(values), abs=0.11)


def test_no_data_is_no_chart() -> None:
    assert not Chart([], {}).shows
    assert not Chart(["a"], {"m": [0.0], "n": [None]}).shows
