"""``glimpsed completion``: a completion script for the shell, and what it asks at each press of Tab."""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ShellComplete,
    get_completion_class,
    split_arg_string,
)

from glimpsed.cli.common import Invocation, common_options

VARIABLE = "_GLIMPSED_COMPLETE"  # in the environment, where it is a shell that asks
_TO_ESCAPE = re.compile(r"[^\w@%+=:,./-]")


class Bash(BashComplete):
    """Click's, but by the line as it was typed: bash has taken it apart at ``=`` and ``:``, as in ``qwen2.5:7b``."""

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done <<< "$(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORD="${COMP_WORDS[COMP_CWORD]}" \\
        COMP_WORDBREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete "$1")"
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
    _kept = ""  # what of the value bash leaves as it is
    _quoted = False

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, and that one."""
        if "COMP_LINE" not in os.environ:  # a script that an earlier version wrote
            return super().get_completion_args()
        line, breaks = os.environ["COMP_LINE"], os.environ["COMP_WORDBREAKS"]
        self._quoted = os.environ["COMP_WORD"][:1] in {"'", '"'}
        _, *words = split_arg_string(line)
        at_end = line[-1:].isspace() and not line.endswith("\\ ") and not self._quoted
        incomplete = words.pop() if words and not at_end else ""
        value = incomplete.partition("=")[2] if incomplete.startswith("--") else incomplete
        if not self._quoted:
            self._kept = value[: max((value.rfind(mark) for mark in "=:" if mark in breaks), default=-1) + 1]
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """As it has to stand on the line: a space in a name would end it."""
        value = str(item.value).removeprefix(self._kept)
        if not self._quoted:
            value = _TO_ESCAPE.sub(r"\\\g<0>", value)
        return f"{item.type},{value}"


def _class(shell: str) -> type[ShellComplete]:
    found = Bash if shell == "bash" else get_completion_class(shell)
    assert found is not None
    return found


def answer(cli: click.Command, instruction: str) -> None:
    """Print what may stand at the cursor, for ``bash_complete`` and the like.

    Whatever is wrong, nothing is said: it would stand in the middle of the line that is being typed.
    """
    try:
        shell = _class(instruction.partition("_")[0])
        click.echo(shell(cli, {"obj": Invocation()}, "glimpsed", VARIABLE).complete())
    except (Exception, KeyboardInterrupt):  # noqa: BLE001, S110
        pass


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
def command(shell: str) -> None:
    """Print a script that completes commands, options and the config's names in SHELL.

    \b
    Examples:
      glimpsed completion bash > ~/.local/share/bash-completion/completions/glimpsed
      glimpsed completion zsh > ~/.zfunc/_glimpsed      (with ~/.zfunc in $fpath)
      glimpsed completion fish > ~/.config/fish/completions/glimpsed.fish
    """
    from glimpsed.cli import cli

    click.echo(_class(shell)(cli, {}, "glimpsed", VARIABLE).source())
