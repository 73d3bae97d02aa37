"""``glimpsed completion``: a completion script for the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from glimpsed.cli.common import common_options


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
def command(shell: str) -> None:
    """Print a script that completes commands and options in SHELL.

    \b
    Examples:
      glimpsed completion bash > ~/.local/share/bash-completion/completions/glimpsed
      glimpsed completion zsh > ~/.zfunc/_glimpsed      (with ~/.zfunc in $fpath)
      glimpsed completion fish > ~/.config/fish/completions/glimpsed.fish
    """
    from glimpsed.cli import cli

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(cli, {}, "glimpsed", "_GLIMPSED_COMPLETE").source())
