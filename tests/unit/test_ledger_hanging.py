"""A server that takes what it is asked, and never answers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glimpsed.errors import LedgerUnavailable
from glimpsed.ledger import Books, Ledger, books, open_ledger
from ledger_fixtures import Postgres

pytestmark = pytest.mark.anyio


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


@pytest.fixture
def opened_books(postgres: Postgres) -> Iterator[Books]:
    postgres.wipe()
    assert postgres._process is not None
    found = Books(open_ledger(postgres.url))
    processes = family(postgres._process.pid)
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    yield found
    for pid in processes:
        os.kill(pid, signal.SIGCONT)


async def test_it_counts_as_away_and_holds_up_neither_a_heartbeat_nor_the_end(
    opened_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEARTBEAT", "HURRY"):
        monkeypatch.setattr(books, name, 0.3)
    opened_books._hangs = 0.3
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        await opened_books(Ledger.ping)
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        await opened_books.apart(Ledger.ping)
    assert await opened_books.maybe(Ledger.ping) is None
    began = time.monotonic()
    await opened_books.close()
    assert time.monotonic() - began < 30
