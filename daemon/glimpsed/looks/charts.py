"""Charts as SVG, made here: bars by day or hour, a share over time. Pure; looks come by class from the style."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from glimpsed.language import N_
from glimpsed.ledger import Spend, local_day
from glimpsed.ledger.hours import QUEUE, Hour
from glimpsed.model import shown

WIDTH, HEIGHT = 420, 150  # user units of the SVG, which scales to its box
COLOURS = 6  # series with a colour of their own; the others share the last one
_LEFT, _BOTTOM, _TOP = 44, 20, 10
_HIGH = HEIGHT - _BOTTOM - _TOP
_FLOORS = (99.0, 95.0, 90.0, 80.0, 50.0, 0.0)  # where the axis of a share may begin, in percent
# What each file spends in them depends on the file. How long it settles and waits depends on the config, and on what came
# with it: hours, beside which nothing of this would be seen.
STAGES = {"prepare": N_("preparing"), "model": N_("asking"), "write": N_("writing")}
WAITING, FORECAST, AGREEMENT, READ = (
    N_("waiting"),
    N_("forecast"),
    N_("agreement, %"),
    N_("answers read twice"),
)

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Chart:
    """Values by label, by series: every series has one for each, None where nothing is known.

    Stacked bars; as a `share`, in percent, a line. `beside`: series that only the table has. With `own`, series have names
    of ours, to be translated, else those of folders and models.
    """

    labels: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    line: float | None = None  # a budget's
    own: bool = False
    share: bool = False
    beside: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    @property
    def shows(self) -> bool:
        """Whether there is anything to see."""
        return any(any(values) for values in self.series.values())

    @property
    def columns(self) -> list[str]:
        """Of the table."""
        return [*self.series, *self.beside]

    @property
    def rows(self) -> list[tuple[str, list[float | None]]]:
        """The same as a table, the latest first, without what is empty."""
        columns = [*self.series.values(), *self.beside.values()]
        found = [(label, [values[at] for values in columns]) for at, label in enumerate(self.labels)]
        return [row for row in reversed(found) if any(row[1])]

    def name(self, series: str, word: Translate) -> str:
        """Of a series, as it is shown."""
        return shown(word(series) if self.own else series)

    def drawn(self, word: Translate = str) -> Markup:
        """The picture, with what `word` makes of names that are ours."""
        parts = _line(self, word) if self.share else _bars(self, word)
        whole = (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false">',
            *parts,
            "</svg>",
        )
        return Markup("".join(whole))  # noqa: S704 - every text in it is escaped


def _bars(chart: Chart, word: Translate) -> Iterator[str]:
    sums = [sum(values[at] or 0.0 for values in chart.series.values()) for at in range(len(chart.labels))]
    top = nice(max([*sums, chart.line or 0.0], default=0.0))
    step = (WIDTH - _LEFT) / max(1, len(chart.labels))
    yield from _axes(chart.labels, 0.0, top)
    for at, label in enumerate(chart.labels):
        floor = float(_TOP + _HIGH)
        for number, (name, values) in enumerate(chart.series.items()):
            value = values[at] or 0.0
            if value <= 0:
                continue
            height = _HIGH * value / top
            floor -= height
            yield (
                f'<rect class="s{min(number, COLOURS - 1)}" x="{_LEFT + at * step + step * 0.12:.1f}" y="{floor:.1f}" '
                f'width="{step * 0.76:.1f}" height="{height:.1f}">'
                f"<title>{escape(label)}, {escape(chart.name(name, word))}: {figure(value)}</title></rect>"
            )
    if chart.line:
        y = _TOP + _HIGH * (1 - chart.line / top)
        yield f'<line class="budget" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _line(chart: Chart, word: Translate) -> Iterator[str]:
    """A point for each value, joined where they follow one another."""
    known = [value for values in chart.series.values() for value in values if value is not None]
    low = next(floor for floor in _FLOORS if floor <= max(0.0, min(known, default=0.0)))
    step = (WIDTH - _LEFT) / max(1, len(chart.labels))
    yield from _axes(chart.labels, low, 100.0)
    for name, values in chart.series.items():
        before: tuple[float, float] | None = None
        for at, (label, value) in enumerate(zip(chart.labels, values, strict=True)):
            if value is None:
                before = None
                continue
            x, y = _LEFT + (at + 0.5) * step, _TOP + _HIGH * (1 - (value - low) / (100.0 - low))
            if before is not None:
                yield f'<line class="trend" x1="{before[0]:.1f}" y1="{before[1]:.1f}" x2="{x:.1f}" y2="{y:.1f}"/>'
            title = f"{escape(label)}, {escape(chart.name(name, word))}: {figure(value)}"
            yield f'<circle class="s0" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{title}</title></circle>'
            before = x, y


def _axes(labels: Sequence[str], low: float, top: float) -> Iterator[str]:
    for share in (0.0, 0.5, 1.0):
        y = _TOP + _HIGH * (1 - share)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        value = figure(low + (top - low) * share)
        yield f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
    if labels:
        yield f'<text class="axis" x="{_LEFT}" y="{HEIGHT - 4}">{escape(labels[0])}</text>'
        yield f'<text class="axis" x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">{escape(labels[-1])}</text>'


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, … (or 0.1, 0.2, …) that is not less; 1 for nothing, or next to nothing."""
    if value < sys.float_info.min:  # below, powers of ten are zero
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= value * (1 - 1e-9))


def figure(value: float | None) -> str:
    """``1,234``, ``12.5``, ``0.0031``; nothing where nothing is known."""
    if value is None:
        return ""
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
    return Chart(_times(span), {name: [float(of.get(h, 0)) for h in span] for name, of in counts.items()})


def stages(measured: Iterable[Hour], today: str, days: int) -> Chart:
    """Seconds that a file is in a stage, on average, by day."""
    labels = days_until(today, days)
    sums = _by_day(measured)
    means = {
        word: [_mean(sums.get((day, stage), (0, 0.0))) for day in labels] for stage, word in STAGES.items()
    }
    return Chart(labels, means, own=True)


def queue(measured: Iterable[Hour], hour: int, hours: int, waiting: int, rate: float) -> Chart:
    """Files that waited, hour by hour, on average; now; and in the hours to come, at this rate a minute."""
    past = range(hour - hours + 1, hour + 1)
    means = {one.hour: one.mean for one in measured if one.what == QUEUE}
    known = [*(means.get(h) for h in past[:-1]), float(waiting)]
    left = [waiting - rate * 60 * after for after in range(1, hours + 1)] if rate > 0 else []
    to_come = [max(0.0, one) for one in left if one > 0]
    return Chart(
        _times(range(past[0], hour + 1 + len(to_come))),
        {
            WAITING: [*known, *[None] * len(to_come)],
            **({FORECAST: [*[None] * hours, *to_come]} if to_come else {}),
        },
        own=True,
    )


def agreement(measured: Iterable[Hour], today: str, days: int) -> Chart:
    """How far second readers agreed about the answers of a day."""
    labels = days_until(today, days)
    sums = _by_day(measured)
    of = [sums.get((day, "agreement"), (0, 0.0)) for day in labels]
    percent = [None if mean is None else mean * 100 for mean in map(_mean, of)]
    return Chart(
        labels,
        {AGREEMENT: percent},
        own=True,
        share=True,
        beside={READ: [float(times) or None for times, _ in of]},
    )


def days_until(today: str, days: int) -> list[str]:
    """So many days as ``2026-11-22``, today the last."""
    last = dt.date.fromisoformat(today)
    return [f"{last - dt.timedelta(days=number)}" for number in reversed(range(days))]


def _by_day(measured: Iterable[Hour]) -> dict[tuple[str, str], tuple[int, float]]:
    sums: dict[tuple[str, str], tuple[int, float]] = {}
    for one in measured:
        key = local_day(one.hour * 3600), one.what
        times, total = sums.get(key, (0, 0.0))
        sums[key] = times + one.times, total + one.total
    return sums


def _mean(of: tuple[int, float]) -> float | None:
    times, total = of
    return total / times if times and math.isfinite(total) else None


def _times(hours: Iterable[int]) -> list[str]:
    return [dt.datetime.fromtimestamp(h * 3600, dt.UTC).astimezone().strftime("%H:%M") for h in hours]
