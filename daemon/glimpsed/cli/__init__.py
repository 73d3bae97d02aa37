"""The command line: which command lives where, and what an error looks like.

A command's module is imported when the command runs, so that ``glimpsed --help`` is quick. Each exposes
`command`, which may return an exit code: 0 fine, 1 some file failed or a check did, 2 wrong usage,
69 no model reachable, 70 a bug, 77 not permitted, 78 bad config (DESIGN 6).
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import io
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TextIO

import click
from click.shell_completion import CompletionItem

from glimpsed import __version__
from glimpsed.cli.common import Invocation, common_options, say
from glimpsed.errors import ConfigError, FileError, GlimpsedError

COMMANDS = {  # name, which is also its module's, to what `glimpsed --help` says of it
    "run": "Watch the folders until stopped.",
    "once": "Process what is there, then exit.",
    "try": "Ask a model about an image now, write nothing.",
    "check": "Look at config, folders and models.",
    "status": "Counts by folder and state, models, spend.",
    "failures": "Failed files, and why.",
    "retry": "Put failed files back into the queue.",
    "redo": "Ask again about files that are done.",
    "resume": "Probe a paused model now.",
    "eval": "How right models and prompts are, on known answers.",
    "rewrite": "Sidecars anew, without asking.",
    "estimate": "What waits, and what it will cost.",
    "approve": "Release a backlog that waits for it.",
    "forget": "Delete what the ledger knows of files.",
    "search": "Full-text search over the answers.",
    "web": "The live page, in a browser.",
    "report": "One HTML page to look at.",
    "export": "The answers' fields as a table.",
    "init": "Write a starter config.",
    "schema": "JSON Schema of the config, for editors.",
    "completion": "Completion script for bash, zsh or fish.",
}
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}
_MODULES = {"try": "try_", "eval": "eval_"}  # where the name is Python's own


def module_of(name: str) -> str:
    """The module in this package that holds a command."""
    return _MODULES.get(name, name)


class Commands(click.Group):
    """The commands of the table, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the table's order, which is that of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"glimpsed.cli.{module_of(cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A mistyped command is told with the one that was meant."""
        if args[0] not in COMMANDS:
            import difflib  # slow to import, and rarely needed

            for near in difflib.get_close_matches(args[0], COMMANDS, 1):
                ctx.fail(f"No such command '{args[0]}'. Did you mean '{near}'?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; that nobody reads it any more is for `main` to see: click would exit with 1, as if a file failed."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise BrokenPipeError from None  # click knows it by its number

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """From the table as well."""
        found = [
            CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'glimpsed COMMAND --help' explains a command, with examples. Start with 'glimpsed init'.",
)
@click.version_option(__version__, message="glimpsed %(version)s")
@common_options
def cli() -> None:
    """Show every new image in watched folders to a vision model; write the answer beside it.

    \b
    Examples:
      glimpsed once ~/scans          read what is in a folder with the embedded OCR, then stop
      glimpsed init                  write ./glimpsed.yaml to start with
      glimpsed -c glimpsed.yaml run  watch the folders of a config
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: one line for a mistake, a traceback only for a bug and with ``--debug``."""
    _prepare_streams()
    _complete()
    code, tell = _outcome(arguments, Invocation())
    try:
        tell()
    except OSError:  # nobody can be told why: the code still says what it was
        _discard(sys.stderr)
    sys.exit(code)


def _outcome(arguments: list[str] | None, invocation: Invocation) -> tuple[int, Callable[[], None]]:
    """Run a command. The exit code, and what tells why."""
    tell: Callable[[], None]
    try:
        code, tell = _run(arguments, invocation), _nothing
        sys.stdout.flush()
    except BrokenPipeError:  # `glimpsed failures | head`
        _discard(sys.stdout)
        code, tell = 141, _nothing
    except (KeyboardInterrupt, click.Abort):
        code, tell = 130, _end_line
    except click.ClickException as e:
        code, tell = e.exit_code, partial(_show, e)
    except GlimpsedError as e:
        code, tell = e.exit_code, partial(_explain, e)
    except PermissionError as e:
        code, tell = 70, partial(_report_bug, e, invocation)
        if e.filename is not None:
            code, tell = 77, partial(_refused, e, invocation)
    except OSError as e:
        code, tell = 70, partial(_report_bug, e, invocation)
        if e.errno in _OUTPUT_ERRORS and e.filename is None:
            _discard(sys.stdout)  # `glimpsed schema > FILE` on a full disk
            code, tell = 1, partial(_unwritten, e)
    except Exception as e:  # noqa: BLE001 - the last resort: whatever it is, it is a bug
        code, tell = 70, partial(_report_bug, e, invocation)
    return code, tell


def _nothing() -> None:
    pass


def _end_line() -> None:
    if sys.stderr.isatty():
        click.echo(err=True)  # the shell's prompt gets a line of its own


def _show(error: click.ClickException) -> None:
    told = io.StringIO()  # it holds what was typed, or what a shell made of `*`
    error.show(file=told)
    say(told.getvalue().rstrip("\n"), error=True)


def _complete() -> None:
    """When it is a shell that asks, at Tab: answer it, and end."""
    if asked := os.environ.get("_GLIMPSED_COMPLETE"):
        from glimpsed.cli import completion

        completion.answer(cli, asked)
        sys.exit(0)


def _prepare_streams() -> None:
    """Standard streams that are there, whatever started us: `glimpsed once >&- 2>&-`.

    Without this, the next file to be opened, the ledger, would get the number that libraries print to.
    """
    for number in range(3):
        if not _of_use(number):
            _nowhere(number)
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115 - stays open, like the real one
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8


def _of_use(number: int) -> bool:
    """Whether this standard stream is open, and for writing unless it is the first: a script that is run with `2>&-` may find itself there."""
    try:
        how = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        return False
    return number == 0 or how != os.O_RDONLY


def _nowhere(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:  # it was not the lowest free one
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)  # noqa: FBT003 - positional only


def _discard(stream: TextIO) -> None:
    """What is still buffered goes nowhere: Python would complain about it at exit."""
    _nowhere(stream.fileno())


def _run(arguments: list[str] | None, invocation: Invocation) -> int:
    result: Any = cli.main(arguments, prog_name="glimpsed", obj=invocation, standalone_mode=False)
    return result if isinstance(result, int) else 0


def _unwritten(error: OSError) -> None:
    click.echo(f"glimpsed: the output cannot be written: {error.strerror}", err=True)


def _explain(error: GlimpsedError) -> None:
    if isinstance(error, ConfigError):
        for problem in error.problems:
            say(str(problem), error=True)
        return
    say(f"glimpsed: {error}", error=True)
    if isinstance(error, FileError):
        say(f"  {error.advice}", error=True)


def _refused(error: PermissionError, invocation: Invocation) -> None:
    """What this user may not do, which is no bug."""
    from glimpsed.model import shown

    if invocation.debug:
        traceback.print_exception(error)
    click.echo(f"glimpsed: not permitted: {shown(os.fsdecode(error.filename))}: {error.strerror}", err=True)


def _report_bug(error: Exception, invocation: Invocation) -> None:
    from glimpsed.redact import looks  # what it is about may hold a key

    if invocation.debug:
        click.echo(looks("".join(traceback.format_exception(error))), err=True, nl=False)
    what = looks(" ".join(str(error).split()))
    hint = "" if invocation.debug else " ('glimpsed --debug' shows where)"
    say(f"glimpsed: unexpected error: {type(error).__name__}: {what}{hint}", error=True)
