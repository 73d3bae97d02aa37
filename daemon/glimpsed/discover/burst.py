"""Arrivals that are too many at once to be paid for unasked: counted over a minute, by elapsed time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from glimpsed.model import FileKey

SPAN = 60.0  # seconds


@dataclass(slots=True)
class Burst:
    """What came to one folder within the last minute; `now` is elapsed seconds."""

    on: bool = False  # they wait for `approve`, and what comes with them does, too
    _came: deque[tuple[float, FileKey]] = field(default_factory=deque)

    def room(self, most: int, now: float) -> int:
        """How many more may come without a question."""
        while self._came and self._came[0][0] <= now - SPAN:
            self._came.popleft()
        self.on = len(self._came) > most
        return most - len(self._came)

    def came(self, keys: Iterable[FileKey], most: int, now: float) -> None:
        """These came."""
        self._came += [(now, key) for key in keys]
        self.on = len(self._came) > most

    def approved(self) -> None:
        """Somebody has answered the question: what comes from now on is counted anew."""
        self._came.clear()
        self.on = False

    @property
    def keys(self) -> list[FileKey]:
        """What came before the question had to be asked; once it is, they are held already."""
        return [] if self.on else [key for _, key in self._came]
