"""The man page, from the commands' own help: ``python -m glimpsed.cli.manual > glimpsed.1`` (groff_man(7))."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator

import click

from glimpsed import __version__

FILES = (
    (
        "./glimpsed.yaml, ~/.config/glimpsed/config.yaml, /etc/glimpsed/config.yaml",
        "The config, looked up in that order.",
    ),
    ("~/.local/state/glimpsed/ledger.sqlite", "The ledger, unless the config's 'state' says otherwise."),
    ("IMAGE.txt, IMAGE.json", "The answer, beside the image."),
    ("IMAGE.error.txt", "Why an image failed, and what to do."),
)
ENVIRONMENT = (
    ("GLIMPSED_CONFIG", "The config file, where no -c names one."),
    ("STATE_DIRECTORY", "Where the ledger is, set by systemd."),
    ("NO_COLOR", "No colour on a terminal either."),
)
EXIT = (
    ("0", "All is well."),
    ("1", "Some file failed, or a check did."),
    ("2", "The command line is wrong."),
    ("69", "No model can be reached."),
    ("70", "A bug in glimpsed."),
    ("77", "This user may not do it, or may not use the ledger."),
    ("78", "The config is wrong."),
)


def manual(group: click.Group) -> str:
    """The whole page in roff."""
    return "\n".join(_page(group)) + "\n"


def _page(group: click.Group) -> Iterator[str]:
    context = click.Context(group, info_name="glimpsed")
    yield f'.TH GLIMPSED 1 "" "glimpsed {__version__}" "User Commands"'
    yield from (".SH NAME", r"glimpsed \- show new images to a vision model, write the answers beside them")
    yield from (".SH SYNOPSIS", r"\fBglimpsed\fR [\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGS\fR]...")
    yield ".SH DESCRIPTION"
    yield from _prose(group.help or "")
    yield ".SH OPTIONS"
    yield from _options(group, context)
    yield ".SH COMMANDS"
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from _command(command, click.Context(command, info_name=name, parent=context))
    for title, rows in (("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT), ("EXIT STATUS", EXIT)):
        yield f".SH {title}"
        for term, text in rows:
            yield from (".TP", rf"\fB{_escaped(term)}\fR", _escaped(text))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield rf'.SS "glimpsed {_escaped(context.info_name or "")} {_escaped(usage)}"'
    yield from _prose(command.help or "")
    yield from _options(command, context)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Argument):
            continue
        record = parameter.get_help_record(context)
        shared = command is not context.find_root().command and set(parameter.opts) & {
            "--config",
            "--debug",
            "--help",
        }
        if record is not None and not shared:
            yield from (".TP", rf"\fB{_escaped(record[0])}\fR", _escaped(record[1]) or r"\&")


def _prose(text: str) -> Iterator[str]:
    r"""Paragraphs; what click keeps as it is (``\b``) stays as it is."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        kept = paragraph.lstrip().startswith("\b")
        lines = [line.rstrip() for line in paragraph.replace("\b", "").strip("\n").splitlines()]
        yield ".PP"
        if kept:
            yield from (".nf", *(_escaped(line) for line in lines), ".fi")
        else:
            yield _escaped(" ".join(line.strip() for line in lines))


def _escaped(text: str) -> str:
    """Text that roff leaves alone: no request at the start of a line, every hyphen a hyphen to type."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti").replace("^", r"\(ha")
    text = text.replace('"', r"\(dq")
    return rf"\&{text}" if text.startswith((".", "'", " ")) else text


if __name__ == "__main__":
    from glimpsed.cli import cli

    sys.stdout.write(manual(cli))
