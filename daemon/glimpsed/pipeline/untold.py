"""Failures that nobody could be told of beside the image: no room, no permission, a share that is away.

The ledger and the log have them; their error sidecars are tried again for as long as the daemon runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.journal import get_logger
from glimpsed.model import FileKey
from glimpsed.pipeline import backoff

Write: TypeAlias = Callable[[], Awaitable[object]]

MOST = 1000  # that are kept; more than that nobody reads

log = get_logger()


class Untold:
    """Error sidecars that wait: ways to write one. A way returns at once where the failure is history."""

    def __init__(self) -> None:
        self._waiting: dict[FileKey, Write] = {}
        self._task: asyncio.Task[None] | None = None

    def keep(self, key: FileKey, write: Write) -> None:
        """Have `write` tried until it neither raises `SidecarBlocked` nor `ShareTrouble`; the last one counts."""
        if len(self._waiting) < MOST or key in self._waiting:
            self._waiting[key] = write
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="untold")

    def forget(self, key: FileKey) -> None:
        """It was told, or something newer."""
        self._waiting.pop(key, None)

    def close(self) -> None:
        """Try no more."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        in_vain = 0
        try:
            while self._waiting:
                await asyncio.sleep(backoff.share_pause(in_vain))
                in_vain = 0 if await self._round() else in_vain + 1
        except Exception:
            log.exception("bug")  # or a ledger that is damaged: who claims from it ends the daemon
        finally:
            self._task = None

    async def _round(self) -> bool:
        """Whether anything was written, or has become pointless."""
        blocked: set[tuple[str, str]] = set()  # one file is enough to see that a directory still is
        before = len(self._waiting)
        for key, write in list(self._waiting.items()):
            if (key.folder, key.directory) in blocked:
                continue
            try:
                await write()
            except (SidecarBlocked, ShareTrouble):
                blocked.add((key.folder, key.directory))
                continue
            except (FileError, Vanished):
                pass  # it cannot have one, or needs none any more
            except Exception:
                log.exception("bug", folder=key.folder)  # of one file: the others are still to be told
            if self._waiting.get(key) is write:
                self.forget(key)
        return len(self._waiting) < before
