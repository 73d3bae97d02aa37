"""Discovery beside its physical limits, in the same run: raw inotify, and `find`.

    python tests/benchmarks/bench_discover.py [--files 20000] [--directories 20] [--burst 5000] [--overflow 20000]
        [--dir /dev/shm]

Prints a line each: what was measured, its limit, and the ratio. The targets (DESIGN 11) are for
`--files 1000000 --directories 1000 --burst 20000 --overflow 100000`.
"""

# ruff: noqa: T201, ASYNC240 - it prints, and nothing else runs on its event loop
from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import structlog
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD

from glimpsed.config.schema import Folder
from glimpsed.discover.scanning import FULL_REST
from glimpsed.discover.watch import FolderWatch
from glimpsed.ledger import Books, Ledger, open_ledger
from glimpsed.model import FileKey, Version

SETTLED = 1.0  # s in which nothing more arrives


def main() -> None:
    """Run what was asked for, in a temporary directory."""
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="glimpsed-bench-") as base:
        root = Path(base)
        print(f"{os.cpu_count()} cores, python {sys.version.split()[0]}, {base}")
        if "latency" in options.only:
            asyncio.run(latency(root / "latency", 200))
        if "burst" in options.only:
            asyncio.run(burst(root / "created", options.burst, _create, "created"))
            asyncio.run(burst(root / "renamed", options.burst, _rename, "renamed"))
        if "overflow" in options.only:
            asyncio.run(burst(root / "overflow", options.overflow, _rename, "renamed"))
        if "start" in options.only:
            asyncio.run(start_and_poll(root / "many", options.files, options.directories))


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--directories", type=int, default=20)
    parser.add_argument("--burst", type=int, default=5_000)
    parser.add_argument("--overflow", type=int, default=20_000)
    parser.add_argument("--dir", default=None, help="where; default: the system's temporary directory")
    parser.add_argument("--only", nargs="*", default=["latency", "burst", "overflow", "start"])
    return parser.parse_args()


async def latency(path: Path, count: int) -> None:
    """close() -> offered, `settle: 0`, each file just after another was moved out; raw inotify beside it."""
    path.mkdir()
    closed: dict[str, float] = {}
    raw = _raw_inotify(path)
    async with _watching(path, settle=0, watch="inotify") as (watch, ledger, offered):
        await watch.listed.wait()
        for number in range(count):
            name = f"{number}.jpg"
            closed[name] = await asyncio.to_thread(_write, path / name)
            (path / name).with_suffix(".out").touch()
            (path / name).with_suffix(".out").rename(path.parent / "moved-out")
            await asyncio.sleep(0.01)
        await _until(lambda: _count(ledger) == count)
        ours = sorted(
            offered[n] - closed[name] for n, name in enumerate(sorted(closed, key=closed.__getitem__))
        )
    limit = sorted(raw[name] - closed[name] for name in closed)
    for share in (50, 99):
        at = count * share // 100
        _print(f"close() to offered, p{share}, ms", ours[at] * 1e3, limit[at] * 1e3, "raw inotify")


async def burst(path: Path, count: int, make: Callable[[Path, int], float], how: str) -> None:
    """Files that come as fast as they can, found from events, or by the listing that a full queue asks for."""
    path.mkdir()
    overflows: list[bool] = []
    async with _watching(path, settle=0.2, watch="inotify", rescan=3600) as (watch, ledger, _):
        await watch.listed.wait()
        told = watch._status.overflow
        watch._status.overflow = lambda: (overflows.append(True), told())
        began = time.monotonic()
        made = await asyncio.to_thread(make, path, count)
        await _until(lambda: _count(ledger) == count, 600)
        what = f"{count} files {how} at once, {len(overflows)} overflows, all queued, s"
        _print(what, time.monotonic() - began, made, "doing it")


def _create(path: Path, count: int) -> float:
    began = time.monotonic()
    for number in range(count):
        _write(path / f"{number}.jpg")
    return time.monotonic() - began


def _rename(path: Path, count: int) -> float:
    source = path.parent / f"{path.name}-made"
    source.mkdir()
    _create(source, count)
    began = time.monotonic()
    for number in range(count):
        os.rename(f"{source}/{number}.jpg", f"{path}/{number}.jpg")
    return time.monotonic() - began


async def start_and_poll(path: Path, files: int, directories: int) -> None:
    """Start on files that are all done, and then an unchanged folder, polled; `find` beside it."""
    per = files // directories
    _make_many(path, directories, per)
    ledger_file = path.parent / "many.sqlite"
    await asyncio.to_thread(_fill_ledger, path, ledger_file, directories)
    async with _watching(path, ledger=ledger_file, watch="poll", poll=3600) as (watch, _, _):
        await watch.listed.wait()  # the fingerprints are stored from now on
    find = min(_find(path) for _ in range(2))
    began, cpu = time.monotonic(), _cpu()
    async with _watching(path, ledger=ledger_file, watch="poll", poll=3600, rescan=3600) as (watch, _, _):
        await watch.listed.wait()
        _print(f"start on {files} done images, s", time.monotonic() - began, find, "find -printf")
        print(f"  CPU of it {_cpu() - cpu:.2f} s, peak RSS {_rss():.0f} MB")
        cpu = _cpu()
        watch.listed.clear()
        watch.rescan()
        await watch.listed.wait()
        full = _cpu() - cpu
        cpu, polls = _cpu(), 20
        for _ in range(polls):
            await _poll_once(watch)
        poll = (_cpu() - cpu) / polls
        every = max(300, FULL_REST * full)
        share = full / every + poll / 15
        print(
            f"an unchanged folder: full listing {full:.2f} s CPU, every {every:.0f} s; poll {poll * 1e3:.1f} ms CPU"
        )
        print(f"  together {share:.2%} of a core, to reach 1 %")


async def _poll_once(watch: Any) -> None:
    from glimpsed.discover import scan

    changed = await watch.lanes.listing.run(
        scan.changed_directories, watch.root, watch._scanner.reconciler.mtimes()
    )
    assert not changed, changed


@contextlib.asynccontextmanager
async def _watching(
    path: Path, ledger: Path | None = None, **keys: Any
) -> AsyncIterator[tuple[FolderWatch, Ledger, list[float]]]:
    opened = open_ledger(f"sqlite:///{ledger or path.parent / (path.name + '.sqlite')}")
    books, offered = Books(opened), []
    watch = FolderWatch(
        Folder(name="f", path=path, **keys), books, offered=lambda: offered.append(time.monotonic())
    )
    task = asyncio.create_task(watch.run())
    try:
        yield watch, opened, offered
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await books.close()


def _raw_inotify(path: Path) -> dict[str, float]:
    seen: dict[str, float] = {}
    inotify = InotifyFD()

    def note(self: Any, event: Any) -> None:
        seen[os.fsdecode(event.name)] = time.monotonic()

    ear = type(
        "Ear",
        (),
        {"on_event": note, "on_watch_deleted": lambda *_: None, "on_queue_overflow": lambda _: None},
    )
    mask = InotifyConstants.IN_CLOSE_WRITE
    inotify.add_callback(os.fsencode(path), mask, ear(), 1)  # type: ignore[arg-type]
    inotify.start()
    return seen


def _write(path: Path) -> float:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"\xff\xd8\xff\xda\x00\x02\xff\xd9")
    os.close(fd)
    return time.monotonic()


def _make_many(path: Path, directories: int, per: int) -> None:
    def make(number: int) -> None:
        directory = path / f"{number:04}"
        directory.mkdir(parents=True)
        for n in range(per):
            for suffix in ("jpg", "jpg.txt", "jpg.json"):
                os.close(os.open(f"{directory}/scan-{n:05}.{suffix}", os.O_CREAT | os.O_WRONLY))

    for number in range(directories):
        make(number)


def _fill_ledger(path: Path, file: Path, directories: int) -> None:
    ledger = open_ledger(f"sqlite:///{file}")
    for number in range(directories):
        rows = {}
        for entry in os.scandir(path / f"{number:04}"):
            if entry.name.endswith(".jpg"):
                status = entry.stat()
                rows[FileKey("f", f"{number:04}/{entry.name}")] = Version(status.st_size, status.st_mtime_ns)
        ledger.ignore(rows, time.time())
    ledger.close()


def _find(path: Path) -> float:
    began = time.monotonic()
    subprocess.run(["find", str(path), "-printf", "%s %T@\n"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def _count(ledger: Ledger) -> int:
    return sum(len(ledger.known("f", d)) for d in ledger.directories("f"))


async def _until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        if time.monotonic() > end:
            raise SystemExit("not everything was found in time")
        await asyncio.sleep(0.2)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _rss() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print(what: str, value: float, limit: float, of: str) -> None:
    print(f"{what}: {value:.3f}; {of}: {limit:.3f}; ratio {value / limit:.2f}")


if __name__ == "__main__":
    main()
    assert threading.main_thread().is_alive()
