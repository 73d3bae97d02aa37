"""Requests that look for a connection, and are let go when the daemon stops: nobody has heard of them yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import httpx


class Connecting:
    """Who is looking for a connection now."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()
        self.ended = False  # nobody gets one any more

    @contextlib.asynccontextmanager
    async def limit(self, seconds: float | None) -> AsyncIterator[Callable[[], None]]:
        """While it is looked for; what is given is called once it is found, after which no limit holds.

        Raises `httpx.ConnectTimeout` after so many seconds, and at once from the moment of `end`.
        """
        if self.ended:
            raise httpx.ConnectTimeout("no more connections")
        limit = asyncio.timeout(seconds)

        def found() -> None:
            self._limits.discard(limit)
            if not limit.expired():
                limit.reschedule(None)

        self._limits.add(limit)
        try:
            async with limit:
                yield found
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        finally:
            self._limits.discard(limit)

    def end(self) -> None:
        """What has no connection yet gets none, now or later."""
        self.ended = True
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now)
