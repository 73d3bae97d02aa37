"""``glimpsed eval``: how right each model and prompt is on files whose answers are known, and what each costs."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glimpsed import eventloop
from glimpsed.cli.common import common_options, err, folder_names, json_option, load_config, out, print_json
from glimpsed.errors import FileError, GlimpsedError, UsageError, VisionError
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.config import Config, Folder
    from glimpsed.estimate import Estimate
    from glimpsed.evaluate.known import KnownFile
    from glimpsed.evaluate.score import Reading, Score
    from glimpsed.images import Images
    from glimpsed.vision import Model

SAMPLE = 50  # files that the estimate looks at
OVER = 2.0  # times the estimate: then nothing more is asked
LARGEST_PROMPT = 1 << 20  # bytes


@dataclass(slots=True)
class Contest:
    """One model with one prompt, and what it read in each file, in their order."""

    model: str
    prompt: str  # as it is named: the folder's, or the file's path
    folder: Folder  # with that prompt
    readings: list[Reading] = field(default_factory=list)


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--folder",
    "name",
    metavar="NAME",
    shell_complete=folder_names,
    help="Ask as this folder does; without DIR, about its own files.",
)
@click.option("--model", "models", metavar="NAME", multiple=True, help="Ask this model; may be given again.")
@click.option(
    "--prompt-file",
    "prompts",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Ask this instead of the folder's prompt; may be given again.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
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
    scan.jpg.expected.txt. No sidecar is written. Fields are compared by what they mean (1.234,50 is 1234.5,
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
    from glimpsed.evaluate import known
    from glimpsed.evaluate.score import score

    if directory is None and name is None:
        raise UsageError("say which: a DIR with known answers, or --folder NAME")
    journal.silence()  # what comes of it is told here
    config = load_config(asked=models)
    _known_models(config, models)
    folder = _folder(config, directory, name)
    files = _usable(known.find(directory or Path(folder.path), recursive=folder.recursive), folder)
    contests = [
        Contest(model, label, folder.model_copy(update={"prompt": prompt, "model": model}))
        for model in models or (folder.model,)
        for label, prompt in _prompts(folder, prompts)
    ]
    spent = eventloop.run(_run(config, contests, files, lambda expected: _agreed(expected, yes=yes)))
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
        raise UsageError(f"no file there has its right answer beside it, as scan.jpg{wanted}")
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


async def _run(
    config: Config,
    contests: Sequence[Contest],
    files: Sequence[KnownFile],
    agreed: Callable[[Estimate], bool],
) -> float | None:
    """Ask all of it, once its price is agreed to; what was spent, None when nothing was asked."""
    from glimpsed.images import Images
    from glimpsed.vision import Memory, connect

    images = Images(config.workers)
    await images.start()
    models = {c.model: connect(config.models[c.model], Memory()) for c in contests}
    try:
        expected = await _expected(config, contests, files, images)
        if not agreed(expected):
            return None
        purse = Purse(None if expected.cost is None else OVER * expected.cost)
        with _progress(len(contests) * len(files)) as advance:
            await asyncio.gather(
                *(_ask_all(c, models[c.model], files, images, purse, advance) for c in contests)
            )
        return purse.spent
    finally:
        await images.close()
        for model in models.values():
            await model.aclose()


@dataclass(slots=True)
class Purse:
    """What was spent, and what may be; None: nobody knows a price."""

    limit: float | None
    spent: float = 0.0

    @property
    def empty(self) -> bool:
        """Whether nothing more may be asked."""
        return bool(self.limit) and self.limit is not None and self.spent >= self.limit


async def _expected(
    config: Config, contests: Sequence[Contest], files: Sequence[KnownFile], images: Images
) -> Estimate:
    """What all contests together will take, from some of the files."""
    from glimpsed.estimate import Estimate, Group, Past, Seen, estimate

    sample: list[Seen | None] = []
    for file in files[:: max(1, len(files) // SAMPLE)]:
        try:
            document = await images.inspect(_content(file.path))
            sample.append(Seen(document.pages - len(document.left_out), document.width, document.height))
        except GlimpsedError:
            sample.append(None)
    group = Group(len(files), tuple(sample))
    cores = len(os.sched_getaffinity(0))
    every = [estimate([group], c.folder, config.models[c.model], Past(), cores=cores) for c in contests]
    costs = [e.cost for e in every]
    currencies = {e.currency for e in every if e.cost}
    return Estimate(
        files=sum(e.files for e in every),
        pages=sum(e.pages for e in every),
        input_tokens=sum(e.input_tokens for e in every),
        output_tokens=sum(e.output_tokens for e in every),
        cost=None if None in costs or len(currencies) > 1 else sum(c or 0.0 for c in costs),
        currency=next(iter(currencies), None),
        seconds=sum(e.seconds for e in every),
    )


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


async def _ask_all(
    contest: Contest,
    model: Model,
    files: Sequence[KnownFile],
    images: Images,
    purse: Purse,
    advance: Callable[[], None],
) -> None:
    places = asyncio.Semaphore(model.entry.concurrency)

    async def one(file: KnownFile) -> Reading:
        from glimpsed.evaluate.score import Reading

        async with places:
            reading = (
                Reading(error="not asked: the estimate is spent twice over")
                if purse.empty
                else await _read(contest, model, file, images)
            )
        purse.spent += reading.cost or 0.0
        advance()
        return reading

    contest.readings = list(await asyncio.gather(*(one(file) for file in files)))


async def _read(contest: Contest, model: Model, file: KnownFile, images: Images) -> Reading:
    from glimpsed.cli.try_ import ask_now
    from glimpsed.evaluate.score import Reading

    try:
        answer = await ask_now(file.path, contest.folder, [model], images, [])
    except VisionError as e:
        misfit = contest.folder.schema_ is not None and e.raw is not None
        return Reading(
            error=e.verdict.reason, schema_failed=misfit, cost=e.cost if e.cost is not None else 0.0
        )
    except FileError as e:
        return Reading(error=e.reason)
    except GlimpsedError as e:
        return Reading(error=str(e))
    data = [page.data for page in answer.pages] if answer.pages else answer.data
    return Reading(data=data, text=answer.text, seconds=answer.seconds, cost=answer.usage.cost)


def _content(path: Path) -> Any:
    from glimpsed.cli.try_ import content_of

    return content_of(path)


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
    from rich.table import Table

    table = Table()
    for column in ("model", "prompt", "files", "right", "characters wrong", "words wrong", "schema failures", "errors",
                   "seconds", "cost of 1,000"):  # fmt: skip
        table.add_column(
            column, justify="left" if column in ("model", "prompt") else "right", overflow="fold"
        )
    for contest, found in zip(contests, scores, strict=True):
        cost = "unknown" if found.cost_per_1000 is None else f"{found.cost_per_1000:.2f}"
        table.add_row(
            contest.model, contest.prompt, str(found.files), _percent(found.right), _percent(found.cer),
            _percent(found.wer), str(found.schema_failures), str(found.errors), f"{found.seconds:.1f}",
            f"{cost} {config.models[contest.model].currency}",
        )  # fmt: skip
    out().print(table)
    names = list(dict.fromkeys(name for found in scores for name in found.fields))
    if not names:
        return
    fields = Table(title="right / wrong / missing", title_justify="left")
    fields.add_column("field", overflow="fold")
    for contest in contests:
        several = len({c.prompt for c in contests}) > 1
        fields.add_column(f"{contest.model}\n{contest.prompt}" if several else contest.model, justify="right")
    for name in names:
        counts = [found.fields.get(name) for found in scores]
        fields.add_row(shown(name), *(f"{c.right} / {c.wrong} / {c.missing}" if c else "" for c in counts))
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

    columns = [
        Column(c.model, c.prompt, config.models[c.model].currency, s, c.readings)
        for c, s in zip(contests, scores, strict=True)
    ]
    try:
        path.write_text(render(columns, files), encoding="utf-8", errors="replace")
    except OSError as e:
        raise UsageError(f"{shown(str(path))} cannot be written: {e.strerror}") from e
    err().print(f"{shown(str(path))} is written", soft_wrap=True)
