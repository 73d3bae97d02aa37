"""Whether files that a model refused for good were at fault themselves.

Three in a row that are refused alike, with no answer of the model in between, are not three bad files (DESIGN 9). So
a file that is to fail waits as long as others of its model are on their way: one of them is answered, and it was its
own fault; two others are refused alike, and it was the model's; nothing comes, and it fails after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

ALIKE = 3  # files in a row
GRACE = 1.0  # seconds that others may take to come, at least

File = TypeVar("File")


@dataclass(frozen=True, slots=True)
class Verdict(Generic[File]):
    """`guilty`: the file's own fault. `alike`: with this one there are too many; those refused before it."""

    guilty: bool
    alike: tuple[File, ...] = ()


class Jury(Generic[File]):
    """One model's. `busy`: whether others than so many that wait here are on their way."""

    def __init__(self, busy: Callable[[int], bool]) -> None:
        self._busy = busy
        self._refused: dict[File, None] = {}  # in a row, alike
        self._likeness: frozenset[str] = frozenset()
        self._waiting: dict[asyncio.Future[bool], float] = {}  # until when at least

    def answered(self) -> None:
        """The model gave somebody an answer."""
        self._refused.clear()
        self._settle(guilty=True)

    def released(self) -> None:
        """The model pauses or stops: nobody is to blame."""
        self._settle(guilty=False)

    def look(self) -> None:
        """Somebody came to an end: whoever waits for nobody any more hears so."""
        if not self._waiting or self._busy(len(self._waiting)):
            return
        now = asyncio.get_running_loop().time()
        if now >= max(self._waiting.values()):
            self._settle(guilty=True)

    async def hear(self, file: File, likeness: frozenset[str]) -> Verdict[File]:
        """Whether this file, refused so, is to fail."""
        if self._likeness.isdisjoint(likeness):
            self._refused.clear()
        self._likeness = likeness
        self._refused[file] = None
        if len(self._refused) >= ALIKE:
            alike = tuple(other for other in self._refused if other != file)
            self._refused.clear()
            self._settle(guilty=False)
            return Verdict(guilty=False, alike=alike)
        if not self._busy(0):  # not even this one is counted: nobody hands out files here
            return Verdict(guilty=True)
        loop = asyncio.get_running_loop()
        waits: asyncio.Future[bool] = loop.create_future()
        self._waiting[waits] = loop.time() + GRACE
        timer = loop.call_later(GRACE + 0.01, self.look)
        try:
            return Verdict(guilty=await waits)
        finally:
            timer.cancel()
            self._waiting.pop(waits, None)

    def _settle(self, *, guilty: bool) -> None:
        for waits in list(self._waiting):
            if not waits.done():
                waits.set_result(guilty)
