"""Charts as SVG, made here: bars a day, stacked by model, under a budget's line. Pure; looks come by class from the style."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from glimpsed.ledger import Spend
from glimpsed.model import shown
from glimpsed.report.plot import nice

WIDTH, HEIGHT = 600, 170  # user units of the SVG, which scales to its box
COLOURS = 6  # series with a colour of their own; the others share the last one
_LEFT, _BOTTOM, _TOP = 50, 22, 10


@dataclass(frozen=True, slots=True)
class Chart:
    """Values a day or hour, by series; every series has a value for each label."""

    labels: Sequence[str]
    series: Mapping[str, Sequence[float]]
    line: float | None = None  # a budget's

    @property
    def total(self) -> float:
        """Of everything."""
        return sum(map(sum, self.series.values()))

    @property
    def rows(self) -> list[tuple[str, list[float]]]:
        """The same as a table, the latest first, without what is empty."""
        found = [
            (label, [values[at] for values in self.series.values()]) for at, label in enumerate(self.labels)
        ]
        return [row for row in reversed(found) if any(row[1])]

    @property
    def svg(self) -> Markup:
        """The picture."""
        return Markup("".join(_drawn(self)))  # noqa: S704 - every text in it is escaped


def _drawn(chart: Chart) -> list[str]:
    sums = [sum(values[at] for values in chart.series.values()) for at in range(len(chart.labels))]
    top = nice(max([*sums, chart.line or 0.0], default=0.0))
    high = HEIGHT - _BOTTOM - _TOP
    step = (WIDTH - _LEFT) / max(1, len(chart.labels))
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false">']
    for share in (0.0, 0.5, 1.0):
        y = _TOP + high * (1 - share)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{figure(top * share)}</text>'
        )
    for at, label in enumerate(chart.labels):
        floor = float(_TOP + high)
        for number, (name, values) in enumerate(chart.series.items()):
            if values[at] <= 0:
                continue
            height = high * values[at] / top
            floor -= height
            parts.append(
                f'<rect class="s{min(number, COLOURS - 1)}" x="{_LEFT + at * step + step * 0.12:.1f}" y="{floor:.1f}" '
                f'width="{step * 0.76:.1f}" height="{height:.1f}">'
                f"<title>{escape(label)}, {escape(shown(name))}: {figure(values[at])}</title></rect>"
            )
    if chart.line:
        y = _TOP + high * (1 - chart.line / top)
        parts.append(f'<line class="budget" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
    if chart.labels:
        parts.append(f'<text class="axis" x="{_LEFT}" y="{HEIGHT - 5}">{escape(chart.labels[0])}</text>')
        parts.append(
            f'<text class="axis" x="{WIDTH}" y="{HEIGHT - 5}" text-anchor="end">{escape(chart.labels[-1])}</text>'
        )
    return [*parts, "</svg>"]


def figure(value: float) -> str:
    """``1,234``, ``12.5``, ``0.0031``."""
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:,.3g}"


def spent(spend: Sequence[Spend], today: str, days: int, currency: str, budget: float | None) -> Chart:
    """Money a day, by model, in one currency; the model that cost most at the bottom."""
    labels = days_until(today, days)
    sums: dict[str, dict[str, float]] = {}
    for one in spend:
        if one.currency == currency and one.cost:
            of = sums.setdefault(one.model, {})
            of[one.day] = of.get(one.day, 0.0) + one.cost
    order = sorted(sums, key=lambda model: -sum(sums[model].values()))
    return Chart(labels, {m: [sums[m].get(day, 0.0) for day in labels] for m in order}, budget)


def answered(spend: Sequence[Spend], today: str, days: int) -> Chart:
    """Answers a day, by folder."""
    labels = days_until(today, days)
    sums: dict[str, dict[str, float]] = {}
    for one in spend:
        of = sums.setdefault(one.folder, {})
        of[one.day] = of.get(one.day, 0.0) + one.answers
    order = sorted(sums, key=lambda folder: -sum(sums[folder].values()))
    return Chart(labels, {f: [sums[f].get(day, 0.0) for day in labels] for f in order})


def hourly(counts: Mapping[str, Mapping[int, int]], hour: int, hours: int) -> Chart:
    """Files that got through an hour, by folder, from counts by hours since 1970; the last hour is `hour`."""
    span = range(hour - hours + 1, hour + 1)
    labels = [dt.datetime.fromtimestamp(h * 3600, dt.UTC).astimezone().strftime("%H:%M") for h in span]
    return Chart(labels, {name: [float(of.get(h, 0)) for h in span] for name, of in counts.items()})


def days_until(today: str, days: int) -> list[str]:
    """So many days as ``2026-11-22``, today the last."""
    last = dt.date.fromisoformat(today)
    return [f"{last - dt.timedelta(days=number)}" for number in reversed(range(days))]
