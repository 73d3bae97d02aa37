"""A look at a ledger says what is wrong with it, and leaves everything as it was."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from glimpsed.errors import LedgerError, LedgerUnavailable
from glimpsed.ledger import Ledger, look, open_ledger, schema
from glimpsed.ledger.engine import Database
from glimpsed.model import FileKey, Offer, Version


def fill(path: Path, rows: int = 2000) -> None:
    ledger = open_ledger(f"sqlite:///{path}")
    ledger.offer([Offer(FileKey("in", f"{n:05}.png"), Version(n, n)) for n in range(rows)], 1)
    ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "state/ledger.db"
    fill(found)
    return found


def everything(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.parent.iterdir()}


def test_a_good_ledger_has_no_problem_and_stays_as_it_is(path: Path) -> None:
    before = everything(path)
    look.look(f"sqlite:///{path}")
    assert everything(path) == before
    assert before.keys() == {"ledger.db"}


def test_one_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    look.look(f"sqlite:///{tmp_path}/none/ledger.db")
    assert list(tmp_path.iterdir()) == []


def test_an_older_one_is_not_brought_forward(ledger: Ledger, ledger_url: str) -> None:
    del ledger
    look.look(ledger_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema.refuse_strangers, "__defaults__", ((*schema.STEPS, lambda _: None),))
        look.look(ledger_url)
    database = Database(ledger_url, "test")
    with database.read() as connection:
        assert schema.refuse_strangers(connection, "here") == 1 + len(schema.STEPS)
    database.close()


def test_a_newer_one_is_told(ledger: Ledger, ledger_url: str) -> None:
    del ledger
    database = Database(ledger_url, "test")
    with database.write() as connection:
        schema.prepare(connection, "here", [*schema.STEPS, lambda _: None])
    database.close()
    with pytest.raises(LedgerError, match="newer glimpsed"):
        look.look(ledger_url)


def test_damage_in_the_middle_is_found(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for at in range(size // 2 // 4096 * 4096, size - 4096, 4096):
            file.seek(at)
            file.write(b"\xa5" * 4096)
    open_ledger(f"sqlite:///{path}").close()  # it would be noticed later
    with pytest.raises(LedgerError, match=r"(damaged|malformed).*Move it away"):
        look.look(f"sqlite:///{path}")


def test_damage_is_found_beside_a_daemon_too(path: Path) -> None:
    daemon = open_ledger(f"sqlite:///{path}")
    daemon.ping()
    look.look(f"sqlite:///{path}")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xa5" * (size // 4))
    with pytest.raises(LedgerError, match=r"(damaged|malformed).*Move it away"):
        look.look(f"sqlite:///{path}")
    daemon.close()


def test_a_large_ledger_is_looked_at_for_so_long_and_no_longer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "THOROUGH", 0.0)
    monkeypatch.setattr(look, "_STEPS", 1)
    look.look(f"sqlite:///{path}")


def test_a_locked_ledger_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "PATIENCE", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(LedgerUnavailable, match="locked"):
        look.look(f"sqlite:///{path}")
    assert time.monotonic() - started < 5
    other.execute("ROLLBACK")
    look.look(f"sqlite:///{path}")
    other.close()


def test_names_that_mean_something_in_a_uri_are_only_names(tmp_path: Path) -> None:
    path = tmp_path / "a#b%20c"
    path.write_bytes(b"not a database" * 100)
    url = sa.URL.create("sqlite", database=str(path)).render_as_string()
    with pytest.raises(LedgerError, match="not a database"):
        look.look(url)
