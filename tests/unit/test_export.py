"""Answers as a table: nothing of a field is lost, nothing in it runs in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.export import write
from glimpsed.export.table import FACTS, ExportTable, fields, rows
from glimpsed.model import Answer, FileKey, PageAnswer, Source
from sidecar_samples import answer as sample

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "supplier": {"type": "object", "properties": {"name": {}, "town": {}}},
        "total": {"type": "number"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"article": {}, "price": {}}}},
    },
}
DATA = {
    "supplier": {"name": "=cmd|' /C calc'!A1", "town": "Köln"},
    "total": -5,
    "items": [{"article": "Oak", "price": 1.5}, {"article": "Screws", "price": 4}],
}


SOURCE = Source(
    name="scan.jpg", bytes=1, modified="2026-11-22T10:00:00Z", sha256="0" * 64,
    media_type="image/jpeg", width=1, height=1, pages=1,
)  # fmt: skip


OPEN: list[ExportTable] = []


@pytest.fixture(autouse=True)
def _spools_are_closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().__exit__(None, None, None)


def answer(**keys: Any) -> Answer:
    return sample(SOURCE, "text").model_copy(update=keys)


def table(*answers: Answer, explode: str | None = None) -> ExportTable:
    made = ExportTable(fields(SCHEMA, explode=explode))
    OPEN.append(made)
    for one in answers:
        for row in rows(one, FileKey("f", "a/scan.jpg"), with_data=True, explode=explode):
            made.add(row)
    return made


def as_csv(made: ExportTable, **keys: bool) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    write.to_csv(made, file, **keys)
    return list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))


def test_nested_fields_are_columns_and_lists_json_text() -> None:
    (row,) = as_csv(table(answer(data=DATA)))
    assert list(row) == [*FACTS, "supplier.name", "supplier.town", "total", "items"]
    assert (row["file"], row["supplier.town"], row["total"]) == ("a/scan.jpg", "Köln", "-5")
    assert json.loads(row["items"]) == DATA["items"]


def test_what_would_be_a_formula_is_text_but_a_number_stays_one() -> None:
    (row,) = as_csv(table(answer(data=DATA | {"note": "@SUM(A1)"})))
    assert row["supplier.name"] == "'=cmd|' /C calc'!A1"
    assert row["note"] == "'@SUM(A1)"
    assert row["total"] == "-5"


def test_a_list_may_be_rows_of_its_own() -> None:
    made = as_csv(table(answer(data=DATA), answer(data={"total": 1, "items": []}), explode="items"))
    assert [(r["items.#"], r["items.article"], r["items.price"], r["total"]) for r in made] == [
        ("1", "Oak", "1.5", "-5"),
        ("2", "Screws", "4", "-5"),
        ("", "", "", "1"),
    ]


def test_without_a_schema_there_is_the_text_and_a_page_is_a_row() -> None:
    pages = (PageAnswer(page=1, text="one"), PageAnswer(page=2, text="two"))
    with ExportTable(fields(None)) as made:
        for row in rows(answer(pages=pages, text="one\ftwo"), FileKey("f", "s.pdf"), with_data=False):
            made.add(row)
        assert [(r["page"], r["text"]) for r in as_csv(made)] == [("1", "one"), ("2", "two")]


def test_excel_gets_what_it_opens_by_a_double_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_decimal_comma", lambda: True)
    file = io.StringIO(newline="")
    write.to_csv(table(answer(data={"total": 1234.5})), file, excel=True)
    text = file.getvalue()
    assert text.startswith("\ufefffolder;file;")
    assert ";1234,5;" in text
    assert text.endswith("\r\n")


def test_a_workbook_keeps_long_numbers_as_text_and_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write.to_xlsx(
        table(answer(data={"total": 2**60, "supplier": {"name": "=1+1", "town": "x" * 40_000}})), path
    )
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert str(2**60) in sheet
    assert "=1+1" in sheet
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.xlsx"]


def test_a_workbook_goes_on_in_another_sheet_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_SHEET", 3)  # with its heading
    path = tmp_path / "t.xlsx"
    answers = [answer(data={"total": n, "note": "long" * (10_000 if n == 4 else 1)}) for n in range(5)]
    notes = write.to_xlsx(table(*answers), path)
    assert notes[0] == "3 sheets, because one takes 2 rows"
    assert notes[1].startswith("1 text cut to the 32,767 characters")
    book = openpyxl.load_workbook(path, read_only=True)
    found = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
    book.close()
    assert [len(sheet) for sheet in found] == [3, 3, 2]
    names = table(*answers).columns
    assert all(list(sheet[0]) == names for sheet in found)
    values = [dict(zip(names, row, strict=True)) for sheet in found for row in sheet[1:]]
    assert [(v["total"], v["note"]) for v in values[:4]] == [(n, "long") for n in range(4)]
    assert (len(values[4]["note"]), values[4]["note"][-1]) == (32_767, "…")


def test_what_no_sheet_takes_is_an_error_that_says_so(tmp_path: Path) -> None:
    wide = table(answer(data={str(n): n for n in range(16_400)}))
    with pytest.raises(OSError, match="16,384 columns at most"):
        write.to_xlsx(wide, tmp_path / "t.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_database_has_typed_values_and_names_that_differ_in_case(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    write.to_sqlite(table(answer(data={"total": 12.5, "Total": 2**70, 'a"b': True})), path)
    connection = sqlite3.connect(path)
    found = connection.execute('SELECT total, "Total_2", "a""b" FROM answers').fetchall()
    connection.close()
    assert found == [(12.5, str(2**70), 1)]


def test_a_place_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    for to in (write.to_sqlite, write.to_xlsx):
        with pytest.raises(OSError, match=r"."):
            to(table(answer(data=DATA)), tmp_path / "missing" / "t")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_not_made_one_and_a_link_stays_one(tmp_path: Path) -> None:
    """Renamed over, as root may, ``/dev/null`` would be a workbook from then on."""
    pipe, link, target = tmp_path / "pipe", tmp_path / "link", tmp_path / "target"
    os.mkfifo(pipe)
    link.symlink_to(target)
    for to in (write.to_sqlite, write.to_xlsx):
        with pytest.raises(OSError, match="not a regular file"):
            to(table(answer(data=DATA)), pipe)
        to(table(answer(data=DATA)), link)
        assert (pipe.is_fifo(), link.is_symlink(), target.stat().st_size > 0) == (True, True, True)
        target.unlink()
    assert sorted(tmp_path.iterdir()) == [link, pipe]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=6), below, max_size=3),
    max_leaves=15,
)


@given(st.lists(st.dictionaries(st.text(max_size=6), values, max_size=5), max_size=4))
def test_any_data_makes_a_row_of_the_same_width_in_every_format(several: list[dict[str, Any]]) -> None:
    made = table(*(answer(data=data) for data in several))
    file = io.StringIO()
    write.to_jsonl(made, file)
    found = [json.loads(line) for line in file.getvalue().split("\n")[:-1]]
    assert all(list(row) == made.columns for row in found)
    assert len(as_csv(made)) == len(found) == len(several)


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        with ExportTable(fields(SCHEMA)) as made, open("/dev/null", "w", encoding="utf-8") as sink:
            one = next(rows(answer(data=DATA | {"note": "x" * 1000}), FileKey("f", "s"), with_data=True))
            for _ in range(count):
                made.add(one)
            write.to_csv(made, sink)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few, many = peak(10_000), peak(40_000)
    assert many < 1.5 * few
