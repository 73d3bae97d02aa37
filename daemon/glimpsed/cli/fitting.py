"""Tables for terminals of any width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

_ENDLESS = 100_000  # columns


class FittingTable:
    """A table where its names and numbers fit; on a narrower terminal each row is lines of its own, nothing cut.

    The last column may be text that wraps: then it `wraps_at` so many columns before that is too narrow.
    """

    def __init__(self, *columns: str, wraps_at: int | None = None, ruled: bool = False) -> None:
        """`ruled`: with lines between the rows, for texts of several lines."""
        look = box.SIMPLE if ruled else box.SIMPLE_HEAD
        self._table = Table(box=look, show_edge=False, pad_edge=False, header_style="bold", show_lines=ruled)
        for column in columns:
            self._table.add_column(column, overflow="fold")
        self._wraps_at = wraps_at
        self._spare = 0  # columns of the last cells beyond what they need
        self._lines: list[RenderableType] = []

    def add_number_column(self, name: str) -> None:
        """One whose values stand below one another by their last digit."""
        self._table.add_column(name, justify="right")

    def add_row(self, *cells: Text, narrow: tuple[Text, Text]) -> None:
        """A row, and what it is where it does not fit: a line, and what stands indented beneath."""
        self._table.add_row(*cells)
        if self._wraps_at is not None:
            longest = max(map(cell_len, cells[-1].plain.splitlines()), default=0)
            self._spare = max(self._spare, longest - self._wraps_at)
        head, more = narrow
        self._lines += [head, Padding(more, (0, 0, 0, 2))] if more else [head]

    def add_named_row(self, names: Sequence[str], values: Mapping[str, str]) -> None:
        """A row of values that have a column each, made with the first row; where it is narrow, each after its name."""
        if not self._lines:
            for name in values:
                self.add_number_column(name)
        told = Text(", ").join(Text(f"{name}: {value}") for name, value in values.items() if value)
        head = Text("  ").join(Text(name, style="bold") for name in names)
        self.add_row(*map(Text, (*names, *values.values())), narrow=(head, told))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        """The one or the other."""
        whole = Measurement.get(console, options.update(max_width=_ENDLESS), self._table).maximum
        if whole - self._spare <= options.max_width:
            yield self._table
        else:
            yield from self._lines
