"""What all rows are measured with: the loopback API, the daemon, pictures, and what a process took."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import images_samples as samples  # noqa: E402 - found by the line above
from daemon import Daemon  # noqa: E402

_TICK = os.sysconf("SC_CLK_TCK")
_HIGH_FREQUENCIES = 60  # where a quantization table may differ without anybody seeing it


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str
    limit: float | None = None  # of the same unit: what the machine can do, or what a rival did
    than: str = ""  # what the limit is
    ratio: float | None = None
    goal: str = ""  # as DESIGN 11 has it
    met: bool | None = None
    more: dict[str, Any] = field(default_factory=dict)  # raw figures


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    images: int  # for throughput, CPU and the rivals
    latency: int  # files whose way is timed
    many: tuple[int, ...]  # done files of the start, 1,000 in a directory
    idle: float  # seconds of watching an idle daemon
    ledger: tuple[int, ...]  # rows
    scaling: tuple[int, ...]  # requests in flight
    pages: int  # for OCR
    kills: int


def compared(
    what: str, value: float, unit: str, limit: float, than: str, goal: str = "", **kwargs: Any
) -> Row:
    """A row whose ratio is value over limit."""
    return Row(what, value, unit, limit, than, value / limit if limit else None, goal, **kwargs)


def growth(what: str, unit: str, points: Sequence[tuple[int, float]]) -> Row:
    """How a figure grows from the smallest size to the largest: the exponent, 1 where it is proportional."""
    (few, least), (many, most) = points[0], points[-1]
    exponent = math.log(most / least) / math.log(many / few)
    seen = ", ".join(f"{value:.3g} {unit}" for _, value in points)
    sizes = " / ".join(f"{size:,}" for size, _ in points)
    return Row(f"{what}: grows as n to the power of", exponent, "", more={"note": f"{seen} at {sizes}"})


# -- the API


class Loopback:
    """`loopback.py`, as a process."""

    def __init__(self, delay: float = 0.0, faults: float = 0.0) -> None:
        command = [sys.executable, str(HERE / "loopback.py"), str(delay), str(faults)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def stats(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/stats")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def span(self) -> float:
        """Seconds from the first request to the last reply."""
        stats = self.stats()
        return float(stats["replied"][-1] - stats["began"][0])

    def busy(self) -> str:
        """Says so when this server may have been what was measured."""
        share = self.stats()["cpu"] / self.span()
        return f"the API's server was busy {share:.0%} of the time" if share > 0.8 else ""


# -- the daemon

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, concurrency: {in_flight}}}
folders:
  f: {{path: {inbox}, settle: {settle}, prompt: "file:{{relpath}}", {keys}}}
state: "{state}"
log: {{target: json, level: info}}
"""


@contextlib.contextmanager
def daemon(
    home: Path,
    inbox: Path,
    url: str,
    *,
    in_flight: int = 8,
    settle: str = "0s",
    keys: str = "watch: auto",
    state: str | None = None,
) -> Iterator[Daemon]:
    """`glimpsed run`, ready, with a ledger of its own in `home` unless `state` names another."""
    home.mkdir(exist_ok=True)
    state = state or f"sqlite:///{home}/ledger.sqlite"
    config = CONFIG.format(url=url, state=state, inbox=inbox, in_flight=in_flight, settle=settle, keys=keys)
    with Daemon(config, home) as running:
        running.wait_event("service.ready", seconds=120)
        yield running


def wait_done(running: Daemon, count: int, seconds: float = 120) -> None:
    """Until so many files are done."""
    until(lambda: len(running.seen("file.done")) >= count, seconds, running.tail)


def until(what: Callable[[], bool], seconds: float = 60, why: Callable[[], str] = str) -> None:
    """Poll until it is true."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:g} s: {why()}")
        time.sleep(0.05)


# -- what a process took


@dataclass(frozen=True, slots=True)
class Took:
    """CPU seconds of a process and its children so far, and its largest resident set in MB."""

    cpu: float
    peak: float

    def __sub__(self, before: Took) -> Took:
        return Took(self.cpu - before.cpu, self.peak)


def took(pid: int) -> Took:
    """By proc(5); the children count while they live and once they were waited for."""
    cpu, peak = 0.0, 0.0
    for one in (pid, *_below(pid)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            cpu += sum(map(int, fields[11:15] if one == pid else fields[11:13])) / _TICK
            peak += _status(one, "VmHWM")
    return Took(cpu, peak)


def rss(pid: int) -> float:
    """Resident memory now, MB, with all children."""
    return sum(_status(one, "VmRSS") for one in (pid, *_below(pid)))


def precise_cpu(pid: int) -> float:
    """CPU seconds of all threads of one process, to the nanosecond (`took` counts hundredths)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def _below(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [p for child in map(int, children) for p in (child, *_below(child))]


def _status(pid: int, key: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


# -- pictures


def photos(folder: Path, count: int, *, size: int = 400_000) -> Path:
    """So many different JPEGs of that size: each has a quantization table of its own."""
    folder.mkdir(parents=True)
    base = bytearray(_photo(size))
    table = base.index(b"\xff\xdb") + 5
    for number in range(count):
        digits = (number // 200**place % 200 for place in range(4))
        base[table + _HIGH_FREQUENCIES : table + 64] = bytes(1 + digit for digit in digits)
        (folder / f"{number:05}.jpg").write_bytes(base)
    os.sync()  # or the kernel writes them while somebody is measured who waits for the disk
    return folder


def _photo(size: int) -> bytes:
    picture = samples.photo(1600, 1200)
    for quality in range(50, 99):
        data: bytes = samples.save(picture, "JPEG", quality=quality)
        if len(data) >= size:
            return data
    raise SystemExit(f"no quality gives {size} bytes")


def move_in(source: Path, inbox: Path) -> None:
    """All of its files, one rename each."""
    for path in sorted(source.iterdir()):
        path.rename(inbox / path.name)


@contextlib.contextmanager
def scratch(base: Path, name: str) -> Iterator[Path]:
    """A directory for one row. It goes with `base`, after the last row.

    For some minutes ext4 looks at every inode that was freed before it hands out another: many files deleted after
    one row would make the next one's cost up to twice as much.
    """
    yield Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))
