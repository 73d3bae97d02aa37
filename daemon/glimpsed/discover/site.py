"""What all that watch one folder share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from glimpsed.blocking import Lanes
from glimpsed.config.schema import Folder
from glimpsed.discover.burst import Burst
from glimpsed.discover.telling import Telling
from glimpsed.disk.files import Root
from glimpsed.errors import ShareTrouble
from glimpsed.ledger import Books
from glimpsed.model import FileKey

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 60.0  # s without progress after which the file system counts as hung


@dataclass(slots=True, eq=False)
class WatchedFolder:
    """A folder, the ways to its files and to the ledger, and the root that stands there now."""

    folder: Folder
    books: Books
    lanes: Lanes
    tell: Telling
    clock: Callable[[], float]  # epoch
    look: Callable[[], None]  # at the root, now: something is wrong
    root: Root | None = None
    # How many may come at once without a question, now.
    burst_confirm: Callable[[], int | None] = lambda: None
    burst: Burst = field(default_factory=Burst)
    burst_waits: asyncio.Event = field(default_factory=asyncio.Event)  # more of one wait for `approve`
    new: bool = False  # it was never seen before this start: its backlog has a question of its own

    def still(self, root: Root) -> None:
        """Raises `ShareTrouble` when this root is not the one any more: nothing may be concluded about it."""
        if self.root is not root:
            raise ShareTrouble("the folder went away meanwhile")

    async def disk(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A call about the folder's files. Raises `ShareTrouble` when there is no answer for too long."""
        return await self.lanes.listing.run_within(PATIENCE, call, *args, **kwargs)

    async def disk_moving(self, progress: Callable[[], object], call: Callable[[], T]) -> T:
        """`disk`, for as long as `progress()` changes."""
        return await self.lanes.listing.run_moving(PATIENCE, progress, call)

    def key(self, directory: str, name: str) -> FileKey:
        """A file of this folder's."""
        return FileKey(self.folder.name, join(directory, name))


def join(directory: str, name: str) -> str:
    """The path of a name in a directory, both relative to the folder."""
    return f"{directory}/{name}" if directory else name
