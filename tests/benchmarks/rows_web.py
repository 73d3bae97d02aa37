"""The live page over many files: what one reader waits for, and what fifty of them do to a daemon at work."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from bench import HERE, Loopback, Row, Sizes, compared, move_in, photos, until

from browser import Browser
from daemon import Daemon
from glimpsed import config, looks
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.ledger.kept import ToKeep
from glimpsed.ledger.schema import files, folders
from glimpsed.model import Answer, ModelUsed, PromptUsed, Source, Usage
from webpage import Reader, served

ASKED = 60  # times each
GOAL = 150.0  # ms, p95
PAINT = 1000.0  # ms
WORDS = 20_000
READERS, EVERY = 50, 2.0  # who look at a page so many seconds after the last one, and keep Now open beside it
SECONDS, BEFORE, BARE = 60.0, 20.0, 20.0  # with readers; without; with readers of an empty page
IN_FLIGHT, LATENCY = 64, 1.0  # requests of the daemon at once, seconds for each
KEPT_UP = 0.97  # of its own rate
_CONFIG = """
state: sqlite:///ledger.sqlite
models: {m: {api: local}}
folders:
  in: {path: in, model: m}
  archive: {path: archive, model: m}
"""
_PAINTED = """new Promise(done => new PerformanceObserver(list => list.getEntriesByName('first-contentful-paint')
  .forEach(entry => done(entry.startTime))).observe({type: 'paint', buffered: true}))"""
# Folders that are not there keep their million files; the daemon works in another one.
_AT_WORK = """
state: sqlite:///ledger.sqlite
log: {{target: json, level: info}}
web: 127.0.0.1:{port}
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, concurrency: {in_flight}}}
folders:
  work: {{path: {inbox}, model: m, settle: 0, prompt: "file:{{relpath}}"}}
  in: {{path: not-there, model: m}}
  archive: {{path: not-there-either, model: m}}
backlog_confirm: 1000000
"""


def web(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Every view over so many files, half of them in one folder."""
    home = Path(tempfile.mkdtemp(dir=base))
    (home / "glimpsed.yaml").write_text(_CONFIG)
    for name in ("in", "archive"):
        (home / name).mkdir()
    loaded = config.load(home / "glimpsed.yaml", keys=False)
    ledger = open_ledger(config.state_url(loaded))
    count = sizes.ledger[-1]
    fill(ledger, count)
    ledger.close()
    with served(loaded, home) as port, Reader(port) as reader:
        for name, urls in _asked(reader, count).items():
            times = sorted(_took(reader, url) for url in urls)
            p95 = times[len(times) * 95 // 100] * 1e3
            what = f"page, {name}, {count:,} files, p95"
            yield Row(
                what, p95, "ms", goal=f"≤ {GOAL:g} ms", met=p95 <= GOAL, more={"worst ms": times[-1] * 1e3}
            )

    yield from _painted(home, loaded, count)
    yield from _at_work(home, count)


def _painted(home: Path, loaded: config.Config, count: int) -> Iterator[Row]:
    """How long a browser shows nothing."""
    looks.compiled("glimpsed.web", "en")  # as the page's process does before it serves
    with served(loaded, home) as port, Browser(home) as browser:
        for name, path in {"now": "/", "list": "/files", "one file": "/files/77"}.items():
            times = []
            for _ in range(10):
                browser.open(f"http://127.0.0.1:{port}{path}")
                times.append(browser.run(_PAINTED))
            yield Row(
                f"page, first paint of {name}, {count:,} files, worst of {len(times)}", max(times), "ms",
                goal=f"≤ {PAINT:g} ms", met=max(times) <= PAINT, more={"ms": times},
            )  # fmt: skip


def _at_work(home: Path, count: int) -> Iterator[Row]:
    """A daemon with all that it can have in flight, alone, then with readers of its page."""
    files = int(IN_FLIGHT / LATENCY * (SECONDS + BEFORE + BARE + 20))
    inbox = home / "work"
    source = photos(home / "source", files, size=60_000)
    inbox.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Loopback(LATENCY) as api:
        text = _AT_WORK.format(url=api.url, inbox=inbox, in_flight=IN_FLIGHT, port=port)
        with Daemon(text, home, env={"GLIMPSED_API_KEY": "sk-bench"}) as running:
            running.wait_event("service.ready")
            move_in(source, inbox)
            until(lambda: len(running.seen("file.done")) > IN_FLIGHT, 120, running.tail)
            alone = _rate(running, BEFORE)
            times, with_readers = asyncio.run(_read(running, port, count, SECONDS))
            with _bare() as empty:
                bare, beside_bare = asyncio.run(_read(running, empty, count, BARE))
    p95, least = (some[len(some) * 95 // 100] * 1e3 for some in (times, bare))
    yield compared(
        f"page, {READERS} readers, the daemon at full work, {count:,} files, p95", p95, "ms",
        least, "an empty page beside the same daemon", f"≤ {GOAL:g} ms", met=p95 <= GOAL,
        more={"pages": len(times), "worst ms": times[-1] * 1e3, "median ms": times[len(times) // 2] * 1e3},
    )  # fmt: skip
    yield compared(
        f"the daemon meanwhile, {IN_FLIGHT} in flight", with_readers, "images/s", alone, "without readers",
        f"≥ {KEPT_UP:g} ×", met=with_readers >= KEPT_UP * alone,
        more={"beside an empty page": beside_bare},
    )  # fmt: skip


@contextlib.contextmanager
def _bare() -> Iterator[int]:
    """The port of `bare_page.py`, as a process."""
    command = [sys.executable, str(HERE / "bare_page.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _rate(running: Daemon, seconds: float) -> float:
    began, before = time.monotonic(), len(running.seen("file.done"))
    time.sleep(seconds)
    return (len(running.seen("file.done")) - before) / (time.monotonic() - began)


async def _read(running: Daemon, port: int, count: int, seconds: float) -> tuple[list[float], float]:
    """What each page took of all readers, sorted, and how quickly the daemon went on."""
    rate = asyncio.get_running_loop().run_in_executor(None, _rate, running, seconds)
    times: list[float] = []
    readers = [asyncio.create_task(_reader(port, count, number, times)) for number in range(READERS)]
    found = await rate
    for reader in readers:
        reader.cancel()
    ended = await asyncio.gather(*readers, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
    return sorted(times), found


async def _reader(port: int, count: int, number: int, times: list[float]) -> None:
    """One who has Now open, which is told of news, and looks at one page after the other."""
    dice = random.Random(number)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:

        async def news() -> None:
            async with client.stream("GET", "/live", timeout=None) as stream:
                async for _ in stream.aiter_lines():
                    pass

        with_news = asyncio.create_task(news())
        try:
            while True:
                await asyncio.sleep(EVERY * 2 * dice.random())
                url = dice.choice(
                    ("/", "/files", "/files?folder=in&state=failed", "/failures", f"/files/{dice.randrange(1, count)}",
                     f"/files?q=w{dice.randrange(5000, WORDS)}", f"/files?q=w{dice.randrange(1, 20)}")
                )  # fmt: skip
                began = time.perf_counter()
                reply = await client.get(url)
                assert reply.status_code == 200, url
                times.append(time.perf_counter() - began)
        finally:
            with_news.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await with_news


def fill(ledger: Ledger, count: int) -> None:
    """Files that are done, one in a hundred failed, each with an answer of 40 words, of which some are frequent."""
    dice, now = random.Random(count), time.time()
    with ledger._database.write() as c:
        c.execute(sa.insert(folders), [{"name": name, "first_seen": now} for name in ("in", "archive")])
    for start in range(0, count, 2000):
        rows = [_row(number, now, dice) for number in range(start, min(start + 2000, count))]
        keep = [ToKeep(row["id"], _answer(row, dice), "q") for row in rows if row["state"] == "done"]
        with ledger._database.write() as c:
            c.execute(sa.insert(files), rows)
            ledger._keep_answers(c, keep)


def _answer(row: dict[str, Any], dice: random.Random) -> Answer:
    source = Source(
        name=row["name"], bytes=400_000, modified="2026-11-26T10:00:00.000000Z", sha256=row["sha256"].hex(),
        media_type="image/jpeg", width=2480, height=3508, pages=1,
    )  # fmt: skip
    return Answer(
        folder=row["folder"], source=source, prompt=PromptUsed(sha256="0" * 64),
        model=ModelUsed(entry="m", api="chat", asked="gpt-4o", answered="gpt-4o"), sent=(), text=_text(dice),
        finish="stop", usage=Usage(input_tokens=1000, output_tokens=100), attempts=1,
        started="2026-11-26T10:00:00.000000Z", finished="2026-11-26T10:00:02.000000Z", seconds=2.0,
    )  # fmt: skip


def _row(number: int, now: float, dice: random.Random) -> dict[str, Any]:
    failed = number % 100 == 7
    return {
        "id": number + 1, "folder": ("in", "archive")[number % 2], "directory": f"{number // 1000:04}",
        "name": f"{number:07}.jpg", "size": 400_000, "mtime_ns": number, "state": "failed" if failed else "done",
        # A tenth at one moment, as when they are adopted.
        "changed": now - 1e6 if number % 10 == 0 else now - dice.random() * 3e7,
        "priority": 0, "fresh": 0, "round": 0, "anew": 0, "claims": 1, "attempts": 1, "retries": 0, "cut_off": 0,
        "reason": f"Page {number % 50} is damaged." if failed else None, "sha256": number.to_bytes(32, "big"),
        "question": "q",
    }  # fmt: skip


def _text(dice: random.Random) -> str:
    return " ".join(f"w{int(WORDS ** dice.random())}" for _ in range(40))


def _asked(reader: Reader, count: int) -> dict[str, list[str]]:
    dice = random.Random(1)
    following = ["/files"]
    while len(following) < ASKED:
        found = re.search(r'<a rel="next" href="([^"]*)"', reader.get(following[-1]).text)
        assert found is not None
        following.append(found[1].replace("&amp;", "&"))
    numbers = [dice.randrange(1, count) for _ in range(ASKED)]
    return {
        "now": ["/"] * ASKED,
        "list": following,
        "list of one state": ["/files?folder=in&state=failed"] * ASKED,
        "list at one moment": [f"/files?after={time.time() - 1e6!r}-{number}" for number in numbers],
        "search, rare words": [f"/files?q=w{dice.randrange(5000, WORDS)}+w{dice.randrange(5000, WORDS)}" for _ in range(ASKED)],
        "search, a frequent word": [f"/files?q=w{dice.randrange(1, 20)}" for _ in range(ASKED)],
        "search, as one types": [f"/files?q=w{dice.randrange(10, 99)}*" for _ in range(ASKED)],
        "one file": [f"/files/{number}" for number in numbers],
        "failures": ["/failures"] * ASKED,
    }  # fmt: skip


def _took(reader: Reader, url: str) -> float:
    began = time.perf_counter()
    assert reader.get(url).status_code == 200, url
    return time.perf_counter() - began
