"""A folder in which everything is done: start, poll, idle."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import bench_discover
from bench import Loopback, Row, Sizes, compared, daemon, growth, precise_cpu, rss, scratch, took

from glimpsed.discover.scanning import FULL_REST

POLL, RESCAN = 15, 300  # seconds, the config's own
IDLE_DIRECTORIES = 10_000
POLLS = 20
PER_DIRECTORY = 1000  # files


def start(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Process start → first `scan.finished`, everything done; then what the unchanged folder costs."""
    starts, listings, polls = [], [], []
    for count in sizes.many:
        rows = list(_start(base, count))
        yield from rows
        starts.append((count, rows[0].value))
        listings.append((count, rows[-1].more["full listing, CPU s"]))
        polls.append((count, rows[-1].more["poll, CPU ms"]))
    yield growth("start over done files", "s", starts)
    yield growth("full listing, CPU", "s", listings)
    yield growth("poll, CPU", "ms", polls)


def _start(base: Path, count: int) -> Iterator[Row]:
    directories = count // PER_DIRECTORY
    whole = count >= 1_000_000  # what the goal is about: the interpreter's own start counts for little then
    with scratch(base, "start") as here, Loopback() as api:
        inbox, home = here / "inbox", here / "home"
        home.mkdir()
        bench_discover._make_many(inbox, directories, PER_DIRECTORY)
        _age(inbox)
        bench_discover._fill_ledger(inbox, home / "ledger.sqlite", directories)
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
        _age(here / "inbox")
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


def _age(folder: Path) -> None:
    """Its directories were changed long ago: what is young is listed again."""
    for directory in folder.glob("**"):
        os.utime(directory, (1e9, 1e9))
