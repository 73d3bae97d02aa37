"""A ledger with very many answers: what one takes, how long a search and a start take, what memory an export."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import Row, Sizes, growth, scratch, took

from daemon import GLIMPSED, environment
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.model import (
    Answer,
    FileKey,
    Job,
    ModelUsed,
    Offer,
    PromptUsed,
    Sent,
    Source,
    Usage,
    Version,
    Written,
    utc,
    utc_ns,
)

AT_ONCE = 500
TEXT = 1024  # characters of an answer
SEARCHES = 200
FEW = 10_000  # answers with whose export that of many is compared
KINDS = ("jsonl", "csv", "sqlite", "xlsx")
FLAT = 1.25  # times the memory that the export of a few takes
T = 1_790_000_000.0
QUESTION, PROMPT = (hashlib.sha256(what).hexdigest() for what in (b"question", b"prompt"))
SYLLABLES = [
    "an",
    "ber",
    "co",
    "den",
    "er",
    "fa",
    "gel",
    "hin",
    "in",
    "ker",
    "lo",
    "mer",
    "nor",
    "ol",
    "per",
    "qua",
    "ren",
    "sen",
    "ter",
    "un",
    "ver",
    "wal",
    "xi",
    "yor",
    "zen",
]
COMMON = [
    "the",
    "of",
    "invoice",
    "date",
    "total",
    "and",
    "for",
    "to",
    "number",
    "price",
    "paid",
    "is",
    "by",
    "with",
    "from",
    "street",
    "amount",
    "in",
    "VAT",
    "EUR",
]


def answers(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Answers of 1 KB, as of invoices: words of a language, many of them rare, and numbers."""
    searches = []
    for count in sizes.ledger[-2:] if sizes.ledger[-1] > 100_000 else sizes.ledger[-1:]:
        with scratch(base, "answers") as here:
            url = f"sqlite:///{here}/ledger.sqlite"
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rate, cpu = pool.apply(fill, (url, count))
            size = sum(path.stat().st_size for path in here.glob("ledger.sqlite*"))
            yield Row(
                f"ledger with {count:,} answers of 1 KB: bytes each",
                size / count,
                "B",
                goal="≤ 1.5 KB",
                met=size / count <= 1536,
                more={
                    "note": f"with the rows of their files; {rate:,.0f} a second, {cpu * 1e3:.2f} ms of CPU each"
                },
            )
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                opening, times, used, memory = pool.apply(searched, (url,))
            p50, p95 = (times[len(times) * share // 100] * 1e3 for share in (50, 95))
            more = {"CPU ms each": used * 1e3, "p50 ms": p50, "open ms": opening * 1e3, "peak MB": memory}
            yield Row(
                f"search over {count:,} answers, p95", p95, "ms", goal="≤ 100 ms", met=p95 <= 100, more=more
            )
            searches.append((count, p95))
            yield from _exported(base, here, count, KINDS if count > 100_000 else KINDS[:1])
    if len(searches) > 1:
        yield growth("search over answers, p95", "ms", searches)


def fill(url: str, count: int) -> tuple[float, float]:
    """Answers a second, and the CPU of each in seconds."""
    dice, ledger = random.Random(count), open_ledger(url)
    words = _words(dice)
    seconds = cpu = 0.0
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        given = [_answer(number, _text(dice, words), dice) for number in numbers]
        began, used = time.perf_counter(), time.process_time()
        _finish(ledger, given)
        seconds, cpu = seconds + time.perf_counter() - began, cpu + time.process_time() - used
    ledger.close()
    return count / seconds, cpu / count


def _finish(ledger: Ledger, given: Sequence[Answer]) -> None:
    offers = [
        Offer(_key(answer), Version(answer.source.bytes, int(T * 1e9) + at))
        for at, answer in enumerate(given)
    ]
    ledger.offer(offers, T)
    by_name = {answer.source.name: answer for answer in given}
    jobs = ledger.claim(folders=["f"], limit=len(given), now=ledger.clock())
    assert len(jobs) == len(given)
    ledger.all_answered([(job, by_name[job.key.name], QUESTION) for job in jobs], T)
    ledger.all_done([(job, _written(job)) for job in jobs], T)


def _key(answer: Answer) -> FileKey:
    name = answer.source.name
    return FileKey("f", f"{name[5:9]}/{name}")


def _written(job: Job) -> list[Written]:
    at = job.version.mtime_ns
    return [
        Written(f"{job.key.name}.txt", 1025, at + 2_300_000_000, job.key.name[5:13] * 2),
        Written(f"{job.key.name}.json", 2011, at + 2_301_000_000, job.key.name[5:13] * 2),
    ]


def _words(dice: random.Random) -> list[str]:
    """A language: 30,000 words, the first of them in every second sentence."""
    return COMMON + ["".join(dice.choices(SYLLABLES, k=dice.randint(1, 4))) for _ in range(30_000)]


def _text(dice: random.Random, words: Sequence[str]) -> str:
    parts, length = [], 0
    while length < TEXT:
        word = (
            str(dice.randrange(10 ** dice.randint(1, 7)))
            if dice.random() < 0.15
            else words[int(len(words) ** dice.random()) - 1]  # as often as 1 / its place
        )
        parts.append(word)
        length += len(word) + 1
    return " ".join(parts)[:TEXT]


def _answer(number: int, text: str, dice: random.Random) -> Answer:
    at = T + number
    tokens = dice.randint(800, 1500), dice.randint(200, 400)
    return Answer(
        folder="f",
        source=Source(
            name=f"scan-{number:08}.jpg",
            bytes=dice.randint(200_000, 600_000),
            modified=utc_ns(int(at * 1e9) + dice.randrange(10**9)),
            sha256=dice.randbytes(32).hex(),
            media_type="image/jpeg",
            width=2480,
            height=3508,
            pages=1,
        ),
        prompt=PromptUsed(sha256=PROMPT),
        model=ModelUsed(entry="gpt-4o", api="responses", asked="gpt-4o", answered="gpt-4o-2024-08-06"),
        sent=(
            Sent(
                page=1, media_type="image/jpeg", width=1448, height=2048, bytes=dice.randint(200_000, 600_000)
            ),
        ),
        text=text,
        finish="stop",
        usage=Usage(
            input_tokens=tokens[0], output_tokens=tokens[1], cost=round(tokens[1] * 1e-5, 6), currency="USD"
        ),
        attempts=1,
        request_id=f"chatcmpl-{dice.randbytes(15).hex()}",
        started=utc(at),
        finished=utc(at + 2.3),
        seconds=2.3,
    )


def searched(url: str) -> tuple[float, list[float], float, float]:
    """Seconds until the ledger is open, seconds of each search, sorted, CPU of each, and the peak memory in MB."""
    began = time.perf_counter()
    ledger = open_ledger(url)
    opening, times = time.perf_counter() - began, []
    dice = random.Random(7)
    words, used = _words(dice), time.process_time()
    for number in range(SEARCHES):
        rare = dice.choice(words)
        kinds = (
            rare,
            f"total {rare}",
            "invoice total",
            f"{rare[:4]}*",
            '"the invoice"',
            str(dice.randrange(10_000)),
            "the",
        )
        began = time.perf_counter()
        ledger.search(kinds[number % len(kinds)])
        times.append(time.perf_counter() - began)
    used = (time.process_time() - used) / SEARCHES
    ledger.close()
    return opening, sorted(times), used, took(os.getpid()).peak


def _exported(base: Path, here: Path, count: int, kinds: Sequence[str]) -> Iterator[Row]:
    """`export` of all of them, in how much memory beside that of a few."""
    with scratch(base, "few") as few:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(fill, (f"sqlite:///{few}/ledger.sqlite", FEW))
        for kind in kinds:
            least, _ = _peak(few, kind)
            peak, seconds = _peak(here, kind)
            yield Row(
                f"export of {count:,} answers as {kind}: memory beside that of {FEW:,}",
                peak / least,
                "×",
                goal=f"≤ {FLAT:g} ×",
                met=peak / least <= FLAT,
                more={"note": f"{count / seconds:,.0f} rows a second, {peak:.0f} MB"},
            )


# A process takes over the peak of the one that it was forked from: this one stands between, and is small.
_MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def _peak(here: Path, kind: str) -> tuple[float, float]:
    """The peak memory of an export in MB, and the seconds that it took."""
    (here / "f").mkdir(exist_ok=True)
    config, to = here / "c.yaml", here / f"out.{kind}"
    config.write_text(f"state: sqlite:///{here}/ledger.sqlite\nfolders: {{f: {{path: {here}/f}}}}\n")
    command = [*GLIMPSED, "export", "-c", str(config), "--format", kind, "-o", str(to)]
    began = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURE, *command],
        env=environment(here),
        capture_output=True,
        check=True,
    )
    seconds = time.perf_counter() - began
    assert to.stat().st_size
    to.unlink()
    return int(told.stdout) / 1024, seconds
