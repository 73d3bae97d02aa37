"""Whether folders are heard: their events are started, supervised, given up, and asked for again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from glimpsed.discover.events import Events
from glimpsed.discover.inotify import Batch, Ear, WatchLimit
from glimpsed.discover.state import Status
from glimpsed.discover.walk import Watch

AGAIN = 3600.0  # s after which a folder that got no watches asks for them again


class Observing:
    """The one Observer of all folders: it runs while any of them wants to hear, and is replaced when it is deaf."""

    def __init__(self) -> None:
        self._events: Events | None = None
        self._ears: set[Ear] = set()

    def ear(self, deliver: Callable[[Batch], None]) -> Ear:
        """What a folder hears with. Raises `WatchLimit`."""
        if self._events is None:
            self._events = Events()
        ear = self._events.ear(deliver)
        self._ears.add(ear)
        return ear

    def release(self, ear: Ear) -> None:
        """A folder hears nothing more."""
        ear.close()
        self._ears.discard(ear)
        if not self._ears:
            self._stop()

    def sound(self, ear: Ear) -> bool:
        """Whether an ear hears; watchdog says so even when its reader is dead.

        Each thread is asked, and a probe is sent, which a later call expects to have come back.
        """
        if self._events is None or not self._events.owns(ear):
            return False
        now = time.monotonic()
        if not self._events.alive(now):
            self._stop()
            return False
        self._events.probe(now)
        return True

    def _stop(self) -> None:
        """Who still listens is told to look, and finds that its ear is not sound."""
        events, self._events = self._events, None
        ears, self._ears = self._ears, set()
        if events is not None:
            events.stop()
        for ear in ears:
            ear.tell(Batch(root=True))


class Hearing:
    """The events of one folder, or their absence; `heard` is called on the event loop."""

    def __init__(self, status: Status, observing: Observing, heard: Callable[[Batch], None]) -> None:
        self._status = status
        self._observing = observing
        self._heard = heard
        self._ear: Ear | None = None
        self._tried = 0.0

    @property
    def watch(self) -> Watch | None:
        """What a listing does to each directory before it lists it."""
        return self._ear.watch if self._ear is not None else None

    @property
    def polls(self) -> bool:
        """Whether the folder is polled, for now or for ever."""
        return self._status.now.mode == "poll"

    def start(self) -> None:
        """Raises `WatchLimit`."""
        loop = asyncio.get_running_loop()

        def hand_over(batch: Batch) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._deliver, ear, batch)

        self._tried = time.monotonic()
        self._ear = ear = self._observing.ear(hand_over)

    def stop(self) -> None:
        """Hear nothing more."""
        if self._ear is not None:
            self._observing.release(self._ear)
            self._ear = None

    def sound(self) -> bool:
        """Whether the events live, as far as there are any."""
        return self._ear is None or self._observing.sound(self._ear)

    def give_up(self, reason: str, *, at_once: bool = False) -> None:
        """Poll instead; `at_once`: and try to hear again with the next scan."""
        self.stop()
        self._tried = time.monotonic() - (AGAIN if at_once else 0.0)
        self._status.degraded(self._status.now.filesystem, reason)

    def try_again(self) -> bool:
        """A degraded folder gets its events back when there are watches again. Whether it just did."""
        if self._status.now.state != "degraded" or time.monotonic() - self._tried < AGAIN:
            return False
        try:
            self.start()
        except WatchLimit as e:
            self._status.still_degraded(str(e))
            return False
        self._status.watching("inotify", self._status.now.filesystem, "events arrive again")
        return True

    def _deliver(self, ear: Ear, batch: Batch) -> None:
        if ear is self._ear:  # else it is of an observer that was stopped
            self._heard(batch)
