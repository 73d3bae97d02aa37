"""The commands beside a large ledger."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import Row, Sizes, compared, scratch
from rows_ledger import fill

from daemon import GLIMPSED, environment

COMMANDS = 7  # runs of each


def commands(base: Path, sizes: Sizes) -> Iterator[Row]:
    """What an operator waits for, beside what importing the two largest libraries takes."""
    rows = sizes.ledger[-1]
    with scratch(base, "commands") as here:
        fill(f"sqlite:///{here}/ledger.sqlite", rows)
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
