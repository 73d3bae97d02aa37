"""The first listing of a folder that was never seen before, over as many starts as it takes."""

from __future__ import annotations

from glimpsed.discover.site import WatchedFolder
from glimpsed.discover.walk import Listed
from glimpsed.ledger import Ledger

# Stands among the fingerprints while the first listing is under way: no directory has such a name.
UNDER_WAY = "//first"


class FirstSight:
    """`backlog` is how many files wait after it; None until that is known, or when the folder was seen before."""

    def __init__(self, site: WatchedFolder) -> None:
        self.under_way = False
        self.backlog: int | None = None
        self._site = site
        self._began = 0.0  # epoch
        self._waiting = 0

    async def begin(self) -> dict[str, bytes]:
        """Ask the ledger whether it is one. Returns the folder's fingerprints, which tell."""
        site, name = self._site, self._site.folder.name
        self._began = self._began or site.clock()
        digests = await site.books(Ledger.fingerprints, name)
        interrupted = digests.pop(UNDER_WAY, None) is not None
        since = await site.books(Ledger.seen, name)
        if interrupted:
            # What it had queued by then belongs to the backlog too, and what came since then does not.
            self._began = min(self._began, since or self._began)
            self._waiting = (await site.books(Ledger.counts, [name]))[name]["queued"]
        elif since is None:
            await site.books(Ledger.set_fingerprints, name, {UNDER_WAY: b"1"})
        self.under_way = await site.books(Ledger.first_seen, name, site.clock()) or interrupted
        site.new = self.under_way
        return digests

    async def without_ignored(self, directory: str, new: dict[str, Listed]) -> dict[str, Listed]:
        """With `existing: ignore`, what was there before is done; what came since is returned."""
        if not new or not self.under_way or self._site.folder.existing != "ignore":
            return new
        there = {name for name, listed in new.items() if listed.ctime_ns / 1e9 < self._began}
        versions = {self._site.key(directory, name): new[name].version for name in there}
        await self._site.books(Ledger.ignore, versions, self._site.clock())
        return {name: listed for name, listed in new.items() if name not in there}

    def waits(self, files: int) -> None:
        """So many more of its files wait."""
        if self.under_way:
            self._waiting += files

    async def end(self) -> None:
        """Every directory was listed."""
        if self.under_way:
            self.under_way = False
            self.backlog = self._waiting
            await self._site.books(Ledger.set_fingerprints, self._site.folder.name, {UNDER_WAY: None})
