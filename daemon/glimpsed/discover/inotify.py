"""The kernel's inotify: one descriptor, and which watch is which directory of which folders."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import select
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from watchdog.observers.inotify_c import (
    InotifyConstants,
    Mask,
    WatchDescriptor,
    inotify_add_watch,
    inotify_init,
    inotify_rm_watch,
)

from glimpsed.discover.depth import is_below
from glimpsed.errors import ShareTrouble
from glimpsed.model import shown
from glimpsed.sidecar import is_temporary

_SELF = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF
_MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_CREATE  # directories, and hard links, which are never closed
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_ATTRIB  # times set after the close; permissions that arrive late
    | InotifyConstants.IN_ONLYDIR
    | _SELF
)
_CLOSED = InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_MOVED_TO
_LEFT = InotifyConstants.IN_MOVED_FROM | InotifyConstants.IN_DELETE
# Bytes: the kernel's whole queue at its default length, so that a burst is read before it overflows.
_BUFFER = 1 << 20
_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name: inotify(7)
# Files that come one after the other without end, and the sidecars of those before them, are read in lots: each
# read alone takes the interpreter from whoever works on them. A file that comes alone is heard of at once.
_BUSY = 20  # reads in a row
_BREATH = 0.01  # seconds
_BATCH = 2000  # paths handed over at once, so that the event loop is never held up for long
_UNSURE = (-1, -1)  # no directory's identity
_NOTHING: frozenset[str] = frozenset()
_NONE = (_UNSURE, WatchDescriptor(-1))
_TRIES = 3  # to watch a directory whose watch goes away meanwhile
# Watches that are given back at once: each comes back as an event, and the kernel's queue is short.
_RETIRED = 1000


class WatchLimit(Exception):
    """The kernel gives no more inotify watches or instances to this user."""


@dataclass(slots=True)
class Batch:
    """What one read of the kernel's queue told, in paths relative to the folder."""

    files: dict[str, bool] = field(default_factory=dict)  # path -> closed or moved into place
    directories: dict[str, None] = field(default_factory=dict)  # new ones, or gone ones: to be listed
    overflow: bool = False  # events were lost
    root: bool = False  # something happened to the folder itself, or its events end


class Ear:
    """What one folder hears of."""

    def __init__(self, kernel: Kernel, deliver: Callable[[Batch], None]) -> None:
        self.heard: dict[str, tuple[tuple[int, int], WatchDescriptor]] = {}  # directories that have a watch
        self.kernel = kernel
        self._deliver: Callable[[Batch], None] | None = deliver

    def watch(self, directory: str, fd: int, identity: tuple[int, int]) -> None:
        """Hear of what happens in this directory from now on. Raises `WatchLimit`, `ShareTrouble`."""
        known = self.heard.get(directory)
        if known is not None and known[0] == identity:  # each listing asks for it again
            return
        try:
            self.kernel.add(self, directory, fd, identity)
        except OSError as e:
            if e.errno not in {errno.ENOSPC, errno.ENOMEM}:
                raise ShareTrouble(
                    f"{shown(directory)}: cannot be watched: {os.strerror(e.errno or 0)}"
                ) from e
            raise WatchLimit("the limit of inotify watches (fs.inotify.max_user_watches) is reached") from e

    def close(self) -> None:
        """Hear nothing more."""
        self._deliver = None
        self.kernel.retire(self)

    def tell(self, batch: Batch) -> None:
        """To the folder, whatever that makes of it: an exception here would end watchdog's dispatch for good."""
        deliver = self._deliver
        if deliver is not None:
            with contextlib.suppress(Exception):
                deliver(batch)


class Lot:
    """What one read of the kernel's queue told, by folder."""

    def __init__(self) -> None:
        self.batches: dict[Ear, list[Batch]] = {}
        self.probe = False
        self.left: dict[Ear, set[str]] = {}  # directories that were moved away

    def of(self, ear: Ear) -> Batch:
        """The batch to be filled."""
        batches = self.batches.setdefault(ear, [Batch()])
        if len(batches[-1].files) >= _BATCH:
            batches.append(Batch())
        return batches[-1]


class Kernel:
    """An inotify descriptor, and which watch is which directory of which folders.

    No lock is held while the kernel adds a watch: on a file system that hangs, that may hang, and nobody else is to
    wait for it. So a watch may be gone again before it is known here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spots: dict[WatchDescriptor, tuple[tuple[Ear, str], ...]] = {}
        self._ended: set[WatchDescriptor] = set()  # before they were known
        self._retiring: deque[Ear] = deque()
        self._in_a_row = 0  # reads that did not have to wait
        self._buffer = bytearray(_BUFFER)
        self._fd = inotify_init()
        if self._fd < 0:
            raise WatchLimit(f"no inotify instance: {os.strerror(ctypes.get_errno())}")
        os.set_inheritable(self._fd, False)  # noqa: FBT003 - positional only
        os.set_blocking(self._fd, False)
        try:
            self._wake = os.eventfd(0)
        except OSError as e:
            os.close(self._fd)
            raise WatchLimit(f"no descriptor for events: {e.strerror}") from e
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._probe = -1
        self._probe, self._probe_wd = self._watched_probe()

    def _watched_probe(self) -> tuple[int, WatchDescriptor]:
        """A file in memory, so that no disk that is full or hangs can be in its way."""
        try:
            fd = os.memfd_create("events-probe")
        except OSError:
            return -1, WatchDescriptor(-1)
        try:
            return fd, self._add(fd, InotifyConstants.IN_ATTRIB)
        except OSError as e:
            os.close(fd)
            self.close()
            raise WatchLimit("the limit of inotify watches (fs.inotify.max_user_watches) is reached") from e

    def add(self, ear: Ear, directory: str, fd: int, identity: tuple[int, int]) -> None:
        """Watch an open directory. Raises OSError."""
        for _ in range(_TRIES):
            wd = self._add(fd, _MASK)
            with self._lock:
                if wd in self._ended:  # with its directory, or as the last of what is just being retired
                    self._ended.discard(wd)
                    continue
                before = ear.heard.get(directory, _NONE)[1]
                if before not in {-1, wd}:  # of another directory that had the name
                    self._drop(ear, directory, before)
                for name in [name for other, name in self._spots.get(wd, ()) if other is ear]:
                    self._drop(ear, name, wd, keep=True)
                self._spots[wd] = (*self._spots.get(wd, ()), (ear, directory))
                ear.heard[directory] = identity, wd
                return

    def retire(self, ear: Ear) -> None:
        """Give back all watches of a folder, a few at a time: that is for the thread that reads."""
        with self._lock:
            self._retiring.append(ear)
        self.wake()

    def probe(self) -> bool:
        """Touch the file. False: it cannot be."""
        with contextlib.suppress(OSError):  # the reader's thread is just closing it
            if self._probe >= 0:
                os.utime(self._probe)
                return True
        return False

    def read(self) -> Lot:
        """Wait for events, then all that the kernel has."""
        if self._in_a_row > _BUSY:
            time.sleep(_BREATH)
        began = time.monotonic()
        ready = dict(self._poll.poll())
        self._in_a_row = self._in_a_row + 1 if time.monotonic() - began < _BREATH else 0
        if self._wake in ready:
            os.eventfd_read(self._wake)
        length = os.readv(self._fd, [self._buffer]) if self._fd in ready else 0
        lot = Lot()
        with self._lock:
            for wd, mask, name in _parsed(self._buffer, length):
                self._sort(wd, mask, name, lot)
            for ear, directories in lot.left.items():
                self._forget(ear, directories)
            self._retire_some()
        return lot

    def wake(self) -> None:
        """Have `read` return."""
        with contextlib.suppress(OSError, ValueError):  # it is closed
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """When nobody reads any more."""
        with self._lock:
            fds = self._fd, self._wake, self._probe
            self._fd = self._wake = self._probe = -1  # never to be taken for another file's
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def _add(self, fd: int, mask: Mask) -> WatchDescriptor:
        # By descriptor: no link is followed, no rename in between matters.
        wd = inotify_add_watch(self._fd, f"/proc/self/fd/{fd}".encode(), mask)
        if wd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return wd

    # -- the rest under the lock

    def _sort(self, wd: WatchDescriptor, mask: int, name: bytes, lot: Lot) -> None:
        if mask & InotifyConstants.IN_Q_OVERFLOW:
            for ear in {ear for spots in self._spots.values() for ear, _ in spots}:
                # That a watch ended, or its directory moved, may be among what was lost.
                ear.heard = {name: (_UNSURE, wd) for name, (_, wd) in ear.heard.items()}
                lot.of(ear).overflow = True
        elif wd == self._probe_wd:
            lot.probe |= not mask & InotifyConstants.IN_IGNORED  # the end of its watch is no sign of life
        elif mask & InotifyConstants.IN_IGNORED:
            self._watch_ended(wd, lot)
        else:
            for ear, directory in self._spots.get(wd, ()):
                _note(mask, directory, name, lot, ear)

    def _watch_ended(self, wd: WatchDescriptor, lot: Lot) -> None:
        if wd not in self._spots:
            self._ended.add(wd)
        for ear, directory in self._spots.pop(wd, ()):
            if ear.heard.get(directory, _NONE)[1] == wd:
                del ear.heard[directory]
            _look_at(directory, lot.of(ear))

    def _forget(self, ear: Ear, directories: set[str]) -> None:
        """Directories were moved away: what is in them would go on reporting under its old name."""
        for directory, (_, wd) in [item for item in ear.heard.items() if is_below(item[0], directories)]:
            self._drop(ear, directory, wd)

    def _retire_some(self) -> None:
        while self._retiring:
            ear = self._retiring[0]
            for directory, (_, wd) in list(itertools.islice(ear.heard.items(), _RETIRED)):
                self._drop(ear, directory, wd)
            if ear.heard:
                self.wake()
                return
            self._retiring.popleft()

    def _drop(self, ear: Ear, directory: str, wd: WatchDescriptor, *, keep: bool = False) -> None:
        """A watch is not this directory of the folder's any more; where it is nobody's, it goes unless it is kept."""
        if ear.heard.get(directory, _NONE)[1] == wd:
            del ear.heard[directory]
        if wd in self._spots:
            self._spots[wd] = tuple(spot for spot in self._spots[wd] if spot != (ear, directory))
            if not self._spots[wd] and not keep:
                inotify_rm_watch(self._fd, wd)  # it says so itself, and is forgotten then


def _parsed(buffer: bytearray, size: int) -> Iterator[tuple[WatchDescriptor, int, bytes]]:
    at = 0
    while at < size:
        wd, mask, _, length = _EVENT.unpack_from(buffer, at)
        at += _EVENT.size + length
        yield WatchDescriptor(wd), mask, bytes(buffer[at - length : at]).rstrip(b"\0")


def _look_at(directory: str, batch: Batch) -> None:
    if directory:
        batch.directories[directory] = None
    else:
        batch.root = True


def _note(mask: int, directory: str, raw: bytes, lot: Lot, ear: Ear) -> None:
    if mask & (_SELF | InotifyConstants.IN_UNMOUNT):
        if not directory:
            lot.of(ear).root = True
        return
    name = os.fsdecode(raw)
    if is_temporary(name) or is_below(directory, lot.left.get(ear, _NOTHING)):
        return
    path = f"{directory}/{name}" if directory else name
    if not mask & InotifyConstants.IN_ISDIR:
        files = lot.of(ear).files
        files[path] = files.get(path, False) or bool(mask & _CLOSED)
    elif mask & (_CLOSED | _LEFT | InotifyConstants.IN_CREATE):
        lot.of(ear).directories[path] = None
        if mask & InotifyConstants.IN_MOVED_FROM:
            lot.left.setdefault(ear, set()).add(path)
    elif mask & InotifyConstants.IN_ATTRIB and name:
        lot.of(ear).directories[path] = None  # it may be readable now
