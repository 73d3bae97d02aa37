"""What every view stands on: the config as it is now, the ledger in threads, pictures, who comes in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from glimpsed.blocking import Blocking, Threads
from glimpsed.clock import elapsed
from glimpsed.config.schema import Config, Web
from glimpsed.desk import Desk
from glimpsed.desk.rates import Speeds
from glimpsed.desk.snapshot import snapshot
from glimpsed.ledger import Ledger
from glimpsed.schemas.checker import Checker
from glimpsed.web.pictures import Pictures
from glimpsed.web.sessions import Attempts, Password, Sessions

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 30.0  # seconds that the ledger may take
SLOW_PATIENCE = 120.0  # … and what looks into many files
STALE = 60.0  # seconds after which one waits for what is new
RARELY = 20.0  # times as long as it takes to make it: a twentieth of a core at most
THREADS, THREADS_MOST = 4, 64  # that look into folders at a time, and with the calls that hang
FRESH = 1.5  # seconds that what goes on is shown again as it was, however many look


@dataclass(frozen=True, slots=True)
class Cached:
    """What was made for a page, when, and how long that took."""

    value: Any
    at: float
    took: float


@dataclass(slots=True)
class Site:
    """One page, wherever it is served from."""

    current: Callable[[], Config]
    web: Web
    ledger: Ledger
    pictures: Pictures
    password: Password | None
    sessions: Sessions
    keep: Callable[[], None]  # the sessions, beyond the process; waits for the disk
    attempts: Attempts = field(default_factory=Attempts)
    rates: Speeds = field(default_factory=Speeds)
    checking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))  # passwords, each 16 MB
    checker: Checker = field(default_factory=lambda: Checker(idle=60.0))  # of what was corrected
    _lane: Blocking = field(default_factory=lambda: Blocking("page", threads=4))
    _slow: Blocking = field(default_factory=lambda: Blocking("page's estimates", threads=2))
    _threads: Threads = field(
        default_factory=lambda: Threads("page's folders", working=THREADS, most=THREADS_MOST)
    )
    _folders: dict[str, Blocking] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    _kept: dict[str, Cached] = field(default_factory=dict)
    _making: dict[str, asyncio.Task[Cached]] = field(default_factory=dict)
    _era: int = 0  # counts what was done at the page

    @property
    def config(self) -> Config:
        """As it is now: a reload changes it."""
        return self.current()

    @property
    def desk(self) -> Desk:
        """For what commands and the page share."""
        return Desk(self.config, self.ledger)

    async def ask(self, call: Callable[Concatenate[Ledger, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A question to the ledger, in a thread. Raises `LedgerUnavailable`, `ShareTrouble` when it takes too long."""
        return await self._lane.run_within(PATIENCE, call, self.ledger, *args, **kwargs)

    async def do(self, call: Callable[Concatenate[Desk, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What looks at many files of the ledger: in a thread, with more patience."""
        return await self._slow.run_within(SLOW_PATIENCE, call, self.desk, *args, **kwargs)

    async def do_in(
        self, folder: str, call: Callable[Concatenate[Desk, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`do`, for what looks into a folder, or several (``""``): one whose file system hangs holds up its own."""
        return await self._lane_of(folder).run_within(SLOW_PATIENCE, call, self.desk, *args, **kwargs)

    def _lane_of(self, folder: str) -> Blocking:
        if folder not in self._folders:
            lane = Blocking(f"page's look at {folder}", threads=2, spare=2, pool=self._threads)
            self._folders[folder] = lane
        return self._folders[folder]

    async def question(
        self, folder: str, call: Callable[Concatenate[Desk, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`do_in`, for what asks models, who take their time: nothing else waits for that."""
        return await self._lane_of(f"{folder}, asking").run_within(
            SLOW_PATIENCE, call, self.desk, *args, **kwargs
        )

    async def shot(self) -> dict[str, Any]:
        """What goes on, as `glimpsed status --json` has it."""

        async def look() -> dict[str, Any]:
            found = await self._slow.run_within(PATIENCE, snapshot, self.desk, time.time())
            self.rates.add(found, elapsed())
            return found

        return await self.kept("shot", FRESH, look)

    async def kept(self, name: str, seconds: float, make: Callable[[], Awaitable[T]]) -> T:
        """What was made no longer ago than this, else made anew: once, however many wait for it.

        Nobody waits for what was there a moment ago: it is shown as it was, and made anew for who comes next. What takes
        long to make, over very many files, is made more rarely.
        """
        found = self._kept.get(name)
        if found is None or elapsed() - found.at > STALE:
            async with self._turns.setdefault(name, asyncio.Lock()):
                if (found := self._kept.get(name)) is None or elapsed() - found.at > STALE:
                    found = await self._make(name, make)
        elif elapsed() - found.at > max(seconds, RARELY * found.took) and name not in self._making:
            self._making[name] = task = asyncio.create_task(self._make(name, make))
            task.add_done_callback(lambda done: self._made(name, done))
        kept: T = found.value
        return kept

    async def _make(self, name: str, make: Callable[[], Awaitable[Any]]) -> Cached:
        era, began = self._era, elapsed()
        found = Cached(await make(), elapsed(), elapsed() - began)
        if era == self._era:  # else something was done meanwhile, and this does not show it
            self._kept[name] = found
        return found

    def _made(self, name: str, done: asyncio.Task[Cached]) -> None:
        self._making.pop(name, None)
        if not done.cancelled():
            done.exception()  # who comes next tries again, and is told

    def look_again(self) -> None:
        """Something was done: what is shown next is new."""
        self._era += 1
        self._kept.clear()

    async def close(self) -> None:
        """Let go of processes, threads and the database."""
        await self.pictures.close()
        await self.checker.aclose()
        await self._lane.run(self.ledger.close)
        self._lane.close()
        self._slow.close()
        self._threads.close()
