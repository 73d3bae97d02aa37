"""One folder's files that were noticed: looked at until they are complete, then offered to the ledger."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Sequence

from glimpsed import metrics
from glimpsed.blocking import wait
from glimpsed.clock import elapsed
from glimpsed.discover import rows, scan
from glimpsed.discover.settle import Check, Decision, Look, Settling
from glimpsed.discover.site import WatchedFolder
from glimpsed.disk.files import Root
from glimpsed.errors import FileError, ShareTrouble
from glimpsed.ledger import Ledger
from glimpsed.model import FileKey, Offer, Version, shown

CHECKS = 256  # looks in one call
ODD = 1000  # created names that may be links, in one look
TOLD = 3  # files that are not complete, whose reason `status` shows
AHEAD = 2000  # files due for a look beyond which the scan waits: memory stays small
MOST = 50_000  # files whose quiet time runs, likewise


class Settler:
    """`offered` is called when the ledger has taken some, `changed` when `report` is another than it was.

    And `outdated` for each directory of which the ledger will know something else than at its last listing.
    """

    def __init__(
        self,
        site: WatchedFolder,
        *,
        offered: Callable[[], None],
        changed: Callable[[], None],
        outdated: Callable[[str], None],
    ) -> None:
        self.settling = Settling(site.folder.settle, site.folder.settle_limit)
        self._site = site
        self._offered = offered
        self._changed = changed
        self._outdated = outdated
        self._now = asyncio.Event()
        self._odd: dict[str, None] = {}  # names of no image, which may be links
        self._told: tuple[int, str | None] = 0, None
        self._displaced = rows.Displaced()
        self._on_the_way = 0  # complete, and not in the ledger yet

    @property
    def pending(self) -> int:
        """Files that were noticed and are not in the ledger yet."""
        return len(self.settling) + self._on_the_way

    @property
    def troubles(self) -> str | None:
        """Why files are not complete, of the first few."""
        troubled = self.settling.troubled
        some = [
            why if why.startswith(shown(path)) else f"{shown(path)}: {why}"
            for path, why in itertools.islice(troubled.items(), TOLD)
        ]
        more = len(troubled) - len(some)
        return "; ".join([*some, f"and {more:,} more"] if more else some) or None

    def report(self) -> tuple[int, str | None]:
        """How many files are waited for, and why: for people, who are told again when it is otherwise."""
        self._told = len(self.settling), self.troubles
        return self._told

    def hint(self, path: str, *, closed: bool) -> None:
        """Something happened to a file."""
        self.settling.hint(path, time.monotonic(), closed=closed, fresh=True)
        self._now.set()

    def found(self, path: str, version: Version, *, quiet: float, fresh: bool) -> None:
        """A listing showed a file that the ledger does not know."""
        self.settling.found(path, version, time.monotonic(), quiet=quiet, fresh=fresh)
        self._now.set()

    def odd(self, path: str) -> None:
        """A name that is no image's was created, and may be a link."""
        if len(self._odd) < ODD:
            self._odd[path] = None
            self._now.set()

    def forget(self) -> None:
        """The folder is lost, or begins anew: a listing will find again what is there."""
        self.settling.clear()
        self._odd.clear()

    async def catch_up(self, root: Root) -> None:
        """Until so few wait that more may be found; asked now and then, because it has no moment to tell."""
        while self.settling.crowded(time.monotonic(), AHEAD, MOST) and self._site.root is root:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def wait(self) -> None:
        """Until there is something to look at."""
        due = self.settling.next_due()
        pause = None if due is None else max(0.0, due - time.monotonic())
        if pause != 0 and not self._odd:
            await wait(self._now, pause)
        self._now.clear()

    async def step(self, root: Root) -> None:
        """Look at what is due, once, and offer what is complete."""
        checks = self.settling.due(time.monotonic(), CHECKS)
        odd, self._odd = self._odd, {}
        try:
            if odd:
                self._site.tell.left_out(await self._site.disk(scan.links_out, root, odd))
            if checks:
                await self._conclude(root, await self._site.disk(scan.look_at, root, checks))
        finally:
            self._put_back(checks)

    def _put_back(self, checks: Iterable[Check]) -> None:
        """Those that had no turn get another; what is known of the others may be news."""
        now = time.monotonic()
        for check in checks:
            self.settling.put_back(check.path, now)
        count, troubles = self._told
        if self.troubles != troubles or (count and not len(self.settling)):
            self._changed()

    async def _conclude(self, root: Root, looks: dict[str, Look | FileError | ShareTrouble]) -> None:
        offers: list[Offer] = []
        gone: list[str] = []
        now = time.monotonic()
        for path, look in looks.items():
            if isinstance(look, FileError):
                self.settling.forget(path)
                self._site.tell.left_out({path: look.reason})
                continue
            decision = self.settling.looked(path, self._calm(path, look), now)
            if decision.kind == "drop":
                gone.append(path)
            elif decision.kind in {"growing", "busy"}:
                self._site.tell.waiting(path, decision)
            elif decision.kind in {"complete", "problem"}:
                offers.append(self._offer_of(path, decision))
        if self._site.root is root:
            await self._tell_ledger(root, offers, gone)

    async def _tell_ledger(self, root: Root, offers: list[Offer], gone: list[str]) -> None:
        self._on_the_way = len(offers)
        try:
            for path in [*gone, *(offer.key.path for offer in offers)]:
                self._outdated(path.rpartition("/")[0])
            new = offers
            if offers and self._site.folder.existing == "ignore":
                new = await rows.without_renamed(self._site, root, offers, self._displaced)
            if new:
                await self._offer(new)
        except Exception:  # whoever waits for the last file to be done must not miss them meanwhile
            for offer in offers:
                self.found(offer.key.path, offer.version, quiet=0, fresh=offer.fresh)
            raise
        finally:
            self._on_the_way = 0
        if gone:
            await rows.vanished(self._site, root, gone)

    def _calm(self, path: str, look: Look | ShareTrouble) -> Look:
        """While the root is there, a file that gives trouble is like one that is busy."""
        if isinstance(look, ShareTrouble):
            self._site.look()
            look = Look(not_yet=str(look))
        if look.not_yet is not None:
            self._site.tell.not_yet(path, look.not_yet)
        return look

    def _offer_of(self, path: str, decision: Decision) -> Offer:
        folder = self._site.folder
        assert decision.version is not None
        metrics.stage("settle", decision.took)
        key = FileKey(folder.name, path)
        # One that is to fail unasked costs nothing: it waits for nobody's `approve`.
        fresh = decision.fresh or decision.reason is not None
        return Offer(key, decision.version, fresh, folder.priority, decision.reason)

    async def _offer(self, offers: Sequence[Offer]) -> None:
        """What comes all at once is for people to decide (`burst_confirm`); a new folder's backlog they are asked about."""
        most = self._site.burst_confirm()
        if most is None:
            queued = await self._site.books(Ledger.offer, list(offers), self._site.clock())
        else:
            other = [o for o in offers if o.problem is not None or (self._site.new and not o.fresh)]
            queued = await self._site.books(Ledger.offer, other, self._site.clock()) if other else []
            queued += await self._offer_some([offer for offer in offers if offer not in other], most)
        self._site.tell.queued(queued)
        if queued:
            self._offered()

    async def _offer_some(self, offers: list[Offer], most: int) -> list[Offer]:
        site, burst = self._site, self._site.burst
        if burst.on and site.folder.name not in await site.books(Ledger.held):
            burst.approved()
        room, before = burst.room(most, elapsed()), burst.keys
        queued = await site.books(Ledger.offer, offers, site.clock(), unasked=room, before=before)
        burst.came((offer.key for offer in queued), most, elapsed())
        if queued and burst.on:
            site.burst_waits.set()
        return queued
