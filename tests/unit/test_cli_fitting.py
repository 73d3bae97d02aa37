"""A table on terminals of every width: what it holds can be read, whole."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glimpsed.cli.fitting import FittingTable

NAMES = st.text("abcdefgh-_/文件夹发票", min_size=1, max_size=30)


def printed(table: FittingTable, width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as told:
        console.print(table)
    return told.get().splitlines()


@given(st.lists(st.tuples(NAMES, st.integers(0, 10**9)), min_size=1, max_size=5), st.integers(40, 120))
def test_no_name_and_no_number_is_cut(rows: list[tuple[str, int]], width: int) -> None:
    table = FittingTable("Folder", "Mode")
    table.add_number_column("Queued")
    for name, count in rows:
        number = Text(f"{count:,}")
        table.add_row(Text(name), Text("inotify"), number, narrow=(Text(name), number))
    lines = printed(table, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "…" not in "".join(lines)
    for name, count in rows:
        fits = cell_len(name) <= width
        assert not fits or any(line.startswith(name) for line in lines)
        assert any(re.search(rf"(^|\s){count:,}\s*$", line) for line in lines)


def test_values_that_have_a_column_each_are_named_where_it_is_narrow() -> None:
    table = FittingTable("model")
    for model in ("first", "second"):
        table.add_named_row(
            [model], {"characters wrong": "1.00 %", "words wrong": "", "cost of 1,000": "2.97 USD"}
        )
    wide, narrow = printed(table, 80), printed(table, 45)
    assert re.split("   +", wide[0].strip()) == ["model", "characters wrong", "words wrong", "cost of 1,000"]
    assert narrow[0].rstrip() == "first"
    assert narrow[1].startswith("  characters wrong: 1.00 %, cost of 1,000:")


def test_a_reason_wraps_and_ends_the_table_only_where_that_gets_too_narrow() -> None:
    table = FittingTable("File", "Reason", wraps_at=30)
    name, reason = Text("a-scan-with-a-name.pdf"), Text("The picture after its header is missing. " * 3)
    table.add_row(name, reason, narrow=(name, reason))
    needed = len(name.plain) + 3 + 30  # the gap between columns is 3
    assert printed(table, needed)[0].split() == ["File", "Reason"]
    narrow = printed(table, needed - 1)
    assert narrow[0].rstrip() == name.plain
    assert narrow[1].startswith("  The picture")
