"""SQLite's way to what the live page asks: from the few rows that are wanted, never through all files of a state.

Its planner takes an index for a column at any price; a ledger of a million files shows it, and no small one does.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from glimpsed.ledger import Ledger, browse, kept, open_ledger, queries, search
from glimpsed.ledger.part import CHUNK
from glimpsed.ledger.queries import STATES
from glimpsed.ledger.schema import files
from glimpsed.ledger.values import Among


def plan(ledger: Ledger, statement: sa.Select[tuple[object, ...]], **values: object) -> list[str]:
    """What EXPLAIN QUERY PLAN says, step by step."""
    with ledger._database.read() as c:
        compiled = statement.params(**values).compile(c.engine, compile_kwargs={"literal_binds": True})
        return [str(row[3]) for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]


@pytest.mark.parametrize("doubtful", [False, True])
def test_a_search_goes_from_the_answers_that_it_found_to_their_files(tmp_path: Path, doubtful: bool) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    among = Among(("in", "archive"), STATES, doubtful=doubtful)
    steps = plan(ledger, search._whose(among), some=list(range(CHUNK)))
    ledger.close()
    assert steps[0].startswith("SEARCH kept USING INTEGER PRIMARY KEY"), steps
    assert any(re.match(r"SEARCH files USING INDEX files_content \(sha256=\?\)", step) for step in steps), (
        steps
    )


def test_a_page_of_the_list_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    """SQLite says the same of a range of two upper bounds, of which it takes the first: so its steps are counted."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    row = {
        "folder": "in", "directory": "", "size": 1, "mtime_ns": 1, "state": "done", "priority": 0, "fresh": 0, "round": 0,
        "anew": 0, "claims": 1, "attempts": 1, "retries": 0, "cut_off": 0,
    }  # fmt: skip
    with ledger._database.write() as c:
        rows = [{**row, "name": f"{n}", "changed": float(max(n, 5000))} for n in range(10_000)]
        c.execute(sa.insert(files), rows)
    steps = [0]

    def step() -> None:
        steps[0] += 1

    def taken(statement: sa.Select[tuple[float, int]], **values: float) -> tuple[int, int]:
        values = {"since": 0.0, "until": 1e18, **values}
        with ledger._database.read() as c:
            driver = c.connection.driver_connection
            assert driver is not None
            driver.set_progress_handler(step, 100)
            steps[0] = 0
            found = c.execute(statement.limit(50), {"folder": "in", "state": "done", **values}).all()
            driver.set_progress_handler(None, 0)
        return len(found), steps[0] * 100

    for statement, values in (
        (browse._BEFORE, {"changed": 5100.0}),
        (browse._BESIDE, {"changed": 5000.0, "id": 60}),
    ):
        found, took = taken(statement, **values)
        assert found == 50
        assert took < 2000, f"{took} steps of SQLite's machine for 50 files"
    ledger.close()


def test_agreement_is_asked_of_what_was_read_twice(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    steps: list[str] = []
    with ledger._database.read() as c:
        sa.event.listen(c.engine, "before_cursor_execute", lambda _c, _u, sql, *_: steps.append(sql))
    ledger.agreement_by_hour(1.0)
    (sql,) = [one for one in steps if "agreement" in one]
    with ledger._database.read() as c:
        found = [row[3] for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (3600.0,) * sql.count("?"))]
    ledger.close()
    assert not any(step.startswith("SCAN files") or "files_state" in step for step in found), found


def test_a_table_of_a_million_answers_is_read_in_the_order_of_their_files_without_sorting(
    tmp_path: Path,
) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    found = plan(ledger, kept._DONE, of="in", after=5)
    ledger.close()
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN kept") for step in found), found
    assert any("files USING INTEGER PRIMARY KEY (rowid>?)" in step for step in found), found


def test_failed_files_are_found_and_go_back_into_the_queue_without_a_look_at_all_that_failed(
    tmp_path: Path,
) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    row = {
        "folder": "in", "directory": "", "size": 1, "mtime_ns": 1, "state": "failed", "priority": 0, "fresh": 0, "round": 0,
        "anew": 0, "claims": 1, "attempts": 1, "retries": 0, "cut_off": 0,
    }  # fmt: skip
    with ledger._database.write() as c:
        c.execute(sa.insert(files), [{**row, "name": f"{n}", "changed": float(n // 2)} for n in range(8)])
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _u: object, sql: str, values: tuple[object, ...], *_: object) -> None:
        if sql.startswith(("SELECT", "UPDATE")):
            asked.append((sql, values))

    with ledger._database.read() as c, ledger._database.write() as w:
        for engine in {c.engine, w.engine}:
            sa.event.listen(engine, "before_cursor_execute", note)
    found = list(ledger.failed_files("in"))
    assert [one.id for one in found] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert ledger.requeue([one.key for one in found], now=9.0) == 8
    steps = []
    with ledger._database.read() as c:
        for sql, values in asked[:]:
            steps += [row[3] for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    ledger.close()
    assert sum(sql.startswith("UPDATE files") for sql, _ in asked) > 0
    # The folder's index of states leads to its heads, and from there to the rows that are wanted, by their numbers or names.
    assert not any(step.endswith("files_state (folder=? AND state=?)") for step in steps), steps


def test_the_file_of_a_sidecar_is_found_by_how_its_name_begins(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    steps = plan(ledger, queries._called("in", "", "scan"))
    ledger.close()
    assert len(steps) == 1
    assert "files_path" in steps[0] or "sqlite_autoindex_files_1" in steps[0], steps
    assert steps[0].endswith("(folder=? AND directory=? AND name>? AND name<?)"), steps
