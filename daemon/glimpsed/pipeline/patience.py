"""Ledger calls that wait for the database: what was paid for is not dropped because it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from glimpsed.blocking import Blocking
from glimpsed.errors import LedgerUnavailable

P = ParamSpec("P")
T = TypeVar("T")

AGAIN = 1.0  # seconds between two tries


class Patient:
    """`Blocking`, for calls that may as well be made a few minutes later, or twice."""

    def __init__(self, db: Blocking) -> None:
        self._db = db

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the call, again and again while the database is away.

        Nothing is logged: the dispatcher, which asks the ledger all the time, tells that it is away.
        """
        while True:
            try:
                return await self._db.run(call, *args, **kwargs)
            except LedgerUnavailable:
                await asyncio.sleep(AGAIN)
