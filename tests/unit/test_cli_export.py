"""`export` on a folder that `once` has worked through."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from gateway import Gateway, Scripted
from pictures import picture

SCHEMA = "{type: object, properties: {total: {type: number}, supplier: {type: object, properties: {name: {type: string}}}}}"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, command: Run) -> Run:
    """Any command in a directory whose folder `in` holds two answered scans."""
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("b.png", "ä.png")):
        (tmp_path / "in" / name).write_bytes(picture(seed=number))
    with Gateway() as gateway:
        gateway.default = Scripted(text=json.dumps({"total": 12.5, "supplier": {"name": "=Berg"}}))
        (tmp_path / "glimpsed.yaml").write_text(
            f"models: {{m: {{api: chat, base_url: '{gateway.base_url}'}}}}\n"
            f"folders: {{bills: {{path: in, model: m, settle: 0, schema: {SCHEMA}}}}}\n"
        )
        assert command("once", "-q")[0] == 0
    return command


def test_every_done_file_is_a_row_in_each_format(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("export")
    found = list(csv.DictReader(io.StringIO(out, newline="")))
    assert code == 0
    assert sorted(row["file"] for row in found) == ["b.png", "ä.png"]
    assert {(r["folder"], r["model"], r["total"], r["supplier.name"]) for r in found} == {
        ("bills", "m", "12.5", "'=Berg")
    }
    lines = run("export", "--format", "jsonl")[1].splitlines()
    assert [json.loads(line)["supplier.name"] for line in lines] == ["=Berg", "=Berg"]
    assert run("export", "-o", "t.db")[0] == 0
    connection = sqlite3.connect(tmp_path / "t.db")
    assert connection.execute('SELECT sum(total), max("supplier.name") FROM answers').fetchall() == [
        (25, "=Berg")
    ]
    connection.close()
    assert run("export", "-o", "t.xlsx")[0] == 0
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")  # as another program reads it
    heading, *values = book.active.iter_rows(values_only=True)
    book.close()
    assert list(heading) == list(found[0])
    assert [row[heading.index("total")] for row in values] == [12.5, 12.5]
    assert [row[heading.index("supplier.name")] for row in values] == ["=Berg", "=Berg"]


def test_answers_are_exported_wherever_their_sidecars_went(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path / "in").glob("*.json"):
        path.unlink()
    code, out, _ = run("export", "--format", "jsonl")
    assert (code, [json.loads(line)["total"] for line in out.splitlines()]) == (0, [12.5, 12.5])
    (tmp_path / "in").rename(tmp_path / "away")
    code, out, err = run("export", "--format", "jsonl")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "bills cannot be looked at now" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--format", "xlsx"), "-o FILE"),
        (("--excel", "--format", "jsonl"), "--excel is for CSV"),
        (("--folder", "nope"), "no folder 'nope'"),
        (("--explode", "item"), "there is no 'item'; there is: folder, file,"),
        (("-o", "missing/t.csv"), "cannot be written"),
    ],
)
def test_mistakes_are_told_with_the_mend(run: Run, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run("export", *arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_an_explode_that_parts_nothing_says_so(run: Run) -> None:
    code, out, err = run("export", "--explode", "total")
    assert (code, len(out.splitlines())) == (0, 3)
    assert "no answer has a list as 'total'" in err


def test_a_dash_is_standard_output_and_never_a_file(run: Run, tmp_path: Path) -> None:
    assert run("export", "-o", "-") == run("export")
    assert run("export", "-o", "-", "--format", "xlsx")[0] == 2
    code, out, _ = run("report", "bills", "-o", "-")
    assert (code, out.rstrip()[-7:]) == (0, "</html>")
    for command in (
        ("init", "-o", "-"),
        ("eval", "--folder", "bills", "-o", "-"),
        ("try", "in/b.png", "--save-request", "-"),
    ):
        code, _, err = run(*command)
        assert (code, "cannot go to standard output" in err) == (2, True)
    assert not (tmp_path / "-").exists()
