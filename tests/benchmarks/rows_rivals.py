"""The same work done by what people would otherwise run: a shell loop, and two watchdog scripts."""

from __future__ import annotations

import contextlib
import importlib.util
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench import HERE, Loopback, Row, Sizes, compared, daemon, photos, scratch, took

IN_FLIGHT = 32
QUIET = 3.0  # seconds without a reply: whatever is missing then is lost
KILLED_AT = 0.02  # API latency while watchers are killed half-way
NAMES = {
    "tutorial": "watchdog handler + requests",
    "pool": "watchdog + 32 threads + openai",
    "shell": f"find | xargs -P{IN_FLIGHT} base64, curl",
}
# $1 is the file, $0 the address.
ONE = """{
  printf '{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,'
  base64 -w0 "$1"
  printf '"}},{"type":"text","text":"file:%s"}]}]}' "${1##*/}"
} | curl -s -H 'content-type: application/json' --data-binary @- "$0" > "$1.txt"
"""

# Start a watcher on a folder; gives its process id and a way to kill it.
Start: TypeAlias = Callable[[Path, str], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one run over all images."""

    rate: float  # images a second, from the first file's arrival to the last reply
    cpu: float  # ms an image
    peak: float  # MB, of the largest process; 0: not known
    lost: int
    twice: int
    half: int  # sent before they were whole


def rivals(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Images a second and CPU an image, at 0 and 200 ms."""
    for delay in (0.0, 0.2):
        ours = _run(base, sizes.images, delay, _glimpsed)
        for name in _there():
            run = _run(base, sizes.images, delay, _script(name)) if name != "shell" else None
            theirs = run or _shell(base, sizes.images, delay)
            for what, unit, mine, other in (
                ("images a second", "images/s", ours.rate, theirs.rate),
                ("CPU an image", "ms", ours.cpu, theirs.cpu),
            ):
                yield compared(
                    f"{what}, API {delay * 1e3:.0f} ms",
                    mine,
                    unit,
                    other,
                    NAMES[name],
                    more={
                        "peak MB, ours": ours.peak,
                        "theirs": theirs.peak,
                        "lost": theirs.lost,
                        "half files sent": theirs.half,
                    },
                )


def killed(base: Path, sizes: Sizes) -> Iterator[Row]:
    """Files lost or done twice when the watcher is killed half-way and started again."""
    count = min(sizes.images, 300)
    for name, begin in (("glimpsed", _glimpsed), *((n, _script(n)) for n in _there() if n != "shell")):
        found = _run(base, count, KILLED_AT, begin, kill=True)
        yield Row(
            f"killed half-way, {NAMES.get(name, name)}: lost",
            found.lost,
            f"of {count}",
            goal="0" if name == "glimpsed" else "",
            met=found.lost == 0 if name == "glimpsed" else None,
            more={"answered twice": found.twice, "half files sent": found.half},
        )


def _there() -> list[str]:
    """The rivals that this machine can run."""
    needs = {"tutorial": "requests", "pool": "openai"}
    found = [name for name, module in needs.items() if importlib.util.find_spec(module)]
    return found + (["shell"] if shutil.which("curl") else [])


def _run(base: Path, count: int, delay: float, begin: Start, *, kill: bool = False) -> Done:
    """Copy the images into a watched folder as fast as that goes, and wait for the last reply."""
    with scratch(base, "rival") as here, Loopback(delay) as api:
        inbox = here / "inbox"
        inbox.mkdir()
        source = photos(here / "src", count)
        whole = next(source.iterdir()).stat().st_size * 4 // 3
        with begin(here, api.url) as process:
            before, began = took(process.pid), time.monotonic()
            feeder = threading.Thread(target=_copy_in, args=(source, inbox))
            feeder.start()
            if kill:
                _replies(api, count // 2)
                process.send_signal(signal.SIGKILL)
                process.wait()
                feeder.join()
            else:
                _replies(api, count)
                spent = took(process.pid) - before
                feeder.join()
        if kill:
            with begin(here, api.url):
                _replies(api, count)
            return _judged(api, inbox, count, began, 0.0, 0.0, whole)
        return _judged(api, inbox, count, began, spent.cpu, spent.peak, whole)


def _copy_in(source: Path, inbox: Path) -> None:
    for path in sorted(source.iterdir()):
        shutil.copyfile(path, inbox / path.name)


def _replies(api: Loopback, count: int) -> None:
    """Until so many files were answered, or nothing comes any more."""
    seen, since = -1, time.monotonic()
    while seen < count and time.monotonic() - since < QUIET:
        time.sleep(0.1)
        now = len(api.stats()["answered"])
        if now != seen:
            seen, since = now, time.monotonic()
    time.sleep(0.5)  # the last sidecars


def _judged(
    api: Loopback, inbox: Path, count: int, began: float, cpu: float, peak: float, whole: int
) -> Done:
    stats = api.stats()
    written = sum(1 for path in inbox.glob("*.txt") if path.stat().st_size)
    return Done(
        rate=len(stats["answered"]) / (stats["replied"][-1] - began),
        cpu=cpu / max(1, len(stats["answered"])) * 1e3,
        peak=peak,
        lost=count - written,
        twice=sum(1 for times in stats["answered"].values() if times > 1),
        half=sum(1 for size in stats["bytes"].values() if size < whole),
    )


@contextlib.contextmanager
def _glimpsed(here: Path, url: str) -> Iterator[Any]:
    with daemon(here / "home", here / "inbox", url, in_flight=IN_FLIGHT) as running:
        yield running.process


def _script(name: str) -> Start:
    @contextlib.contextmanager
    def begin(here: Path, url: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, str(HERE / "rivals.py"), name, str(here / "inbox"), url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    return begin


def _shell(base: Path, count: int, delay: float) -> Done:
    """Over files that are there: it does not watch."""
    with scratch(base, "rival") as here, Loopback(delay) as api:
        inbox = photos(here / "inbox", count)
        usage, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        find = subprocess.Popen(["find", str(inbox), "-name", "*.jpg", "-print0"], stdout=subprocess.PIPE)
        address = f"{api.url}/chat/completions"
        xargs = ["xargs", "-0", f"-P{IN_FLIGHT}", "-n1", "sh", "-c", ONE, address]
        subprocess.run(xargs, stdin=find.stdout, check=True)
        find.wait()
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = spent.ru_utime + spent.ru_stime - usage.ru_utime - usage.ru_stime
        return _judged(api, inbox, count, began, cpu, 0.0, 0)
