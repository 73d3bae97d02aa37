"""The live page over many files: lists, searches and single files, as a reader asks for them."""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bench import Row, Sizes

from glimpsed import config
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.ledger.kept import ToKeep
from glimpsed.ledger.schema import files, folders
from glimpsed.model import Answer, ModelUsed, PromptUsed, Source, Usage
from webpage import Reader, served

ASKED = 60  # times each
GOAL = 150.0  # ms, p95
WORDS = 20_000
_CONFIG = """
state: sqlite:///ledger.sqlite
models: {m: {api: local}}
folders:
  in: {path: in, model: m}
  archive: {path: archive, model: m}
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
