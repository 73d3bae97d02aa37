"""Files arriving for ever at a faulty API: nothing lost, nothing twice, memory and descriptors flat.

    python tests/benchmarks/soak.py [SECONDS]

Ten files a second; one request in twenty is answered by a 429, a 500, a 503 or a closed connection; files are
deleted, renamed and replaced meanwhile. `flat`: the last quarter's median is within 10 % of the second one's.
"""

# ruff: noqa: T201 - it prints
from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import Loopback, daemon, photos, rss, until

EVERY = 0.1  # seconds between two files
FAULTS = 0.05
PATIENCE = 180.0  # seconds for the last files: a model that paused is probed after a minute
SLACK = 1.1


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    dice = random.Random(3)
    with tempfile.TemporaryDirectory(prefix="glimpsed-soak-") as base, Loopback(0.1, FAULTS) as api:
        here = Path(base)
        inbox = here / "inbox"
        inbox.mkdir()
        source = sorted(photos(here / "src", int(seconds / EVERY), size=60_000).iterdir())
        memory, descriptors = [], []
        with daemon(here / "home", inbox, api.url, settle="200ms") as running:
            pid = running.process.pid
            for number, path in enumerate(source):
                path.rename(inbox / path.name)
                if number >= 50 and dice.random() < 0.1:
                    _disturb(inbox, source[number - 50].name, dice)
                if number % 10 == 0:
                    memory.append(rss(pid))
                    descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))
                time.sleep(EVERY)
            until(lambda: not _waiting(inbox), PATIENCE, running.tail)
            failed = len(running.seen("file.failed"))
        twice = sum(1 for times in api.stats()["answered"].values() if times > 1)
        flat = _flat("memory, MB", memory) & _flat("file descriptors", [float(n) for n in descriptors])
    print(
        f"{len(source)} files; lost 0, failed {failed}, answered twice {twice}; flat: {'yes' if flat else 'no'}"
    )
    sys.exit(0 if flat and not failed and not twice else 1)


def _disturb(inbox: Path, name: str, dice: random.Random) -> None:
    """What people do to a file that was done long ago: none of it may cost another request."""
    if dice.random() < 0.5:
        (inbox / name).unlink()
    else:
        (inbox / name).rename(inbox / f"renamed-{name}")


def _waiting(inbox: Path) -> list[str]:
    return [p.name for p in inbox.glob("*.jpg") if not p.with_name(f"{p.name}.json").exists()]


def _flat(what: str, series: list[float]) -> bool:
    quarter = max(1, len(series) // 4)
    early, late = (
        statistics.median(series[quarter : 2 * quarter] or series),
        statistics.median(series[-quarter:]),
    )
    print(f"{what}: {early:.0f} in the second quarter, {late:.0f} in the last, {max(series):.0f} at most")
    return late <= early * SLACK


if __name__ == "__main__":
    main()
