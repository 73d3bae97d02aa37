"""Boxes that belong together, as lines of text, pure: a table's columns stay under one another.

The pieces of one line are words of a sentence where the gap between them is a word's, cells of a table or of a
form where it is wider. Cells are two spaces apart, and where the cells of several lines stand in the same
columns, they do so in the text as well: figures to the right, everything else to the left.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from glimpsed.ocr.box import Box

_WORD_GAP = 1.0  # heights: a wider gap parts cells, not words (justified print stays below)
_COLUMN_GAP = 0.3  # heights, at least, between the columns of a table
_LONGEST = 200  # lines of one table; what comes then is the next one
_WIDEST = 200  # columns of text; what is wider is no table but scattered words

Row = list[Box]  # the cells of one line, from left to right
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Table:
    """Lines whose cells stand in the same columns."""

    rows: tuple[Row, ...]
    columns: tuple[Span, ...]


def lines(found: Sequence[Box]) -> list[str]:
    """One text for each line, from the top."""
    return [line for table in _tables([_cells(row) for row in rows(found)]) for line in _text(table)]


def rows(found: Sequence[Box]) -> list[Row]:
    """Boxes whose middles lie within each other's height are one line."""
    found_rows: list[Row] = []
    for box in sorted(found, key=lambda b: b.middle):
        row = found_rows[-1] if found_rows else None
        if row and box.middle - statistics.fmean(b.middle for b in row) < 0.5 * min(
            box.height, *(b.height for b in row)
        ):
            row.append(box)
        else:
            found_rows.append([box])
    return found_rows


def _cells(row: Row) -> Row:
    """From left to right, with the words of one cell put together."""
    first, *others = sorted(row, key=lambda b: b.left)
    cells = [first]
    for box in others:
        last = cells[-1]
        if box.left - last.right > _WORD_GAP * min(last.height, box.height):
            cells.append(box)
        else:
            top, bottom = min(last.top, box.top), max(last.bottom, box.bottom)
            right = max(last.right, box.right)
            cells[-1] = Box(last.left, top, right, bottom, f"{last.text} {box.text}")
    return cells


def _tables(rows: Sequence[Row]) -> Iterator[Table]:
    """Each line goes to the table above it for as long as no two cells of a line come into one column."""
    table: Table | None = None
    for row in rows:
        longer = _with(table, row) if table and len(table.rows) < _LONGEST else None
        if table is not None and longer is None:
            yield table
        table = longer or Table((row,), tuple((cell.left, cell.right) for cell in row))
    if table is not None:
        yield table


def _with(table: Table, row: Row) -> Table | None:
    """The table with one more line; None when it has none of its columns, or would mix them up."""
    columns = _merged(
        [*table.columns, *((cell.left, cell.right) for cell in row)], _COLUMN_GAP * row[0].height
    )
    rows = (*table.rows, row)
    # In columns that are as they were, the lines above stand as they did.
    in_doubt = (row,) if columns == table.columns and len(table.rows) > 1 else rows
    fits = len(columns) > 1 and all(
        len({_at(columns, cell) for cell in cells}) == len(cells) for cells in in_doubt
    )
    return Table(rows, columns) if fits else None


def _merged(spans: Sequence[Span], gap: float) -> tuple[Span, ...]:
    """What overlaps, or is no further apart than a gap, is one column."""
    first, *others = sorted(spans)
    merged = [first]
    for left, right in others:
        if left - merged[-1][1] < gap:
            merged[-1] = merged[-1][0], max(merged[-1][1], right)
        else:
            merged.append((left, right))
    return tuple(merged)


def _at(columns: Sequence[Span], cell: Box) -> int:
    return next(n for n, (_, right) in enumerate(columns) if cell.left <= right)


def _text(table: Table) -> list[str]:
    placed = [{_at(table.columns, cell): cell for cell in row} for row in table.rows]
    if len(table.rows) == 1 or sum(len(cells) > 1 for cells in placed) < 2:
        return ["  ".join(cell.text for cell in row) for row in table.rows]
    columns = range(len(table.columns))
    widths = [max((cell_len(cells[n].text) for cells in placed if n in cells), default=0) for n in columns]
    if sum(widths) > _WIDEST:
        return ["  ".join(cell.text for cell in row) for row in table.rows]
    to_the_right = [_stands_right([cells[n] for cells in placed if n in cells]) for n in columns]
    return [
        "  ".join(
            _padded(cells[n].text if n in cells else "", widths[n], right=to_the_right[n]) for n in columns
        ).rstrip()
        for cells in placed
    ]


def _stands_right(cells: Sequence[Box]) -> bool:
    """Whether a column is set to its right edge, as figures are."""
    lefts, rights = ([getattr(cell, edge) for cell in cells] for edge in ("left", "right"))
    return len(cells) > 1 and statistics.pstdev(rights) < 0.5 * statistics.pstdev(lefts)


def _padded(text: str, width: int, *, right: bool) -> str:
    """Filled up with spaces; letters of Chinese, Japanese and Korean take up two."""
    space = " " * (width - cell_len(text))
    return space + text if right else text + space
