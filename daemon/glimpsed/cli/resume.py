"""``glimpsed resume``: a paused model is asked now, to see whether it is well again."""

from __future__ import annotations

import dataclasses

import click

from glimpsed.cli.common import common_options
from glimpsed.errors import UsageError
from glimpsed.model import shown


@click.command()
@click.argument("model", metavar="MODEL")
@common_options
def command(*, model: str) -> int:
    """Probe a paused MODEL now instead of at its next time: one file is asked about, and an answer ends the pause.

    A running daemon does so within a second. A used-up budget is no pause that a probe could end: raise it in the
    config, and reload.

    \b
    Examples:
      glimpsed resume gpt-4o
    """
    from glimpsed.cli.operator import opened

    with opened() as desk:
        now = desk.ledger.clock()
        if model not in desk.config.models:
            known = ", ".join(desk.config.models)
            raise UsageError(f"there is no model '{shown(model)}'; the config has: {known}")
        pause = desk.ledger.pauses().get(model)
        running = bool(desk.ledger.daemons(now))
        if pause is not None and pause.next_probe is None:
            click.echo(f"{model} is not probed: {pause.reason}", err=True)
            return 1
        if pause is not None and running:
            desk.ledger.pause(dataclasses.replace(pause, until=now, next_probe=now))
    if pause is None:
        click.echo(f"{model} is not paused")
    elif running:
        click.echo(f"{model} is probed now")
    else:
        click.echo("no daemon is running; it begins without pauses")
    return 0
