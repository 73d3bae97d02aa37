"""A clock that is set by hand."""

from __future__ import annotations

from glimpsed.clock import Clock


class Hand(Clock):
    """Stands still at `now`; so does the wall clock."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        super().__init__(lambda: self.now, lambda: self.now)
