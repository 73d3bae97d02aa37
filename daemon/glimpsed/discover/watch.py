"""One folder, watched for months: listing against ledger is the truth, events only make it quick.

`FolderWatch.run` is the table of contents: `_guard` knows whether the folder is there; `Scanner` lists it and `Settler`
looks at files until they are complete, and offers them, one step after the other, for as long as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from glimpsed.blocking import Lanes, Threads, wait
from glimpsed.config.schema import Folder
from glimpsed.discover import mounts, scan
from glimpsed.discover.burst import Burst
from glimpsed.discover.filters import SIDECARS, Filter
from glimpsed.discover.hearing import Hearing, Observing
from glimpsed.discover.inotify import Batch, WatchLimit
from glimpsed.discover.scanning import Scanner
from glimpsed.discover.settler import Settler
from glimpsed.discover.site import WatchedFolder
from glimpsed.discover.state import Status, WatchState
from glimpsed.discover.telling import Telling
from glimpsed.disk.files import Root
from glimpsed.errors import FileError, LedgerUnavailable, ShareTrouble, Vanished
from glimpsed.ledger import Books, Ledger

CHECK = 8.0  # s between two looks at the root, and what each may take: DESIGN 8 asks for 10
SOON, FOR_SOON = 0.5, 10.0  # … and for so long after it was lost: it may only have been made anew
RETRY = 1.0  # s after something failed under a root that is there
LEDGER_RETRY = 5.0  # s


class FolderWatch:
    """Finds every complete file of a folder, once, and offers it to the ledger.

    `lanes` lead to the folder's files, for whoever else reads and writes there: a hang costs only this folder.
    `offered` is called when the ledger has taken files, `changed` when what `status` shows is something else.
    """

    def __init__(
        self,
        folder: Folder,
        books: Books,
        *,
        offered: Callable[[], None],
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        threads: Threads | None = None,
        observing: Observing | None = None,
        burst_confirm: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.lanes = Lanes(folder.name, threads)
        self.begun = False  # it was looked for once, and if it is there, its first listing has begun
        self._look = asyncio.Event()  # at the root, now
        self._site = WatchedFolder(folder, books, self.lanes, Telling(folder.name), clock, self._look.set)
        self._site.burst_confirm = burst_confirm
        self._status = Status(folder.name, clock, changed)
        self._filter = Filter(folder)
        self._hearing = Hearing(self._status, observing or Observing(), self._heard)
        self._settler = Settler(self._site, offered=offered, changed=changed, outdated=self._outdated)
        self._scanner = Scanner(
            self._site, self._filter, self._hearing, self._settler, unlisted=self._status.unlisted
        )
        self._present = asyncio.Event()
        self._lost_at = -math.inf  # time.monotonic()
        self._identity: tuple[int, int] | None = None  # of the root that was there last
        self._shaken = False  # something happened to the root itself: its numbers may be used again

    # -- for others to see

    @property
    def root(self) -> Root | None:
        """Where it is now; None while it is not there."""
        return self._site.root

    @property
    def state(self) -> WatchState:
        """How it is watched at the moment."""
        return self._status.shown

    @property
    def missing(self) -> bool:
        """It was looked for, and is not there."""
        return self.begun and self.root is None

    @property
    def listed(self) -> asyncio.Event:
        """All of it was listed once."""
        return self._scanner.listed

    @property
    def unlisted(self) -> Mapping[str, str]:
        """Subdirectories that could not be listed at the last full listing, and why."""
        return self._scanner.unlisted

    @property
    def burst(self) -> Burst:
        """What came within the last minute."""
        return self._site.burst

    @property
    def burst_waits(self) -> asyncio.Event:
        """More arrivals came at once than `burst_confirm` allows, and wait to be approved."""
        return self._site.burst_waits

    @property
    def first_backlog(self) -> int | None:
        """As `FirstSight.backlog`."""
        return self._scanner.reconciler.first.backlog

    @property
    def settling(self) -> int:
        """Files that were noticed and are not in the ledger yet."""
        return self._settler.pending

    @property
    def stuck(self) -> int:
        """Those of them that still grow, or cannot be read, after `settle_limit`."""
        return self._settler.settling.stuck

    def report(self) -> dict[str, Any]:
        """What `status` shows of it."""
        state = self.state
        settling, reason = self._settler.report()
        return {
            "state": state.state,
            "mode": state.mode,
            "filesystem": state.filesystem,
            "reason": state.reason,
            "settling": settling,
            "settling_reason": reason,
        }

    def blocked(self, reason: str | None) -> None:
        """Sidecars cannot be written into the folder, and why; None: they can."""
        self._status.blocked(reason)

    def rescan(self) -> None:
        """List everything, now."""
        self._scanner.rescan()

    # -- the loops

    async def run(self) -> None:
        """Watch until cancelled. An exception that comes out of here is a bug: the daemon should end."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._guard())
                group.create_task(self._while_there(self._scanner))
                group.create_task(self._while_there(self._settler))
        finally:
            self._hearing.stop()
            self.lanes.close()

    async def _while_there(self, work: Scanner | Settler) -> None:
        while True:
            await self._present.wait()
            await work.wait()
            if self.root is not None:
                async with self._troubles():
                    await work.step(self.root)

    @contextlib.asynccontextmanager
    async def _troubles(self) -> AsyncIterator[None]:
        """What an error does to a loop: what it missed is listed again. Any other error ends the daemon."""
        try:
            yield
        except WatchLimit as e:
            self._hearing.give_up(str(e))
        except LedgerUnavailable as e:
            self._site.tell.ledger_away(e)
            await asyncio.sleep(LEDGER_RETRY)
        except (ShareTrouble, Vanished, FileError):
            self._look.set()
            await asyncio.sleep(RETRY)
        else:
            return
        self.rescan()

    # -- is it there?

    async def _guard(self) -> None:
        while True:
            await self._look_at_root()
            self.begun = True
            just_lost = time.monotonic() - self._lost_at < FOR_SOON and self.root is None
            await wait(self._look, SOON if just_lost else CHECK)
            self._look.clear()

    async def _look_at_root(self) -> None:
        try:
            await self._judge_root(
                *await self.lanes.root.run_within(CHECK, scan.examine, str(self.folder.path))
            )
        except (ShareTrouble, Vanished, FileError) as e:
            self._lose(str(e))
        if not self._hearing.sound():
            self._hearing.give_up("the events stopped arriving: they are started again", at_once=True)
            self.rescan()

    async def _judge_root(self, found: Root, empty: bool) -> None:
        """An empty directory that is not the one we knew is where a share used to be mounted."""
        shaken, self._shaken = self._shaken, False
        if self.root == found:
            if not shaken:
                return
            self._hearing.stop()
        elif (
            empty
            and found.identity != self._identity
            and (self._identity or not await self._may_be_empty(found))
        ):
            self._lose("an empty directory stands where the folder was: unmounted or replaced")
            return
        elif self.root is not None:
            self._lose("another directory or file system stands in its place")
        self._begin(found, *await self.lanes.root.run_within(CHECK, mounts.mode, self.folder))

    async def _may_be_empty(self, root: Root) -> bool:
        """Whether an empty root can be the folder: it was at the last start, or no file is missing in it.

        The ledger is asked until it answers.
        """
        books, name = self._site.books, self.folder.name
        same = await books.patient(Ledger.root, name) == root.identity
        return same or not await books.patient(Ledger.has_files, name)

    def _begin(self, root: Root, mode: mounts.Mode, filesystem: str, reason: str) -> None:
        self._site.root, self._identity = root, root.identity
        try:
            if mode == "inotify":
                self._hearing.start()
            self._status.watching(mode, filesystem, reason)
        except WatchLimit as e:
            self._status.degraded(filesystem, str(e))
        self._settler.forget()  # a listing that hung while the folder was lost may have come to its end
        self._scanner.begin()
        self._present.set()

    def _lose(self, reason: str) -> None:
        """Nothing counts as deleted, nothing is offered, until it is back."""
        if self._site.root is not None:
            self._lost_at = time.monotonic()
        self._site.root = None
        self._present.clear()
        self._hearing.stop()
        self._settler.forget()
        self._scanner.forget()
        self._status.lost(reason)

    # -- hints

    def _outdated(self, directory: str) -> None:
        self._scanner.reconciler.outdated(directory)

    def _heard(self, batch: Batch) -> None:
        """A batch of hints, on the event loop."""
        if batch.root:
            self._shaken = self._hearing.sound()  # else it says that the events have ended
            self._look.set()
        if batch.overflow:
            if batch.files:  # else others filled the queue
                self._status.overflow()
            self.rescan()
        for directory in batch.directories:
            if self.folder.recursive and self._filter.skips(directory, is_dir=True) is None:
                self._scanner.dirty(directory)
        for path, closed in batch.files.items():
            self._hint(path, closed=closed)

    def _hint(self, path: str, *, closed: bool) -> None:
        if not self._filter.may_be(path):
            # Links are created and never closed, and may be the names of directories.
            if not closed and path.rpartition(".")[2] not in SIDECARS:
                self._settler.odd(path)
        elif (rule := self._filter.skips(path, is_dir=False)) is not None:
            self._site.tell.skipped({path: rule})
        else:
            self._settler.hint(path, closed=closed)
