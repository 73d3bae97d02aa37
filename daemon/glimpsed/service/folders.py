"""The folders that are watched, each by a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from glimpsed.blocking import Threads
from glimpsed.config.schema import Config, Folder
from glimpsed.discover.hearing import Observing
from glimpsed.discover.watch import FolderWatch
from glimpsed.errors import ShareTrouble
from glimpsed.ledger import Books
from glimpsed.model import FileKey, shown
from glimpsed.pipeline import Place
from glimpsed.pipeline.anew import complete
from glimpsed.searchable.maker import Maker
from glimpsed.service.backlog import Backlogs

THREADS = 16  # file work of all folders at a time …
THREADS_MOST = 1024  # … and with the calls that hang: TasksMax in systemd/*.service leaves room for them
ONCE_LIMIT = 10.0  # seconds at most, instead of `settle_limit`, with `once`


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder as the config has it, its watch, and the task of that."""

    folder: Folder
    watch: FolderWatch
    task: asyncio.Task[None]


class Folders:
    """Starts and stops watches as the config says; knows where they are."""

    def __init__(
        self,
        books: Books,
        backlogs: Backlogs,
        maker: Maker,
        *,
        once: bool,
        wake: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._books = books
        self._backlogs = backlogs
        self._maker = maker
        self._once = once
        self._wake = wake
        self._changed = changed
        self.changes = 0  # counts what became of them: folders that come, go, or are another way than before
        self._watched: dict[str, Watched] = {}
        self._threads = Threads("folders", working=THREADS, most=THREADS_MOST)
        self._observing = Observing()

    def __iter__(self) -> Iterator[FolderWatch]:
        return (w.watch for w in self._watched.values())

    @property
    def names(self) -> list[str]:
        """Of all folders."""
        return list(self._watched)

    @property
    def begun(self) -> bool:
        """Every folder's first listing is under way."""
        return all(watch.begun for watch in self)

    @property
    def looked(self) -> bool:
        """Every folder that is there has been listed."""
        return all(watch.listed.is_set() or watch.missing for watch in self)

    @property
    def settling(self) -> int:
        """Files that are not known to be complete yet."""
        return sum(watch.settling for watch in self)

    @property
    def stuck(self) -> int:
        """Those of them that may never be: unreadable, or written to without end."""
        return sum(watch.stuck for watch in self)

    @property
    def missing(self) -> list[str]:
        """The folders that are not there, and why."""
        return [f"{watch.folder.name}: {watch.state.reason}" for watch in self if watch.missing]

    @property
    def unlisted(self) -> list[str]:
        """Subdirectories that could not be listed, each with its folder's name before it."""
        return sorted(f"{watch.folder.name}: {shown(path)}" for watch in self for path in watch.unlisted)

    async def apply(self, config: Config, group: asyncio.TaskGroup) -> None:
        """Watch what is new or changed, let go of what is gone; jobs in hand end as they began."""
        self._backlogs.config = config
        # All at once, before anything is waited for: the dispatcher must not find a folder whose model is gone.
        old = [name for name, watched in self._watched.items() if config.folders.get(name) != watched.folder]
        tasks = [self._watched.pop(name).task for name in old]
        self.changes += 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name, folder in config.folders.items():
            await self._backlogs.ask_failed_again(folder)
            if name in self._watched:
                await self._backlogs.let_go_if_free(folder)
            else:
                self._watched[name] = await self._begin(folder, group)
                self.changes += 1

    def rescan(self) -> None:
        """List every folder in full, now."""
        for watch in self:
            watch.rescan()

    def _count_change(self) -> None:
        self.changes += 1
        self._changed()
        self._wake()  # what is due in a folder that is there now, as after a restart, waits for nothing else

    def cancel(self) -> None:
        """Watch nothing any more."""
        for watched in self._watched.values():
            watched.task.cancel()
        self._threads.close()

    def place(self, name: str) -> Place | None:
        """Where a folder is now, without models to ask; None when it is not there."""
        watched = self._watched.get(name)
        if watched is None or watched.watch.root is None:
            return None
        return Place(watched.watch.folder, watched.watch.root, watched.watch.lanes.files, ())

    def blocked(self, name: str, reason: str | None) -> None:
        """Sidecars cannot be written into a folder, where and why; None: they can."""
        if (watched := self._watched.get(name)) is not None:
            watched.watch.blocked(reason)

    def cost_nothing(self, key: FileKey) -> None:
        """Its answer was there already: it does not count among the arrivals that are asked about."""
        if (watched := self._watched.get(key.folder)) is not None:
            watched.watch.burst.free({key})

    def locate(self, path: str) -> FileKey | None:
        """The watched folder that an absolute path lies in, and the path in it."""
        for watch in self:
            if watch.root is not None and path.startswith(watch.root.path + os.sep):
                return FileKey(watch.folder.name, path[len(watch.root.path) + 1 :])
        return None

    async def _begin(self, folder: Folder, group: asyncio.TaskGroup) -> Watched:
        asked, name = folder, folder.name
        if self._once:  # nobody is here later to see whether a file that is cut off now becomes whole
            limit = max(folder.settle, min(folder.settle_limit, ONCE_LIMIT))
            folder = folder.model_copy(update={"settle_limit": limit})
        else:
            await self._backlogs.before_listing(folder)
        watch = FolderWatch(
            folder,
            self._books,
            offered=self._wake,
            changed=self._count_change,
            threads=self._threads,
            observing=self._observing,
            burst_confirm=lambda: None if self._once else self._backlogs.burst_confirm(name),
        )
        return Watched(asked, watch, group.create_task(self._watching(watch)))

    async def _watching(self, watch: FolderWatch) -> None:
        """Watch, and see to the backlog once it is known."""
        async with asyncio.TaskGroup() as group:
            group.create_task(watch.run())
            group.create_task(self._backlogs.see_to_bursts(watch))
            await watch.listed.wait()
            backlog = self._backlogs.after_listing(
                watch.folder, watch.first_backlog, watch.root, settling=lambda: watch.settling
            )
            group.create_task(backlog)
            if (place := self.place(watch.folder.name)) is not None:
                with contextlib.suppress(ShareTrouble):  # it is tried again at the next start
                    await complete(self._books, place, self._maker)
