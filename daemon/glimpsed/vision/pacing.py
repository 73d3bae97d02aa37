"""How fast, and whether at all, a model is asked: slots, rates, back-off, breaker.

`Pacing` is arithmetic over times that are handed in; only `slot` waits. One for each model entry:

- `concurrency` requests in flight at most; an overload (429, 503, 529) halves that, successes win it back;
- `requests_per_minute` and `tokens_per_minute` hold in any 60 s; tokens are an estimate until the reply says;
- a pause: at once for a 'pause' verdict, after 5 transport failures in a row, after 5 server errors in a
  row over more than one file. It is probed with one request, after 1 minute, then 2, 4, 8, every 15.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from glimpsed import blocking, metrics
from glimpsed.clock import elapsed
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict, VisionError

WINDOW = 60.1  # seconds; a minute, and a little for what the way to the API adds
IN_A_ROW = 5  # failures that open the breaker
FIRST_PROBE, LAST_PROBE = 60.0, 900.0  # seconds
LONGEST_HOLD = 60.0  # seconds that one Retry-After holds every request of the model back


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a model is not asked, and until when. `probe`: whether a request may find out that it is over."""

    reason: str
    since: float
    until: float  # the next probe, or the end
    probe: bool = True
    wait: float = FIRST_PROBE  # seconds between `until` and the probe before it
    file: str | None = None  # the only file whose requests failed: it may be the file's fault

    @property
    def next_probe(self) -> float | None:
        """When the model is asked again to see."""
        return self.until if self.probe else None


@dataclass(slots=True)
class Ticket:
    """One request in flight."""

    started: float
    tokens: int
    file: str  # which job it is for
    probe: bool
    verdict: Verdict | None = None  # what came of it; None: an answer
    used: int | None = None  # tokens as reported
    heard: bool = False  # anything came of it at all (not cancelled)
    proof: bool = True  # whether a reply that is no failure proves that the model can be asked again


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request that waits for its place."""

    tokens: int
    file: str
    clock: Callable[[], float]
    ticket: asyncio.Future[Ticket]


class Others(Protocol):
    """Who else asks this model: the rates hold for all daemons on one ledger together."""

    async def wait(self, tokens: int) -> float:
        """Seconds until another request fits into the minute; 0: it does, and is counted."""

    def correct(self, tokens: int, started: float) -> None:
        """The request that started then took so many tokens more than it was counted with."""


class Pacing:
    """The pace of one model entry."""

    def __init__(self, entry: ModelEntry, on_change: Callable[[Pause | None], None] | None = None) -> None:
        self.name = entry.name
        self.on_change = on_change
        self.concurrency = entry.concurrency
        self.limit = float(entry.concurrency)  # slots in use at most, now
        self.in_flight = 0
        self.in_hand = 0  # jobs claimed and not answered yet: counted by the dispatcher
        self.finishing = 0  # jobs whose answer is kept and not written yet: they still hold their images
        self.prefetch = max(2, entry.concurrency // 2)  # jobs that are read and prepared meanwhile
        self.lot = self.prefetch // 2  # as long as the others wait for a slot, less is not worth a claim
        self._requests_per_minute = entry.requests_per_minute
        self._tokens_per_minute = entry.tokens_per_minute
        self.others: Others | None = None
        self._started: deque[Ticket] = deque()  # within the last WINDOW, if there is a rate to keep
        self._hold = 0.0  # no request before
        self._halved = 0.0  # when the limit was halved last
        self._pause: Pause | None = None
        self._probing = False
        self._closed = False
        self._transport = 0  # failures in a row
        self._server: deque[str] = deque(maxlen=IN_A_ROW)  # files of the server errors in a row
        self._queue: deque[Waiter] = deque()  # for a place
        self._timer: asyncio.TimerHandle | None = None  # when the first of them may have one
        # Where other daemons share the rates: one at a time asks for room in them.
        self._door = asyncio.Lock()
        self._changed = asyncio.Event()

    # --- for the pipeline ---

    def room(self, now: float) -> int:
        """How many jobs may be claimed now."""
        pause = self.paused_at(now)
        if pause is not None:
            return 1 if self._may_probe(now) and self.in_hand == 0 else 0
        if self._held(now) or self.finishing >= self.prefetch:
            return 0
        room = int(self.limit) + self.prefetch - self.in_hand
        return room if room >= self.lot else 0

    def take(self, jobs: int = 1) -> None:
        """So many jobs were claimed."""
        self.in_hand += jobs

    def give_back(self, jobs: int = 1) -> None:
        """So many jobs came to their end without an answer."""
        self.in_hand = max(0, self.in_hand - jobs)

    def answered(self, jobs: int = 1) -> None:
        """So many jobs need the model no more: their answers are kept, and still to be written."""
        self.give_back(jobs)
        self.finishing += jobs

    def written(self, jobs: int = 1) -> None:
        """So many that were `answered` came to their end."""
        self.finishing -= jobs

    def ready_at(self, now: float) -> float:
        """When `room` may be more than nothing for time alone: the end of a hold, a pause's next probe."""
        pause = self.paused_at(now)
        return pause.until if pause is not None else now + self._held(now)

    # --- pausing ---

    @property
    def paused(self) -> Pause | None:
        """The pause in force."""
        return self._pause

    def paused_at(self, now: float) -> Pause | None:
        """The pause in force; one without probes ends by itself."""
        if self._pause is not None and not self._pause.probe and now >= self._pause.until:
            self.resume()
        return self._pause

    def pause(self, reason: str, now: float, *, until: float | None = None, probe: bool = True) -> None:
        """Send nothing more. `until` is the first probe, or, without probes (a budget), the end."""
        until = now + FIRST_PROBE if until is None else until
        self._set(Pause(reason, now, until, probe))

    def resume(self) -> None:
        """Lift the pause: a probe was answered, the config changed, another host got through."""
        self._transport = 0
        self._server.clear()
        self._hold = 0.0
        self._set(None)

    def close(self) -> None:
        """The daemon stops: what is in flight may finish, what waits for its turn goes back."""
        self._closed = True
        self._admit()

    # --- one request ---

    @contextlib.asynccontextmanager
    async def slot(
        self, tokens: int = 0, file: str = "", clock: Callable[[], float] = elapsed
    ) -> AsyncIterator[Ticket]:
        """A place in flight. The caller notes in the ticket what came of the request.

        Raises VisionError (pause) when the model is paused, also while waiting.
        """
        ticket = await self._admitted(tokens, file, clock)
        try:
            yield ticket
        finally:
            self.finish(ticket, clock())
            if ticket.heard:
                metrics.request(self.name, ticket.verdict.kind if ticket.verdict else "ok")

    async def _admitted(self, tokens: int, file: str, clock: Callable[[], float]) -> Ticket:
        """First come, first served. A place that becomes free is handed to whoever has waited longest.

        Handed, not fought for: of 64 replies that come at once, each has its place taken before the next is read.
        """
        if self._rated and self.others is not None:
            return await self._admitted_among(self.others, tokens, file, clock)
        ticket: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._queue.append(Waiter(tokens, file, clock, ticket))
        self._admit()
        try:
            return await ticket
        except asyncio.CancelledError:
            if not ticket.cancelled() and ticket.exception() is None:  # handed over at the same moment
                self.finish(ticket.result(), clock())
            raise

    async def _admitted_among(
        self, others: Others, tokens: int, file: str, clock: Callable[[], float]
    ) -> Ticket:
        """When there is a place here, and room in the rates that other daemons share."""
        async with self._door:
            counted = False
            while True:
                seconds = self.wait(clock(), tokens)
                if seconds == 0 and counted:
                    return self.start(clock(), tokens, file)
                if seconds == 0:
                    seconds = await others.wait(tokens)
                    counted = seconds == 0
                if seconds:  # else once more: a pause may have begun while the others were asked
                    self._changed.clear()
                    await blocking.wait(self._changed, None if seconds == math.inf else seconds)

    def _admit(self) -> None:
        """Something changed: let in whoever can be let in now."""
        self._changed.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            waiter = self._queue.popleft()  # before `wait`, which may end a pause, and so come here again
            if waiter.ticket.done():  # cancelled
                continue
            now = waiter.clock()
            try:
                seconds = self.wait(now, waiter.tokens)
            except Exception as e:  # noqa: BLE001 - a pause, or a bug: else this one would wait for ever
                waiter.ticket.set_exception(e)
                continue
            if seconds == 0:
                waiter.ticket.set_result(self.start(now, waiter.tokens, waiter.file))
                continue
            self._queue.appendleft(waiter)
            if seconds < math.inf:  # else until another request ends
                self._timer = asyncio.get_running_loop().call_later(seconds, self._admit)
            return

    @property
    def _rated(self) -> bool:
        return bool(self._requests_per_minute or self._tokens_per_minute)

    def wait(self, now: float, tokens: int = 0) -> float:
        """Seconds until a request may start: 0 at once, infinity until another one ends."""
        if self._closed:
            raise VisionError(Verdict("pause", "stopping"), requests=0)
        pause = self.paused_at(now)
        if pause is not None:
            if self._may_probe(now):
                return 0.0
            raise VisionError(Verdict("pause", pause.reason), requests=0)
        if self.in_flight >= int(self.limit):
            return math.inf
        return max(self._held(now), self._rate_wait(now, tokens))

    def _held(self, now: float) -> float:
        """Seconds that the hold goes on; one longer than there are is from before the clock was set back."""
        left = self._hold - now
        return left if 0 < left <= LONGEST_HOLD + 1 else 0.0

    def start(self, now: float, tokens: int = 0, file: str = "") -> Ticket:
        """A request leaves; only after `wait` said 0."""
        ticket = Ticket(now, tokens, file, probe=self._pause is not None)
        self._probing = self._probing or ticket.probe
        self.in_flight += 1
        if self._rated:
            self._started.append(ticket)
        return ticket

    def finish(self, ticket: Ticket, now: float) -> None:
        """A request came to its end, whatever that was."""
        self.in_flight -= 1
        if ticket.probe:
            self._probing = False
        if ticket.used is not None:
            if self._rated and self.others is not None:
                self.others.correct(ticket.used - ticket.tokens, ticket.started)
            ticket.tokens = ticket.used
        if ticket.heard:
            self._learn(ticket, now)
        self._admit()

    def _learn(self, ticket: Ticket, now: float) -> None:
        verdict = ticket.verdict
        if verdict is None:
            self.limit = min(float(self.concurrency), self.limit + 1 / self.limit)
        elif verdict.kind == "retry" and not verdict.transport:
            self._slow_down(ticket, verdict, now)
        reason = self._breaks(ticket, verdict)
        if reason is not None:
            self._trip(reason, ticket, verdict, now)
        elif ticket.probe and ticket.proof and self._pause is not None and self._pause.probe:
            self.resume()  # somebody is there; a reply to an older request would not prove it

    def _slow_down(self, ticket: Ticket, verdict: Verdict, now: float) -> None:
        if verdict.overload and ticket.started >= self._halved:  # once for all that were in flight together
            self.limit = max(1.0, self.limit / 2)
            self._halved = now
        if verdict.overload and verdict.retry_after:
            self._hold = max(self._hold, now + min(verdict.retry_after, LONGEST_HOLD))

    def _breaks(self, ticket: Ticket, verdict: Verdict | None) -> str | None:
        """The reason to pause that this reply gives, alone or with those before it."""
        failed = verdict is not None and (verdict.transport or verdict.server)
        self._transport = self._transport + 1 if verdict is not None and verdict.transport else 0
        if verdict is not None and verdict.server:
            self._server.append(ticket.file)
        elif not failed:
            self._server.clear()
        if verdict is None:
            return None
        if verdict.kind == "pause" or (ticket.probe and failed):
            return verdict.reason
        if self._transport >= IN_A_ROW:
            return f"{IN_A_ROW} failures in a row; the last: {verdict.reason}"
        if len(self._server) >= IN_A_ROW and len(set(self._server)) > 1:
            return f"{IN_A_ROW} server errors in a row; the last: {verdict.reason}"
        return None

    def _trip(self, reason: str, ticket: Ticket, verdict: Verdict | None, now: float) -> None:
        asked = (verdict.retry_after or 0.0) if verdict is not None else 0.0
        old = self._pause
        if old is None:
            alone = ticket.file if set(self._server) == {ticket.file} else None
            self._set(Pause(reason, now, now + max(FIRST_PROBE, min(asked, LAST_PROBE)), file=alone))
        elif old.probe and ticket.probe:
            wait = min(old.wait * 2, LAST_PROBE)
            alone = old.file if old.file == ticket.file else None
            self._set(replace(old, until=now + max(wait, min(asked, LAST_PROBE)), wait=wait, file=alone))

    def _may_probe(self, now: float) -> bool:
        return (
            self._pause is not None and self._pause.probe and now >= self._pause.until and not self._probing
        )

    def _set(self, pause: Pause | None) -> None:
        if pause == self._pause:
            return
        before, self._pause = self._pause, pause
        self._admit()
        if self.on_change is not None and (before is None or pause is None or before.reason != pause.reason):
            self.on_change(pause)

    def _rate_wait(self, now: float, tokens: int) -> float:
        """Seconds until both rates have room; what is from the future (the clock was set back) is forgotten."""
        started = self._started
        while started and not now - WINDOW < started[0].started <= now:
            started.popleft()
        wait = 0.0
        if self._requests_per_minute and len(started) >= self._requests_per_minute:
            wait = started[len(started) - self._requests_per_minute].started + WINDOW - now
        if self._tokens_per_minute and started:
            wait = max(wait, self._token_wait(now, sum(t.tokens for t in started) + tokens))
        return wait

    def _token_wait(self, now: float, total: int) -> float:
        """Until enough of the window's tokens are a minute old; a request larger than the rate goes alone."""
        assert self._tokens_per_minute is not None
        wait = 0.0
        for ticket in self._started:
            if total <= self._tokens_per_minute:
                break
            total -= ticket.tokens
            wait = ticket.started + WINDOW - now
        return wait
