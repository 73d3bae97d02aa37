"""How fast, and whether at all, a model is asked: slots, rates, back-off, breaker.

`Pacing` is arithmetic over times that are handed in; only `slot` waits. One for each model entry:

- `concurrency` requests in flight at most; an overload (429, 503, 529) halves that, time-outs bring it down to what
  was answered in that time, successes win it back;
- `requests_per_minute` and `tokens_per_minute` hold in any 60 s; tokens are an estimate until the reply says;
- a pause: at once for a 'pause' verdict, after 5 transport failures in a row, after 5 server errors in a
  row over more than one file, after 3 files that were refused alike or got nothing, when a rate's refusals go on for
  longer than any minute, or a wait is asked for that is longer than one. It is probed with one request, of another file
  than the last that failed, after 1 minute, then 2, 4, 8, every 15; where that may be those files' own fault at once, and
  where they got nothing again after 1 second, rising to a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from glimpsed import blocking, metrics
from glimpsed.clock import elapsed
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict, VisionError
from glimpsed.vision.breaker import SILENT, Breaker
from glimpsed.vision.jury import Jury
from glimpsed.vision.pause import FIRST_PROBE, Pause, begun, begun_alike, begun_silently, reason_to_pause
from glimpsed.vision.rates import OtherDaemons, Rates
from glimpsed.vision.slots import Slots, Ticket, Waiter

ASK_AGAIN = 0.5  # seconds until a request that may be another daemon's by now looks again whether it is


class Pacing:
    """The pace of one model entry."""

    def __init__(self, entry: ModelEntry, on_change: Callable[[Pause | None], None] | None = None) -> None:
        self.name = entry.name
        self.on_change = on_change  # a pause begins or ends
        self.on_wait: Callable[[Pause], None] | None = None  # it goes on, to be probed at another time
        self.unsure: Callable[[], bool] = lambda: False  # whether what waits may be another daemon's by now
        self.slots = Slots(entry.concurrency)
        self.in_flight = 0
        self.in_hand = 0  # jobs claimed and not answered yet: counted by the dispatcher
        self.finishing = 0  # jobs whose answer is kept and not written yet: they still hold their images
        self.prefetch = max(2, entry.concurrency // 2)  # jobs that are read and prepared meanwhile
        self.lot = self.prefetch // 2  # as long as the others wait for a slot, less is not worth a claim
        self.sparing = (
            False  # there is a budget: who waits for a slot would still be asked about when it is used up
        )
        # … who was claimed for another model waits for this.
        self.paying = asyncio.Semaphore(entry.concurrency)
        self._rates = Rates(entry)
        self.others: OtherDaemons | None = None
        self._pause: Pause | None = None
        self._probing = False
        self._closed = False
        self._breaker = Breaker()
        self.jury = Jury(lambda waiting: self.in_hand > waiting)
        self._queue: deque[Waiter] = deque()  # for a place
        self._timer: asyncio.TimerHandle | None = None  # when the first of them may have one
        # Where other daemons share the rates: one at a time asks for room in them.
        self.closed: Callable[[], None] = lambda: None  # told of the stop
        self._door = asyncio.Lock()
        self._changed = asyncio.Event()

    # --- for the pipeline ---

    def room(self, now: float) -> int:
        """How many jobs may be claimed now."""
        pause = self.paused_at(now)
        if pause is not None:
            return 1 if self._may_probe(now) and self.in_hand == 0 else 0
        if self.slots.held(now) or self.finishing >= self.prefetch:
            return 0
        if self.sparing:
            return max(0, int(self.slots.limit) - self.in_hand)
        room = int(self.slots.limit) + self.prefetch - self.in_hand
        return room if room >= self.lot else 0

    def take(self, jobs: int = 1) -> None:
        """So many jobs were claimed."""
        self.in_hand += jobs

    def give_back(self, jobs: int = 1) -> None:
        """So many jobs came to their end without an answer."""
        self.in_hand = max(0, self.in_hand - jobs)
        self.jury.look()

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
        if pause is None:
            return now + self.slots.held(now)
        return pause.until if pause.until > now else pause.own_probe

    def may_probe(self, file: str, now: float) -> bool:
        """Whether a request for this file may find out that the pause is over, with no other to do so."""
        pause = self._pause
        return pause is None or not pause.knows(file) or now >= pause.own_probe

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

    def pause_alike(
        self, reason: str, file: str, alike: frozenset[str], now: float, *, doubted: bool = False
    ) -> None:
        """Files were refused alike, this one the last. `doubted`: that was such files' own fault lately."""
        self._set(begun_alike(reason, file, alike, now, doubted=doubted))

    def probe_now(self, now: float) -> None:
        """Somebody asks to look whether it is over, now."""
        if self._pause is not None and self._pause.probe:
            self._set(replace(self._pause, until=now, own_probe=now))

    def resume(self) -> None:
        """Lift the pause: a probe was answered, the config changed, another host got through."""
        self._breaker.clear()
        self.slots.release()
        self._set(None)

    def close(self) -> None:
        """The daemon stops: what is in flight may finish, what waits for its turn goes back."""
        self._closed = True
        self.closed()
        self.jury.released()
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
        if self._rates and self.others is not None:
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
        self, others: OtherDaemons, tokens: int, file: str, clock: Callable[[], float]
    ) -> Ticket:
        """When there is a place here, and room in the rates that other daemons share."""
        async with self._door:
            counted = False
            while True:
                seconds = self.wait(clock(), tokens, file)
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
                seconds = self.wait(now, waiter.tokens, waiter.file)
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

    def wait(self, now: float, tokens: int = 0, file: str = "") -> float:
        """Seconds until a request may start: 0 at once, infinity until another one ends."""
        if self._closed:
            raise VisionError(Verdict("pause", "stopping"), requests=0)
        pause = self.paused_at(now)
        if pause is not None:
            if self._may_probe(now) and self.may_probe(file, now):
                return 0.0
            raise VisionError(Verdict("pause", pause.reason), requests=0)
        if self.in_flight >= int(self.slots.limit):
            return math.inf
        if self.unsure():
            return ASK_AGAIN
        return max(self.slots.held(now), self._rates.wait(now, tokens))

    def start(self, now: float, tokens: int = 0, file: str = "") -> Ticket:
        """A request leaves; only after `wait` said 0."""
        ticket = Ticket(now, tokens, file, probe=self._pause is not None, answers=self._breaker.answers)
        self._probing = self._probing or ticket.probe
        self.in_flight += 1
        self._rates.add(ticket)
        return ticket

    def finish(self, ticket: Ticket, now: float) -> None:
        """A request came to its end, whatever that was."""
        self.in_flight -= 1
        if ticket.probe:
            self._probing = False
        if ticket.used is not None:
            if self._rates and self.others is not None:
                self.others.correct(ticket.used - ticket.tokens, ticket.started)
            ticket.tokens = ticket.used
        if ticket.heard:
            self._learn(ticket, now)
        self._admit()

    @property
    def answers(self) -> int:
        """How many the model gave so far."""
        return self._breaker.answers

    def is_blank(self, file: str) -> bool:
        """Whether replies with nothing in them are this file's own matter, since others were answered meanwhile."""
        return self._breaker.is_blank(file)

    def at_fault(self, ticket: Ticket, verdict: Verdict, now: float) -> bool:
        """Whether this refusal is the file's own fault, since others are answered."""
        return self._breaker.at_fault(ticket.file, verdict, ticket.answers, now)

    def _learn(self, ticket: Ticket, now: float) -> None:
        verdict, pause = ticket.verdict, self._pause
        if ticket.nothing:
            self._got_nothing(ticket, now)
            return
        reason = None
        if verdict is None:
            self._got_answer(ticket, now)
            if pause is not None and pause.doubtful and ticket.file != pause.file:
                self.resume()  # also one that was on its way: it was that file's fault
                return
        else:
            if verdict.kind == "retry" and (verdict.slow or not verdict.transport):
                self.slots.slow_down(ticket.started, verdict, now)
            in_a_row = self._breaker.failed(ticket.file, verdict, ticket.started, now)
            reason = reason_to_pause(pause, ticket, verdict, in_a_row)
        if verdict is not None and reason is not None:
            self._trip(reason, ticket, verdict, now)
        elif ticket.probe and ticket.proof and pause is not None and pause.probe:
            self.resume()  # somebody is there; a reply to an older request would not prove it

    def _trip(self, reason: str, ticket: Ticket, verdict: Verdict, now: float) -> None:
        if self._pause is not None:
            self._set(self._pause.failed_again(reason, ticket, verdict, now))
            return
        alone, answers = self._breaker.alone(ticket.file), self._breaker.answers
        self._set(begun(reason, ticket, verdict, now, alone=alone, answers=answers))

    def _got_answer(self, ticket: Ticket, now: float) -> None:
        self._breaker.answered(ticket.file, now)
        if self._pause is not None and self._pause.silent:
            self.resume()
        self.slots.answered(now)

    def _got_nothing(self, ticket: Ticket, now: float) -> None:
        """Somebody is there, which ends a pause for any other reason, and says nothing."""
        pause = self._pause
        if pause is not None and pause.silent:
            self._set(pause.heard_nothing(ticket.file, now, probe=ticket.probe))
            return
        in_a_row = self._breaker.silent(ticket.file, now)
        if (
            pause is not None
            and pause.probe
            and (ticket.probe or (pause.doubtful and ticket.file != pause.file))
        ):
            self.resume()
        if self._pause is None and in_a_row >= SILENT:
            self._set(begun_silently(ticket, self._breaker.blank, in_a_row, now))

    def _may_probe(self, now: float) -> bool:
        return (
            self._pause is not None and self._pause.probe and now >= self._pause.until and not self._probing
        )

    def _set(self, pause: Pause | None) -> None:
        if pause == self._pause:
            return
        before, self._pause = self._pause, pause
        if pause is not None:
            self.jury.released()
        self._admit()
        if before is not None and pause is not None and before.probe == pause.probe:
            if self.on_wait is not None:
                self.on_wait(pause)
        elif self.on_change is not None:
            self.on_change(pause)
