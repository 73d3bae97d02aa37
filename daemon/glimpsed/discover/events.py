"""watchdog's events for one folder, made safe: hints about what to look at, never the truth.

One Observer a folder, with an emitter of our own that reads inotify directly. watchdog's own one holds
events back for half a second while it pairs moves, throws away what it has read when the kernel's queue
overflows, swallows the watch limit, and dies of a KeyError when a moved directory is deleted, taking
every folder with it. Which directories are watched is decided by the scan, which adds a watch to each
directory just before it lists it: what happens after the listing is an event, what happened before is in it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver, EventEmitter, EventQueue, ObservedWatch
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from glimpsed.errors import ShareTrouble
from glimpsed.files import Root
from glimpsed.model import shown
from glimpsed.sidecar import is_temporary

_MASK = (
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_CREATE  # directories, and hard links, which are never closed
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_ATTRIB  # times set after the close; permissions that arrive late
    | InotifyConstants.IN_ONLYDIR
)
_ROOT_MASK = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF
_CLOSED = InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_MOVED_TO
_LEFT = InotifyConstants.IN_MOVED_FROM | InotifyConstants.IN_DELETE
_SELF = _ROOT_MASK | InotifyConstants.IN_UNMOUNT | InotifyConstants.IN_IGNORED
_BUFFER = (
    1 << 20
)  # bytes: the kernel's whole queue at its default length, so that a burst is read before it overflows
# Files that come one after the other without end, and the sidecars of those before them, are read in lots: each
# read alone takes the interpreter from whoever works on them. A file that comes alone is heard of at once.
_BUSY = 20  # reads in a row
_BREATH = 0.01  # seconds
_BATCH = 2000  # paths handed over at once, so that the event loop is never held up for long
_PROBE = "\0probe"
PROBE_LIMIT = 4.0  # s that a probe may take before the events count as dead


class WatchLimit(Exception):
    """The kernel gives no more inotify watches or instances to this user."""


@dataclass(slots=True)
class Batch:
    """What one read of the kernel's queue told, in paths relative to the folder."""

    files: dict[str, bool] = field(default_factory=dict)  # path -> closed or moved into place
    directories: dict[str, None] = field(default_factory=dict)  # new ones, or gone ones: to be listed
    overflow: bool = False  # events were lost
    root: bool = False  # something happened to the folder itself
    probe: bool = False  # an answer to `Events.probe`


class Events:
    """The Observer of one folder. `deliver` is called in a thread of watchdog's, a batch at a time."""

    def __init__(self, root: Root, deliver: Callable[[Batch], None]) -> None:
        """Raises `WatchLimit`. Looks at the disk: call it where that may hang."""
        try:
            self._reader = _Reader()
        except OSError as e:
            raise WatchLimit(f"no inotify instance: {e.strerror}") from e
        self._observer = BaseObserver(_emitter_on(self._reader))
        self._observer.schedule(_Handler(deliver), root.path, recursive=True)
        self._observer.start()
        self._asked: float | None = None  # when, for a probe without an answer

    def watch(self, directory: str, fd: int, identity: tuple[int, int]) -> None:
        """Hear of what happens in this directory from now on. Raises `WatchLimit`."""
        self._reader.watch(directory, fd, identity)

    def alive(self, now: float) -> bool:
        """Whether all threads run, and no probe has been on its way for too long."""
        threads: list[threading.Thread] = [self._observer, *self._observer.emitters]
        on_its_way = self._asked is not None and now - self._asked > PROBE_LIMIT
        return all(thread.is_alive() for thread in threads) and not on_its_way

    def probe(self, now: float) -> None:
        """Make something happen to a file of our own, to be heard through the kernel and all threads.

        Where there can be no such file, nothing is asked, and the events count as alive while the threads run.
        """
        if self._asked is None and self._reader.probe():
            self._asked = now

    def heard_probe(self) -> None:
        """A batch answered the probe."""
        self._asked = None

    def stop(self) -> None:
        """End in the background: watchdog joins its threads, and one of them may hang on a dead share."""
        threading.Thread(target=self._stop, name="events-stop", daemon=True).start()

    def _stop(self) -> None:
        with contextlib.suppress(Exception):  # nobody is left to be told
            self._observer.stop()
            self._observer.join()


class _Handler(FileSystemEventHandler):
    """Hands over, and nothing else: an exception here would end watchdog's dispatch for good."""

    def __init__(self, deliver: Callable[[Batch], None]) -> None:
        self._deliver = deliver

    def dispatch(self, event: FileSystemEvent) -> None:
        if isinstance(event, _Heard):
            with contextlib.suppress(Exception):
                self._deliver(event.batch)


_numbers = itertools.count()


class _Heard(FileSystemEvent):
    """A batch on its way through watchdog's queue, numbered because that drops what equals its predecessor."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(str(next(_numbers)))
        self.batch = batch


def _emitter_on(reader: _Reader) -> type[EventEmitter]:
    class Emitter(EventEmitter):
        def __init__(
            self,
            event_queue: EventQueue,
            watch: ObservedWatch,
            *,
            timeout: float = 1.0,
            event_filter: list[type[FileSystemEvent]] | None = None,
        ) -> None:
            super().__init__(event_queue, watch, timeout=timeout, event_filter=event_filter)
            self.name = "events-reader"

        def queue_events(self, timeout: float) -> None:  # noqa: ARG002 - watchdog's signature
            for batch in reader.read():
                self.queue_event(_Heard(batch))

        def on_thread_stop(self) -> None:
            reader.close()

    return Emitter


class _Reader:
    """watchdog's inotify descriptor, and which watch is which directory."""

    def __init__(self) -> None:
        self._inotify = InotifyFD()
        self._lock = threading.Lock()  # a watch and its directory become known together
        self._directories: dict[WatchDescriptor, tuple[str, CallbackId]] = {}
        self._heard: dict[str, tuple[int, int]] = {}  # identities of the directories that have a watch
        self._ids = itertools.count(1)
        self._in_a_row = 0  # reads that did not have to wait
        self._probe: IO[bytes] | None = None
        try:
            self._probe = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the reader
            self._add(_PROBE, self._probe.fileno(), InotifyConstants.IN_ATTRIB)
        except OSError:
            if self._probe is not None:  # no watch is to be had
                self._inotify._is_reading = False  # noqa: SLF001 - else it leaves the closing to its reader
                self.close()
                raise

    # watchdog calls these on a watch that went away

    def on_event(self, event: InotifyEvent) -> None:
        """Not used: `read` looks at the events itself."""

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The kernel dropped the watch with its directory."""
        place = self._directories.pop(wd, None)
        if place is not None:
            self._heard.pop(place[0], None)

    def on_queue_overflow(self) -> None:
        """Not used: `read` looks at the events itself."""

    def watch(self, directory: str, fd: int, identity: tuple[int, int]) -> None:
        if self._heard.get(directory) == identity:  # each listing asks for it again
            return
        try:
            self._add(directory, fd, Mask(_MASK if directory else _MASK | _ROOT_MASK))
        except OSError as e:
            if e.errno not in {errno.ENOSPC, errno.ENOMEM}:
                raise ShareTrouble(
                    f"{shown(directory)}: cannot be watched: {os.strerror(e.errno or 0)}"
                ) from e
            raise WatchLimit("the limit of inotify watches (fs.inotify.max_user_watches) is reached") from e
        self._heard[directory] = identity

    def probe(self) -> bool:
        """Touch the file, which even a full disk has room for. False: it cannot be."""
        if self._probe is None:
            return False
        try:
            os.utime(self._probe.fileno())
        except (OSError, ValueError):  # ValueError: the reader's thread is just closing it
            return False
        return True

    def read(self) -> list[Batch]:
        """Wait for events, then all that the kernel has."""
        if self._in_a_row > _BUSY:
            time.sleep(_BREATH)
        began = time.monotonic()
        events = self._inotify.read_events(event_buffer_size=_BUFFER)
        self._in_a_row = self._in_a_row + 1 if time.monotonic() - began < _BREATH else 0
        batches = [Batch()]
        for event in events:
            if len(batches[-1].files) >= _BATCH:
                batches.append(Batch())
            self._sort(event, batches[-1])
        return [batch for batch in batches if batch != Batch()]

    def close(self) -> None:
        self._inotify.close()
        if self._probe is not None:
            self._probe.close()

    def _add(self, directory: str, fd: int, mask: Mask) -> WatchDescriptor:
        # By descriptor: no link is followed, no rename in between matters. A fresh id each time, or watchdog
        # warns on stderr whenever a directory is met again.
        path, new = f"/proc/self/fd/{fd}".encode(), CallbackId(next(self._ids))
        with self._lock:
            wd = self._inotify.add_callback(path, mask, self, new)
            old = self._directories.get(wd)
            self._directories[wd] = directory, new
            if old is not None:
                self._heard.pop(old[0], None)
                self._inotify.remove_callbacks([(wd, old[1])])
        return wd

    def _sort(self, event: InotifyEvent, batch: Batch) -> None:
        if event.mask & InotifyConstants.IN_Q_OVERFLOW:
            batch.overflow = True
            self._heard.clear()  # that a watch ended, or its directory moved, may be among what was lost
            return
        place = self._directories.get(event.wd)
        if place is None:
            with self._lock:  # it is just being added
                place = self._directories.get(event.wd)
        if event.mask & _SELF:
            batch.root |= place is not None and place[0] == ""
            if event.is_ignored:
                self._inotify.handle_event(event)
        elif place is not None:
            self._note(event, place[0], batch)

    def _note(self, event: InotifyEvent, directory: str, batch: Batch) -> None:
        if directory == _PROBE:
            batch.probe = True
            return
        name = os.fsdecode(event.name)
        if is_temporary(name):
            return
        path = f"{directory}/{name}" if directory else name
        if not event.is_directory:
            batch.files[path] = batch.files.get(path, False) or bool(event.mask & _CLOSED)
        elif event.mask & (_CLOSED | _LEFT | InotifyConstants.IN_CREATE):
            batch.directories[path] = None
            if event.mask & InotifyConstants.IN_MOVED_FROM:
                self._forget(path)
        elif event.mask & InotifyConstants.IN_ATTRIB and name:
            batch.directories[path] = None  # it may be readable now

    def _forget(self, directory: str) -> None:
        """A directory was moved away: what is in it would go on reporting under its old name."""
        with self._lock:
            gone = [
                (wd, id_)
                for wd, (d, id_) in self._directories.items()
                if d == directory or d.startswith(directory + "/")
            ]
            for wd, _ in gone:
                self._heard.pop(self._directories.pop(wd)[0], None)
        with contextlib.suppress(OSError):
            self._inotify.remove_callbacks(gone)
