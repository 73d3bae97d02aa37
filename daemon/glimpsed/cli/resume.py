"""``glimpsed resume``: a paused model is asked now, to see whether it is well again."""

from __future__ import annotations

import click

from glimpsed.cli.common import common_options, model_names
from glimpsed.errors import UsageError
from glimpsed.model import shown


@click.command()
@click.argument("model", metavar="MODEL", shell_complete=model_names)
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
    from glimpsed.desk.deeds import resume

    with opened() as desk:
        if model not in desk.config.models:
            known = ", ".join(desk.config.models)
            raise UsageError(f"there is no model '{shown(model)}'; the config has: {known}")
        came, reason = resume(desk, model)
    if came == "not probed":
        click.echo(f"{model} is not probed: {reason}", err=True)
        return 1
    told = {
        "not paused": f"{model} is not paused",
        "probed": f"{model} is probed now",
        "no daemon": "no daemon is running; it begins without pauses",
    }
    click.echo(told[came])
    return 0
