"""How quickly files get through, from counts seen one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

WINDOW = 60.0  # seconds that a rate is taken over


class Speeds:
    """Files a minute, in all and by folder. Times are `now` of a clock that does not jump."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    def add(self, shot: Mapping[str, Any], now: float) -> None:
        """Take in the counts of this moment."""
        self._seen.append((now, {name: f["done"] + f["failed"] for name, f in shot["folders"].items()}))
        while self._seen[0][0] < now - WINDOW:
            self._seen.popleft()

    def of(self, folder: str) -> float:
        """How many files of a folder got through in a minute."""
        if not self._seen:
            return 0.0
        (start, before), (end, after) = self._seen[0], self._seen[-1]
        gain = after.get(folder, 0) - before.get(folder, 0)
        return max(0.0, gain * 60 / (end - start)) if end > start else 0.0

    def all(self) -> float:
        """How many files of all folders did."""
        return sum(map(self.of, self._seen[-1][1])) if self._seen else 0.0
