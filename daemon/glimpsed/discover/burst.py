"""Arrivals that are too many at once to be paid for unasked: counted over a minute, by elapsed time."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from glimpsed.model import FileKey

SPAN = 60.0  # seconds


@dataclass(slots=True)
class Burst:
    """What came to one folder within the last minute; `now` is elapsed seconds."""

    on: bool = False  # they wait for `approve`, and what comes with them does, too
    _most: int = 0
    _came: deque[tuple[float, FileKey]] = field(default_factory=deque)

    def room(self, most: int, now: float) -> int:
        """How many more may come without a question."""
        self._most = most
        while self._came and self._came[0][0] <= now - SPAN:
            self._came.popleft()
        self._count()
        return most - len(self._came)

    def came(self, keys: Iterable[FileKey], most: int, now: float) -> None:
        """These came."""
        self._most = most
        self._came += [(now, key) for key in keys]
        self._count()

    def free(self, keys: Collection[FileKey]) -> None:
        """These turned out to cost nothing: they do not count."""
        if self._came:
            self._came = deque(one for one in self._came if one[1] not in keys)
            self._count()

    def _count(self) -> None:
        self.on = len(self._came) > self._most

    def approved(self) -> None:
        """Somebody has answered the question: what comes from now on is counted anew."""
        self._came.clear()
        self.on = False

    @property
    def keys(self) -> list[FileKey]:
        """What came before the question had to be asked; once it is, they are held already."""
        return [] if self.on else [key for _, key in self._came]
