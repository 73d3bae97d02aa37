"""watchdog's events for all folders, made safe: hints about what to look at, never the truth.

One Observer, with an emitter of our own that reads inotify directly: threads and inotify instances do not grow with
the folders. watchdog's own emitter holds events back for half a second while it pairs moves, throws away what it has
read when the kernel's queue overflows, swallows the watch limit, and dies of a KeyError when a moved directory is
deleted. Which directories are watched is decided by the scan, which adds a watch to each directory just before it
lists it: what happens after the listing is an event, what happened before is in it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver, EventEmitter, EventQueue, ObservedWatch

from glimpsed.discover.inotify import Batch, Ear, Kernel, Lot, WatchLimit

PROBE_EVERY = 4.0  # s between two probes, whoever asks
PROBE_LIMIT = 4.0  # s that a probe may take before the events count as dead


class Events:
    """The Observer, as long as it is not deaf."""

    def __init__(self) -> None:
        """Raises `WatchLimit`. Touches no folder: nothing here can hang."""
        self._asked: float | None = None  # when, for a probe without an answer
        self._sent = -PROBE_EVERY
        self._kernel = Kernel()
        self._observer = BaseObserver(_Emitter, kernel=self._kernel)
        # Of all folders, and so of no path: this one is only looked up once, and cannot hang.
        self._observer.schedule(_HandOver(self._heard_probe), "/")
        try:
            self._observer.start()
        except (RuntimeError, MemoryError) as e:
            self._stop()
            raise WatchLimit(f"no thread for events: {e}") from e

    def ear(self, deliver: Callable[[Batch], None]) -> Ear:
        """What a folder hears with. `deliver` is called in a thread of watchdog's, a batch at a time."""
        return Ear(self._kernel, deliver)

    def owns(self, ear: Ear) -> bool:
        """Whether this is what it hears."""
        return ear.kernel is self._kernel

    def alive(self, now: float) -> bool:
        """Whether all threads run, and no probe has been on its way for too long."""
        threads: list[threading.Thread] = [self._observer, *self._observer.emitters]
        on_its_way = self._asked is not None and now - self._asked > PROBE_LIMIT
        return all(thread.is_alive() for thread in threads) and not on_its_way

    def probe(self, now: float) -> None:
        """Make something happen to a file of our own, to be heard through the kernel and all threads.

        Where there can be no such file, nothing is asked, and the events count as alive while the threads run.
        """
        if self._asked is None and now - self._sent >= PROBE_EVERY:
            self._asked = self._sent = now
            if not self._kernel.probe():
                self._asked = None

    def stop(self) -> None:
        """End in the background: watchdog joins its threads."""
        with contextlib.suppress(RuntimeError):  # the machine has no thread to spare
            threading.Thread(target=self._stop, name="events-stop", daemon=True).start()

    def _stop(self) -> None:
        with contextlib.suppress(Exception):  # nobody is left to be told
            self._observer.stop()
            self._observer.join()
        self._kernel.close()

    def _heard_probe(self) -> None:
        self._asked = None


class _HandOver(FileSystemEventHandler):
    """Hands over, and nothing else."""

    def __init__(self, heard_probe: Callable[[], None]) -> None:
        self._heard_probe = heard_probe

    def dispatch(self, event: FileSystemEvent) -> None:
        if isinstance(event, _Heard):
            if event.probe:
                self._heard_probe()
            for ear, batch in event.batches:
                ear.tell(batch)


class _Heard(FileSystemEvent):
    """What one read told, on its way through watchdog's queue, which drops what equals its predecessor."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, lot: Lot) -> None:
        super().__init__("")
        self.probe = lot.probe
        self.batches = [(ear, batch) for ear, batches in lot.batches.items() for batch in batches]


class _Emitter(EventEmitter):
    def __init__(
        self,
        event_queue: EventQueue,
        watch: ObservedWatch,
        *,
        kernel: Kernel,
        timeout: float = 1.0,
        event_filter: list[type[FileSystemEvent]] | None = None,
    ) -> None:
        super().__init__(event_queue, watch, timeout=timeout, event_filter=event_filter)
        self.name = "events-reader"
        self._kernel = kernel

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._kernel.close()

    def queue_events(self, timeout: float) -> None:  # noqa: ARG002 - watchdog's signature
        lot = self._kernel.read()
        if lot.probe or lot.batches:
            self.queue_event(_Heard(lot))

    def on_thread_stop(self) -> None:
        self._kernel.wake()
