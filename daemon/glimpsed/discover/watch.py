"""One folder, watched for months: listing against ledger is the truth, events only make it quick.

`FolderWatch.run` is the table of contents: `_guard` knows whether the folder is there, `_scan_forever`
lists it, `_settle_forever` looks at files until they are complete and offers them.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterable

from glimpsed import metrics
from glimpsed.blocking import Blocking, Threads, wait
from glimpsed.config.schema import Folder
from glimpsed.discover import mounts, scan
from glimpsed.discover.events import Batch, WatchLimit
from glimpsed.discover.filters import SIDECARS, Filter
from glimpsed.discover.hearing import Hearing, Observing
from glimpsed.discover.reconcile import LEDGER_RETRY, Reconciler
from glimpsed.discover.settle import Check, Look, Settling
from glimpsed.discover.state import Status, WatchState
from glimpsed.discover.telling import Telling
from glimpsed.disk.files import Root
from glimpsed.errors import FileError, LedgerUnavailable, ShareTrouble, Vanished
from glimpsed.journal import get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.model import FileKey, Offer, shown

log = get_logger()

CHECK = 8.0  # s between two looks at the root, and what each may take: DESIGN 8 asks for 10
PATIENCE = 30.0  # s without progress after which the file system counts as hung
RETRY = 1.0  # s after something failed under a root that is there
CHECKS = 256  # looks in one call
ODD = 1000  # created names that may be links, in one look
TOLD = 3  # files that are not complete, whose reason `status` shows
AHEAD = 2000  # files due for a look beyond which the scan waits: memory stays small
MOST = 50_000  # files whose quiet time runs, likewise
# Times its own CPU time that a full listing is followed by none: with the polls between, less than 1 % of a core.
# One costs 4 to 8 s for a million images with two sidecars each, half of it in the kernel, so `rescan: 5m` alone
# would take up to 3 %: it becomes 7 to 15 minutes there, and stays what the config says up to 300,000 images.
FULL_REST = 110


class FolderWatch:
    """Finds every complete file of a folder, once, and offers it to the ledger.

    `io` is the folder's own threads, for whoever else reads and writes there: a hang costs only this folder.
    `first_backlog` is how many files wait after the first listing of a folder never seen before, None until
    that is known, or when the folder was seen before. `changed` is called when `state` is another one.
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
    ) -> None:
        self.folder = folder
        self.root: Root | None = None
        self.begun = False  # it was looked for once, and if it is there, its first listing has begun
        self.listed = asyncio.Event()
        self.io = Blocking(f"folder {folder.name}", threads=4, pool=threads)
        self._clock = clock
        self._books = books
        self._offered = offered
        self._changed = changed
        self._disk = Blocking(f"discovery of {folder.name}", threads=2, pool=threads)
        self._door = Blocking(f"root of {folder.name}", threads=1, spare=1, pool=threads)
        self._filter = Filter(folder)
        self._settle_now = asyncio.Event()
        self._settling = Settling(folder.settle, folder.settle_limit)
        self._tell = Telling(folder.name)
        self._reconciler = Reconciler(
            folder, books, self._disk, self._settling, self._settle_now.set, self._tell, clock
        )
        self._status = Status(folder.name, clock, changed)
        self._hearing = Hearing(self._status, observing or Observing(), self._heard)
        self._identity: tuple[int, int] | None = None  # of the root that was there last
        self._present = asyncio.Event()
        self._look = asyncio.Event()  # at the root, now
        self._shaken = (
            False  # something happened to the root itself: numbers are used again, so they prove nothing
        )
        self._scan_now = asyncio.Event()
        self._full = True  # the next scan lists everything
        self._dirty: dict[str, None] = {}
        self._odd: dict[str, None] = {}  # names of no image, which may be links
        self._first_scan = True
        self._full_cpu = 0.0  # s that the last full listing took
        self.unlisted: set[str] = set()  # subdirectories that could not be listed at the last full listing

    @property
    def state(self) -> WatchState:
        """How it is watched at the moment."""
        return self._status.shown

    def blocked(self, reason: str | None) -> None:
        """Sidecars cannot be written into the folder, and why; None: they can."""
        self._status.blocked(reason)

    @property
    def missing(self) -> bool:
        """It was looked for, and is not there."""
        return self.begun and self.root is None

    @property
    def settling(self) -> int:
        """Files that were noticed and are not known to be complete yet."""
        return len(self._settling)

    @property
    def troubles(self) -> str | None:
        """Why some of them are not, of the first few."""
        some = [
            why if why.startswith(shown(path)) else f"{shown(path)}: {why}"
            for path, why in itertools.islice(self._settling.troubled.items(), TOLD)
        ]
        more = len(self._settling.troubled) - len(some)
        return "; ".join([*some, f"and {more:,} more"] if more else some) or None

    @property
    def stuck(self) -> int:
        """Those of them that still grow, or cannot be read, after `settle_limit`."""
        return len(self._settling) and self._settling.stuck

    @property
    def first_backlog(self) -> int | None:
        """See the class."""
        return self._reconciler.first_backlog

    def rescan(self) -> None:
        """List everything, now."""
        self._full = True
        self._scan_now.set()

    async def run(self) -> None:
        """Watch until cancelled. An exception that comes out of here is a bug: the daemon should end."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._guard())
                group.create_task(self._scan_forever())
                group.create_task(self._settle_forever())
        finally:
            self._hearing.stop()
            for threads in (self.io, self._disk, self._door):
                threads.close()

    # -- is it there?

    async def _guard(self) -> None:
        while True:
            try:
                found = await self._door.run_within(CHECK, scan.examine, str(self.folder.path))
                await self._judge_root(found)
            except (ShareTrouble, Vanished, FileError) as e:
                self._lose(str(e))
            if not self._hearing.sound():
                self._hearing.give_up("the events stopped arriving: they are started again", at_once=True)
                self.rescan()
            self.begun = True
            await wait(self._look, CHECK)
            self._look.clear()

    async def _judge_root(self, found: scan.Found) -> None:
        """An empty directory that is not the one we knew is where a share used to be mounted."""
        shaken, self._shaken = self._shaken, False
        if self.root == found.root:
            if not shaken:
                return
            self._hearing.stop()
        elif (
            found.empty
            and found.root.identity != self._identity
            and (self._identity or not await self._reconciler.may_be_empty(found.root))
        ):
            self._lose("an empty directory stands where the folder was: unmounted or replaced")
            return
        elif self.root is not None:
            self._lose("another directory or file system stands in its place")
        mode, filesystem, reason = await self._door.run_within(CHECK, mounts.mode, self.folder)
        await self._begin(found.root, mode, filesystem, reason)

    async def _begin(self, root: Root, mode: mounts.Mode, filesystem: str, reason: str) -> None:
        limit: WatchLimit | None = None
        if mode == "inotify":
            try:
                self._hearing.start()
            except WatchLimit as e:
                limit = e
        self.root, self._identity = root, root.identity
        if limit is None:
            self._status.watching(mode, filesystem, reason)
        else:
            self._status.degraded(filesystem, str(limit))
        self._reconciler.root_changed()
        self._settling.clear()  # a listing that hung while the folder was lost may have come to its end
        self._present.set()
        self.rescan()

    def _lose(self, reason: str) -> None:
        """Nothing counts as deleted, nothing is offered, until it is back."""
        self.root = None
        self._present.clear()
        self._hearing.stop()
        self._settling.clear()
        self._dirty.clear()
        self._status.lost(reason)

    # -- hints

    def _heard(self, batch: Batch) -> None:
        """A batch of hints, on the event loop."""
        if batch.root:
            self._shaken = self._hearing.sound()  # else it says that the events have ended
            self._look.set()
        if batch.overflow:
            self._status.overflow()
            self.rescan()
        for directory in batch.directories:
            if self.folder.recursive and self._filter.skips(directory, is_dir=True) is None:
                self._dirty[directory] = None
                self._scan_now.set()
        now = time.monotonic()
        for path, closed in batch.files.items():
            self._hint(path, now, closed=closed)

    def _hint(self, path: str, now: float, *, closed: bool) -> None:
        if not self._filter.may_be(path):
            # Links are created and never closed, and may be the names of directories.
            if not closed and path.rpartition(".")[2] not in SIDECARS and len(self._odd) < ODD:
                self._odd[path] = None
                self._settle_now.set()
            return
        rule = self._filter.skips(path, is_dir=False)
        if rule is not None:
            self._tell.skipped({path: rule})
            return
        self._settling.hint(path, now, closed=closed, fresh=True)
        self._settle_now.set()

    # -- scan

    async def _scan_forever(self) -> None:
        full_at = -math.inf
        while True:
            await self._present.wait()
            every = max(self.folder.rescan, self._full_cpu * FULL_REST)
            pause = full_at + every - time.monotonic()
            if self.state.mode == "poll":
                pause = min(pause, self.folder.poll)
            if not self._full and not self._dirty:
                await wait(self._scan_now, max(0.0, pause))
            self._scan_now.clear()
            root = self.root
            if root is None:
                continue
            due = time.monotonic() >= full_at + every
            full = self._full or due
            try:
                await self._scan(root, due=due)
            except WatchLimit as e:
                self._hearing.give_up(str(e))
                self._full = True
            except LedgerUnavailable as e:
                self._full = True
                self._tell.ledger_away(e)
                await asyncio.sleep(LEDGER_RETRY)
            except (ShareTrouble, Vanished, FileError):
                self._full = True
                self._look.set()
                await asyncio.sleep(RETRY)
            else:
                if full:
                    full_at = time.monotonic()

    async def _scan(self, root: Root, *, due: bool) -> None:
        """One pass: everything, or what is dirty, or what a poll finds changed."""
        self._full |= self._hearing.try_again()  # each directory gets its watch by being listed
        dirty, self._dirty = self._dirty, {}
        if self._full or due:
            heard = not self._full and not dirty and not self.unlisted and self.state.mode == "inotify"
            self._full = False
            await self._scan_all(root, heard=heard)
            return
        if dirty:  # new, moved or gone: with all that is below them
            await self._scan_some(root, list(dirty), self._reconciler.not_below(dirty))
        if self.state.mode == "poll":
            mtimes = self._reconciler.mtimes()
            changed = await self._disk.run_within(PATIENCE, scan.changed_directories, root, mtimes)
            await self._scan_some(root, changed, mtimes.keys() - set(changed))

    async def _scan_some(self, root: Root, todo: list[str], but_not: set[str]) -> None:
        if todo:
            walk = self._walk(root, todo, but_not)
            await self._pass(walk)
            await self._reconciler.missing_below(walk)

    async def _scan_all(self, root: Root, *, heard: bool) -> None:
        """Every directory; with `heard`, when all have their watches, those without a file by their times alone."""
        began = time.monotonic()
        first = self._first_scan
        await self._reconciler.start(root, first=first)
        same: set[str] = set()
        if heard:
            same = await self._disk.run_within(
                PATIENCE, scan.unchanged_directories, root, self._reconciler.bare()
            )
        # What is below another is listed before it, and so once.
        todo = ["", *sorted(self._reconciler.listed() - same - {""})] if same else [""]
        walk = self._walk(root, todo, same)
        files, waiting = await self._pass(walk)
        self._full_cpu = walk.cpu
        self.unlisted = walk.unreadable
        await self._reconciler.finish(walk, first=first)
        self._first_scan = False
        self.listed.set()
        metrics.rescan(self.folder.name)
        self._tell.listed(files, waiting, time.monotonic() - began, first=first)

    def _walk(self, root: Root, todo: list[str], but_not: set[str]) -> scan.Walk:
        return scan.Walk(
            root,
            self._filter,
            self._reconciler.digests,
            todo,
            recursive=self.folder.recursive,
            watch=self._hearing.watch,
            visited=but_not,
            listed=self._reconciler.listed(),
        )

    async def _pass(self, walk: scan.Walk) -> tuple[int, int]:
        files = waiting = 0
        while walk.todo:
            if self.root is not walk.root:
                raise ShareTrouble("the folder went away during the scan")
            listings = await self._disk.run_moving(PATIENCE, lambda: walk.moved, walk.slice)
            self._tell.skipped(walk.skipped)
            self._tell.left_out(walk.left_out)
            walk.skipped.clear()
            walk.left_out.clear()
            for listing in listings:
                files += listing.count
                waiting += await self._reconciler.reconcile(walk.root, listing, fresh=not self._first_scan)
            # The settling catches up; asked now and then, because it has no moment to tell.
            while self._settling.crowded(time.monotonic(), AHEAD, MOST) and self.root is walk.root:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return files, waiting

    # -- settle

    async def _settle_forever(self) -> None:
        told: str | None = None
        while True:
            await self._present.wait()
            due = self._settling.next_due()
            pause = None if due is None else max(0.0, due - time.monotonic())
            if pause != 0:
                await wait(self._settle_now, pause)
            self._settle_now.clear()
            root = self.root
            if root is None:
                continue
            checks = self._settling.due(time.monotonic(), CHECKS)
            if not checks and not self._odd:
                continue
            try:
                await self._look_at(root, checks)
            except LedgerUnavailable as e:
                self.rescan()  # what was not offered is found again
                self._tell.ledger_away(e)
                await asyncio.sleep(LEDGER_RETRY)
            except ShareTrouble:
                self._look.set()
                await asyncio.sleep(RETRY)
            now = time.monotonic()
            for check in checks:
                self._settling.put_back(check.path, now)
            if self.troubles != told:
                told = self.troubles
                self._changed()

    async def _look_at(self, root: Root, checks: list[Check]) -> None:
        if self._odd:
            odd, self._odd = self._odd, {}
            self._tell.left_out(await self._disk.run_within(PATIENCE, scan.links_out, root, odd))
        if checks:
            looks = await self._disk.run_within(PATIENCE, scan.look_at, root, checks)
            await self._conclude(root, looks)

    async def _conclude(self, root: Root, looks: dict[str, Look | FileError | ShareTrouble]) -> None:
        offers: list[Offer] = []
        gone: list[str] = []
        now = time.monotonic()
        for path, look in looks.items():
            if isinstance(look, FileError):
                self._settling.forget(path)
                self._tell.left_out({path: look.reason})
                continue
            verdict = self._settling.looked(path, self._calm(path, look), now)
            if verdict.kind == "drop":
                gone.append(path)
            elif verdict.kind in {"growing", "busy"}:
                self._tell.waiting(path, verdict)
            elif verdict.kind in {"complete", "problem"}:
                assert verdict.version is not None
                metrics.stage("settle", verdict.took)
                key = FileKey(self.folder.name, path)
                offers.append(
                    Offer(key, verdict.version, verdict.fresh, self.folder.priority, verdict.reason)
                )
        if self.root is not root:
            return
        if offers and self.folder.existing == "ignore":
            offers = await self._reconciler.without_renamed(root, offers)
        if offers:
            await self._offer(offers)
        if gone:
            await self._reconciler.vanished(root, gone)

    def _calm(self, path: str, look: Look | ShareTrouble) -> Look:
        """While the root is there, a file that gives trouble is like one that is busy."""
        if isinstance(look, ShareTrouble):
            self._look.set()
            look = Look(not_yet=str(look))
        if look.not_yet is not None:
            self._tell.not_yet(path, look.not_yet)
        return look

    async def _offer(self, offers: Iterable[Offer]) -> None:
        queued = await self._books(Ledger.offer, list(offers), self._clock())
        self._tell.queued(queued)
        if queued:
            self._offered()
