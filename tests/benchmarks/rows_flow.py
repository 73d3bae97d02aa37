"""From close() to the request, and how fast and at what price images go through: beside a raw asyncio loop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bench_discover
from bench import (
    HERE,
    Loopback,
    Row,
    Sizes,
    compared,
    daemon,
    growth,
    move_in,
    photos,
    scratch,
    took,
    wait_done,
)

LOOKED_AT = 0.03  # seconds between two files, so that each is alone


def latency(base: Path, sizes: Sizes) -> Iterator[Row]:
    """close() of a file → its request is at the server, `settle: 0`; raw inotify beside it."""
    for title, moving in (("", False), (", another just moved out", True)):
        with scratch(base, "latency") as here, Loopback() as api:
            inbox, outside = here / "inbox", here / "outside"
            inbox.mkdir()
            pictures = sorted(photos(here / "src", sizes.latency, size=60_000).iterdir())
            with daemon(here / "home", inbox, api.url) as running:
                raw = bench_discover._raw_inotify(inbox)
                closed: dict[str, float] = {}
                for path in pictures:
                    if moving:
                        (inbox / "other.part").touch()
                        (inbox / "other.part").rename(outside)
                    closed[path.name] = _write(inbox / path.name, path.read_bytes())
                    time.sleep(LOOKED_AT)
                wait_done(running, sizes.latency)
            first = api.stats()["first"]
            ours = sorted((first[name] - at) * 1e3 for name, at in closed.items())
            limit = sorted((raw[name] - at) * 1e3 for name, at in closed.items())
            for share, most in ((50, 10.0), (99, 50.0)):
                at = len(ours) * share // 100
                yield compared(
                    f"close() → request{title}, p{share}",
                    ours[at],
                    "ms",
                    limit[at],
                    "raw inotify hears of it",
                    f"≤ {most:g} ms",
                    met=ours[at] <= most,
                )


def _write(path: Path, data: bytes) -> float:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(fd, data)
    now = time.monotonic()
    os.close(fd)
    return now


def throughput(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Images a second at 200 ms and 64 in flight, first request to last reply."""
    ours, raw, note = _speed(base, max(sizes.images, 1280), 0.2, 64)
    yield compared(
        "throughput, API 200 ms, 64 in flight",
        ours.rate,
        "images/s",
        raw.rate,
        "raw asyncio loop",
        "≥ 0.97 ×",
        met=ours.rate >= 0.97 * raw.rate,
        more={"note": note, "peak MB": ours.peak},
    )


def cpu(base: Path, sizes: Sizes) -> Iterator[Row]:
    """CPU for one image that is sent as it is, everything from the event to the sidecar."""
    ours, raw, note = _speed(base, sizes.images, 0.0, 32)
    yield compared(
        "CPU per 400 KB JPEG as it is, all of the pipeline",
        ours.cpu,
        "ms",
        raw.cpu,
        "raw asyncio loop",
        "≤ 3 ×",
        met=ours.cpu <= 3 * raw.cpu,
        more={"note": note, "images/s": ours.rate, "raw images/s": raw.rate, "peak MB": ours.peak},
    )


def scaling(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Throughput over requests in flight, at 200 ms."""
    rates = []
    for in_flight in sizes.scaling:
        ours, raw, note = _speed(base, 8 * in_flight, 0.2, in_flight)
        rates.append((in_flight, ours.rate))
        yield compared(
            f"throughput, API 200 ms, {in_flight} in flight",
            ours.rate,
            "images/s",
            raw.rate,
            "raw asyncio loop",
            more={"note": note},
        )
    yield growth("throughput over requests in flight", "images/s", rates)


class Speed:
    """What one way of sending came to."""

    def __init__(self, api: Loopback, count: int, cpu: float, peak: float = 0.0) -> None:
        stats = api.stats()
        answered = stats["answered"]
        assert len(answered) == count, f"{len(answered)} of {count} files were answered"
        assert set(answered.values()) == {1}, "files were answered twice"
        self.rate = count / api.span()
        self.cpu = cpu / count * 1e3
        self.peak = peak
        self.busy = api.busy()


def _speed(base: Path, count: int, delay: float, in_flight: int) -> tuple[Speed, Speed, str]:
    """Ours, the raw loop's, and a word on what the server took."""
    with scratch(base, "speed") as here:
        source = photos(here / "src", count)
        with Loopback(delay) as api:
            command = [sys.executable, str(HERE / "raw.py"), str(api.port), str(in_flight), str(source)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            raw = Speed(api, count, float(done.stdout))
        (here / "inbox").mkdir()
        with (
            Loopback(delay) as api,
            daemon(here / "home", here / "inbox", api.url, in_flight=in_flight) as running,
        ):
            before = took(running.process.pid)
            move_in(source, here / "inbox")
            wait_done(running, count)
            spent = took(running.process.pid) - before
            ours = Speed(api, count, spent.cpu, spent.peak)
        return ours, raw, "; ".join(dict.fromkeys(filter(None, (raw.busy, ours.busy))))
