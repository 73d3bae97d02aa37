"""A ledger that another program holds locked: told, not mistaken for a broken one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from glimpsed.cli.examine import ledger_problem
from glimpsed.errors import LedgerUnavailable
from glimpsed.ledger import engine, open_ledger


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
