"""Writes docs/commands.md, docs/events.md and docs/sidecar.schema.json from the program itself: `make options`."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from glimpsed.cli import cli
from glimpsed.cli.manual import EXIT
from glimpsed.journal import events
from glimpsed.sidecar.described import json_schema

ROOT = Path(__file__).parents[1]
SHARED = {"--config", "--debug", "--help"}  # options of all commands


def commands() -> str:
    """The text of docs/commands.md."""
    context = click.Context(cli, info_name="glimpsed")
    parts = [
        "# Every command\n\nMade by `make options` from the commands' own help.\n\n",
        (
            "Each takes `-c FILE` (the config; default: `$GLIMPSED_CONFIG`, `./glimpsed.yaml`, then the user's, then "
            "`/etc/glimpsed/config.yaml`), `--debug` and `--help`.\n\n"
        ),
        "| exit code | |\n|---|---|\n",
        *(f"| {code} | {meaning} |\n" for code, meaning in EXIT),
    ]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        parts += _command(command, click.Context(command, info_name=name, parent=context))
    return "".join(parts)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"\n## glimpsed {context.info_name}\n\n    glimpsed {context.info_name} {usage}\n\n"
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        if paragraph.lstrip().startswith("\b"):
            yield textwrap.indent(paragraph.replace("\b", "").strip("\n"), "    ") + "\n\n"
        else:
            yield " ".join(line.strip() for line in paragraph.splitlines()) + "\n\n"
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        and not SHARED & set(parameter.opts)
        and (record := parameter.get_help_record(context)) is not None
    ]
    if records:
        yield "| option | |\n|---|---|\n"
        yield from (f"| `{_cell(option)}` | {_cell(meaning)} |\n" for option, meaning in records)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def log_events() -> str:
    """The text of docs/events.md, from what `journalctl -x` explains."""
    catalog = (ROOT / "systemd" / "glimpsed.catalog").read_text(encoding="utf-8")
    parts = [
        (
            "# Every log event\n\nMade by `make options` from the journal's catalog: what `journalctl -x` says to each.\n\n"
            "In the journal each has `GLIMPSED_EVENT` with this name and its fields as `GLIMPSED_FOLDER`, `GLIMPSED_FILE`, "
            "`GLIMPSED_MODEL`, `GLIMPSED_REASON` and so on; with `log: {target: json}` a line holds the same in lower case "
            "(`event`, `level`, `timestamp`, `folder`, …).\n\n"
            "    journalctl -t glimpsed GLIMPSED_EVENT=file.failed GLIMPSED_FOLDER=invoices\n"
        )
    ]
    for entry in re.split(r"(?m)^# (?=[a-z_]+\.[a-z_]+$)", catalog)[1:]:
        name, _, *rest = entry.strip().splitlines()
        headers, _, text = "\n".join(rest).partition("\n\n")
        subject = re.search(r"Subject: (.*)", headers)
        assert subject is not None, name
        said = re.sub(
            r"@GLIMPSED_(\w+)@", lambda field: f"*{field[1].lower()}*", f"{subject[1]}\n\n{text.strip()}"
        )
        parts.append(f"\n## {name}\n\n{said}\n")
    named = {line[3:].strip() for part in parts for line in part.splitlines() if line.startswith("## ")}
    missing = set(events.EVENTS) - named
    assert not missing, f"not in the catalog: {missing}"
    return "".join(parts)


def sidecar_schema() -> str:
    """The text of docs/sidecar.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


FILES = {"commands.md": commands, "events.md": log_events, "sidecar.schema.json": sidecar_schema}

if __name__ == "__main__":
    for file, text in FILES.items():
        (ROOT / "docs" / file).write_text(text(), encoding="utf-8")
