"""Everything measured beside its limit or its rival, in the same run.

    python tests/benchmarks [--full] [--only ROW ...] [--dir DIRECTORY] [-o bench.json]

Without `--full` it is bounded: under ten minutes on two cores. Prints a table of ratios with the raw figures, and
writes all of it to a JSON file. `ok` is whether the goal of DESIGN 11 is met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import rows_commands
import rows_flow
import rows_folder
import rows_images
import rows_kept
import rows_ledger
import rows_rivals
import rows_web
import structlog
from bench import HERE, Row, Sizes
from rich.console import Console
from rich.table import Table

BOUNDED = Sizes(
    images=400,
    latency=200,
    many=(1_000, 10_000, 100_000),
    idle=20,
    ledger=(1_000, 100_000),
    scaling=(1, 8, 256),
    pages=4,
    kills=5,
)
FULL = Sizes(
    images=2_000,
    latency=1_000,
    many=(1_000, 10_000, 100_000, 1_000_000),
    idle=300,
    ledger=(1_000, 10_000, 100_000, 1_000_000),
    scaling=(1, 4, 16, 64, 128, 256),
    pages=20,
    kills=200,
)


def kill(_base: Path, sizes: Sizes) -> Iterator[Row]:
    """kill -9 at random moments: tests/e2e/test_chaos.py, counted."""
    test = str(HERE.parent / "e2e" / "test_chaos.py")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "killed_again", test],
        cwd=HERE.parents[1],
        env={**os.environ, "CHAOS_KILLS": str(sizes.kills)},
        capture_output=True,
        text=True,
        check=False,
    )
    yield Row(
        f"kill -9, {sizes.kills} times: lost, torn or asked twice",
        0 if run.returncode == 0 else 1,
        "",
        goal="0",
        met=run.returncode == 0,
        more={} if run.returncode == 0 else {"note": run.stdout[-500:]},
    )


ROWS: dict[str, Callable[[Path, Sizes], Iterator[Row]]] = {
    "latency": rows_flow.latency,
    "throughput": rows_flow.throughput,
    "cpu": rows_flow.cpu,
    "start": rows_folder.start,
    "idle": rows_folder.idle,
    "prepare": rows_images.prepare,
    "documents": rows_images.documents,
    "ledger": rows_ledger.ledger,
    "answers": rows_kept.answers,
    "commands": rows_commands.commands,
    "web": rows_web.web,
    "hosts": rows_ledger.hosts,
    "kill": kill,
    "rivals": rows_rivals.rivals,
    "killed": rows_rivals.killed,
    "ocr": rows_images.ocr,
    "scaling": rows_flow.scaling,
}


def main() -> None:
    """Run the rows, print the table, write the JSON."""
    options = _options()
    sizes = FULL if options.full else BOUNDED
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # of rows in this process
    console = Console(width=None if sys.stdout.isatty() else 150)
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="glimpsed-bench-") as base:
        for name in options.only or ROWS:
            since = time.monotonic()
            with console.status(name):
                try:
                    rows += list(ROWS[name](Path(base), sizes))
                except (Exception, SystemExit) as e:  # noqa: BLE001 - a row that fails is a row, not the end
                    rows.append(Row(name, 0, "", met=False, more={"note": f"{type(e).__name__}: {e}"[:1500]}))
            console.print(f"[dim]{name}: {time.monotonic() - since:.0f} s[/]")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    load = f"load before {options.load:.1f}, {time.monotonic() - began:.0f} s"
    console.print(_table(rows, f"{machine}; {load}"))
    document = {
        "machine": machine,
        "load": options.load,
        "full": options.full,
        "rows": [asdict(r) for r in rows],
    }
    options.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="tests/benchmarks"
    )
    parser.add_argument("--full", action="store_true", help="the long ones: 1,000,000 files, 200 kills, …")
    parser.add_argument("--only", nargs="+", choices=ROWS, help="these alone")
    parser.add_argument("--dir", default=None, help="where; default: the system's temporary directory")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    options.load = os.getloadavg()[0]
    return options


def _table(rows: list[Row], caption: str) -> Table:
    table = Table(caption=caption)
    for column in ("what", "glimpsed", "beside it", "ratio", "to reach", "ok"):
        table.add_column(column, justify="right" if column in ("glimpsed", "ratio") else "left")
    for row in rows:
        beside = f"{_figure(row.limit)} {row.unit}, {row.than}" if row.limit is not None else ""
        more = "; ".join(f"{k} {_figure(v)}" if k != "note" else v for k, v in row.more.items() if v != "")
        table.add_row(
            row.what,
            f"{_figure(row.value)} {row.unit}",
            f"{beside}\n[dim]{more}[/]" if beside and more else beside or f"[dim]{more}[/]",
            f"{row.ratio:.2f}" if row.ratio is not None else "",
            row.goal,
            {True: "yes", False: "[red]no[/]", None: ""}[row.met],
        )
    return table


def _figure(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
