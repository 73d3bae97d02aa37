"""``glimpsed search``: full-text search over the answers."""

from __future__ import annotations

import click

from glimpsed.cli.common import common_options, err, folder_names, json_option, out, print_json
from glimpsed.errors import UsageError
from glimpsed.model import shown


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--folder", "name", metavar="NAME", shell_complete=folder_names, help="Only in this folder.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Matches at most."
)
@json_option
@common_options
def command(*, text: tuple[str, ...], name: str | None, limit: int, as_json: bool) -> None:
    """Search all answers for pages that hold every word of TEXT, best match first.

    Words in quotes stand side by side; invoic* is any word that begins so, which is tried by itself when whole words
    find nothing. Each match is a line: file, page, and the line that matches.

    \b
    --json (more keys may come, these stay):
      [{"folder", "file", "page", "line"}]

    \b
    Examples:
      glimpsed search timber invoice
      glimpsed search '"oak planks" 2024' --folder invoices
      glimpsed search timber --json | jq -r '.[].file'
    """
    from glimpsed.cli.operator import opened
    from glimpsed.desk import folder_named

    wanted = " ".join(text)
    with opened(name, only_look=True) as desk:
        folder = folder_named(desk.config, name).name if name is not None else None
        hits = desk.ledger.search(wanted, limit=limit, folder=folder)
        if not hits and not desk.config.search:
            raise UsageError("there is no index to search: the config says 'search: false'")
    if as_json:
        print_json(
            [
                {"folder": hit.key.folder, "file": shown(hit.key.path), "page": hit.page, "line": hit.line}
                for hit in hits
            ]
        )
        return
    from rich.text import Text

    from glimpsed.ledger.words import spans

    for hit in hits:
        line = Text(f"{hit.key.folder}/{shown(hit.key.path)}", style="magenta")
        line.append(f":{hit.page}: ", style="default")
        found = Text(shown(hit.line))
        for begin, end in spans(found.plain, wanted):
            found.stylize("bold red", begin, end)
        out().print(line + found, soft_wrap=True)
    if not hits:
        err().print("nothing found")
