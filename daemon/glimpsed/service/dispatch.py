"""Claims jobs from the ledger as fast as the models take them, and sees each to its end.

There is no queue here: what is claimed is being worked on, what is not stays a row in the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glimpsed import metrics
from glimpsed.blocking import wait
from glimpsed.errors import LedgerUnavailable
from glimpsed.journal import events, get_logger
from glimpsed.ledger import LEASE, Books, Ledger
from glimpsed.ledger.books import Away
from glimpsed.model import Job
from glimpsed.pipeline import End, Pipeline, Place, Unfinished
from glimpsed.service.hands import Hands
from glimpsed.vision.pacing import Pacing
from glimpsed.vision.pause import Pause

log = get_logger()

RENEW = 15.0  # a lease survives three renewals that fail
BUSY = 0.02  # seconds without news after which the dispatcher asks what will be due
LONGEST_NAP = 30.0  # with nothing due: a safety net, every event wakes the dispatcher at once
LEDGER_PAUSE = 1.0  # between two tries while the database is away
SPREAD = 128  # files that waited longest, of which one probes a model that pauses
GOLDEN = 0.618034  # of what is left: probes one after the other are far from each other
GRACE = 5.0  # after that: everybody renews what they still work on, before anybody claims what ran out


@dataclass(frozen=True, slots=True)
class Lane:
    """Folders that the same model serves now; or those that none does, for what is `answered` there already."""

    places: tuple[Place, ...]
    pacing: Pacing
    answered: bool = False


class Dispatcher:
    """The loop between ledger and pipeline."""

    def __init__(
        self,
        books: Books,
        pipeline: Pipeline,
        *,
        lanes: Callable[[], Awaitable[Sequence[Lane]]],
        known: Callable[[Collection[str], int], list[int]] = lambda _folders, _most: [],
        finished: Callable[[Job, End], None],
        next_change: Callable[[float], float | None],
        patience: float | None = None,  # seconds that the database may be away; None: for ever
    ) -> None:
        self._books = books
        self._pipeline = pipeline
        self._lanes = lanes
        self._known = known
        self._finished = finished
        self._next_change = next_change
        self._clock = books.clock
        self._patience = patience
        self._wake = asyncio.Event()
        # By row and claim: a file that changes while it is asked about is claimed anew beside the old job.
        self._hands: Hands[tuple[int, int]] = Hands(self.wake)
        self._doubted: set[tuple[int, int]] = set()  # not ours any more at the last renewal
        self._renewed = self._clock()
        self._claiming = True
        self._told: Away | None = None

    @property
    def in_hand(self) -> int:
        """Jobs being worked on."""
        return len(self._hands)

    def wake(self) -> None:
        """Look at the ledger now: something was offered, finished, resumed or approved."""
        self._wake.set()

    async def run(self) -> None:
        """Claim and start jobs until cancelled, or until `drain`. Raises what no job can cope with.

        Also `LedgerUnavailable`, when the database is away for longer than there is patience.
        """
        while self._claiming:
            self._wake.clear()
            self._hands.check()
            self._tell_if_away()
            try:
                # The machine slept: what we hold looks abandoned.
                if self._clock() - self._renewed > LEASE / 2:
                    await self._renew()
                # Either no row was left or no room: an offer, or the end of a job, wakes us.
                since = self._clock()
                async with self._hands.claiming:
                    served = await self._round()
                await self._nap(served, since)
            except LedgerUnavailable as e:
                if self._told is None:
                    log.warning(events.LEDGER_UNAVAILABLE, reason=str(e))
                self._told = self._books.away
                await self._come_back(e)

    def _tell_if_away(self) -> None:
        """Who has its hands full asks the ledger for nothing; but all that is in hand may wait for it.

        Raises `LedgerUnavailable` when that takes longer than there is patience.
        """
        away = self._books.away
        if away is None:
            self._told = None
            return
        if self._told != away:
            log.warning(events.LEDGER_UNAVAILABLE, reason=str(away.error))
            self._told = away
        if self._patience is not None and self._clock() - away.since > self._patience:
            raise away.error

    async def renew_leases(self) -> None:
        """Keep the leases of what is in hand; what was lost to another daemon is dropped."""
        while True:
            await asyncio.sleep(RENEW)
            await self._renew()

    def unsure(self) -> bool:
        """Whether leases may have run out, unseen: this process or its machine stood still, or the database was away.

        Until they are renewed no request leaves: another daemon may have asked about the same file.
        """
        return self._clock() - self._renewed > LEASE - GRACE

    async def _renew(self) -> bool:
        """False: the database is away, which `run` tells."""
        now = self._clock()
        if not await self._renew_once(now):
            return False
        if self.unsure():  # what others took over meanwhile is dropped before anything leaves
            await asyncio.sleep(LEDGER_PAUSE)
            now = self._clock()
            if not await self._renew_once(now):
                return False
        self._renewed = now
        return True

    async def _renew_once(self, now: float) -> bool:
        held = set(self._hands)
        numbers = {number for number, _ in held}
        ours = await self._books.maybe(Ledger.renew, numbers, now, LEASE) if numbers else set()
        if ours is None:
            return False
        lost = {key for key in held & set(self._hands) if key[0] not in ours}
        for key in lost & self._doubted:  # seen twice: the first time it may just have come to its end
            self._hands.cancel(key)
        self._doubted = lost
        return True

    async def _come_back(self, away: LedgerUnavailable) -> None:
        """Wait for the database. Whoever comes first must not take for abandoned what others still hold."""
        began = self._clock()
        while self._claiming:
            await asyncio.sleep(LEDGER_PAUSE)
            if await self._renew() and await self._books.maybe(Ledger.ping):
                break
            if self._patience is not None and self._clock() - began > self._patience:
                raise away
        await asyncio.sleep(GRACE)

    async def drain(self, seconds: float) -> None:
        """No new claims; let what is in hand finish for so long, then give its leases back."""
        self._claiming = False
        self._wake.set()
        await self._hands.drain(seconds)
        self._pipeline.close()

    async def _round(self) -> list[str]:
        """Claim once for every lane that has room. Returns the folders that are served."""
        served: list[str] = []
        for lane in await self._lanes():
            by_name = {place.folder.name: place for place in lane.places}
            served += by_name
            room = lane.pacing.room(self._clock())
            if room <= 0 or not self._claiming:
                continue
            jobs = await self._jobs(list(by_name), lane, room)
            for job in jobs:
                self._start(job, by_name[job.key.folder], lane.pacing)
        return served

    async def _jobs(self, folders: Sequence[str], lane: Lane, room: int) -> Sequence[Job]:
        """What is worked on next; of a model that pauses, the one file that may probe it."""
        pause = lane.pacing.paused
        if pause is None:
            return await self._books(Ledger.claim, **self._due(folders, lane, room))
        # Failures come in runs (a folder's bad files, blank pages): who was no part of them tells most.
        part = [name for name in folders if pause.concerns(name)]
        others = [name for name in folders if name not in part]
        return await self._probe(others, lane, pause) or await self._probe(part, lane, pause)

    def _due(self, folders: Sequence[str], lane: Lane, most: int) -> dict[str, Any]:
        """What is asked of the ledger."""
        return {
            "folders": folders,
            "limit": most,
            "now": self._clock(),
            "lease": LEASE,
            "answered": lane.answered,
            "known": self._known(folders, most) if lane.answered else (),
        }

    async def _probe(self, folders: Sequence[str], lane: Lane, pause: Pause) -> Sequence[Job]:
        """One file of these folders that may probe, if there is any."""
        now, asked = self._clock(), {file: n for n, file in enumerate(pause.silent)}

        def choose(jobs: Sequence[Job]) -> Job | None:
            new = [job for job in jobs if not pause.knows(job.key.one)]
            again = [job for job in jobs if job not in new and lane.pacing.may_probe(job.key.one, now)]
            if new and not (again and pause.silent):
                # The newest first: a run of bad files begins with the oldest.
                return new[-1 - int(len(new) * (pause.probes * GOLDEN % 1.0))]
            # Who was asked longest ago comes first.
            return min(again, key=lambda job: asked.get(job.key.one, -1), default=None)

        due = self._due(folders, lane, SPREAD + 1 + len(pause.silent))
        chosen = await self._books(_claim_one, choose, due) if folders else None
        return () if chosen is None else (chosen,)

    def _start(self, job: Job, place: Place, pacing: Pacing) -> None:
        pacing.take()
        metrics.stage("wait", max(0.0, self._clock.wall() - job.since))
        self._hands.start((job.id, job.claim), self._see_through(job, place, pacing), f"job {job.id}")

    async def _see_through(self, job: Job, place: Place, pacing: Pacing) -> None:
        end = End("later")
        asking = True
        try:
            async with self._turn(job, place, pacing), self._pipeline.room(job):
                come_to = await self._pipeline.answer(job, place)
                # Once it is kept, and not before: budgets are reckoned from what the ledger knows.
                if isinstance(come_to, Unfinished):
                    asking = False
                    pacing.answered()  # the model is free for another, while this one's answer is written
                    self.wake()
                    come_to = await self._pipeline.finish(come_to)
                end = come_to
        except asyncio.CancelledError:
            # Stopping: the row must not wait for its lease to run out.
            await self._books.maybe(Ledger.release, job)
            raise
        finally:
            if asking:
                pacing.give_back()
            else:
                pacing.written()
            self._count(job, end)

    @contextlib.asynccontextmanager
    async def _turn(self, job: Job, place: Place, pacing: Pacing) -> AsyncIterator[None]:
        """Its sidecars' names for this job alone. While it waits for them it is not in hand: nobody waits for what it is told."""
        turn = self._pipeline.turn(job, place.folder)
        taken = turn.locked()
        if taken:
            pacing.give_back()
        try:
            await turn.acquire()
        finally:
            if taken:
                pacing.take()
        try:
            yield
        finally:
            turn.release()

    def _count(self, job: Job, end: End) -> None:
        try:
            self._finished(job, end)
        except Exception:
            log.exception("bug", folder=job.key.folder)  # the file has come to its end all the same

    async def _nap(self, folders: list[str], since: float) -> None:
        """Until something wakes us, a row becomes due or a model may be asked again.

        `since`: before the last round. What has come since then, while it went on, is not behind us: it was not claimed.
        """
        if await self._woken_within(BUSY):  # under load it never comes to the question of what is due
            return
        due = await self._books(Ledger.next_due, folders, since) if folders else None
        times = [t for t in (due, self._next_change(since)) if t is not None]
        await self._woken_within(min([*times, since + LONGEST_NAP]) - self._clock())

    async def _woken_within(self, seconds: float) -> bool:
        await wait(self._wake, max(0.0, seconds))
        return self._wake.is_set()


def _claim_one(
    ledger: Ledger, choose: Callable[[Sequence[Job]], Job | None], due: Mapping[str, Any]
) -> Job | None:
    """The one that is chosen of those that are due; the others go back at once."""
    jobs = ledger.claim(**due)
    chosen = choose(jobs)
    for job in jobs:
        if job is not chosen:
            ledger.release(job)
    return chosen
