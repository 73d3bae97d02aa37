"""A server that takes what it is asked, and never answers."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from glimpsed.errors import LedgerUnavailable
from glimpsed.ledger import Books, Ledger, books, open_ledger
from ledger_fixtures import Postgres

pytestmark = pytest.mark.anyio


@pytest.fixture
def opened_books(postgres: Postgres) -> Iterator[Books]:
    postgres.wipe()
    before = set(threading.enumerate())
    found = Books(open_ledger(postgres.url))
    with postgres.silent():
        yield found
    # Those who were waiting come back with connections of a pool that was given up meanwhile.
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    del found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def test_it_counts_as_away_and_holds_up_neither_a_heartbeat_nor_the_end(
    opened_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEARTBEAT", "HANGS", "HURRY"):
        monkeypatch.setattr(books, name, 0.3)
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        await opened_books(Ledger.ping)
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        await opened_books.apart(Ledger.ping)
    assert await opened_books.maybe(Ledger.ping) is None
    began = time.monotonic()
    await opened_books.close()
    assert time.monotonic() - began < 30
