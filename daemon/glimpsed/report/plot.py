"""Bars over time as inline SVG. Pure arithmetic; looks come from the page's style by class."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 600, 160  # user units of the SVG, which scales to its box
_LEFT, _BOTTOM, _TOP = 46, 22, 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One day, or whatever the axis counts."""

    label: str
    value: float


def bars(data: Sequence[Bar], summary: str = "{0} to {1}: {2} in all") -> str:
    """The chart; empty without data. Each bar tells its day and value when pointed at.

    `summary`: what is said of it to those who do not see it: the first label, the last one, the sum.
    """
    if not data:
        return ""
    top = nice(max(bar.value for bar in data))
    plot_width, plot_height = WIDTH - _LEFT, HEIGHT - _BOTTOM - _TOP
    step = plot_width / len(data)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_summary(data, summary))}">',
        *(_line(top * share, _TOP + plot_height * (1 - share)) for share in (0.0, 0.5, 1.0)),
    ]
    for number, bar in enumerate(data):
        height = plot_height * bar.value / top
        parts.append(
            f'<rect class="bar" x="{_LEFT + number * step + step * 0.1:.1f}" y="{_TOP + plot_height - height:.1f}" '
            f'width="{step * 0.8:.1f}" height="{height:.1f}">'
            f"<title>{escape(bar.label)}: {_number(bar.value)}</title></rect>"
        )
    parts.append(f'<text class="axis" x="{_LEFT}" y="{HEIGHT - 5}">{escape(data[0].label)}</text>')
    if len(data) > 1:
        parts.append(
            f'<text class="axis end" x="{WIDTH}" y="{HEIGHT - 5}" text-anchor="end">{escape(data[-1].label)}</text>'
        )
    return "".join([*parts, "</svg>"])


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, … (or 0.1, 0.2, …) that is not less; 1 for nothing, or next to nothing."""
    if value < sys.float_info.min:  # below, powers of ten are zero
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= value * (1 - 1e-9))


def _line(value: float, y: float) -> str:
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
    )


def _summary(data: Sequence[Bar], summary: str) -> str:
    return summary.format(data[0].label, data[-1].label, _number(sum(bar.value for bar in data)))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:,.3g}"
