"""One folder against the real ledger: the same claims on inotify and on polling."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from glimpsed.blocking import Blocking
from glimpsed.config.schema import Folder
from glimpsed.discover import FolderWatch, watch
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.model import Job
from PIL import Image

pytestmark = pytest.mark.anyio


def picture(colour: int = 0, side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (colour % 256, colour // 256 % 256, 7)).save(out, "PNG")
    return out.getvalue()


PNG = picture()


@dataclass
class Desk:
    """A folder, its ledger, and whoever watches it."""

    path: Path
    ledger: Ledger
    db: Blocking
    mode: str
    watch: FolderWatch = field(init=False)
    offered: int = 0

    @contextlib.asynccontextmanager
    async def watching(self, **options: Any) -> AsyncIterator[FolderWatch]:
        keys = {
            "settle": 0.05,
            "settle_limit": 1.0,
            "poll": 0.05,
            "rescan": 3600,
            "watch": self.mode,
        } | options
        self.watch = FolderWatch(
            Folder(name="f", path=self.path, **keys), self.ledger, self.db, offered=self._count
        )
        task = asyncio.create_task(self.watch.run())
        try:
            yield self.watch
            assert not task.done(), task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _count(self) -> None:
        self.offered += 1

    def states(self) -> dict[str, str]:
        rows: dict[str, str] = {}
        for directory in self.ledger.directories("f"):
            for name, known in self.ledger.known("f", directory).items():
                rows[f"{directory}/{name}" if directory else name] = known.state
        return rows

    def claim(self) -> list[Job]:
        return self.ledger.claim(folders=["f"], limit=100, now=time.time() + 60)

    async def until(self, condition: Callable[[], object], seconds: float = 8) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.states(), self.watch.state, self.watch.settling)
            await asyncio.sleep(0.01)

    async def calm(self) -> None:
        """Listed, nothing settling, and another poll over it."""
        await asyncio.wait_for(self.watch.listed.wait(), 8)
        await self.until(lambda: not self.watch.settling)
        await asyncio.sleep(0.3)
        await self.until(lambda: not self.watch.settling)


@pytest.fixture(params=["inotify", "poll"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(watch, "CHECK", 0.1)
    folder = tmp_path / "in"
    folder.mkdir()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    db = Blocking("db")
    yield Desk(folder, ledger, db, request.param)
    db.close()
    ledger.close()


async def test_what_is_there_at_the_start_is_found_and_what_comes_later_is_fresh(desk: Desk) -> None:
    (desk.path / "old.png").write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(lambda: desk.states() == {"old.png": "queued"})
        await asyncio.wait_for(w.listed.wait(), 5)
        (desk.path / "new.png").write_bytes(PNG)
        await desk.until(lambda: len(desk.states()) == 2)
        assert [(j.key.name, j.fresh) for j in desk.claim()] == [("new.png", True), ("old.png", False)]
        assert w.state.mode == desk.mode
        assert desk.offered


async def test_a_slow_write_is_offered_once_and_only_when_it_is_whole(desk: Desk) -> None:
    async with desk.watching(settle=0.2) as w:
        await asyncio.wait_for(w.listed.wait(), 5)
        with (desk.path / "slow.png").open("wb", buffering=0) as file:
            for at in range(0, len(PNG), 20):
                file.write(PNG[at : at + 20])
                assert not desk.states()
                await asyncio.sleep(0.1)
        await desk.until(lambda: desk.states() == {"slow.png": "queued"})
        (job,) = desk.claim()
        assert job.version.size == len(PNG)
        assert job.problem is None
