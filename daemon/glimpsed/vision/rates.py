"""Requests and tokens in any minute: how long the next request has to wait for both rates. Pure."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from glimpsed.config.schema import ModelEntry

WINDOW = 60.1  # seconds; a minute, and a little for what the way to the API adds


class Started(Protocol):
    """A request that left; its tokens are an estimate until the reply says."""

    started: float
    tokens: int


class OtherDaemons(Protocol):
    """Who else asks this model: the rates hold for all daemons on one ledger together."""

    async def wait(self, tokens: int) -> float:
        """Seconds until another request fits into the minute; 0: it does, and is counted."""

    def correct(self, tokens: int, started: float) -> None:
        """The request that started then took so many tokens more than it was counted with."""


class Rates:
    """What left within the last minute, where there is a rate to keep."""

    def __init__(self, entry: ModelEntry) -> None:
        self._requests = entry.requests_per_minute
        self._tokens = entry.tokens_per_minute
        self._left: deque[Started] = deque()

    def __bool__(self) -> bool:
        """Whether there is a rate to keep."""
        return bool(self._requests or self._tokens)

    def add(self, request: Started) -> None:
        """A request leaves."""
        if self:
            self._left.append(request)

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until both rates have room; what is from the future (the clock was set back) is forgotten."""
        left = self._left
        while left and not now - WINDOW < left[0].started <= now:
            left.popleft()
        wait = 0.0
        if self._requests and len(left) >= self._requests:
            wait = left[len(left) - self._requests].started + WINDOW - now
        if self._tokens and left:
            wait = max(wait, self._token_wait(now, self._tokens, sum(r.tokens for r in left) + tokens))
        return wait

    def _token_wait(self, now: float, most: int, total: int) -> float:
        """Until enough of the window's tokens are a minute old; a request larger than the rate goes alone."""
        wait = 0.0
        for request in self._left:
            if total <= most:
                break
            total -= request.tokens
            wait = request.started + WINDOW - now
        return wait
