"""One folder against the real ledger: the same claims on inotify and on polling."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.discover import events, inotify, scan, site, walk, watch
from glimpsed.discover.inotify import WatchLimit
from glimpsed.discover.watch import FolderWatch
from glimpsed.disk.files import find_root
from glimpsed.errors import FileError, LedgerUnavailable, NotYet, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.ledger import Books, Ledger, open_ledger
from glimpsed.model import FileKey, Job, Offer, Version
from sidecar_samples import inbox

pytestmark = pytest.mark.anyio


def picture(colour: int = 0, side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (colour % 256, colour // 256 % 256, 7)).save(out, "PNG")
    return out.getvalue()


PNG = picture()
PATIENCE = 120.0  # seconds; machines are shared
SOON = 30.0  # half of what a hung call, a quiet time or the next regular look takes here


@dataclass
class Desk:
    """A folder, its ledger, and whoever watches it."""

    path: Path
    ledger: Ledger
    books: Books
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
        self.watch = FolderWatch(Folder(name="f", path=self.path, **keys), self.books, offered=self._count)
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

    async def until(self, condition: Callable[[], object], seconds: float = SOON) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.states(), self.watch.state, self.watch.settling)
            await asyncio.sleep(0.01)

    async def calm(self) -> None:
        """Listed, nothing settling, and another poll over it."""
        await asyncio.wait_for(self.watch.listed.wait(), PATIENCE)
        await self.until(lambda: not self.watch.settling)
        await asyncio.sleep(0.3)
        await self.until(lambda: not self.watch.settling)


@pytest.fixture(params=["inotify", "poll"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(watch, "CHECK", 0.1)
    folder = tmp_path / "in"
    folder.mkdir()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    books = Books(ledger)
    yield Desk(folder, ledger, books, request.param)
    ledger.close()


async def test_what_is_there_at_the_start_is_found_and_what_comes_later_is_fresh(desk: Desk) -> None:
    (desk.path / "old.png").write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(lambda: desk.states() == {"old.png": "queued"})
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "new.png").write_bytes(PNG)
        await desk.until(lambda: len(desk.states()) == 2)
        assert [(j.key.name, j.fresh) for j in desk.claim()] == [("new.png", True), ("old.png", False)]
        assert w.state.mode == desk.mode
        assert desk.offered


async def test_what_is_complete_is_waited_for_until_the_ledger_has_it(desk: Desk) -> None:
    """Else whoever waits for the end of everything (`once`) sees nothing settle and nothing wait, and goes."""
    (desk.path / "a.png").write_bytes(PNG)
    asked, may = asyncio.Event(), asyncio.Event()

    class Slow(Books):
        async def __call__(self, method: Any, /, *args: Any, **keys: Any) -> Any:
            if method is Ledger.offer:
                asked.set()
                await may.wait()
            return await super().__call__(method, *args, **keys)

    desk.books = Slow(desk.ledger)
    async with desk.watching() as w:
        await asyncio.wait_for(asked.wait(), PATIENCE)
        assert w.settling == 1
        assert not desk.states()
        may.set()
        await desk.until(lambda: desk.states() == {"a.png": "queued"})
        await desk.until(lambda: not w.settling)


@pytest.mark.parametrize("trouble", [LedgerUnavailable, ShareTrouble])
async def test_what_the_ledger_could_not_take_goes_on_being_waited_for(
    desk: Desk, trouble: type[Exception]
) -> None:
    (desk.path / "a.png").write_bytes(PNG)
    refused = asyncio.Event()

    class Away(Books):
        async def __call__(self, method: Any, /, *args: Any, **keys: Any) -> Any:
            if method is Ledger.offer and not refused.is_set():
                refused.set()
                raise trouble("it is away")
            return await super().__call__(method, *args, **keys)

    desk.books = Away(desk.ledger)
    async with desk.watching() as w:
        await asyncio.wait_for(refused.wait(), PATIENCE)
        assert not desk.states()
        while not desk.states():
            assert w.settling  # once, and once more where a listing finds it meanwhile
            await asyncio.sleep(0.01)


async def test_a_slow_write_is_offered_once_and_only_when_it_is_whole(desk: Desk) -> None:
    async with desk.watching(settle=0.2) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        with (desk.path / "slow.png").open("wb", buffering=0) as file:
            for at in range(0, len(PNG), 20):
                file.write(PNG[at : at + 20])
                assert not desk.states()
                await asyncio.sleep(0.1)
        await desk.until(lambda: desk.states() == {"slow.png": "queued"})
        (job,) = desk.claim()
        assert job.version.size == len(PNG)
        assert job.problem is None


async def test_a_file_that_stays_cut_off_is_offered_as_a_problem_at_the_limit(desk: Desk) -> None:
    (desk.path / "cut.png").write_bytes(PNG[:-5])
    async with desk.watching(settle_limit=0.5):
        await desk.until(desk.states)
        (job,) = desk.claim()
        assert "cut off" in (job.problem or "")


async def test_an_empty_placeholder_is_not_complete_until_it_has_content(desk: Desk) -> None:
    async with desk.watching(settle=0, settle_limit=600):
        (desk.path / "scan.png").touch()
        await asyncio.sleep(0.5)
        assert not desk.states()
        (desk.path / "scan.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"scan.png": "queued"})


async def test_a_file_that_changes_or_goes_while_it_settles_is_no_file(desk: Desk) -> None:
    async with desk.watching(settle=0.3) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "brief.png").write_bytes(PNG)
        await desk.until(lambda: w.settling)
        (desk.path / "brief.png").unlink()
        await desk.until(lambda: not w.settling)
        await desk.calm()
        assert not desk.states()


async def test_a_file_that_cannot_be_read_for_now_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, locked = scan.look, threading.Event()
    locked.set()

    def busy(root: Any, check: Any) -> Any:
        if locked.is_set():
            raise NotYet(f"{check.path}: Device or resource busy")
        return look(root, check)

    monkeypatch.setattr(scan, "look", busy)
    (desk.path / "locked.png").write_bytes(PNG)
    async with desk.watching(settle_limit=0.1, settle=0.05) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        await asyncio.sleep(0.3)
        assert w.settling == 1
        assert not desk.states()
        locked.clear()
        await desk.until(lambda: desk.states() == {"locked.png": "queued"})
        assert desk.claim()[0].problem is None


async def test_the_same_version_is_never_queued_twice(desk: Desk) -> None:
    async with desk.watching(rescan=0.2) as w:
        (desk.path / "a.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"a.png": "queued"})
        (job,) = desk.claim()
        assert desk.ledger.done(job, (), time.time())
        os.utime(desk.path / "a.png", ns=(1, job.version.mtime_ns))  # an event, not a change
        for _ in range(3):
            w.rescan()
            await desk.calm()
        assert desk.states() == {"a.png": "done"}
        assert not desk.claim()


async def test_another_version_of_a_file_is_queued_again(desk: Desk) -> None:
    async with desk.watching(rescan=0.3):
        (desk.path / "a.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"a.png": "queued"})
        (job,) = desk.claim()
        assert desk.ledger.done(job, (), time.time())
        (desk.path / "a.png").write_bytes(picture(9, 16))
        await desk.until(lambda: desk.states() == {"a.png": "queued"})


async def test_a_restart_does_not_queue_again_and_finds_what_came_meanwhile(desk: Desk) -> None:
    (desk.path / "a.png").write_bytes(PNG)
    (desk.path / "gone.png").write_bytes(PNG)
    async with desk.watching():
        await desk.until(lambda: len(desk.states()) == 2)
    (desk.path / "gone.png").unlink()
    (desk.path / "b.png").write_bytes(PNG)
    async with desk.watching():
        await desk.until(lambda: desk.states() == {"a.png": "queued", "b.png": "queued", "gone.png": "gone"})


async def test_a_rescan_finds_what_no_event_told(desk: Desk) -> None:
    async with desk.watching(poll=3600) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        w._hearing.stop()
        (desk.path / "silent.png").write_bytes(PNG)
        await asyncio.sleep(0.2)
        assert not desk.states()
        w.rescan()
        await desk.until(lambda: desk.states() == {"silent.png": "queued"})


async def test_what_was_forgotten_is_found_again_by_the_rescan(desk: Desk) -> None:
    """By another process, so that no event tells, and the directory is as it was."""
    (desk.path / "scan.png").write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(lambda: desk.states() == {"scan.png": "queued"})
        w.rescan()  # it knows now that there is nothing new
        await desk.until(lambda: desk.ledger.fingerprints("f"))
        assert desk.ledger.forget_files([FileKey("f", "scan.png")]) == 1
        w.rescan()
        await desk.until(lambda: desk.states() == {"scan.png": "queued"})


async def test_the_rescan_asks_a_directory_without_files_for_its_time_alone_and_lists_it_when_that_changed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("empty/below", "full"):
        (desk.path / name).mkdir(parents=True)
    (desk.path / "full/a.png").write_bytes(PNG)
    for name in ("empty/below", "empty", "full", "."):
        os.utime(desk.path / name, (1e9, 1e9))  # not so young that it could change within its mtime
    listed: list[str] = []
    really = walk.Walk._list
    monkeypatch.setattr(
        walk.Walk, "_list", lambda walk, top, path: listed.append(path) or really(walk, top, path)
    )
    async with desk.watching(rescan=0.2, poll=3600) as w:
        w._hearing._heard = lambda batch: None  # nothing is told
        await desk.until(lambda: listed.count("full") > 3)
        assert (listed.count("empty/below") == 1) == (
            desk.mode == "inotify"
        )  # a share's times are not believed
        (desk.path / "empty/below/b.png").write_bytes(PNG)
        (desk.path / "empty/new/deep").mkdir(parents=True)
        (desk.path / "empty/new/deep/c.png").write_bytes(PNG)
        await desk.until(lambda: {"empty/below/b.png", "empty/new/deep/c.png"} <= desk.states().keys())
        shutil.rmtree(desk.path / "empty/below")
        await desk.until(lambda: desk.states()["empty/below/b.png"] == "gone")


async def test_files_in_a_folder_that_was_moved_in_are_found_at_once(desk: Desk, tmp_path: Path) -> None:
    made = tmp_path / "made" / "deep"
    made.mkdir(parents=True)
    (made / "a.png").write_bytes(PNG)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        made.parent.rename(desk.path / "in")
        await desk.until(lambda: desk.states() == {"in/deep/a.png": "queued"})
        (desk.path / "in/deep/b.png").write_bytes(PNG)
        await desk.until(lambda: len(desk.states()) == 2)


async def test_a_folder_moved_within_reports_under_its_new_name(desk: Desk) -> None:
    (desk.path / "one/deep").mkdir(parents=True)
    (desk.path / "one/deep/a.png").write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(lambda: desk.states() == {"one/deep/a.png": "queued"})
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "one").rename(desk.path / "two")
        await desk.until(lambda: desk.states() == {"one/deep/a.png": "gone", "two/deep/a.png": "queued"})
        (desk.path / "two/deep/b.png").write_bytes(PNG)
        await desk.until(lambda: desk.states().get("two/deep/b.png") == "queued")


async def test_names_of_all_kinds_work(desk: Desk) -> None:
    names = ["document.PDF", "line\nbreak.png", os.fsdecode(b"\xff\xfe.png"), "ünï 文.png"]
    for name in names:
        (desk.path / name).write_bytes(b"%PDF-1.4\n%%EOF" if name.endswith("PDF") else PNG)
    async with desk.watching():
        await desk.until(lambda: set(desk.states()) == set(names))


async def test_what_is_no_image_or_excluded_is_left_alone(desk: Desk) -> None:
    for name in (
        "._document.pdf",
        "@eaDir/t.jpg",
        "a.jpg.txt",
        ".hidden.png",
        "~$x.png",
        "no/x.png",
        "b.tmp",
    ):
        (desk.path / name).parent.mkdir(exist_ok=True)
        (desk.path / name).write_bytes(PNG)
    (desk.path / "yes.png").write_bytes(PNG)
    async with desk.watching(exclude=("no/",)) as w:
        await desk.until(desk.states)
        (desk.path / "no/later.png").write_bytes(PNG)
        (desk.path / "no/new").mkdir()
        (desk.path / "no/new/later.png").write_bytes(PNG)
        await desk.calm()
        assert desk.states() == {"yes.png": "queued"}
        assert w.state.state == "watching"


async def test_links_and_pipes_neither_block_nor_lead_out(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x.png").write_bytes(PNG)
    os.mkfifo(desk.path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
    (tmp_path / "s").rename(desk.path / "socket.png")
    (desk.path / "link.png").symlink_to(tmp_path / "secret.png")
    (desk.path / "dir").symlink_to(tmp_path / "outside")
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "later.png").symlink_to(tmp_path / "secret.png")
        os.mkfifo(desk.path / "pipe2.png")
        (desk.path / "socket.png").rename(desk.path / "socket2.png")
        (desk.path / "a.png").write_bytes(PNG)
        await desk.until(desk.states)
        await desk.calm()  # nothing is waited for
        assert desk.states() == {"a.png": "queued"}


async def test_a_link_that_leads_out_is_told_once_and_one_that_stays_inside_is_not(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, target in {"in.png": "real.png", "dir": "/etc", "up": "../x", "s/down": "../real.png"}.items():
        (desk.path / name).parent.mkdir(exist_ok=True)
        (desk.path / name).symlink_to(target)
    async with desk.watching(rescan=0.1) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "later").symlink_to(tmp_path)
        (desk.path / "later.png").symlink_to(tmp_path / "x.png")
        told: list[str] = []

        def heard() -> bool:
            told.extend(line for line in capsys.readouterr().out.splitlines() if "leads out" in line)
            return len(told) >= 4

        await desk.until(heard)
        await asyncio.sleep(0.5)
        heard()
    assert sorted(line.split(" file=")[1].split()[0] for line in told) == ["dir", "later", "later.png", "up"]
    assert all("info" in line for line in told)
    assert "to /etc" in next(line for line in told if "file=dir" in line)


async def test_a_root_that_is_removed_and_made_again_under_its_number_is_watched_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CHECK", 60)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        for number in range(3):
            before = desk.path.stat().st_ino
            desk.path.rmdir()
            desk.path.mkdir()
            if desk.path.stat().st_ino != before:
                pytest.skip("this file system does not use its numbers again")
            await asyncio.sleep(0.3)
            (desk.path / f"{number}.png").write_bytes(picture(number))
            await desk.until(lambda number=number: desk.states().get(f"{number}.png") == "queued")
            (desk.path / f"{number}.png").unlink()
        assert w.state.state == "watching"


async def test_a_root_that_is_made_anew_is_looked_at_again_soon_also_when_it_was_seen_missing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment it is not there, or empty and another one: nothing that waits for the next regular look."""
    monkeypatch.setattr(watch, "CHECK", 60)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        desk.path.rename(desk.path.with_name("away"))
        w._look.set()
        await desk.until(lambda: w.state.state == "lost")
        desk.path.mkdir()
        (desk.path / "a.png").write_bytes(picture(1))
        await desk.until(lambda: desk.states().get("a.png") == "queued")
        assert w.state.state == "watching"


async def test_a_directory_that_is_removed_and_made_again_under_its_number_is_heard(desk: Desk) -> None:
    (desk.path / "sub").mkdir()
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        for number in range(5):
            (desk.path / "sub").rmdir()
            (desk.path / "sub").mkdir()
            await asyncio.sleep(0.2)
            (desk.path / f"sub/{number}.png").write_bytes(picture(number))
            await desk.until(lambda number=number: desk.states().get(f"sub/{number}.png") == "queued")
            (desk.path / f"sub/{number}.png").unlink()


async def test_what_was_ignored_stays_so_under_another_name_and_a_copy_of_it_does_not(desk: Desk) -> None:
    (desk.path / "old").mkdir()
    for number in range(4):
        (desk.path / f"old/{number}.png").write_bytes(picture(number))
    shutil.copytree(desk.path / "old", desk.path / "twin")  # of the same versions
    async with desk.watching(existing="ignore") as w:
        await desk.until(lambda: list(desk.states().values()) == ["done"] * 8)
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "old").rename(desk.path / "new")
        (desk.path / "new/0.png").rename(desk.path / "moved.png")
        await desk.until(lambda: desk.states().get("moved.png") == desk.states().get("new/3.png") == "done")
        await desk.calm()
        shutil.copy2(desk.path / "new/1.png", desk.path / "copy.png")
        await desk.until(lambda: desk.states().get("copy.png") == "queued")
        await desk.calm()
        there = {path: state for path, state in desk.states().items() if state != "gone"}
        twins = [f"twin/{number}.png" for number in range(4)]
        done = ["moved.png", *(f"new/{number}.png" for number in range(1, 4)), *twins]
        assert there == {"copy.png": "queued"} | dict.fromkeys(done, "done")
    (desk.path / "new").rename(desk.path / "newer")  # while nobody looks
    async with desk.watching(existing="ignore") as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        await desk.until(lambda: desk.states().get("newer/3.png") == "done")
        await desk.calm()
        assert [path for path, state in desk.states().items() if state == "queued"] == ["copy.png"]


@pytest.mark.parametrize("one_by_one", [False, True])
async def test_what_was_ignored_stays_so_when_pages_make_room_for_a_new_one(
    desk: Desk, one_by_one: bool
) -> None:
    for number in range(1, 5):
        (desk.path / f"{number}.png").write_bytes(picture(number))
    async with desk.watching(existing="ignore") as w:
        await desk.until(lambda: list(desk.states().values()) == ["done"] * 4)
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        for number in range(4, 0, -1):
            (desk.path / f"{number}.png").rename(desk.path / f"{number + 1}.png")
            if one_by_one:  # each is looked at under its new name before the next
                await desk.until(lambda number=number: desk.states().get(f"{number + 1}.png") == "done")
                await desk.calm()
        (desk.path / "1.png").write_bytes(picture(9))
        await desk.until(lambda: desk.states().get("1.png") == "queued" and len(desk.states()) == 5)
        await desk.calm()
        assert desk.states() == {"1.png": "queued"} | {f"{n}.png": "done" for n in range(2, 6)}
        for old, new in (("2", "swap"), ("3", "2"), ("swap", "3")):
            (desk.path / f"{old}.png").rename(desk.path / f"{new}.png")
            await desk.calm()
        await desk.until(lambda: "swap.png" not in {p for p, s in desk.states().items() if s != "gone"})
        await desk.calm()
        assert [path for path, state in desk.states().items() if state == "queued"] == ["1.png"]


def _later(path: Path, seconds: float) -> None:
    before = path.stat().st_mtime_ns
    os.utime(path, ns=(before, before + int(seconds * 1e9)))


async def test_what_was_ignored_stays_so_when_all_times_shift_by_hours_and_not_when_it_is_edited(
    desk: Desk,
) -> None:
    names = [f"{number}.png" for number in range(4)]
    for number, name in enumerate(names):
        (desk.path / name).write_bytes(picture(number))
    async with desk.watching(existing="ignore") as w:
        await desk.until(lambda: desk.states() == dict.fromkeys(names, "done"))
        await asyncio.wait_for(w.listed.wait(), 5)
        for name in names:  # summer time begins, and the share is FAT
            _later(desk.path / name, 3600)
        (desk.path / "new.png").write_bytes(picture(9))
        await desk.until(lambda: desk.states().get("new.png") == "queued")
        await desk.calm()
        assert desk.states() == dict.fromkeys(names, "done") | {"new.png": "queued"}
    for name in names:  # while nobody looks
        _later(desk.path / name, -7200)
    async with desk.watching(existing="ignore") as w:
        await asyncio.wait_for(w.listed.wait(), 5)
        await desk.calm()
        assert desk.states() == dict.fromkeys(names, "done") | {"new.png": "queued"}
        _later(desk.path / "0.png", 3601)
        _later(desk.path / "1.png", 27 * 3600)
        before = (desk.path / "2.png").stat().st_mtime
        (desk.path / "2.png").write_bytes(picture(20) + b"more")
        os.utime(desk.path / "2.png", (before + 3600,) * 2)
        await desk.until(lambda: [desk.states()[name] for name in names] == ["queued"] * 3 + ["done"])


async def test_why_files_are_not_complete_is_known_while_they_are_waited_for(desk: Desk) -> None:
    async with desk.watching(settle_limit=60) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        assert w._settler.troubles is None
        (desk.path / "half.png").write_bytes(PNG[:-20])
        (desk.path / "empty.png").touch()
        (desk.path / "whole.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"whole.png": "queued"} and w.settling == 2)
        await desk.until(lambda: w._settler.troubles is not None and w._settler.troubles.count(";") == 1)
        assert w._settler.troubles is not None
        assert {part.split(":")[0] for part in w._settler.troubles.split("; ")} == {"half.png", "empty.png"}
        assert "empty.png: The file is empty." in w._settler.troubles
        (desk.path / "half.png").write_bytes(picture(1))
        (desk.path / "empty.png").unlink()
        await desk.until(lambda: w.settling == 0 and w._settler.troubles is None)


async def test_what_was_there_at_first_sight_can_be_ignored_for_ever(desk: Desk) -> None:
    (desk.path / "old.png").write_bytes(PNG)
    async with desk.watching(existing="ignore") as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "new.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"old.png": "done", "new.png": "queued"})
    (desk.path / "meanwhile.png").write_bytes(PNG)
    async with desk.watching(existing="ignore"):
        await desk.until(lambda: desk.states().get("meanwhile.png") == "queued")
        assert desk.states()["old.png"] == "done"


async def test_what_comes_during_the_first_listing_was_not_there_at_first_sight(desk: Desk) -> None:
    (desk.path / "comes.png").write_bytes(PNG)
    async with desk.watching(existing="ignore") as w:
        w._site.clock = lambda: 1.0  # the listing began long before the file came
        await desk.until(lambda: desk.states() == {"comes.png": "queued"})


async def test_the_backlog_is_counted_once_in_the_life_of_a_folder(desk: Desk) -> None:
    for number in range(5):
        (desk.path / f"{number}.png").write_bytes(PNG)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        assert w.first_backlog == 5
        await desk.until(lambda: len(desk.states()) == 5)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        assert w.first_backlog is None


async def test_a_root_that_is_missing_at_the_start_is_lost_until_it_appears(desk: Desk) -> None:
    desk.path.rmdir()
    async with desk.watching() as w:
        await desk.until(lambda: w.begun)
        assert w.state.state == "lost"
        assert w.root is None
        desk.path.mkdir()
        (desk.path / "a.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"a.png": "queued"})
        assert w.state.state == "watching"


async def test_a_root_that_goes_and_comes_back_costs_nothing(desk: Desk, tmp_path: Path) -> None:
    (desk.path / "sub").mkdir()
    for name in ("a.png", "sub/b.png"):
        (desk.path / name).write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(lambda: len(desk.states()) == 2)
        for job in desk.claim():
            desk.ledger.done(job, (), time.time())
        desk.path.rename(tmp_path / "away")
        await desk.until(lambda: w.state.state == "lost")
        desk.path.mkdir()  # the empty mount point
        await asyncio.sleep(0.5)
        assert w.state.state == "lost"
        assert set(desk.states().values()) == {"done"}
        desk.path.rmdir()
        (tmp_path / "away/c.png").write_bytes(PNG)
        (tmp_path / "away").rename(desk.path)
        await desk.until(lambda: desk.states() == {"a.png": "done", "sub/b.png": "done", "c.png": "queued"})
        (desk.path / "sub/d.png").write_bytes(PNG)
        await desk.until(lambda: desk.states().get("sub/d.png") == "queued")


async def test_another_directory_with_files_in_its_place_is_the_folder(desk: Desk, tmp_path: Path) -> None:
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(desk.states)
        (tmp_path / "other").mkdir()
        shutil.copy2(desk.path / "a.png", tmp_path / "other/a.png")
        (tmp_path / "other/b.png").write_bytes(PNG)
        desk.path.rename(tmp_path / "away")
        (tmp_path / "other").rename(desk.path)
        await desk.until(lambda: desk.states() == {"a.png": "queued", "b.png": "queued"})
        await desk.until(lambda: w.state.state == "watching")
        (desk.path / "c.png").write_bytes(PNG)
        await desk.until(lambda: len(desk.states()) == 3)


async def test_an_empty_mount_point_at_the_start_does_not_count_as_everything_deleted(desk: Desk) -> None:
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching():
        await desk.until(desk.states)
    desk.path.rename(desk.path.with_name("share"))
    desk.path.mkdir()
    async with desk.watching() as w:
        await desk.until(lambda: w.begun)
        await asyncio.sleep(0.3)
        assert w.state.state == "lost"
        assert desk.states() == {"a.png": "queued"}


async def test_a_folder_that_was_emptied_while_nobody_watched_is_there_and_its_files_are_gone(
    desk: Desk,
) -> None:
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching():
        await desk.until(desk.states)
    (desk.path / "a.png").unlink()
    async with desk.watching() as w:
        await desk.until(lambda: desk.states() == {"a.png": "gone"})
        assert w.state.state == "watching"


async def test_an_empty_folder_of_which_every_file_is_gone_is_there_whatever_its_identity(
    desk: Desk,
) -> None:
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching():
        await desk.until(desk.states)
        (desk.path / "a.png").unlink()
        await desk.until(lambda: desk.states() == {"a.png": "gone"})
    desk.path.rename(desk.path.with_name("before"))
    desk.path.mkdir()
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        assert w.state.state == "watching"


async def test_a_root_that_is_a_link_is_watched_where_it_leads(desk: Desk, tmp_path: Path) -> None:
    desk.path.rename(tmp_path / "real")
    desk.path.symlink_to(tmp_path / "real")
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (tmp_path / "real/a.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"a.png": "queued"})


async def test_a_deleted_file_and_a_deleted_directory_are_gone(desk: Desk) -> None:
    (desk.path / "x/y").mkdir(parents=True)
    for name in ("a.png", "x/b.png", "x/y/c.png"):
        (desk.path / name).write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(lambda: len(desk.states()) == 3)
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "a.png").unlink()
        shutil.rmtree(desk.path / "x")
        await desk.until(lambda: set(desk.states().values()) == {"gone"})
        (desk.path / "x").mkdir()
        (desk.path / "x/b.png").write_bytes(picture(3, 16))
        await desk.until(lambda: desk.states()["x/b.png"] == "queued")


async def test_a_file_that_came_after_the_listing_and_is_asked_about_already_is_not_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, running = desk.ledger.known, []

    def late(_: Ledger, folder: str, directory: str) -> Any:
        """Between the listing and what the ledger knows: moved in, offered, claimed."""
        if not running:
            path = desk.path / "b.png"
            path.write_bytes(PNG)
            version = Version(len(PNG), path.stat().st_mtime_ns)
            desk.ledger.offer([Offer(FileKey("f", "b.png"), version)], time.time())
            running.extend(desk.claim())
        return known(folder, directory)

    monkeypatch.setattr(Ledger, "known", late)
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (job,) = running
        assert job.key.name == "b.png"
        assert desk.ledger.renew([job.id], time.time()) == {job.id}


def test_whether_a_name_is_there_is_asked_again_and_doubted_where_it_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.png").write_bytes(PNG)
    root = find_root(tmp_path)
    assert scan.present(root, "sub", ["a.png", "b.png"]) == {"a.png"}
    assert scan.present(root, "gone", ["a.png"]) == set()
    real = os.stat

    def broken(path: Any, **options: Any) -> os.stat_result:
        if path == "b.png":
            raise OSError(errno.EIO, "Input/output error")
        return real(path, **options)

    monkeypatch.setattr(os, "stat", broken)
    assert scan.present(root, "sub", ["a.png", "b.png", "c.png"]) == {"a.png", "b.png"}


async def test_a_file_whose_name_changed_its_case_is_gone_under_the_old_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a share that does not tell the two apart, both are there."""
    monkeypatch.setattr(scan, "_is_present", lambda *_: True)
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching():
        await desk.until(desk.states)
    (desk.path / "a.png").rename(desk.path / "A.png")
    async with desk.watching():
        await desk.until(lambda: desk.states() == {"a.png": "gone", "A.png": "queued"})


async def test_a_flat_folder_does_not_look_below(desk: Desk) -> None:
    (desk.path / "sub").mkdir()
    (desk.path / "sub/b.png").write_bytes(PNG)
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching(recursive=False):
        await desk.until(desk.states)
        (desk.path / "sub/c.png").write_bytes(PNG)
        await desk.calm()
        assert desk.states() == {"a.png": "queued"}


async def test_files_with_all_their_sidecars_are_adopted_without_settling(desk: Desk) -> None:
    image = desk.path / "a.jpg"
    image.write_bytes(PNG)
    os.utime(image, (1, 1))
    (desk.path / "a.jpg.txt").write_text("text\n")
    async with desk.watching(outputs=("txt",), settle=60, settle_limit=60) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        assert desk.states() == {"a.jpg": "done"}
        assert w.first_backlog == 0


async def test_what_an_adopted_file_says_is_found_again_by_search(desk: Desk) -> None:
    box = inbox(desk.path)
    box.write()
    async with desk.watching(outputs=box.folder.outputs, settle=60, settle_limit=60):
        await desk.until(lambda: desk.states() == {box.file: "done"})
    word = json.loads(box.beside("scan.jpg.json").read_text())["text"].split()[0]
    assert [hit.key.path for hit in desk.ledger.search(word)] == [box.file]


async def test_a_planted_sidecar_does_not_end_the_watch(desk: Desk) -> None:
    box = inbox(desk.path)
    box.write()
    planted = json.loads(box.beside("scan.jpg.json").read_text())
    planted["source"]["sha256"] = "zz"
    box.beside("scan.jpg.json").write_text(json.dumps(planted))
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching(outputs=box.folder.outputs) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        await desk.until(lambda: desk.states().get("a.png") == "queued")


@pytest.mark.parametrize("seconds", [99_999_999_999, -99_999_999_999])
async def test_a_file_of_an_impossible_time_does_not_end_the_watch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """Any writer may set one, where the file system keeps it (XFS, btrfs, tmpfs)."""
    real = scan.version_of

    def far(status: os.stat_result) -> Version:
        fields = {"st_mtime_ns": seconds * 1_000_000_000}
        return real(os.stat_result(tuple(status), fields))

    monkeypatch.setattr(scan, "version_of", far)
    monkeypatch.setattr(walk, "version_of", far)
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching():
        await desk.until(lambda: desk.states() == {"a.png": "queued"})
        assert desk.claim()[0].version.size == len(PNG)


async def test_a_burst_is_found_without_a_rescan(desk: Desk) -> None:
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        for number in range(3000):
            (desk.path / f"{number}.png").write_bytes(PNG)
        await desk.until(lambda: len(desk.states()) == 3000, PATIENCE)
        assert set(desk.states().values()) == {"queued"}


async def test_a_share_that_hangs_is_lost_holds_up_nobody_and_comes_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "PATIENCE", 0.3)
    hangs, release = threading.Event(), threading.Event()
    real = {name: getattr(scan, name) for name in ("examine", "look_at")}

    def stuck(name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if hangs.is_set():
                release.wait(60)
            return real[name](*args)

        return call

    for name in real:
        monkeypatch.setattr(scan, name, stuck(name))
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        hangs.set()
        (desk.path / "a.png").write_bytes(PNG)
        await desk.until(lambda: w.state.state == "lost")
        assert w.root is None
        hangs.clear()
        release.set()
        await desk.until(lambda: desk.states() == {"a.png": "queued"})
        hangs.set()
        release.clear()
        (desk.path / "b.png").write_bytes(PNG)
        await desk.until(lambda: w.state.state == "lost")
        began = time.monotonic()
    assert time.monotonic() - began < SOON  # the stop does not wait for what hangs
    release.set()


async def test_one_file_that_gives_trouble_does_not_lose_the_folder(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = scan.look

    def broken(root: Any, check: Any) -> Any:
        if check.path == "bad.png":
            raise ShareTrouble("bad.png: Input/output error")
        return look(root, check)

    monkeypatch.setattr(scan, "look", broken)
    (desk.path / "bad.png").write_bytes(PNG)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        (desk.path / "good.png").write_bytes(PNG)
        # The ledger has it a moment before it stops settling.
        await desk.until(lambda: desk.states() == {"good.png": "queued"} and w.settling == 1)
        assert w.state.state == "watching"


async def test_a_directory_that_goes_stale_as_it_is_opened_does_not_end_the_watch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, met = os.fstat, threading.Event()

    def stale(fd: int) -> os.stat_result:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("/sub"):
            met.set()
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(fd)

    (desk.path / "sub").mkdir()
    (desk.path / "a.png").write_bytes(PNG)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", stale)
        async with desk.watching() as w:
            await desk.until(lambda: desk.states() == {"a.png": "queued"})
            await asyncio.wait_for(w.listed.wait(), PATIENCE)
            assert met.is_set()
            assert w.unlisted.keys() == {"sub"}


async def test_without_watches_the_folder_is_polled_and_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    if desk.mode == "poll":
        pytest.skip("has no watches")

    def refuse(self: Any, directory: str, *_: Any) -> None:
        if directory:
            raise WatchLimit("the limit of inotify watches is reached")

    monkeypatch.setattr(inotify.Ear, "watch", refuse)
    (desk.path / "sub").mkdir()
    async with desk.watching() as w:
        await desk.until(lambda: w.state.state == "degraded")
        assert (w.state.mode, w.state.reason) == ("poll", "the limit of inotify watches is reached")
        (desk.path / "sub/a.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"sub/a.png": "queued"})


async def test_a_dead_event_reader_is_replaced(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    if desk.mode == "poll":
        pytest.skip("has no events")
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        first = w._hearing._ear
        assert first is not None

        def die() -> Any:
            raise KeyError(7)

        monkeypatch.setattr(first.kernel, "read", die)
        (desk.path / "a.png").write_bytes(PNG)
        await desk.until(lambda: desk.states() == {"a.png": "queued"})
        await desk.until(lambda: w.state.state == "watching" and w._hearing._ear not in {None, first})
        (desk.path / "b.png").write_bytes(PNG)
        await desk.until(lambda: len(desk.states()) == 2)


async def test_an_overflow_is_made_good_by_a_listing(desk: Desk) -> None:
    async with desk.watching(poll=3600) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        w._hearing.stop()
        (desk.path / "dropped.png").write_bytes(PNG)
        w._heard(inotify.Batch(overflow=True))
        await desk.until(lambda: desk.states() == {"dropped.png": "queued"})


async def test_a_first_listing_that_was_cut_short_still_is_the_first_sight_of_what_was_there_then(
    desk: Desk,
) -> None:
    old, new = desk.path / "old.png", desk.path / "new.png"
    old.write_bytes(PNG)
    desk.ledger.set_fingerprints("f", {"//first": b"1"})
    since = old.stat().st_ctime + 0.001
    assert desk.ledger.first_seen("f", since)
    while not new.exists() or new.stat().st_ctime <= since:  # a file system's clock ticks some times a second
        new.write_bytes(PNG)
    async with desk.watching(existing="ignore") as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        await desk.until(lambda: desk.states() == {"old.png": "done", "new.png": "queued"})
        assert "//first" not in desk.ledger.fingerprints("f")


async def test_what_an_interrupted_first_listing_had_queued_belongs_to_the_backlog(desk: Desk) -> None:
    for number in range(3):
        (desk.path / f"{number}.png").write_bytes(PNG)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        await desk.until(lambda: list(desk.states().values()) == ["queued"] * 3)
    desk.ledger.set_fingerprints("f", {"//first": b"1"})  # as if the daemon had died before the end
    (desk.path / "3.png").write_bytes(PNG)
    async with desk.watching() as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        assert w.first_backlog == 4


async def test_a_start_that_dies_in_a_folder_known_of_old_makes_it_no_first_sight(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ledger.first_seen("f", 1)
    marked: list[object] = []
    remember = desk.ledger.set_fingerprints

    def marking(_: Ledger, folder: str, digests: Mapping[str, bytes | None]) -> None:
        marked.extend(d for d in digests if d == "//first")
        remember(folder, digests)

    monkeypatch.setattr(Ledger, "set_fingerprints", marking)
    (desk.path / "new.png").write_bytes(PNG)
    async with desk.watching(existing="ignore") as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        await desk.until(lambda: desk.states() == {"new.png": "queued"})
    assert not marked  # it would be found at the next start, and files that are there by then be ignored


@pytest.mark.parametrize("then", ["failed", "queued", "running"])
async def test_the_error_sidecar_of_a_deleted_image_goes_with_it(desk: Desk, then: str) -> None:
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(desk.states)
        (job,) = desk.claim()
        assert w.root is not None
        sidecar.write_error(w.root, "a.png", Folder(path=desk.path), "It failed.", "Do something.", {})
        assert desk.ledger.failed(job, "It failed.", "Do something.", time.time(), attempts=1)
        assert (desk.path / "a.png.error.txt").exists()
        if then != "failed":
            assert desk.ledger.requeue(folder="f", now=time.time())
        if then == "running":
            assert desk.claim()
        assert desk.states() == {"a.png": then}
        (desk.path / "a.png").unlink()
        await desk.until(lambda: desk.states() == {"a.png": "gone"})
        await desk.until(lambda: not (desk.path / "a.png.error.txt").exists())


async def test_a_close_is_offered_within_milliseconds_without_quiet_time(desk: Desk) -> None:
    if desk.mode == "poll":
        pytest.skip("has no events")
    async with desk.watching(settle=0) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        delays = []
        for number in range(20):
            (desk.path / f"{number}.png").write_bytes(PNG)
            closed, before = time.monotonic(), desk.offered
            await desk.until(lambda before=before: desk.offered > before)
            delays.append(time.monotonic() - closed)
        assert sorted(delays)[10] < 0.2, delays  # some ms; the rest is for a busy machine


async def test_trouble_with_one_files_sidecars_does_not_stop_the_scan(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(root: Any, directory: str, name: str, *_: Any) -> Any:
        raise {"a.png": ShareTrouble, "b.png": FileError, "c.png": Vanished}[name]("trouble")

    monkeypatch.setattr(sidecar, "adoptable", broken)
    for name in ("a.png", "b.png", "c.png"):
        (desk.path / name).write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(lambda: len(desk.states()) == 3)
        assert w.listed.is_set()


async def test_an_error_sidecar_that_cannot_be_removed_ends_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: Any) -> None:
        raise SidecarBlocked("read-only file system")

    monkeypatch.setattr(sidecar, "remove_error", read_only)
    (desk.path / "a.png").write_bytes(PNG)
    async with desk.watching() as w:
        await desk.until(desk.states)
        (job,) = desk.claim()
        assert desk.ledger.failed(job, "It failed.", "Do something.", time.time())
        (desk.path / "a.png").unlink()
        await desk.until(lambda: desk.states() == {"a.png": "gone"})
        (desk.path / "b.png").write_bytes(PNG)
        await desk.until(lambda: desk.states().get("b.png") == "queued")
        assert w.state.state == "watching"


@pytest.mark.parametrize("both", range(3))
async def test_a_watch_that_is_cancelled_as_something_happens_ends(both: int) -> None:
    event = asyncio.Event()

    async def forever() -> None:
        while True:
            await watch.wait(event, 60)
            event.clear()

    task = asyncio.create_task(forever())
    for _ in range(both + 1):
        await asyncio.sleep(0)
    event.set()
    await asyncio.sleep(0)
    event.set()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()


async def test_what_a_listing_brings_after_the_folder_was_lost_is_not_forgotten_when_it_is_back(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk.watching() as w:
        await desk.calm()
        desk.path.rename(tmp_path / "away")
        await desk.until(lambda: w.state.state == "lost")
        monkeypatch.setattr(watch, "CHECK", 60)
        await asyncio.sleep(0.2)
        (tmp_path / "away/a.png").write_bytes(PNG)
        version = Version(len(PNG), (tmp_path / "away/a.png").stat().st_mtime_ns)
        w._settler.found("a.png", version, quiet=0, fresh=False)  # by a listing that hung
        await asyncio.sleep(0.2)
        (tmp_path / "away").rename(desk.path)
        w._look.set()
        await desk.until(lambda: desk.states() == {"a.png": "queued"})


@pytest.mark.slow
async def test_twenty_thousand_files_renamed_into_place_are_found_from_events_alone(
    tmp_path: Path, many: Many
) -> None:
    names = many.make(tmp_path / "made", 20_000)
    async with many.desk.watching(rescan=3600) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        w.listed.clear()  # a full listing would set it
        await asyncio.to_thread(many.move_in, tmp_path / "made", names)
        await many.desk.until(lambda: many.desk.offered and many.found() == 20_000, PATIENCE)
        assert not w.listed.is_set()
        assert set(many.desk.states().values()) == {"queued"}


async def test_what_the_kernels_full_queue_drops_is_found_by_the_listing_that_its_overflow_asks_for(
    tmp_path: Path, many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    if many.room > 20_000:
        pytest.skip("the kernel's queue is too long to be filled quickly")
    others = many.make(tmp_path / "others", many.room, "html")
    names = many.make(tmp_path / "made", 100)
    waits, full, read = threading.Event(), threading.Event(), inotify.Kernel.read
    batches: list[inotify.Batch] = []

    def late(self: Any) -> inotify.Lot:
        waits.set()
        full.wait(60)
        lot = read(self)
        batches.extend(batch for told in lot.batches.values() for batch in told)
        return lot

    async with many.desk.watching(rescan=3600) as w:
        await asyncio.wait_for(w.listed.wait(), PATIENCE)
        monkeypatch.setattr(inotify.Kernel, "read", late)
        (many.desk.path / "first.png").write_bytes(PNG)  # ends the read that goes on; the next one is late
        await asyncio.to_thread(waits.wait, PATIENCE)
        await asyncio.to_thread(many.move_in, tmp_path / "others", others)
        await asyncio.to_thread(many.move_in, tmp_path / "made", names)
        w.listed.clear()
        full.set()
        await many.desk.until(lambda: many.found() == len(names) + 1, PATIENCE)
        assert any(batch.overflow for batch in batches)
        await asyncio.wait_for(w.listed.wait(), 10)
        assert w.state.state == "watching"


@dataclass
class Many:
    """A lot of files that come at once, for a folder that is watched by events."""

    desk: Desk
    room: int  # of the kernel's queue

    def make(self, where: Path, count: int, suffix: str = "png") -> list[str]:
        where.mkdir()
        names = [f"{number}.{suffix}" for number in range(count)]
        for name in names:
            (where / name).write_bytes(PNG)
        return names

    def move_in(self, where: Path, names: list[str]) -> None:
        for name in names:
            os.rename(where / name, self.desk.path / name)

    def found(self) -> int:
        return self.desk.ledger.counts(["f"])["f"]["queued"]


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Many]:
    monkeypatch.setattr(events, "PROBE_LIMIT", 120.0)  # the reader is held up on purpose
    folder = tmp_path / "in"
    folder.mkdir()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    books = Books(ledger)
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    yield Many(Desk(folder, ledger, books, "inotify"), room)
    ledger.close()
