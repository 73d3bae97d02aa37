"""Somebody copies a backup over the ledger's file, or something else, while the daemon works with it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway
from pictures import drop, picture

CONFIG = """
state: sqlite:///{home}/ledger.db
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {home}/inbox, settle: 20ms}}
log: {{target: json}}
"""


def backup(ledger: Path, to: Path) -> None:
    """As `sqlite3 ledger.db ".backup …"` makes it."""
    with contextlib.closing(sqlite3.connect(ledger)) as c, contextlib.closing(sqlite3.connect(to)) as copy:
        c.backup(copy)


def vacuumed(ledger: Path, to: Path) -> None:
    with contextlib.closing(sqlite3.connect(ledger)) as c:
        c.execute("VACUUM INTO ?", (str(to),))


def put_down(ledger: Path) -> float:
    """The time of the last heartbeat in the file itself, whatever its log says."""
    with contextlib.closing(sqlite3.connect(f"file://{ledger}?immutable=1", uri=True)) as c:
        return float(
            json.loads(c.execute("SELECT value FROM glimpsed WHERE name = 'clock'").fetchone()[0])[0]
        )


@pytest.mark.parametrize(
    ("how", "stop"),
    [(backup, False), (vacuumed, False), (vacuumed, True)],
    ids=["backup", "vacuumed", "stopped"],
)
def test_a_backup_that_is_copied_over_the_ledger_is_what_the_next_start_finds(
    tmp_path: Path, how: Callable[[Path, Path], None], stop: bool
) -> None:
    (inbox := tmp_path / "inbox").mkdir()
    ledger, old = tmp_path / "ledger.db", tmp_path / "old.db"
    with Gateway() as gateway:
        daemon = Daemon(CONFIG.format(home=tmp_path, url=gateway.base_url), tmp_path)
        with daemon:
            for number in range(20):
                drop(inbox, f"{number}.png", picture(seed=number))
            daemon.wait_event("file.done", count=20)
            how(ledger, old)
            for number in range(20, 40):
                drop(inbox, f"{number}.png", picture(seed=number))
            daemon.wait_event("file.done", count=40)
            wait_until(lambda: put_down(ledger) > put_down(old), "no heartbeat")
            os.truncate(old, max(old.stat().st_size, ledger.stat().st_size))  # so that its size tells nothing
            seen = len(daemon.seen("ledger.unavailable"))
            shutil.copyfile(old, ledger)
            if stop:
                assert daemon.stop() == 0
            else:
                told = daemon.wait_event("ledger.unavailable", count=seen + 1)
                assert "overwritten" in told["reason"] or "cut off" in told["reason"]
                assert daemon.process.wait(60) == 69
        with contextlib.closing(sqlite3.connect(ledger)) as c:
            assert c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert c.execute("SELECT count(*) FROM files WHERE state = 'done'").fetchone() == (20,)
        with daemon:
            daemon.wait_event("scan.finished")
            drop(inbox, "new.png", picture(seed=99))
            daemon.wait_event("file.done", file="new.png")
            found = json.loads(glimpsed("status", "--json", "-c", daemon.config, home=tmp_path).stdout)
            assert found["folders"]["inbox"]["done"] == 41
            assert daemon.stop() == 0
        assert len(gateway.requests) == 41
