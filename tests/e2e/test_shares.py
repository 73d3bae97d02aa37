"""Real file systems that come and go under a watched folder: FUSE wherever there is one, mounts where root may."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glimpsed.blocking import Blocking
from glimpsed.config.schema import Folder
from glimpsed.discover import FolderWatch, mounts, watch
from glimpsed.ledger import Ledger, open_ledger

pytestmark = pytest.mark.anyio

JPEG = b"\xff\xd8\xff\xda\x00\x02\xff\xd9"  # whole, as far as its markers tell


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def point(tmp_path: Path) -> Iterator[Path]:
    """A mount point; whatever is mounted there is gone afterwards."""
    path = tmp_path / "share"
    path.mkdir()
    yield path
    while _run("umount", "-l", str(path)):
        pass


@pytest.fixture
def server(tmp_path: Path) -> Path:
    path = tmp_path / "server"
    path.mkdir()
    return path


def _run(*command: str) -> bool:
    return not subprocess.run(command, check=False, capture_output=True).returncode


class Bindfs:
    """A share in user space: a process that can be stopped, killed and started again."""

    def __init__(self, server: Path, point: Path) -> None:
        if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("needs bindfs and /dev/fuse")
        self._command = ["bindfs", "-f", str(server), str(point)]
        self._point = point
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 5
        while not os.path.ismount(self._point):
            if self.process.poll() is not None:
                pytest.skip("FUSE mounts are not allowed here")
            assert time.monotonic() < end
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def unmount(self) -> None:
        assert _run("umount", "-l", str(self._point))


@contextlib.asynccontextmanager
async def watching(path: Path, ledger: Ledger, **keys: Any) -> AsyncIterator[FolderWatch]:
    db = Blocking("db")
    options = {"settle": 0.05, "poll": 0.1, "rescan": 3600} | keys
    it = FolderWatch(Folder(name="f", path=path, **options), ledger, db, offered=lambda: None)
    task = asyncio.create_task(it.run())
    try:
        yield it
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        db.close()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CHECK", 0.3)
    monkeypatch.setattr(watch, "PATIENCE", 2.0)


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def states(ledger: Ledger) -> dict[str, str]:
    return {n: known.state for d in ledger.directories("f") for n, known in ledger.known("f", d).items()}


def finish(ledger: Ledger) -> None:
    for job in ledger.claim(folders=["f"], limit=100, now=time.time() + 60):
        assert ledger.done(job, (), time.time())


async def test_files_that_appear_on_the_server_are_found_on_the_share(
    server: Path, point: Path, ledger: Ledger
) -> None:
    share = Bindfs(server, point)
    async with watching(point, ledger) as w:
        await asyncio.wait_for(w.listed.wait(), 5)
        assert (w.state.mode, w.state.filesystem) == ("poll", "fuse")
        (server / "a.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger) == {"a.jpg": "queued"})
    share.kill()


async def test_a_killed_share_is_lost_once_and_nothing_is_done_again_when_it_is_back(
    server: Path, point: Path, ledger: Ledger
) -> None:
    share = Bindfs(server, point)
    for number in range(20):
        (server / f"{number}.jpg").write_bytes(JPEG)
    async with watching(point, ledger) as w:
        await until(lambda: len(states(ledger)) == 20)
        finish(ledger)
        share.kill()  # ENOTCONN
        await until(lambda: w.state.state == "lost")
        share.unmount()  # an empty folder that takes writes
        await asyncio.sleep(1)
        assert w.state.state == "lost"
        assert w.root is None
        assert set(states(ledger).values()) == {"done"}
        (server / "new.jpg").write_bytes(JPEG)
        share.start()
        await until(lambda: states(ledger).get("new.jpg") == "queued")
        assert sorted(states(ledger).values()) == ["done"] * 20 + ["queued"]
        assert w.state.state == "watching"
    share.kill()


async def test_a_share_that_hangs_holds_up_neither_another_folder_nor_the_stop(
    server: Path, point: Path, ledger: Ledger, tmp_path: Path
) -> None:
    share = Bindfs(server, point)
    other, second = tmp_path / "other", open_ledger(f"sqlite:///{tmp_path}/second.sqlite")
    other.mkdir()
    async with watching(point, ledger) as w, watching(other, second) as v:
        await asyncio.wait_for(w.listed.wait(), 5)
        await asyncio.wait_for(v.listed.wait(), 5)
        share.process.send_signal(signal.SIGSTOP)
        await until(lambda: w.state.state == "lost")
        (other / "a.jpg").write_bytes(JPEG)
        await until(lambda: states(second) == {"a.jpg": "queued"})
        share.process.send_signal(signal.SIGCONT)
        (server / "b.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger) == {"b.jpg": "queued"})
        share.process.send_signal(signal.SIGSTOP)
        await until(lambda: w.state.state == "lost")
        began = time.monotonic()
    assert time.monotonic() - began < 2
    share.process.send_signal(signal.SIGCONT)
    share.kill()
    second.close()


async def test_a_mount_over_the_folder_and_its_end_are_noticed(point: Path, ledger: Ledger) -> None:
    def mount() -> None:
        if not _run("mount", "-t", "tmpfs", "tmpfs", str(point)):
            pytest.skip("mounts are not allowed here")

    (point / "below.jpg").write_bytes(JPEG)
    async with watching(point, ledger, watch="inotify") as w:
        await until(lambda: states(ledger) == {"below.jpg": "queued"})
        finish(ledger)
        mount()
        await until(lambda: w.state.state == "lost")  # it is empty
        (point / "above.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger).get("above.jpg") == "queued")
        assert _run("umount", str(point))
        await until(lambda: w.state.state == "watching" and states(ledger)["below.jpg"] == "done")
        (point / "later.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger).get("later.jpg") == "queued")


async def test_an_unmounted_file_system_is_not_a_folder_that_was_emptied(
    server: Path, point: Path, ledger: Ledger
) -> None:
    if not _run("mount", "--bind", str(server), str(point)):
        pytest.skip("mounts are not allowed here")
    (server / "a.jpg").write_bytes(JPEG)
    async with watching(point, ledger, watch="inotify") as w:
        await until(lambda: states(ledger) == {"a.jpg": "queued"})
        finish(ledger)
        assert _run("umount", "-l", str(point))
        await until(lambda: w.state.state == "lost")
        w.rescan()
        await asyncio.sleep(0.5)
        assert states(ledger) == {"a.jpg": "done"}
        assert _run("mount", "--bind", str(server), str(point))
        await until(lambda: w.state.state == "watching")
        (server / "b.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger) == {"a.jpg": "done", "b.jpg": "queued"})


async def test_a_fuse_share_is_recognised(server: Path, point: Path) -> None:
    share = Bindfs(server, point)
    mode, filesystem, reason = mounts.mode(Folder(path=point))
    assert (mode, filesystem) == ("poll", "fuse")
    assert "no events" in reason
    share.kill()
