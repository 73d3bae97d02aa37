"""A table as CSV, JSON lines, an SQLite database or a workbook, row by row."""

from __future__ import annotations

import contextlib
import csv
import json
import locale
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from glimpsed.export.table import ExportTable, Value

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the start of one
EXACT = 2**53  # integers beyond lose digits in a spreadsheet
_CELL = 32_767  # characters in a cell, at most
_SHEET = 1_048_576  # rows in a sheet, the heading included
_COLUMNS = 16_384  # in a sheet


def to_csv(table: ExportTable, file: IO[str], *, excel: bool = False) -> None:
    """UTF-8 text, lines ended as RFC 4180 has it; what would be a formula gets a ``'`` in front.

    `excel`: with a BOM, and with semicolons and decimal commas where the locale writes numbers so.
    """
    comma = excel and _decimal_comma()
    if excel:
        file.write("\ufeff")
    # RFC 4180; Python quotes a text with either of them.
    writer = csv.writer(file, delimiter=";" if comma else ",", lineterminator="\r\n")
    writer.writerow(map(_harmless, table.columns))
    for row in table:
        writer.writerow([_cell(value, comma=comma) for value in row])


def to_jsonl(table: ExportTable, file: IO[str]) -> None:
    """One object a line, its columns as keys."""
    names, encode = table.columns, json.JSONEncoder(ensure_ascii=False).encode
    for row in table:
        file.write(encode(dict(zip(names, row, strict=True))) + "\n")


def to_sqlite(table: ExportTable, path: Path) -> None:
    """A new database with one table `answers`. Raises OSError."""
    _beside(path, lambda temporary: _fill(table, temporary))


def to_xlsx(table: ExportTable, path: Path) -> list[str]:
    """A new workbook; more sheets where one is full. What is otherwise in it than in the table, in words. Raises OSError."""
    if len(table.columns) > _COLUMNS:
        raise OSError(
            None, f"a sheet has {_COLUMNS:,} columns at most, and this takes {len(table.columns):,}"
        )
    notes: list[str] = []
    _beside(path, lambda temporary: notes.extend(_workbook(table, temporary)))
    return notes


def _cell(value: Value, *, comma: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _harmless(value)
    text = str(value)
    return text.replace(".", ",") if comma else text


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _decimal_comma() -> bool:
    try:
        locale.setlocale(locale.LC_NUMERIC, "")
    except locale.Error:
        return False
    return locale.localeconv()["decimal_point"] == ","


def _beside(path: Path, write: Callable[[Path], object]) -> None:
    """Whole or not at all: written under another name, then renamed. A link stays one: what it leads to is written."""
    if path.exists() and not path.is_file():
        # Root could rename over a device: /dev/null would be a table.
        raise OSError(None, "it is not a regular file, which this format needs")
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.touch()  # first: libraries leave files open where they find out late
        write(temporary)
        os.replace(temporary, path)
    except sqlite3.Error as e:
        raise OSError(None, str(e)) from e
    finally:
        temporary.unlink(missing_ok=True)


def _fill(table: ExportTable, path: Path) -> None:
    names = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in _apart(table.columns))
    places = ", ".join("?" * len(table.columns))
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE answers ({names})")
        rows = ([_sqlite(value) for value in row] for row in table)
        connection.executemany(f"INSERT INTO answers VALUES ({places})", rows)  # noqa: S608 - question marks
    connection.close()


def _apart(names: Sequence[str]) -> list[str]:
    """Names that a database tells apart: it minds no case."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        number = seen[name.casefold()] = seen.get(name.casefold(), 0) + 1
        found.append(name if number == 1 else f"{name}_{number}")
    return found


def _sqlite(value: Value) -> Value:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _workbook(table: ExportTable, path: Path) -> list[str]:
    import xlsxwriter  # noqa: PLC0415 - only for this

    cut = 0
    with _translated(), tempfile.TemporaryDirectory() as rows, xlsxwriter.Workbook(str(path), {
        "constant_memory": True, "tmpdir": rows, "strings_to_formulas": False, "strings_to_urls": False,
    }) as book:  # fmt: skip
        heading = book.add_format({"bold": True})
        sheet, line = _sheet(book, table.columns, heading), 1
        for row in table:
            if line >= _SHEET:
                sheet, line = _sheet(book, table.columns, heading), 1
            for column, value in enumerate(row):
                cut += _write(sheet, line, column, value)
            line += 1
        sheets = len(book.worksheets())
    notes = [f"{sheets} sheets, because one takes {_SHEET - 1:,} rows"] if sheets > 1 else []
    if cut:
        texts = f"{cut:,} text{'' if cut == 1 else 's'}"
        notes.append(
            f"{texts} cut to the {_CELL:,} characters that a cell takes; csv, jsonl and sqlite have all of them"
        )
    return notes


def _sheet(book: Any, columns: Sequence[str], heading: object) -> Any:
    sheet = book.add_worksheet()
    for column, name in enumerate(columns):
        sheet.write_string(0, column, name[:_CELL], heading)
    sheet.freeze_panes(1, 0)
    return sheet


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from xlsxwriter.exceptions import XlsxWriterException  # noqa: PLC0415 - as above

    try:
        yield
    except XlsxWriterException as e:
        raise OSError(None, str(e)) from e


def _write(sheet: Any, line: int, column: int, value: Value) -> bool:
    """Whether it had to be cut."""
    if value is None:
        return False
    if isinstance(value, bool):
        sheet.write_boolean(line, column, value)
    elif isinstance(value, int | float) and abs(value) <= EXACT:
        sheet.write_number(line, column, value)
    else:
        text = str(value)
        long = len(text) > _CELL
        sheet.write_string(line, column, f"{text[: _CELL - 1]}…" if long else text)
        return long
    return False
