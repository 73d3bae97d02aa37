"""``glimpsed try``: ask now, print the answer, write nothing."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glimpsed import eventloop
from glimpsed.cli.common import (
    NamedPath,
    OutputFile,
    common_options,
    config_file,
    err,
    folder_names,
    json_option,
    load_config,
    model_names,
    out,
    print_json,
    say,
)
from glimpsed.errors import FileError, GlimpsedError, UsageError, VisionError
from glimpsed.model import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glimpsed.config import Config, Folder, ModelEntry
    from glimpsed.images.prepare import Images
    from glimpsed.model import Answer
    from glimpsed.vision import Model

UNREACHABLE = 69


@dataclass(frozen=True, slots=True)
class Try:
    """One image shown to one model, and what came of it."""

    image: Path
    model: str
    answer: Answer | None = None
    error: str | None = None
    code: int = 0

    def facts(self) -> str:
        """Who answered, how long it took, what it cost; one line."""
        if self.answer is None:
            by_itself = (self.error or "").startswith(f"{self.model}: ")
            return self.error or "" if by_itself else f"{self.model}: {self.error}"
        usage = self.answer.usage
        parts = [self.answer.model.entry, f"{self.answer.seconds:.2f} s"]
        if usage.input_tokens or usage.output_tokens:
            parts.append(f"{usage.input_tokens} + {usage.output_tokens} tokens")
        if usage.cost:
            parts.append(f"{usage.cost:.6f} {usage.currency}")
        return ", ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        from glimpsed.sidecar.render import as_data

        answer = as_data(self.answer) if self.answer else None
        return {"image": shown(str(self.image)), "model": self.model, "error": self.error, "answer": answer}


@click.command()
@click.argument("images", nargs=-1, required=True, type=NamedPath(path_type=Path, readable=False))
@click.option(
    "--folder",
    metavar="NAME",
    shell_complete=folder_names,
    help="Ask as this folder does: its prompt, schema and model.",
)
@click.option("--model", "models", metavar="NAME", multiple=True, shell_complete=model_names,
              help="Ask this model; may be given again.")  # fmt: skip
@click.option("--prompt", metavar="TEXT", help="Ask this instead of the folder's prompt.")
@click.option("--save-request", metavar="FILE", type=OutputFile(),
              help="Write what was sent as JSON, without the image data and without the key.")  # fmt: skip
@json_option
@common_options
def command(
    images: tuple[Path, ...],
    folder: str | None,
    models: tuple[str, ...],
    prompt: str | None,
    save_request: Path | None,
    *,
    as_json: bool,
) -> int:
    """Ask a model about images now and print the answer. Nothing is written, nothing is remembered.

    \b
    Examples:
      glimpsed try scan.jpg                                  as its folder would be asked
      glimpsed try scan.jpg --prompt 'Who signed this?'
      glimpsed try scan.jpg --model gpt-4o --model flash     side by side
      glimpsed try *.png --folder invoices --json
    """
    from glimpsed import journal

    journal.silence()  # what comes of it is told here
    config = _config(models)
    chosen = [_folder(config, image, folder, prompt, models) for image in images]
    if save_request is not None and not save_request.absolute().parent.is_dir():
        raise UsageError(f"--save-request: there is no directory {shown(str(save_request.parent))}")
    sent: list[dict[str, Any]] = []
    tries = eventloop.run(_try_all(config, images, chosen, models, sent))
    _show(tries, models, as_json=as_json)
    deaf = {t.model for t in tries if config.models[t.model].local}
    if prompt is not None and deaf:
        err().print(f"plain OCR ignores prompts: {', '.join(sorted(deaf))}")
    if save_request is not None:
        _save(save_request, sent)
    return max((t.code for t in tries), default=0)


def _config(models: Sequence[str]) -> Config:
    """The config that is found, else the one of no config at all: the embedded model."""
    from glimpsed import config

    if config_file() is None:
        if models:
            raise UsageError("--model needs a config that names the models: 'glimpsed init' writes one")
        return config.for_folder(Path.cwd())
    found = load_config(asked=tuple(models))
    for name in models:
        if name not in found.models:
            raise UsageError(f"there is no model {name!r}; the config has: {', '.join(found.models)}")
    return found


def _folder(
    config: Config, image: Path, name: str | None, prompt: str | None, models: Sequence[str]
) -> Folder:
    """The folder that is named, else the one that the image lies in, else the only one."""
    if name is not None and name not in config.folders:
        raise UsageError(f"there is no folder {name!r}; the config has: {', '.join(config.folders)}")
    real = os.path.realpath(image)
    inside = [f for f in config.folders.values() if real.startswith(os.path.realpath(f.path) + os.sep)]
    fitting = [config.folders[name]] if name is not None else inside or list(config.folders.values())
    if not fitting:
        raise UsageError("the config has no folder whose prompt could be asked")
    asked = [(prompt or f.prompt, f.schema_, *(models or [f.model])) for f in fitting]
    if any(other != asked[0] for other in asked):
        raise UsageError(f"which folder's prompt? --folder {' or '.join(config.folders)}")
    folder = fitting[0]
    return folder.model_copy(update={"prompt": prompt}) if prompt is not None else folder


async def _try_all(
    config: Config,
    paths: Sequence[Path],
    folders: Sequence[Folder],
    models: Sequence[str],
    sent: list[dict[str, Any]],
) -> list[Try]:
    from glimpsed.desk.asking import connected

    names = {n for f in folders for n in (models or (f.model, *f.fallbacks))}
    tries: list[Try] = []
    async with connected(config, names) as (images, asked):
        await images.start()
        for path, folder in zip(paths, folders, strict=True):
            chains = [[m] for m in models] if models else [[folder.model, *folder.fallbacks]]
            tries += await asyncio.gather(
                *(_try(path, folder, [asked[name] for name in chain], images, sent) for chain in chains)
            )
    return tries


async def _try(
    path: Path, folder: Folder, chain: Sequence[Model], images: Images, sent: list[dict[str, Any]]
) -> Try:
    from glimpsed.desk.asking import ask_now

    entry = chain[0].entry.name

    def passed_over(one: ModelEntry, reason: str) -> None:
        if one is not chain[-1].entry:
            err().print(f"{one.name} cannot be reached, so the next model is asked: {reason}", soft_wrap=True)

    try:
        answer = await ask_now(path, folder, chain, images, sent=sent, passed_over=passed_over)
        return Try(path, entry, answer=answer)
    except VisionError as e:
        unreachable = e.verdict.kind in ("retry", "pause")
        return Try(path, entry, error=e.verdict.reason, code=UNREACHABLE if unreachable else 1)
    except FileError as e:
        return Try(path, entry, error=f"{e.reason.rstrip('.')}. {e.advice}", code=1)
    except GlimpsedError as e:  # not there, not readable
        return Try(path, entry, error=str(e).removeprefix(f"{shown(path.name)}: "), code=1)


def _save(path: Path, sent: Sequence[dict[str, Any]]) -> None:
    """Every request, in the order in which they were answered."""
    try:
        path.write_text(json.dumps(sent, ensure_ascii=False, indent=2), encoding="utf-8")
    except OSError as e:
        raise UsageError(f"--save-request: {shown(str(path))}: {e.strerror}") from e


def _show(tries: Sequence[Try], models: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json([t.as_json() for t in tries])
    elif len(tries) == 1 and tries[0].answer is not None:
        say(tries[0].answer.text.replace("\f", "\n"))
        err().print(tries[0].facts(), soft_wrap=True)
    elif len(tries) == 1:
        err().print(f"{shown(str(tries[0].image))}: {tries[0].error}", soft_wrap=True)
    elif len(models) > 1:
        _table(tries)
    else:
        for one in tries:
            _print(one)
    for one in tries:
        if one.error is not None and as_json:
            err().print(f"{shown(str(one.image))}: {one.error}", soft_wrap=True)


def _print(one: Try) -> None:
    if one.answer is None:
        err().print(f"{shown(str(one.image))}: {one.facts()}", style="red", soft_wrap=True)
        return
    out().rule(shown(str(one.image)), align="left")
    say(one.answer.text.replace("\f", "\n"))
    out().print(one.facts(), style="dim")


def _table(tries: Sequence[Try]) -> None:
    from rich.text import Text

    from glimpsed.cli.fitting import FittingTable

    table = FittingTable("image", "model", "seconds", "tokens", "cost", "answer", wraps_at=30, ruled=True)
    for one in tries:
        image, model = Text(shown(str(one.image)), style="bold"), Text(one.model)
        facts, told = [Text()] * 3, Text(one.error or "", style="red")
        if one.answer is not None:
            usage = one.answer.usage
            cost = f"{usage.cost:.6f} {usage.currency}" if usage.cost is not None else ""
            tokens = f"{usage.input_tokens:,} + {usage.output_tokens:,}"
            facts, told = [Text(f"{one.answer.seconds:.2f}"), Text(tokens), Text(cost)], Text(one.answer.text)
        head = Text("  ").join([image, model if one.answer is None else Text(one.facts(), style="dim")])
        table.add_row(image, model, *facts, told, narrow=(head, told))
    out().print(table)
