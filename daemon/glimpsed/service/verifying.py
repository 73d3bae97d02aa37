"""Second readings: claimed from the ledger as fast as the second readers take them (`verify_with`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from glimpsed.blocking import wait
from glimpsed.config.schema import ModelEntry
from glimpsed.images.prepare import Images
from glimpsed.ledger import Books, Ledger
from glimpsed.ledger.values import SecondReading
from glimpsed.pipeline import Place
from glimpsed.pipeline.second import SecondReader
from glimpsed.service.budget import Reached, concerned
from glimpsed.service.folders import Folders
from glimpsed.service.hands import Hands
from glimpsed.service.models import Models
from glimpsed.vision import Model

LEASE = 90.0  # seconds, renewed at every look
LEDGER_PAUSE = 1.0  # seconds between two tries while the database is away
LOOK = 20.0  # seconds at most between two looks while something is read
PROBED = 3.0  # seconds that a run of `once` waits for somebody to probe a second reader that pauses


class Verifying:
    """The loop between the ledger and the second readers."""

    def __init__(
        self,
        books: Books,
        images: Images,
        folders: Folders,
        models: Models,
        *,
        over: Callable[[], Awaitable[Collection[Reached]]],
        used_up: Callable[[Place, ModelEntry], Awaitable[str | None]] | None = None,
    ) -> None:
        self._books = books
        self._folders = folders
        self._models = models
        self._over = over
        self._clock = books.clock
        self._reader = SecondReader(books, images, used_up=used_up)
        self._wake = asyncio.Event()
        self._hands: Hands[tuple[int, int]] = Hands(self._wake.set)
        self._closed = False

    @property
    def in_hand(self) -> int:
        """Files that are being read a second time."""
        return len(self._hands)

    def wake(self) -> None:
        """Look at the ledger now: a file is done, the config or a model changed."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled, or until `drain`. Raises what no reading can cope with."""
        while not self._closed:
            self._wake.clear()
            self._hands.check()
            nap = None
            if self._hands or any(watch.folder.verify_with for watch in self._folders):
                async with self._hands.claiming:
                    nap = await self._books.attempt(self._round()) or LEDGER_PAUSE
            await wait(self._wake, nap)

    async def drain(self, seconds: float) -> None:
        """No more claims; what is in hand may end for so long, and is due again else."""
        self._closed = True
        self._wake.set()
        renewing = asyncio.create_task(self._keep_leases())
        try:
            await self._hands.drain(seconds)
        finally:
            renewing.cancel()

    async def _keep_leases(self) -> None:
        """While nothing is claimed any more: a stop may take longer than a lease."""
        while True:
            if held := self._held():
                await self._books.maybe(Ledger.renew_readings, held, self._clock(), LEASE)
            await asyncio.sleep(LOOK)

    def _held(self) -> list[int]:
        return [number for number, _ in self._hands]

    async def left(self, idle: float) -> bool:
        """Whether something is still to be read that can be read; nothing else has been done for `idle` seconds."""
        if self._hands:
            return True
        names = [
            place.folder.name
            for model, places in (await self._lanes()).items()
            if model.pacing.paused is None or idle <= PROBED
            for place in places.values()
        ]
        return bool(names) and await self._books(Ledger.next_reading, names) is not None

    async def _round(self) -> float:
        """Claim once for every second reader that has room. Returns seconds until the next look."""
        now = self._clock()
        if self._hands:
            await self._books(Ledger.renew_readings, self._held(), now, LEASE)
        served: list[str] = []
        for model, places in (await self._lanes()).items():
            room = model.pacing.room(self._clock())
            if room <= 0:
                continue
            served += places
            for found in await self._books(
                Ledger.claim_readings, list(places), room, now=self._clock(), lease=LEASE
            ):
                self._start(found, places[found.job.key.folder], model)
        due = await self._books(Ledger.next_reading, served) if served else None
        times = [t for t in (due, self._models.next_change(now)) if t is not None]
        return max(0.05, min([*times, now + LOOK]) - self._clock())

    async def _lanes(self) -> Mapping[Model, dict[str, Place]]:
        """The folders that can be read a second time now, by name, by the model that reads them."""
        over = await self._over()
        found: dict[Model, dict[str, Place]] = {}
        for watch in self._folders:
            folder, root = watch.folder, watch.root
            if folder.verify_with is None or root is None or watch.state.state == "lost":
                continue
            model = self._models[folder.verify_with]
            if model.entry.price is not None and concerned(over, folder=folder.name, model=""):
                continue
            place = Place(folder, root, watch.lanes.files, (model,))
            found.setdefault(model, {})[folder.name] = place
        return found

    def _start(self, found: SecondReading, place: Place, model: Model) -> None:
        model.pacing.take()
        self._hands.start(
            (found.job.id, found.job.claim),
            self._see_to(found, place, model),
            f"second reading {found.job.id}",
        )

    async def _see_to(self, found: SecondReading, place: Place, model: Model) -> None:
        try:
            await self._reader.see_to(found, place)
        except asyncio.CancelledError:
            await self._books.maybe(Ledger.reading_later, found.job, 0.0, tries=found.tries)
            raise
        finally:
            model.pacing.give_back()
