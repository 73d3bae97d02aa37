"""Told by the kernel when somebody writes to the ledger's file, so that nobody has to look all the time."""

from __future__ import annotations

import asyncio
import contextlib
import os

from watchdog.observers.inotify_c import InotifyConstants, inotify_add_watch, inotify_init

from glimpsed.blocking import wait

_ONCE = InotifyConstants.IN_MODIFY | InotifyConstants.IN_ONESHOT  # a thousand writes are one event
_EVENTS = 4096  # bytes; two events come at most: the write, and that the watch is gone with it


class Stir:
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
