"""``glimpsed export``: the answers' fields as a table."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glimpsed.cli.common import STDOUT, OutputFile, common_options, err, folder_names, say, unwritable
from glimpsed.errors import UsageError
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.export.table import ExportTable

FORMATS = ("csv", "jsonl", "sqlite", "xlsx")


@click.command()
@click.option("--folder", "name", metavar="NAME", shell_complete=folder_names, help="Only this folder.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="Default: what the output file's name ends with, else csv.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OutputFile(stdout=True),
    callback=lambda _context, _parameter, path: None if path == STDOUT else path,
    help="Where to; - is standard output.",
)
@click.option(
    "--excel", is_flag=True, help="CSV that Excel opens by a double click: BOM, the locale's separators."
)
@click.option("--explode", metavar="KEY", help="A row for each entry of this list.")
@common_options
def command(
    *, name: str | None, kind: str | None, output: Path | None, excel: bool, explode: str | None
) -> int:
    """Write one row for each file that is done: folder, file, model, time, cost, doubt, then its fields.

    Nested fields are columns like `a.b`, lists JSON text (or rows, with --explode); without a schema there is
    `text`; a document that was asked about page by page has a row for each, with `page`. In CSV a text that a
    spreadsheet would take for a formula gets a ' in front. A workbook has another sheet after 1,048,575 rows.

    \b
    Examples:
      glimpsed export --folder invoices > invoices.csv
      glimpsed export --folder invoices --explode items -o items.xlsx
      glimpsed export --format jsonl | jq .text
    """
    from glimpsed.cli.operator import opened, root_of
    from glimpsed.desk import chosen, files
    from glimpsed.desk.answers import all_answers
    from glimpsed.export import table as tables

    kind = kind or _kind_of(output)
    if kind in ("sqlite", "xlsx") and output is None:
        raise UsageError(f"{kind} cannot go to standard output: say where with -o FILE")
    if excel and kind != "csv":
        raise UsageError("--excel is for CSV; --format xlsx writes a workbook")
    with opened(name, only_look=True) as desk:
        folders = chosen(desk.config, name)
        columns = dict.fromkeys(c for f in folders for c in tables.fields(f.schema_, explode=explode))
        lacking = 0
        with tables.ExportTable(columns) as table:
            for folder in folders:
                for key, answer in all_answers(desk, root_of(folder), folder):
                    if answer is None:
                        lacking += 1
                        continue
                    with_data = folder.schema_ is not None
                    for row in tables.rows(answer, key, with_data=with_data, explode=explode):
                        table.add(row)
            notes = [] if explode is None or not table.rows else _not_exploded(table, explode)
            notes += _write(table, kind, output, excel=excel)
            written = table.rows
    if output is not None:
        notes.insert(0, f"{shown(str(output))}: {written:,} row{'' if written == 1 else 's'}")
    if notes:
        err().print("; ".join(notes), soft_wrap=True)
    if lacking:
        err().print(
            f"{files(lacking)} left out: neither the ledger nor a JSON sidecar has the answer", soft_wrap=True
        )
    return 0


def _not_exploded(table: ExportTable, key: str) -> list[str]:
    """That no answer has a list there, in words. Raises `UsageError` where nothing is called so."""
    if f"{key}.#" in table.columns:
        return []
    if key in table.columns:
        return [f"no answer has a list as '{shown(key)}': a row for each file"]
    raise UsageError(f"--explode: there is no '{shown(key)}'; there is: {shown(', '.join(table.columns))}")


def _kind_of(output: Path | None) -> str:
    ending = output.suffix.lower().removeprefix(".") if output else ""
    return {"db": "sqlite", "json": "jsonl"}.get(ending, ending if ending in FORMATS else "csv")


def _write(table: ExportTable, kind: str, output: Path | None, *, excel: bool) -> list[str]:
    """What is otherwise in the file than in the table, in words."""
    from glimpsed.export import write

    if output is None:
        terminal = sys.stdout.isatty()
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")  # type: ignore[union-attr]
        to = io.StringIO() if terminal else sys.stdout
        if kind == "csv":
            write.to_csv(table, to, excel=excel)
        else:
            write.to_jsonl(table, to)
        if isinstance(to, io.StringIO):  # what an answer says must not steer a terminal
            say(to.getvalue().replace("\r\n", "\n").rstrip("\n"))
        return []
    try:
        if kind == "xlsx":
            return write.to_xlsx(table, output)
        if kind == "sqlite":
            write.to_sqlite(table, output)
        else:
            with open(output, "w", encoding="utf-8", newline="", errors="backslashreplace") as file:
                if kind == "csv":
                    write.to_csv(table, file, excel=excel)
                else:
                    write.to_jsonl(table, file)
    except OSError as e:
        raise unwritable(output, e) from e
    return []
