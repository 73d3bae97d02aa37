"""The ledger when much waits, in SQLite and in PostgreSQL; and several daemons on one PostgreSQL."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import Loopback, Row, Sizes, compared, daemon, growth, move_in, photos, scratch, took, until

from glimpsed.ledger import open_ledger
from glimpsed.model import FileKey, Offer, Version
from ledger_fixtures import NoPostgresError, started_postgres

CLAIMS = 500
IN_FLIGHT = 16  # of each daemon
DELAY = 0.2  # seconds that the API takes
ROUNDS = 10  # requests of each slot


def ledger(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Offers in bulk, and a claim while so many files wait, whose times are in no order."""
    yield from _queues("SQLite", sizes, lambda: f"sqlite:///{tempfile.mkdtemp(dir=base)}/l.sqlite")
    try:
        with started_postgres(fsync=True) as postgres:

            def empty() -> str:
                postgres.wipe()
                return postgres.url

            yield from _queues("PostgreSQL", sizes, empty)
    except NoPostgresError as e:
        yield Row("claim, PostgreSQL", 0, "", more={"note": f"skipped: {e}"})


def _queues(name: str, sizes: Sizes, empty: Callable[[], str]) -> Iterator[Row]:
    claims = []
    for count in sizes.ledger:
        rows = list(_queue(name, empty(), count))
        yield from rows
        claims.append((count, rows[-1].more["p50 ms"]))
    yield growth(f"claim over waiting files, {name}, p50", "ms", claims)


def _queue(name: str, url: str, rows: int) -> Iterator[Row]:
    context = multiprocessing.get_context("spawn")  # each in a process of its own, whose memory shows
    with context.Pool(1) as pool:
        rate = pool.apply(fill, (url, rows))
    with context.Pool(1) as pool:
        times, memory = pool.apply(_claims, (url,))
    p50, p99 = (times[len(times) * share // 100] * 1e3 for share in (50, 99))
    what = f"{rows:,} files waiting, {name}"
    if rows >= 100_000:
        yield Row(f"offers in bulk, {what}", rate, "files/s", goal="≥ 20,000", met=rate >= 20_000)
    more = {"p50 ms": p50, "peak MB": memory}
    yield Row(f"claim, {what}, p99", p99, "ms", goal="≤ 20 ms", met=p99 <= 20, more=more)


def fill(url: str, rows: int) -> float:
    """Offers a second."""
    opened = open_ledger(url)
    dice = random.Random(rows)
    seconds = 0.0
    for start in range(0, rows, 10_000):
        offers = [
            Offer(
                FileKey("f", f"{number // 1000:04}/{number:07}.jpg"), Version(400_000, dice.getrandbits(60))
            )
            for number in range(start, min(start + 10_000, rows))
        ]
        began = time.perf_counter()
        opened.offer(offers, time.time())
        seconds += time.perf_counter() - began
    opened.close()
    return rows / seconds


def _claims(url: str) -> tuple[list[float], float]:
    opened = open_ledger(url)
    times = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        jobs = opened.claim(folders=["f"], limit=8, now=time.time())
        times.append(time.perf_counter() - began)
        for job in jobs:
            opened.done(job, (), time.time())
    opened.close()
    return sorted(times), took(os.getpid()).peak


def hosts(base: Path, _sizes: Sizes) -> Iterator[Row]:
    """Images a second of 1, 2 and 4 daemons that share one folder and one PostgreSQL."""
    try:
        with started_postgres(fsync=True) as postgres:
            rates = []
            for daemons in (1, 2, 4):
                postgres.wipe()
                with scratch(base, "hosts") as here:
                    row = _shared(here, postgres.url, daemons)
                rates.append((daemons, row.value))
                yield row
            yield growth("throughput over daemons", "images/s", rates)
    except NoPostgresError as e:
        yield Row("daemons on one PostgreSQL", 0, "", more={"note": f"skipped: {e}"})


def _shared(here: Path, state: str, daemons: int) -> Row:
    count = daemons * IN_FLIGHT * ROUNDS
    source, inbox = photos(here / "src", count), here / "inbox"
    inbox.mkdir()
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(Loopback(DELAY))
        running = [
            stack.enter_context(daemon(here / str(number), inbox, api.url, in_flight=IN_FLIGHT, state=state))
            for number in range(daemons)
        ]
        move_in(source, inbox)
        until(lambda: sum(len(one.seen("file.done")) for one in running) >= count, 120, running[0].tail)
        rate = count / api.span()
        answered = api.stats()["answered"]
        assert len(answered) == count
        assert set(answered.values()) == {1}, "files were answered twice"
        shares = " ".join(str(len(one.seen("file.done"))) for one in running)
    return compared(
        f"{daemons} daemon{'s' * (daemons > 1)} on one PostgreSQL, API 200 ms, {IN_FLIGHT} in flight each",
        rate,
        "images/s",
        daemons * IN_FLIGHT / DELAY,
        "no cost but the API's",
        more={"note": f"done by each: {shares}"},
    )
