"""``glimpsed eval``: how right each model and prompt is on files whose answers are known, and what each costs."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glimpsed import eventloop
from glimpsed.cli.common import (
    NamedPath,
    OutputFile,
    common_options,
    err,
    folder_names,
    json_option,
    load_config,
    model_names,
    out,
    print_json,
    unwritable,
)
from glimpsed.errors import UsageError
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.config import Config, Folder
    from glimpsed.desk.contests import Contest
    from glimpsed.estimate import Estimate
    from glimpsed.evaluate.known import KnownFile
    from glimpsed.evaluate.score import Score

LARGEST_PROMPT = 1 << 20  # bytes


@click.command()
@click.argument("directory", required=False, type=NamedPath(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--folder",
    "name",
    metavar="NAME",
    shell_complete=folder_names,
    help="Ask as this folder does; without DIR, about its own files.",
)
@click.option("--model", "models", metavar="NAME", multiple=True, shell_complete=model_names,
              help="Ask this model; may be given again.")  # fmt: skip
@click.option(
    "--prompt-file",
    "prompts",
    metavar="FILE",
    multiple=True,
    type=NamedPath(path_type=Path, dir_okay=False, exists=True),
    help="Ask this instead of the folder's prompt; may be given again.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OutputFile(),
    help="Write a page with the differences marked.",
)
@click.option(
    "--at-least",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    help="Exit 1 if less than this is right: 0.98.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before money is spent.")
@json_option
@common_options
def command(
    *,
    directory: Path | None,
    name: str | None,
    models: tuple[str, ...],
    prompts: tuple[Path, ...],
    output: Path | None,
    at_least: float | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Ask models about files whose right answers are known, and tell how right each is and what it costs.

    The right answer of scan.jpg is scan.jpg.expected.json (what the folder's schema describes) or
    scan.jpg.expected.txt; for a folder's own files also what somebody corrected or confirmed. No sidecar is written. Fields are compared by what they mean (1.234,50 is 1234.5,
    5 Sept 2024 is 2024-09-05); texts by characters and words. Tells first what it will cost, and stops at twice that.

    \b
    --json, a list with one for each model and prompt (more keys may come, these stay):
      {"model", "prompt", "files", "fields": {NAME: {"right", "wrong", "missing"}}, "cer", "wer",
       "schema_failures", "seconds", "cost_per_1000", "currency"}

    \b
    Examples:
      glimpsed eval samples/ --folder invoices --model gpt-4o --model flash
      glimpsed eval --folder invoices --prompt-file new-prompt.txt -o prompts.html
      glimpsed eval samples/ --folder invoices --yes --json --at-least 0.98      in a pipeline
    """
    from glimpsed import journal
    from glimpsed.desk.contests import Contest, run
    from glimpsed.evaluate.score import score

    if directory is None and name is None:
        raise UsageError("say which: a DIR with known answers, or --folder NAME")
    journal.silence()  # what comes of it is told here
    config = load_config(asked=models)
    _known_models(config, models)
    folder = _folder(config, directory, name)
    files = _usable(_known(directory or Path(folder.path), folder), folder)
    contests = [
        Contest(model, label, folder.model_copy(update={"prompt": prompt, "model": model}))
        for model in models or (folder.model,)
        for label, prompt in _prompts(folder, prompts)
    ]
    spent = eventloop.run(
        run(config, contests, files, lambda expected: _agreed(expected, yes=yes), _progress)
    )
    if spent is None:
        return 2
    scores = [
        score((file.known, reading) for file, reading in zip(files, c.readings, strict=False))
        for c in contests
    ]
    if output is not None:
        _write_page(output, config, contests, scores, files)
    if as_json:
        print_json([_as_json(config, c, s) for c, s in zip(contests, scores, strict=True)])
    else:
        _show(config, contests, scores)
    return _verdict(contests, scores, len(files), at_least)


def _known_models(config: Config, models: Sequence[str]) -> None:
    for model in models:
        if model not in config.models:
            raise UsageError(f"there is no model {model!r}; the config has: {', '.join(config.models)}")


def _folder(config: Config, directory: Path | None, name: str | None) -> Folder:
    """The folder whose prompt and schema are asked: the one that is named, else the one that DIR is or lies in."""
    if name is not None:
        if name not in config.folders:
            raise UsageError(f"there is no folder {name!r}; the config has: {', '.join(config.folders)}")
        return config.folders[name]
    real = os.path.realpath(directory or "")
    for folder in config.folders.values():
        if f"{real}{os.sep}".startswith(os.path.realpath(folder.path) + os.sep):
            return folder
    raise UsageError(f"whose prompt? --folder {' or '.join(config.folders)}")


def _known(directory: Path, folder: Folder) -> list[KnownFile]:
    """Those with a right answer beside them, and those of the folder itself whose answer somebody reviewed."""
    from glimpsed.cli.operator import opened, root_of
    from glimpsed.desk.contests import reviewed
    from glimpsed.evaluate import known

    found = {file.path: file for file in known.find(directory, recursive=folder.recursive)}
    if os.path.realpath(directory) == os.path.realpath(folder.path):
        with opened(only_look=True) as desk:
            root = root_of(folder)
            for file in reviewed(desk, folder, root) if root is not None else ():
                found.setdefault(file.path, file)
    return list(found.values())


def _usable(files: Sequence[KnownFile], folder: Folder) -> list[KnownFile]:
    """Those whose right answer is of the kind that the folder asks for."""
    from glimpsed.evaluate.known import DATA, TEXT

    if folder.schema_ is None:
        texts = [f for f in files if f.known.text is not None]
        if len(texts) < len(files):
            left = f"{len(files) - len(texts)} with {DATA} are left out"
            err().print(f"{left}: the folder '{folder.name}' has no schema", soft_wrap=True)
        files = [dataclasses.replace(f, known=dataclasses.replace(f.known, data=None)) for f in texts]
    else:
        files = [
            dataclasses.replace(f, known=dataclasses.replace(f.known, text=None))
            if f.known.data is not None
            else f
            for f in files
        ]
    if not files:
        wanted = DATA if folder.schema_ is not None else TEXT
        raise UsageError(
            f"no file there has its right answer beside it, as scan.jpg{wanted}, and none was reviewed"
        )
    return list(files)


def _prompts(folder: Folder, files: Sequence[Path]) -> list[tuple[str, str]]:
    """(name, text) of each prompt."""
    if not files:
        return [(folder.name, folder.prompt)]
    return [(shown(str(path)), _prompt(path)) for path in files]


def _prompt(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_PROMPT).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"--prompt-file: {shown(str(path))} cannot be read as UTF-8 text") from e


def _agreed(expected: Estimate, *, yes: bool) -> bool:
    """Whether somebody wants to pay for it. What costs nothing needs no answer."""
    from glimpsed.desk.forecast import in_words

    err().print(in_words(expected), soft_wrap=True)
    if yes or expected.cost == 0:
        return True
    if not sys.stdin.isatty():
        err().print("nothing was asked: without a terminal this needs --yes")
        return False
    if click.confirm("Ask them?", err=True):
        return True
    err().print("nothing was asked")
    return False


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal."""
    if not err().is_terminal:
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=err(), transient=True) as progress:
        task = progress.add_task("asking", total=total)
        yield lambda: progress.advance(task)


def _as_json(config: Config, contest: Contest, found: Score) -> dict[str, Any]:
    return {
        "model": contest.model,
        "prompt": contest.prompt,
        "files": found.files,
        "fields": {name: dataclasses.asdict(counts) for name, counts in found.fields.items()},
        "cer": found.cer,
        "wer": found.wer,
        "schema_failures": found.schema_failures,
        "errors": found.errors,
        "right": found.right,
        "seconds": found.seconds,
        "cost_per_1000": found.cost_per_1000,
        "currency": config.models[contest.model].currency,
    }


def _show(config: Config, contests: Sequence[Contest], scores: Sequence[Score]) -> None:
    from rich.text import Text

    from glimpsed.cli.fitting import FittingTable

    table = FittingTable("model", "prompt")
    for contest, found in zip(contests, scores, strict=True):
        cost = "unknown" if found.cost_per_1000 is None else f"{found.cost_per_1000:.2f}"
        values = {
            "files": str(found.files),
            "right": _percent(found.right),
            "characters wrong": _percent(found.cer),
            "words wrong": _percent(found.wer),
            "schema failures": str(found.schema_failures),
            "errors": str(found.errors),
            "seconds": f"{found.seconds:.1f}",
            "cost of 1,000": f"{cost} {config.models[contest.model].currency}",
        }
        table.add_named_row([contest.model, contest.prompt], values)
    out().print(table)
    names = list(dict.fromkeys(name for found in scores for name in found.fields))
    if not names:
        return
    fields = FittingTable("field")
    several = len({c.prompt for c in contests}) > 1
    whose = [f"{c.model}, {c.prompt}" if several else c.model for c in contests]
    for name in names:
        counts = [found.fields.get(name) for found in scores]
        told = [f"{c.right} / {c.wrong} / {c.missing}" if c else "" for c in counts]
        fields.add_named_row([shown(name)], dict(zip(whose, told, strict=True)))
    out().print(Text("\nright / wrong / missing"))
    out().print(fields)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _verdict(contests: Sequence[Contest], scores: Sequence[Score], files: int, at_least: float | None) -> int:
    for contest, found in zip(contests, scores, strict=True):
        reasons = {r.error for r in contest.readings if r.error is not None}
        for reason in sorted(reasons):
            err().print(f"{contest.model}: {reason}", soft_wrap=True)
        if found.errors == files and files:
            return 69 if at_least is None else 1
    if at_least is not None and any(found.right is None or found.right < at_least for found in scores):
        err().print(f"less than {at_least:g} is right")
        return 1
    return 0


def _write_page(
    path: Path,
    config: Config,
    contests: Sequence[Contest],
    scores: Sequence[Score],
    files: Sequence[KnownFile],
) -> None:
    from glimpsed.evaluate.page import Column, render
    from glimpsed.language import chosen

    columns = [
        Column(c.model, c.prompt, config.models[c.model].currency, s, c.readings)
        for c, s in zip(contests, scores, strict=True)
    ]
    try:
        path.write_text(render(columns, files, chosen(config.language)), encoding="utf-8", errors="replace")
    except OSError as e:
        raise unwritable(path, e) from e
    err().print(f"{shown(str(path))} is written", soft_wrap=True)
