"""Failures that nobody could be told of beside the image: no room, no permission, a share that is away.

The ledger and the log have them; their error sidecars are tried again for as long as the daemon runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from glimpsed.errors import FileError, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.model import FileKey, Job
from glimpsed.pipeline import backoff

MOST = 10_000  # that are kept; more than that nobody reads


class Untold:
    """Error sidecars that wait. `failed_still` tells whether the failure is still to be told of."""

    def __init__(self, failed_still: Callable[[Job], Awaitable[bool]]) -> None:
        self._failed_still = failed_still
        self._waiting: dict[FileKey, tuple[Job, Callable[[], Awaitable[object]]]] = {}
        self._task: asyncio.Task[None] | None = None

    def keep(self, job: Job, write: Callable[[], Awaitable[object]]) -> None:
        """Have `write` tried until it neither raises `SidecarBlocked` nor `ShareTrouble`."""
        if len(self._waiting) < MOST:
            self._waiting[job.key] = job, write
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="untold")

    async def _work(self) -> None:
        in_vain = 0
        try:
            while self._waiting:
                await asyncio.sleep(backoff.share_pause(in_vain))
                in_vain = 0 if await self._round() else in_vain + 1
        finally:
            self._task = None

    async def _round(self) -> bool:
        """Whether anything was written, or has become pointless."""
        blocked: set[str] = set()  # one file is enough to see that a folder still is
        before = len(self._waiting)
        for key, (job, write) in list(self._waiting.items()):
            if key.folder in blocked:
                continue
            try:
                if await self._failed_still(job):
                    await write()
            except (SidecarBlocked, ShareTrouble):
                blocked.add(key.folder)
                continue
            except (FileError, Vanished):
                pass  # it cannot have one, or needs none any more
            self._waiting.pop(key, None)
        return len(self._waiting) < before
