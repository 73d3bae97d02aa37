"""How many bytes of files are in memory at a time: who puts them into a folder decides how large they are, and how many.

A file is held from when it is read until its sidecars are written, and a copy of it while a child process has it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

AT_ONCE = 512 << 20  # bytes of all files; one that is larger has them alone


class Room:
    """Bytes that may be held at once. Whoever comes first has its turn first, however much it needs."""

    def __init__(self, most: int = AT_ONCE) -> None:
        self._most = most
        self._free = most
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Wait until there is room for so many bytes, and have it for as long as the block lasts."""
        size = min(size, self._most)
        if size > self._free or self._turn.locked():
            async with self._turn:
                while size > self._free:
                    self._freed.clear()
                    await self._freed.wait()
                self._free -= size
        else:
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._freed.set()
