"""One folder's listings: everything now and then, and in between what events or mtimes show to have changed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping

from glimpsed import metrics
from glimpsed.blocking import wait
from glimpsed.discover import scan
from glimpsed.discover.filters import Filter
from glimpsed.discover.hearing import Hearing
from glimpsed.discover.reconcile import Reconciler
from glimpsed.discover.settler import Settler
from glimpsed.discover.site import WatchedFolder
from glimpsed.discover.walk import Walk
from glimpsed.disk.files import Root

# Times its own CPU time that a full listing is followed by none: with the polls between, less than 1 % of a core.
# One costs 4 to 8 s for a million images with two sidecars each, half of it in the kernel, so `rescan: 5m` alone
# would take up to 3 %: it becomes 7 to 15 minutes there, and stays what the config says up to 300,000 images.
FULL_REST = 110


class Scanner:
    """Lists the folder, and has each listing compared with the ledger.

    A pass that does not come to its end is made good by `rescan`, which is for whoever sees the error. `unlisted` is told
    after each full listing which subdirectories it could not read, and why.
    """

    def __init__(
        self,
        site: WatchedFolder,
        filter_: Filter,
        hearing: Hearing,
        settler: Settler,
        *,
        unlisted: Callable[[Mapping[str, str]], None],
    ) -> None:
        self.listed = asyncio.Event()
        # Subdirectories that could not be listed at the last full listing, and why.
        self.unlisted: dict[str, str] = {}
        self.reconciler = Reconciler(site, settler)
        self._site = site
        self._filter = filter_
        self._hearing = hearing
        self._settler = settler
        self._told = unlisted
        self._now = asyncio.Event()
        self._first = True
        self._full = True  # the next pass lists everything
        self._dirty: dict[str, None] = {}
        self._full_at = -math.inf  # time.monotonic() of the last full listing
        self._full_cpu = 0.0  # s that it took

    def rescan(self) -> None:
        """List everything, now."""
        self._full = True
        self._now.set()

    def dirty(self, directory: str) -> None:
        """Something happened to this directory: list it, and what is below."""
        self._dirty[directory] = None
        self._now.set()

    def begin(self) -> None:
        """The folder is there, as if for the first time."""
        self.reconciler.root_changed()
        self.rescan()

    def forget(self) -> None:
        """The folder is lost."""
        self._dirty.clear()

    async def wait(self) -> None:
        """Until there is something to list."""
        pause = self._due() - time.monotonic()
        if self._hearing.polls:
            pause = min(pause, self._site.folder.poll)
        if not self._full and not self._dirty:
            await wait(self._now, max(0.0, pause))
        self._now.clear()

    async def step(self, root: Root) -> None:
        """One pass: everything, or what is dirty, or what a poll finds changed."""
        again = self._hearing.try_again()  # each directory gets its watch by being listed
        due = time.monotonic() >= self._due()
        full, self._full = self._full or again, False
        dirty, self._dirty = self._dirty, {}
        if full or due:
            heard = not full and not dirty and not self.unlisted and not self._hearing.polls
            await self._all(root, heard=heard)
            self._full_at = time.monotonic()
            return
        if dirty:  # new, moved or gone: with all that is below them
            await self._some(root, list(dirty), self.reconciler.not_below(dirty))
        if self._hearing.polls:
            mtimes = self.reconciler.mtimes()
            changed = await self._site.disk(scan.changed_directories, root, mtimes)
            await self._some(root, changed, mtimes.keys() - set(changed))

    def _due(self) -> float:
        return self._full_at + max(self._site.folder.rescan, self._full_cpu * FULL_REST)

    async def _some(self, root: Root, todo: list[str], but_not: set[str]) -> None:
        if todo:
            walk = self._walk(root, todo, but_not)
            await self._pass(walk)
            await self.reconciler.missing_below(walk)

    async def _all(self, root: Root, *, heard: bool) -> None:
        """Every directory; with `heard`, when all have their watches, those without a file by their times alone."""
        began = time.monotonic()
        first = self._first
        await self.reconciler.start(root, first=first)
        same: set[str] = set()
        if heard:
            same = await self._site.disk(scan.unchanged_directories, root, self.reconciler.bare())
        # What is below another is listed before it, and so once.
        todo = ["", *sorted(self.reconciler.listed() - same - {""})] if same else [""]
        walk = self._walk(root, todo, same)
        files, waiting = await self._pass(walk)
        self._full_cpu = walk.cpu
        self.unlisted = walk.unreadable
        self._told(self.unlisted)
        await self.reconciler.finish(walk, first=first)
        self._first = False
        self.listed.set()
        metrics.rescan(self._site.folder.name)
        self._site.tell.listed(files, waiting, time.monotonic() - began, first=first)

    def _walk(self, root: Root, todo: list[str], but_not: set[str]) -> Walk:
        return Walk(
            root,
            self._filter,
            self.reconciler.digests,
            todo,
            recursive=self._site.folder.recursive,
            watch=self._hearing.watch,
            visited=but_not,
            listed=self.reconciler.listed(),
        )

    async def _pass(self, walk: Walk) -> tuple[int, int]:
        """How many files there are, and how many of them wait to settle."""
        files = waiting = 0
        while walk.todo:
            self._site.still(walk.root)
            found = await self._site.disk_moving(lambda: walk.moved, walk.slice)
            self._site.tell.walked(walk)
            for directory in found:
                files += directory.count
                waiting += await self.reconciler.reconcile(walk.root, directory, fresh=not self._first)
            await self._settler.catch_up(walk.root)
        return files, waiting
