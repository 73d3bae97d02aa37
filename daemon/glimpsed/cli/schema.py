"""``glimpsed schema``: JSON Schema of the config, for editors."""

from __future__ import annotations

import click

from glimpsed.cli.common import common_options, print_json


@click.command("schema")
@common_options
def command() -> None:
    """Print the JSON Schema of the config file, for completion and checks in an editor.

    \b
    Examples:
      glimpsed schema > glimpsed.schema.json

    \b
    Then, as the config's first line (understood by editors with yaml-language-server):
      # yaml-language-server: $schema=glimpsed.schema.json
    """
    from glimpsed.config.editor import json_schema

    print_json(json_schema())
