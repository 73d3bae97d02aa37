"""SQLite's way to what the live page asks: from the few rows that are wanted, never through all files of a state.

Its planner takes an index for a column at any price; a ledger of a million files shows it, and no small one does.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from glimpsed.ledger import Ledger, open_ledger, search
from glimpsed.ledger.part import CHUNK
from glimpsed.ledger.queries import STATES
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
