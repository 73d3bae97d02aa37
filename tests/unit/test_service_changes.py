"""What another process writes is heard at once; where it cannot be, nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from glimpsed.ledger import open_ledger
from glimpsed.service.changes import Writes

pytestmark = pytest.mark.anyio
LONG = 30.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_write_by_another_process_ends_the_wait_and_the_next_one_too(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/l.sqlite")
    write = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c: c.execute('DELETE FROM pauses')\n"
    write += (
        "with sqlite3.connect(sys.argv[1]) as c: c.execute(\"INSERT INTO pauses VALUES ('m','r',1,1,1)\")"
    )
    with contextlib.closing(ledger), contextlib.closing(Writes(ledger.log_file)) as writes:
        for _ in range(2):
            writes.arm()
            other = await asyncio.create_subprocess_exec(
                sys.executable, "-c", write, str(tmp_path / "l.sqlite")
            )
            began = time.monotonic()
            await writes.wait(LONG)
            assert time.monotonic() - began < LONG
            assert await other.wait() == 0


async def test_what_was_written_between_arming_and_waiting_counts_and_what_was_before_does_not(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1")
    with contextlib.closing(Writes(str(log))) as writes:
        log.write_bytes(b"2")
        writes.arm()
        waiting = asyncio.create_task(writes.wait(LONG))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        waiting.cancel()
        with log.open("r+b") as f:
            os.pwrite(f.fileno(), b"3", 0)
        began = time.monotonic()
        await writes.wait(LONG)
        assert time.monotonic() - began < LONG


@pytest.mark.parametrize("path", [None, "nowhere/log"])
async def test_where_the_kernel_cannot_tell_nobody_waits(path: str | None, tmp_path: Path) -> None:
    with contextlib.closing(Writes(None if path is None else str(tmp_path / path))) as writes:
        writes.arm()
        began = time.monotonic()
        await writes.wait(LONG)
        assert time.monotonic() - began < LONG


def test_the_log_file_is_the_one_that_sqlite_writes(tmp_path: Path) -> None:
    with contextlib.closing(open_ledger(f"sqlite:///{tmp_path}/l.sqlite")) as ledger:
        assert ledger.log_file is not None
        before = os.stat(ledger.log_file).st_mtime_ns
        with contextlib.closing(sqlite3.connect(tmp_path / "l.sqlite")) as c, c:
            c.execute("INSERT INTO pauses VALUES ('m', 'r', 1, 1, 1)")
        assert os.stat(ledger.log_file).st_mtime_ns != before
