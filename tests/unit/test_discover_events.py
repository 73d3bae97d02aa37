"""watchdog's pitfalls around the clock, each met by something that reproduces it."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.inotify_c import InotifyConstants, WatchDescriptor, inotify_rm_watch

from glimpsed.discover import inotify
from glimpsed.discover.events import PROBE_LIMIT, Events
from glimpsed.discover.inotify import Batch, Lot, WatchLimit


class Ear:
    """Watches a tree as the scan does, and notes what it hears."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, bool] = {}
        self.directories: set[str] = set()
        self.batches: list[Batch] = []
        self.arrived: dict[str, float] = {}
        self.events = Events()
        self.ear = self.events.ear(self.hear)
        self.watch("")

    def watch(self, directory: str) -> None:
        fd = os.open(self.path / directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.ear.watch(directory, fd, identity(fd))
        finally:
            os.close(fd)

    def hear(self, batch: Batch) -> None:
        now = time.monotonic()
        self.batches.append(batch)
        for path, closed in batch.files.items():
            self.files[path] = self.files.get(path, False) or closed
            self.arrived.setdefault(path, now)
        self.directories |= set(batch.directories)


def identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    it = Ear(tmp_path)
    yield it
    it.events.stop()
    until(lambda: not it.events.alive(0))


def test_moving_and_deleting_watched_folders_does_not_end_the_reader(ear: Ear, tmp_path: Path) -> None:
    out = tmp_path.parent / f"{tmp_path.name}-out"
    out.mkdir()
    (ear.path / "sub").mkdir()
    ear.watch("sub")
    (ear.path / "sub").rename(out / "sub")
    (ear.path / "sub").mkdir()
    ear.watch("sub")
    shutil.rmtree(ear.path / "sub")
    shutil.rmtree(out / "sub")
    (ear.path / "after.png").write_bytes(b"x")
    until(lambda: ear.files.get("after.png"))
    assert ear.events.alive(0)


def test_a_folder_that_was_moved_out_reports_no_more(ear: Ear, tmp_path: Path) -> None:
    out = tmp_path.parent / f"{tmp_path.name}-away"
    (ear.path / "sub").mkdir()
    ear.watch("sub")
    (ear.path / "sub").rename(out)
    until(lambda: "sub" in ear.directories)
    (out / "ghost.png").write_bytes(b"x")
    (ear.path / "real.png").write_bytes(b"x")
    until(lambda: ear.files.get("real.png"))
    assert "sub/ghost.png" not in ear.files


def test_what_happens_in_a_folder_that_left_is_not_reported_even_if_both_are_heard_of_at_once(
    ear: Ear, tmp_path: Path
) -> None:
    out = tmp_path.parent / f"{tmp_path.name}-at-once"
    (ear.path / "sub").mkdir()
    ear.watch("sub")
    with _kernel(ear)._lock:  # all of it is read before any of it is sorted
        (ear.path / "wakes.png").write_bytes(b"x")
        time.sleep(0.05)
        (ear.path / "sub").rename(out)
        (out / "ghost.png").write_bytes(b"x")
        (ear.path / "real.png").write_bytes(b"x")
    until(lambda: ear.files.get("real.png"))
    assert "sub/ghost.png" not in ear.files


def test_a_folder_that_left_and_came_back_is_heard_again(ear: Ear, tmp_path: Path) -> None:
    (ear.path / "a").mkdir()
    ear.watch("a")
    until(lambda: "a" in ear.directories)
    for away in (tmp_path.parent / f"{tmp_path.name}-left", ear.path / "b"):
        ear.directories.clear()
        (ear.path / "a").rename(away)
        until(lambda: "a" in ear.directories)
        if away.parent == ear.path:
            ear.watch("b")
        ear.directories.clear()
        away.rename(ear.path / "a")
        until(lambda: "a" in ear.directories)
        ear.watch("a")
        ear.watch("a")
        (ear.path / "a" / f"{away.name}.png").write_bytes(b"x")
        until(lambda away=away: ear.files.get(f"a/{away.name}.png"))


def test_after_an_overflow_every_watch_is_asked_for_again(ear: Ear) -> None:
    (ear.path / "a").mkdir()
    ear.watch("a")
    del _kernel(ear)._spots[(wd := ear.ear.heard["a"][1])]  # as if the kernel had, and its word was lost
    inotify_rm_watch(_kernel(ear)._fd, wd)
    ear.watch("a")
    (ear.path / "a/unheard.png").write_bytes(b"x")
    _kernel(ear)._sort(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, b"", Lot())
    ear.watch("a")
    (ear.path / "a/heard.png").write_bytes(b"x")
    until(lambda: ear.files.get("a/heard.png"))
    assert "a/unheard.png" not in ear.files


def test_moving_a_file_out_holds_nothing_back(ear: Ear, tmp_path: Path) -> None:
    (ear.path / "leaves.png").write_bytes(b"x")
    until(lambda: ear.files.get("leaves.png"))
    (ear.path / "leaves.png").rename(tmp_path.parent / f"{tmp_path.name}.png")
    (ear.path / "comes.png").write_bytes(b"x")
    closed = time.monotonic()
    until(lambda: ear.files.get("comes.png"))
    assert ear.arrived["comes.png"] - closed < 0.25


def test_renamed_linked_and_closed_files_are_all_heard_of(ear: Ear, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.png"
    outside.write_bytes(b"x")
    (ear.path / "linked.png").hardlink_to(outside)
    outside.rename(ear.path / "moved.png")
    (ear.path / "closed.png").write_bytes(b"x")
    until(lambda: len(ear.files) == 3)
    until(lambda: ear.files["closed.png"])
    assert ear.files == {"linked.png": False, "moved.png": True, "closed.png": True}


def test_names_that_are_not_text_are_heard_of(ear: Ear) -> None:
    name = os.fsdecode(b"\xff\xfe\n.png")
    (ear.path / name).write_bytes(b"x")
    until(lambda: ear.files.get(name))


def test_a_full_queue_of_the_kernel_is_heard_of(ear: Ear) -> None:
    lot = Lot()
    _kernel(ear)._sort(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, b"", lot)
    assert lot.of(ear.ear).overflow


def test_a_burst_of_20000_files_is_heard_of_completely(ear: Ear) -> None:
    for number in range(20_000):
        os.close(os.open(ear.path / f"{number}.png", os.O_CREAT | os.O_WRONLY))
    until(lambda: len(ear.files) == 20_000 and all(ear.files.values()))
    assert not any(batch.overflow for batch in ear.batches)
    assert max(len(batch.files) for batch in ear.batches) <= inotify._BATCH


def test_changes_of_the_root_itself_are_heard_of(ear: Ear, tmp_path: Path) -> None:
    ear.path.rename(tmp_path.parent / f"{tmp_path.name}-renamed")
    try:
        until(lambda: any(batch.root for batch in ear.batches))
    finally:
        (tmp_path.parent / f"{tmp_path.name}-renamed").rename(ear.path)


def test_a_handler_that_raises_ends_nothing(tmp_path: Path) -> None:
    heard = threading.Event()

    def deliver(batch: Batch) -> None:
        if "second.png" in batch.files:
            heard.set()
        raise ValueError

    events = Events()
    fd = os.open(tmp_path, os.O_RDONLY)
    events.ear(deliver).watch("", fd, identity(fd))
    os.close(fd)
    (tmp_path / "first.png").write_bytes(b"x")
    (tmp_path / "second.png").write_bytes(b"x")
    assert heard.wait(30)
    events.stop()


def test_the_watch_limit_is_heard_of(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    (ear.path / "sub").mkdir()

    def refuse(*_: Any) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(inotify, "inotify_add_watch", refuse)
    with pytest.raises(WatchLimit, match="max_user_watches"):
        ear.watch("sub")


def test_a_probe_comes_back_and_a_deaf_reader_is_noticed(ear: Ear) -> None:
    ear.events.probe(100)
    until(lambda: ear.events._asked is None)
    assert ear.events.alive(1000)
    inotify_rm_watch(_kernel(ear)._fd, _kernel(ear)._probe_wd)
    ear.events.probe(1000)
    assert ear.events.alive(1001)
    assert not ear.events.alive(1000 + PROBE_LIMIT + 1)


def test_no_file_in_memory_costs_the_probe_not_the_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "memfd_create", full)
    ear = Ear(tmp_path)
    try:
        ear.events.probe(100)
        assert ear.events.alive(100 + PROBE_LIMIT + 1)
        (tmp_path / "a.png").write_bytes(b"x")
        until(lambda: ear.files.get("a.png"))
    finally:
        ear.events.stop()


def test_a_probe_that_cannot_be_sent_is_not_waited_for(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in ("utime", "pwrite"):
        monkeypatch.setattr(os, call, full)
    ear.events.probe(100)
    assert ear.events.alive(100 + PROBE_LIMIT + 1)


def test_a_start_without_a_watch_for_the_probe_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(inotify, "inotify_add_watch", refuse)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(WatchLimit):
            Events()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_reader_that_died_is_noticed(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def die() -> None:
        raise KeyError(7)

    monkeypatch.setattr(_kernel(ear), "read", die)
    (ear.path / "a.png").write_bytes(b"x")
    until(lambda: not ear.events.alive(0))


def test_stop_does_not_wait_for_a_thread_that_hangs(tmp_path: Path) -> None:
    release = threading.Event()
    events = Events()
    fd = os.open(tmp_path, os.O_RDONLY)
    events.ear(lambda _: release.wait(60) and None).watch("", fd, identity(fd))
    os.close(fd)
    (tmp_path / "a.png").write_bytes(b"x")
    began = time.monotonic()
    events.stop()
    assert time.monotonic() - began < 30  # half of what hangs
    release.set()
    until(lambda: not events.alive(0))


def test_meeting_a_directory_again_warns_nobody(ear: Ear) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            ear.watch("")
        (ear.path / "d").mkdir()
        ear.watch("d")
        (ear.path / "d").rename(ear.path / "e")

        def is_heard() -> bool:
            # As the scan does with each directory that it is told of: the end of "d" may take the first watch along.
            ear.watch("e")
            (ear.path / "e/a.png").write_bytes(b"x")
            return ear.files.get("e/a.png", False)

        until(is_heard)


def test_nothing_is_left_open_after_many_starts_and_stops() -> None:
    def cycle() -> None:
        events = Events()
        events.stop()
        until(lambda: not events.alive(0))

    threads = threading.active_count()  # of other tests in this process, too
    cycle()
    until(lambda: threading.active_count() <= threads)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        cycle()
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_two_folders_are_heard_by_the_same_threads_and_one_that_stops_listening_costs_the_other_nothing(
    ear: Ear, tmp_path: Path
) -> None:
    before = threading.active_count()
    ears = [ear.events.ear(lambda _: None) for _ in range(50)]
    for number, other in enumerate(ears):
        (tmp_path / f"d{number}").mkdir()
        fd = os.open(tmp_path / f"d{number}", os.O_RDONLY)
        other.watch("", fd, identity(fd))
        os.close(fd)
    assert threading.active_count() == before
    watches = len(_kernel(ear)._spots)
    for other in ears:
        other.close()
    until(lambda: len(_kernel(ear)._spots) == watches - 50)
    assert not _kernel(ear)._ended
    (ear.path / "a.png").write_bytes(b"x")
    until(lambda: ear.files.get("a.png"))


def test_a_directory_of_two_folders_is_heard_of_in_both(ear: Ear) -> None:
    heard: list[str] = []
    other = ear.events.ear(lambda batch: heard.extend(batch.files))
    (ear.path / "sub").mkdir()
    fd = os.open(ear.path / "sub", os.O_RDONLY)
    other.watch("", fd, identity(fd))
    os.close(fd)
    ear.watch("sub")
    (ear.path / "sub/a.png").write_bytes(b"x")
    until(lambda: ear.files.get("sub/a.png") and "a.png" in heard)
    other.close()
    (ear.path / "sub/b.png").write_bytes(b"x")
    until(lambda: ear.files.get("sub/b.png"))
    assert "b.png" not in heard


def test_a_watch_that_is_gone_before_it_is_known_is_asked_for_again(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ear.path / "sub").mkdir()
    add, asked = inotify.inotify_add_watch, list[int]()

    def late(*args: Any) -> Any:
        wd = add(*args)
        asked.append(wd)
        if len(asked) == 1:
            inotify_rm_watch(args[0], wd)
            until(lambda: wd in _kernel(ear)._ended)
        return wd

    monkeypatch.setattr(inotify, "inotify_add_watch", late)
    ear.watch("sub")
    (ear.path / "sub/a.png").write_bytes(b"x")
    until(lambda: ear.files.get("sub/a.png"))
    assert not _kernel(ear)._ended


def test_a_folder_whose_watch_hangs_in_the_kernel_holds_up_no_other(
    ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, hangs, release = inotify.inotify_add_watch, threading.Event(), threading.Event()
    (ear.path / "hung").mkdir()
    (ear.path / "sub").mkdir()

    def stuck(kernel: int, path: bytes, mask: Any) -> Any:
        if os.path.realpath(path).endswith(b"hung"):
            hangs.set()
            release.wait(30)
        return add(kernel, path, mask)

    monkeypatch.setattr(inotify, "inotify_add_watch", stuck)
    thread = threading.Thread(target=ear.watch, args=("hung",))
    thread.start()
    assert hangs.wait(30)
    ear.watch("sub")
    (ear.path / "sub/a.png").write_bytes(b"x")
    until(lambda: ear.files.get("sub/a.png"))
    release.set()
    thread.join()


def test_a_directory_that_took_the_name_of_one_that_left_is_the_one_that_is_heard(
    ear: Ear, tmp_path: Path
) -> None:
    away = tmp_path.parent / f"{tmp_path.name}-gone"
    (ear.path / "a").mkdir()
    ear.watch("a")
    with _kernel(ear)._lock:  # the reader has not come to it yet
        (ear.path / "a").rename(away)
        (ear.path / "a").mkdir()
        fd = os.open(ear.path / "a", os.O_RDONLY)
    ear.ear.watch("a", fd, identity(fd))
    os.close(fd)
    until(lambda: "a" in ear.directories)

    def heard() -> bool:
        ear.watch("a")  # as the listing does that each such hint asks for
        (away / "ghost.png").write_bytes(b"x")
        (ear.path / "a/real.png").write_bytes(b"x")
        return ear.files.get("a/real.png", False)

    until(heard)
    assert "a/ghost.png" not in ear.files


def test_moving_many_directories_out_takes_time_by_their_number(ear: Ear, tmp_path: Path) -> None:
    away = tmp_path.parent / f"{tmp_path.name}-many"
    away.mkdir()
    for number in range(3000):
        (ear.path / str(number)).mkdir()
        ear.watch(str(number))
    for number in range(3000):
        (ear.path / str(number)).rename(away / str(number))
    until(lambda: len(ear.ear.heard) == 1)


def _kernel(ear: Ear) -> Any:
    return ear.events._kernel
