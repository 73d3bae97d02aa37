"""What happens to the ledger besides the work: by commands, by other daemons, by one that died, and by time."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable

from watchdog.observers.inotify_c import InotifyConstants, inotify_add_watch, inotify_init

from glimpsed import metrics
from glimpsed.blocking import wait
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.ledger.hours import QUEUE
from glimpsed.service.models import Models

log = get_logger()

LOOK_FOR_CHANGES = 0.8  # seconds; commands beside the daemon are acted on within one
LOOK_ANYWAY = 30.0  # seconds, a safety net: the log's file may have been replaced
LET_GO, LET_GO_AT_ONCE = 600.0, 10.0  # seconds between two looks for answers that are too old, with 'never' …
ANSWERS_AT_ONCE, BETWEEN_ANSWERS = 200, 0.5  # … and how many go at once, with seconds between
MEASURE = 60.0  # seconds
LOOK_FOR_OTHERS = 30.0  # seconds, half a lease
_ONCE = InotifyConstants.IN_MODIFY | InotifyConstants.IN_ONESHOT  # a thousand writes are one event
_EVENTS = 4096  # bytes; two events come at most: the write, and that the watch is gone with it


async def look_for_changes(
    books: Books, models: Models, wake: Callable[[], None], rescan: Callable[[], None] = lambda: None
) -> None:
    """What a command beside us or another daemon wrote is noticed within a second."""
    seen: tuple[int, str | None] | None = None

    async def look() -> tuple[int, str | None]:
        """What was seen by now, acted upon."""
        counter = await books(Ledger.changes)
        if seen is not None and counter == seen[0]:
            return seen
        asked = await books(Ledger.rescan_asked)
        if seen is not None and asked != seen[1]:
            rescan()
        await models.share_pauses()
        await models.share_lessons()
        wake()
        return counter, asked

    with contextlib.closing(Writes(books.log_file)) as writes:
        while True:
            writes.arm()
            found = await books.attempt(look())
            seen = found or seen
            if found is None:
                wake()  # the dispatcher tells, and sees to what is in hand when the database is back
            await asyncio.sleep(LOOK_FOR_CHANGES)
            if found is not None:
                await writes.wait(LOOK_ANYWAY)


async def watch_others(books: Books, wake: Callable[[], None]) -> None:
    """Say so when another daemon works from the same ledger; take over from one that died here."""
    others: frozenset[str] = frozenset()
    while True:
        if await books.maybe(Ledger.take_back, books.clock()):
            wake()
        if (found := await books.maybe(Ledger.other_daemons, books.clock())) is not None:
            for other in sorted(set(found) - others):
                log.warning(events.LEDGER_SHARED, reason=other)
            others = frozenset(found)
        await asyncio.sleep(LOOK_FOR_OTHERS)


async def let_answers_go(books: Books, keep: float | None) -> None:
    """Keep answers no longer than `keep_answers` allows: a few at a time, so that others can write meanwhile."""
    pause = LET_GO if keep != 0 else LET_GO_AT_ONCE
    while True:
        gone = await books.maybe(Ledger.let_go, books.clock(), ANSWERS_AT_ONCE)
        await asyncio.sleep(BETWEEN_ANSWERS if gone == ANSWERS_AT_ONCE else pause)


async def keep_hours(books: Books, folders: Callable[[], Iterable[str]]) -> None:
    """How long files were in each stage, and how many wait, for the charts of the live page."""
    while True:
        await asyncio.sleep(MEASURE)
        if (waiting := await books.maybe(Ledger.waiting, folders())) is not None:
            await books.maybe(Ledger.add_hour, {**metrics.taken(), QUEUE: (1, waiting)}, books.clock.wall())


class Writes:
    """The next write to one file, by whatever process of this machine. Closed with its event loop's task."""

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else os.fsencode(path)
        self._written = asyncio.Event()
        self._inotify = -1 if self._path is None else inotify_init()
        if self._inotify >= 0:
            os.set_inheritable(self._inotify, False)  # noqa: FBT003 - positional only
            os.set_blocking(self._inotify, False)
            asyncio.get_running_loop().add_reader(self._inotify, self._heard)

    def arm(self) -> None:
        """The next `wait` is for a write from now on. Where the kernel cannot tell, it does not wait at all."""
        self._written.clear()
        if self._inotify < 0 or self._path is None or inotify_add_watch(self._inotify, self._path, _ONCE) < 0:
            self._written.set()

    async def wait(self, seconds: float) -> None:
        """Until the file was written to since `arm`, or so many seconds have passed."""
        await wait(self._written, seconds)

    def close(self) -> None:
        """Hear no more."""
        if self._inotify >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify)
            os.close(self._inotify)
            self._inotify = -1

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._inotify, _EVENTS)
        self._written.set()
