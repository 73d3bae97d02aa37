"""``glimpsed schema``: JSON Schema of the config, for editors."""

from __future__ import annotations

import click

from glimpsed.cli.common import common_options, print_json


@click.command("schema")
@click.option("--sidecar", is_flag=True, help="Of the JSON sidecar instead, for programs that read it.")
@common_options
def command(*, sidecar: bool) -> None:
    """Print the JSON Schema of the config file, for completion and checks in an editor.

    \b
    Examples:
      glimpsed schema > glimpsed.schema.json
      glimpsed schema --sidecar > sidecar.schema.json

    \b
    Then, as the config's first line (understood by editors with yaml-language-server):
      # yaml-language-server: $schema=glimpsed.schema.json
    """
    from glimpsed.config import editor
    from glimpsed.sidecar import described

    print_json(described.json_schema() if sidecar else editor.json_schema())
