"""``glimpsed once``: process what is there, then exit."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glimpsed.cli.common import NamedPath, common_options, config_file, directories, err, importing, out
from glimpsed.cli.run import beside_ledger, config_for
from glimpsed.model import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

    from glimpsed.service.once import Once

REFRESH = 0.25  # seconds between two looks at the counts
FAILURES_SHOWN = 20


@click.command()
@click.argument("folder", required=False, type=NamedPath(path_type=Path), shell_complete=directories)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary; warnings and errors only.")
@common_options
def command(folder: Path | None, *, quiet: bool) -> int:
    """Process what is in the folders now, then exit: 1 when a file failed or was left, or a folder or part of one is missing.

    \b
    Examples:
      glimpsed once ~/scans          no config: embedded OCR
      glimpsed once -c glimpsed.yaml
      glimpsed once -q invoices      from cron: speaks only when something is wrong
    """
    with importing():
        from glimpsed import journal
        from glimpsed.service import run
        from glimpsed.service.once import Once

    config = config_for(folder, config_file())
    bar = sys.stderr.isatty() and not quiet and config.log.target == "auto"
    # On a terminal the bar and the summary tell; a log line would tear the bar.
    level = "error" if bar else "warning" if quiet else config.log.level
    log = config.log.model_copy(update={"level": level})
    if bar:
        journal.silence()
    else:
        journal.configure(log, secrets=config.secrets)
    aside = beside_ledger(config, ".unkept")
    service = Once(config, beside=_progress if bar else None, aside=aside)
    run(service)
    journal.flush()
    if not service.opened:  # stopped while the ledger's database was away
        return 1
    # Where the log is JSON, its lines and nothing else are on stderr (DESIGN 10).
    say = out() if config.log.target == "json" else err()
    if not quiet:
        _summary(service, say)
    missing = service.folders.missing
    for folder_and_reason in missing:
        say.print(f"not there: {folder_and_reason}")
    unlisted = service.folders.unlisted
    for folder_and_path in unlisted:
        say.print(f"cannot be listed: {folder_and_path}", soft_wrap=True)
    return int(bool(service.tally.failed or service.left or service.stopped or missing or unlisted))


@contextlib.asynccontextmanager
async def _progress(service: Once) -> AsyncIterator[None]:
    """A bar on the terminal while the service works: done, failed, rate, time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task("listing", total=None, facts="")
        started = time.monotonic()

        async def follow() -> None:
            while True:
                done = service.tally.finished
                total = done + await service.waiting()
                failed = len(service.tally.failed)
                rate = 60 * done / (time.monotonic() - started)
                facts = [f"{failed} failed", f"{rate:.1f} a minute"] if done else []
                if settling := service.folders.settling:
                    facts.append(f"{settling} not complete yet")
                if service.stopped:
                    facts.append("stopping; Ctrl-C again: at once")
                progress.update(
                    task,
                    description="files",
                    completed=done,
                    total=total or None,
                    facts=", ".join(facts),
                )
                await asyncio.sleep(REFRESH)

        following = asyncio.create_task(follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _passed_over(service: Once) -> str:
    from collections import Counter

    from glimpsed.blocking import within
    from glimpsed.discover.passed import SECONDS, in_words, passed_over
    from glimpsed.errors import ShareTrouble

    counts: Counter[str] = Counter()
    for folder in service.config.folders.values():
        with contextlib.suppress(ShareTrouble):
            counts.update(within(2 * SECONDS, passed_over, folder))
    return shown(in_words(dict(counts.most_common())))


def _summary(service: Once, say: Console) -> None:
    tally = service.tally
    usage = tally.usage
    parts = [f"{tally.outcomes['done']} done"]
    if tally.outcomes["reused"]:
        parts.append(f"{tally.outcomes['reused']} reused")
    parts.append(f"{len(tally.failed)} failed")
    if usage.input_tokens or usage.output_tokens:
        parts.append(f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens")
    if usage.cost:
        parts.append(f"{usage.cost:.4f} {usage.currency}")
    out().print(", ".join(parts))
    if others := _passed_over(service):
        out().print(f"  passed over by their ending: {others}", soft_wrap=True)
    for key, reason in tally.failed[:FAILURES_SHOWN]:
        out().print(f"  failed: {shown(key.path)}: {reason}", soft_wrap=True)
    if len(tally.failed) > FAILURES_SHOWN:
        out().print(f"  and {len(tally.failed) - FAILURES_SHOWN} more: 'glimpsed failures' lists them")
    if service.left:
        wait = "1 file still waits" if service.left == 1 else f"{service.left:,} files still wait"
        say.print(f"{wait}: {service.why_left()}", soft_wrap=True)
    elif service.stopped:
        say.print("stopped before everything was done")
    elif service.older_failures:
        number = "1 file" if service.older_failures == 1 else f"{service.older_failures:,} files"
        say.print(f"{number} failed in earlier runs: 'glimpsed failures' lists them")
