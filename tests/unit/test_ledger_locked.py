"""A ledger that another program holds locked: told, not mistaken for a broken one."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from glimpsed.cli.examine import ledger_problem
from glimpsed.errors import LedgerUnavailable
from glimpsed.ledger import Books, Ledger, books, engine, open_ledger


def test_a_locked_ledger_is_unavailable_and_check_says_that_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    url = f"sqlite:///{path}"
    open_ledger(url).close()
    assert ledger_problem(url) is None
    monkeypatch.setattr(engine, "BUSY", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="locked"):
            open_ledger(url)
        assert "locked" in (ledger_problem(url) or "")
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert ledger_problem(url) is None


@pytest.mark.anyio
async def test_at_the_end_a_ledger_that_is_locked_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "HURRY", 0.3)
    there = Books(open_ledger(f"sqlite:///{tmp_path}/ledger.db"))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(there(Ledger.heartbeat, 1.0, {}))
    await asyncio.sleep(0)  # it is in a thread now, and waits as long as SQLite does
    there.hurry()
    began = time.monotonic()
    assert await there.maybe(Ledger.add_hour, {}, 1.0) is None
    await there.close()
    assert time.monotonic() - began < engine.BUSY / 2
    other.close()
    await waiting
