"""Second readings in hand at a stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from glimpsed.clock import Clock
from glimpsed.ledger import Ledger
from glimpsed.service import verifying
from glimpsed.service.verifying import LEASE, Verifying

pytestmark = pytest.mark.anyio


class Renewals:
    """The calls that `Books` would make."""

    def __init__(self) -> None:
        self.of: list[list[int]] = []
        self.clock = Clock()
        self.twice = asyncio.Event()

    async def maybe(self, call: Any, numbers: list[int], _now: float, lease: float) -> None:
        assert (call, lease) == (Ledger.renew_readings, LEASE)
        self.of.append(numbers)
        if len(self.of) > 1:
            self.twice.set()


async def test_a_stop_that_takes_longer_than_a_lease_keeps_what_is_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another daemon on the ledger would read it as well, and pay for it."""
    monkeypatch.setattr(verifying, "LOOK", 0.001)
    books: Any = Renewals()
    nothing: Any = None
    desk = Verifying(books, nothing, nothing, nothing, over=nothing)
    desk._hands.start((7, 1), books.twice.wait(), "reading")
    await desk.drain(20)
    assert books.of[0] == [7]
    assert desk.in_hand == 0
    count = len(books.of)
    await asyncio.sleep(0.01)
    assert len(books.of) == count
