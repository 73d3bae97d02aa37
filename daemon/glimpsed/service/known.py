"""Of folders that no model serves now: which of the waiting files have an answer already, so that they need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from glimpsed.pipeline.costless import After, Costless

LOOK = 1.0  # seconds between two looks


class KnownAnswers:
    """Rows whose answer is kept; the dispatcher takes them from here."""

    def __init__(
        self, costless: Costless, unserved: Callable[[], Collection[str]], wake: Callable[[], None]
    ) -> None:
        self._costless = costless
        self._unserved = unserved
        self._wake = wake
        self._seen: dict[str, After] = {}  # by folder, how far its queue was looked through
        self._found: dict[int, str] = {}  # rows, and their folders
        self._taken: list[int] = []  # by the last round, which may not have claimed them yet

    def take(self, folders: Collection[str], most: int) -> list[int]:
        """At most so many of these folders; they are not given again."""
        some = [row for row, folder in self._found.items() if folder in folders][: max(0, most)]
        for row in some:
            del self._found[row]
        self._taken = some
        return some

    async def run(self) -> None:
        """Look through the queues until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> bool:
        """Once through what has come since; whether there are any that are not claimed."""
        names = set(self._unserved())
        self._seen = {name: after for name, after in self._seen.items() if name in names}
        self._found = {row: name for row, name in self._found.items() if name in names}
        for name in names:
            after: After | None = self._seen.get(name, (0.0, 0))
            while after is not None and name in self._unserved():
                self._seen[name] = after
                known, after = await self._costless.waiting(name, after)
                if known:
                    self._found |= dict.fromkeys(known, name)
                    self._wake()
        return bool(self._found or self._taken)
