"""A folder in which everything is done: start, poll, idle; and the ledger and its commands when much waits."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bench_discover
from bench import Loopback, Row, Sizes, compared, daemon, precise_cpu, rss, scratch, took

from daemon import GLIMPSED, environment
from glimpsed.discover.watch import FULL_REST
from glimpsed.ledger import open_ledger
from glimpsed.model import FileKey, Offer, Version

POLL, RESCAN = 15, 300  # seconds, the config's own
IDLE_DIRECTORIES = 10_000
POLLS = 20
CLAIMS = 500
COMMANDS = 7  # runs of each


def start(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Process start → first `scan.finished`, everything done; then what the unchanged folder costs."""
    per = sizes.many // sizes.directories
    count = per * sizes.directories
    whole = count >= 1_000_000  # what the goal is about: the interpreter's own start counts for little then
    with scratch(base, "start") as here, Loopback() as api:
        inbox, home = here / "inbox", here / "home"
        home.mkdir()
        bench_discover._make_many(inbox, sizes.directories, per)
        bench_discover._fill_ledger(inbox, home / "ledger.sqlite", sizes.directories)
        with daemon(home, inbox, api.url) as running:  # the digests of the listings are stored from now on
            running.wait_event("scan.finished", seconds=300)
        find = min(bench_discover._find(inbox) for _ in range(3))
        began = time.monotonic()
        with daemon(home, inbox, api.url) as running:
            running.wait_event("scan.finished", seconds=300)
            seconds = time.monotonic() - began
            spent = took(running.process.pid)
        assert not api.stats()["began"]
        yield compared(
            f"start on {count:,} done images",
            seconds,
            "s",
            find,
            "find -printf",
            "≤ 2 × for 1,000,000",
            met=seconds <= 2 * find if whole else None,
            more={"CPU s": spent.cpu},
        )
        yield Row(
            f"peak memory of that start, {count:,}",
            spent.peak,
            "MB",
            goal="≤ 200 MB",
            met=spent.peak <= 200,
        )
        yield asyncio.run(_unchanged(inbox, home / "ledger.sqlite", count))


async def _unchanged(inbox: Path, ledger: Path, count: int) -> Row:
    """Full listings and polls in this process, where their CPU can be told from all else."""
    async with bench_discover._watching(
        inbox, ledger=ledger, watch="poll", poll=3600, rescan=3600
    ) as watching:
        watch = watching[0]
        await watch.listed.wait()
        cpu = time.process_time()
        watch.listed.clear()
        watch.rescan()
        await watch.listed.wait()
        full = time.process_time() - cpu
        cpu = time.process_time()
        for _ in range(POLLS):
            await bench_discover._poll_once(watch)
        poll = (time.process_time() - cpu) / POLLS
    share = full / max(RESCAN, FULL_REST * full) + poll / POLL
    return Row(
        f"polling {count:,} unchanged images, share of a core",
        share * 100,
        "%",
        goal="≤ 1 %",
        met=share <= 0.01,
        more={"full listing, CPU s": full, "poll, CPU ms": poll * 1e3},
    )


def idle(base: Path, sizes: Sizes) -> Iterator[Row]:
    """A daemon that watches many directories, and nothing happens."""
    with scratch(base, "idle") as here, Loopback() as api:
        for number in range(IDLE_DIRECTORIES):
            (here / "inbox" / f"{number // 100:03}" / f"{number:05}").mkdir(parents=True)
        for directory in (here / "inbox").glob("**"):
            os.utime(directory, (1e9, 1e9))  # made long ago: one that is young is listed again
        with daemon(here / "home", here / "inbox", api.url) as running:
            running.wait_event("scan.finished", seconds=120)
            mode = running.wait_event("folder.watching")["mode"]
            time.sleep(5)  # the start's own aftermath
            before, began = precise_cpu(running.process.pid), time.monotonic()
            time.sleep(sizes.idle)
            share = (precise_cpu(running.process.pid) - before) / (time.monotonic() - began)
            memory = rss(running.process.pid)
        what = f"idle, {IDLE_DIRECTORIES:,} directories by {mode}"
        yield Row(f"{what}, CPU", share * 100, "%", goal="< 0.1 %", met=share < 0.001)
        yield Row(f"{what}, memory", memory, "MB", goal="≤ 120 MB", met=memory <= 120)


def ledger(base: Path, sizes: Sizes) -> Iterator[Row]:
    """A claim while so many files wait."""
    for rows in sizes.ledger:
        with scratch(base, "ledger") as here:
            context = multiprocessing.get_context("spawn")  # each in a process of its own, whose memory shows
            with context.Pool(1) as pool:
                pool.apply(_fill, (here / "l.sqlite", rows))
            with context.Pool(1) as pool:
                times, memory = pool.apply(_claims, (here / "l.sqlite",))
            p50, p99 = (times[len(times) * share // 100] * 1e3 for share in (50, 99))
            yield Row(
                f"claim, {rows:,} files waiting, p99",
                p99,
                "ms",
                goal="≤ 20 ms",
                met=p99 <= 20,
                more={"p50 ms": p50, "peak MB": memory},
            )


def commands(base: Path, sizes: Sizes) -> Iterator[Row]:
    """What an operator waits for, beside what importing the two largest libraries takes."""
    rows = sizes.ledger[-1]
    with scratch(base, "commands") as here:
        _fill(here / "ledger.sqlite", rows)
        (here / "f").mkdir()
        config = here / "c.yaml"
        config.write_text(f"state: sqlite:///{here}/ledger.sqlite\nfolders: {{f: {{path: {here}/f}}}}\n")
        asked = {
            "imports": [sys.executable, "-c", "import sqlalchemy, pydantic; pydantic.BaseModel"],
            **{
                what: [*GLIMPSED, "-c", str(config), *what.split()]
                for what in ("status --json", "status", "failures --json", "retry --all", "redo --stale")
            },
        }
        seconds: dict[str, list[float]] = {what: [] for what in asked}
        for _ in range(COMMANDS):  # in turn, so that whatever else the machine does is shared
            for what, command in asked.items():
                began = time.perf_counter()
                subprocess.run(command, env=environment(here), capture_output=True, check=True)
                seconds[what].append(time.perf_counter() - began)
        least = {what: min(took) for what, took in seconds.items()}
        for what in [*asked][1:]:
            yield compared(
                f"glimpsed {what}, {rows:,} rows",
                least[what],
                "s",
                least["imports"],
                "import sqlalchemy, pydantic",
                "≤ 2 ×",  # half a second on a quiet machine
                met=least[what] <= 2 * least["imports"],
            )


def _fill(path: Path, rows: int) -> None:
    opened = open_ledger(f"sqlite:///{path}")
    for start in range(0, rows, 10_000):
        offers = [
            Offer(FileKey("f", f"{number // 1000:04}/{number:07}.jpg"), Version(400_000, number))
            for number in range(start, min(start + 10_000, rows))
        ]
        opened.offer(offers, time.time())
    opened.close()


def _claims(path: Path) -> tuple[list[float], float]:
    opened = open_ledger(f"sqlite:///{path}")
    times = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        jobs = opened.claim(folders=["f"], limit=8, now=time.time())
        times.append(time.perf_counter() - began)
        for job in jobs:
            opened.done(job, (), time.time())
    opened.close()
    return sorted(times), took(os.getpid()).peak
