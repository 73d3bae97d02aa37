"""Whether a folder is heard: its events are started, supervised, given up, and asked for again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from glimpsed.blocking import Blocking
from glimpsed.discover.events import Batch, Events, WatchLimit
from glimpsed.discover.scan import Watch
from glimpsed.discover.state import Status
from glimpsed.files import Root

AGAIN = 3600.0  # s after which a folder that got no watches asks for them again
PATIENCE = 30.0  # s that the start may take


class Hearing:
    """The events of one folder, or their absence; `heard` is called on the event loop."""

    def __init__(self, status: Status, disk: Blocking, heard: Callable[[Batch], None]) -> None:
        self._status = status
        self._disk = disk
        self._heard = heard
        self._events: Events | None = None
        self._tried = 0.0

    @property
    def watch(self) -> Watch | None:
        """What a listing does to each directory before it lists it."""
        return self._events.watch if self._events is not None else None

    async def start(self, root: Root) -> None:
        """Raises `WatchLimit`, or `ShareTrouble` when the disk does not answer."""
        loop = asyncio.get_running_loop()
        own: list[Events] = []  # filled in before the loop can run `_deliver`

        def hand_over(batch: Batch) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._deliver, own, batch)

        self._tried = time.monotonic()
        self._events = await self._disk.run_within(PATIENCE, Events, root, hand_over)
        own.append(self._events)

    def stop(self) -> None:
        """Hear nothing more."""
        if self._events is not None:
            self._events.stop()
            self._events = None

    def sound(self) -> bool:
        """Whether the events live, as far as there are any; watchdog says so even when its reader is dead.

        Each thread is asked, and a probe is sent, which the next call expects to have come back.
        """
        if self._events is None:
            return True
        now = time.monotonic()
        if not self._events.alive(now):
            return False
        self._events.probe(now)
        return True

    def give_up(self, reason: str, *, at_once: bool = False) -> None:
        """Poll instead; `at_once`: and try to hear again with the next scan."""
        self.stop()
        self._tried = time.monotonic() - (AGAIN if at_once else 0.0)
        self._status.degraded(self._status.now.filesystem, reason)

    async def try_again(self, root: Root) -> bool:
        """A degraded folder gets its events back when there are watches again. Whether it just did."""
        if self._status.now.state != "degraded" or time.monotonic() - self._tried < AGAIN:
            return False
        try:
            await self.start(root)
        except WatchLimit as e:
            self._status.still_degraded(str(e))
            return False
        self._status.watching("inotify", self._status.now.filesystem, "events arrive again")
        return True

    def _deliver(self, own: list[Events], batch: Batch) -> None:
        if not own or own[0] is not self._events:
            return  # of an observer that was stopped
        if batch.probe:
            own[0].heard_probe()
        self._heard(batch)
