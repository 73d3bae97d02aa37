"""The ledger's file keeps the content that was put into it, or that is noticed."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from glimpsed.clock import Clock
from glimpsed.errors import LedgerReplaced
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.model import FileKey, Offer, Version


def filled(file: Path, count: int = 50) -> Ledger:
    ledger = open_ledger(f"sqlite:///{file}")
    ledger.offer([Offer(FileKey("in", f"{n:0200}.png"), Version(1, 1)) for n in range(count)], 1)
    return ledger


def files(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as c:
        assert c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(c.execute("SELECT count(*) FROM files").fetchone()[0])


@pytest.mark.parametrize("what", ["an older copy", "another ledger", "another program's", "zeros", "text"])
def test_what_is_written_over_the_file_is_noticed_and_left_as_it_is(tmp_path: Path, what: str) -> None:
    file, other = tmp_path / "ledger.db", tmp_path / "other.db"
    ledger = filled(file)
    ledger.heartbeat(10)
    size = file.stat().st_size
    if what == "an older copy":
        shutil.copy(file, other)
    elif what == "another ledger":
        filled(other).close()
    elif what == "another program's":
        with contextlib.closing(sqlite3.connect(other, isolation_level=None)) as c:
            c.execute("CREATE TABLE glimpsed (name, value)")
            c.execute("INSERT INTO glimpsed VALUES ('clock', 'tick')")
    else:
        other.write_bytes((b"\0" if what == "zeros" else b"x") * size)
    ledger.heartbeat(20)
    ledger.offer([Offer(FileKey("in", f"new {n}.png"), Version(1, 1)) for n in range(50)], 1)
    content = other.read_bytes().ljust(file.stat().st_size, b"\0")
    file.write_bytes(content)
    inode = file.stat().st_ino
    with pytest.raises(LedgerReplaced, match="was overwritten"):
        ledger.heartbeat(30)
    ledger.offer([Offer(FileKey("in", f"in hand {n}.png"), Version(1, 1)) for n in range(50)], 1)
    ledger.close()
    assert (file.read_bytes(), file.stat().st_ino) == (content, inode)
    if what in {"an older copy", "another ledger"}:
        assert files(file) == 50


def test_a_smaller_copy_is_left_as_it_is_too(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = filled(file)
    ledger.heartbeat(10)
    content = file.read_bytes()
    ledger.offer([Offer(FileKey("in", f"new {n:0200}.png"), Version(1, 1)) for n in range(500)], 1)
    ledger.heartbeat(20)
    ledger.heartbeat(21)
    file.write_bytes(content)
    with pytest.raises(LedgerReplaced, match=r"was (cut off|overwritten)"):
        ledger.heartbeat(30)
    ledger.close()
    assert file.read_bytes() == content
    assert files(file) == 50


def test_one_that_is_stopped_before_its_next_heartbeat_leaves_a_copy_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = filled(file)
    ledger.heartbeat(10)
    content = file.read_bytes()
    ledger.heartbeat(20)
    ledger.offer([Offer(FileKey("in", f"new {n}.png"), Version(1, 1)) for n in range(50)], 1)
    file.write_bytes(content.ljust(file.stat().st_size, b"\0"))
    ledger.close()
    assert file.read_bytes()[: len(content)] == content


def test_what_others_put_into_the_file_is_no_trouble_nor_is_a_vacuum_or_a_log_that_waits(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.db"
    ledger = filled(file)
    ledger.heartbeat(10)
    other = open_ledger(f"sqlite:///{file}", owner="elsewhere:1:1", clock=Clock())
    for now in (20, 30):
        other.heartbeat(now)
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as administrator:
            administrator.execute("BEGIN")  # the log cannot be put down while somebody reads
            administrator.execute("SELECT count(*) FROM files").fetchone()
            other.heartbeat(now + 1)
            ledger.heartbeat(now + 2)
            other.heartbeat(now + 3)
        with contextlib.closing(sqlite3.connect(file)) as administrator:
            administrator.execute("VACUUM")
        ledger.heartbeat(now + 4)
    ledger.close()
    other.close()
    assert files(file) == 50
    assert not Path(f"{file}-wal").exists()


def test_a_ledger_that_another_one_took_the_place_of_leaves_that_ones_log_alone(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = filled(file)
    ledger.heartbeat(10)
    for part in tmp_path.glob("ledger.db*"):
        part.rename(tmp_path / f"away-{part.name}")
    new = filled(file, 3)
    log = Path(f"{file}-wal").read_bytes()
    assert log
    with pytest.raises(LedgerReplaced, match="is another file now"):
        ledger.heartbeat(20)
    ledger.close()
    assert Path(f"{file}-wal").read_bytes() == log
    new.close()
    assert files(file) == 3
