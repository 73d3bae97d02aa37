"""``glimpsed estimate``: what waits, and what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from glimpsed.cli.common import (
    NO_FOLDERS,
    common_options,
    err,
    folder_names,
    json_option,
    looking_at,
    out,
    print_json,
)
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.config import Config, Folder
    from glimpsed.desk.forecast import Forecast
    from glimpsed.estimate import Estimate


@click.command()
@click.option("--folder", "name", metavar="NAME", shell_complete=folder_names, help="Only this folder.")
@json_option
@common_options
def command(*, name: str | None, as_json: bool) -> int:
    """Look at the folders, send nothing, and tell what waits: files, pages, tokens, money, time.

    Tokens follow the model family's formula for the sizes that would be sent; of many files some are
    looked at. Answers count as long as this folder's were so far. What is done, or has its sidecars
    already, costs nothing.

    \b
    --json (cost null: no price; more keys may come, these stay):
      {"folders": {NAME: {"files", "pages", "input_tokens", "output_tokens", "cost", "currency", "seconds",
                          "model", "types": {ENDING: FILES}, "looked_at", "problem"}},
       "total": {"files", "pages", "input_tokens", "output_tokens", "cost", "currency", "seconds"}}

    \b
    Examples:
      glimpsed estimate
      glimpsed estimate --folder archive --json
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import chosen
    from glimpsed.desk.forecast import forecast
    from glimpsed.estimate import survey

    with opened(name) as desk:

        def waiting(folder: Folder) -> Forecast:
            with looking_at(folder.name):
                return forecast(desk, folder, lambda root: survey.waiting(folder, root, desk.ledger))

        found = {folder.name: waiting(folder) for folder in chosen(desk.config, name)}
        config = desk.config
    if as_json:
        print_json(_as_json(found, config))
    elif found:
        _show(found, config)
    else:
        out().print(NO_FOLDERS)
    problems = {name: f.problem for name, f in found.items() if f.problem}
    for folder_name, problem in problems.items():
        err().print(f"{folder_name}: {problem}")
    return 1 if problems else 0


def _as_json(found: dict[str, Forecast], config: Config) -> dict[str, Any]:
    from glimpsed.estimate import total

    return {
        "folders": {
            name: {
                **_row(f.estimate),
                "model": config.folders[name].model,
                "types": {shown(ending): count for ending, count in f.types.items()},
                "looked_at": f.looked_at,
                "problem": f.problem,
            }
            for name, f in found.items()
        },
        "total": _row(total([f.estimate for f in found.values()])),
    }


def _row(estimate: Estimate) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(estimate)


def _show(found: dict[str, Forecast], config: Config) -> None:
    from rich.text import Text

    from glimpsed.desk.forecast import in_words
    from glimpsed.estimate import total

    for name, f in found.items():
        out().print(
            Text(name, style="bold").append(f"  {config.folders[name].model}", style="dim"), soft_wrap=True
        )
        kinds = ", ".join(f"{count:,} {shown(ending)}" for ending, count in f.types.items())
        out().print(f"  {in_words(f.estimate)}", soft_wrap=True)
        if kinds:
            out().print(f"  {kinds}", soft_wrap=True, style="dim")
    if len(found) > 1:
        out().print(f"All: {in_words(total([f.estimate for f in found.values()]))}")
    files, looked_at = sum(f.estimate.files for f in found.values()), sum(f.looked_at for f in found.values())
    if looked_at < files:
        err().print(f"Pages and tokens come from {looked_at:,} of the {files:,} files, chosen by chance.")
