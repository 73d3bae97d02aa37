"""``glimpsed web``: the live page beside a daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from glimpsed.cli.common import common_options, err
from glimpsed.errors import AddressTaken

if TYPE_CHECKING:
    from glimpsed.config import Config
    from glimpsed.config.schema import Web
    from glimpsed.desk import Desk


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where, whatever the config says.")
@common_options
def command(*, listen: str | None) -> int:
    """Serve the live page until Ctrl-C: what goes on, every file beside its answer, what failed and why.

    The daemon itself serves it with `web:` in the config; this does so beside one, or without one. Without `web:` it
    listens on 127.0.0.1:9465. Beyond loopback it needs a password, which the config names.

    \b
    Examples:
      glimpsed web
      glimpsed web --listen 127.0.0.1:8080
    """
    from glimpsed import eventloop
    from glimpsed.cli.operator import opened
    from glimpsed.web import listening, need

    need()
    with opened(page=True) as desk:
        try:
            eventloop.run(_serve(desk, listening.listening(desk.config, listen)))
        except AddressTaken as e:
            hint = (
                "the daemon's own page, where the config has `web:`; --listen HOST:PORT chooses another place"
            )
            raise AddressTaken(*(replace(problem, hint=hint) for problem in e.problems)) from e
    return 0


async def _serve(desk: Desk, web: Web) -> None:
    """Until SIGTERM or Ctrl-C."""
    import asyncio
    import signal

    from glimpsed.httpd import Httpd
    from glimpsed.web import listening
    from glimpsed.web.served import serve

    stop, config = asyncio.Event(), _with_keys(desk.config)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def told() -> None:
        err().print(f"the page is at {listening.address(web)}; Ctrl-C ends it", soft_wrap=True)

    await serve(Httpd(), lambda: config, web, desk.ledger, stop=stop, told=told)


def _with_keys(config: Config) -> Config:
    """With the API keys that this user may see, for the workbench; the page needs none."""
    from glimpsed import config as configs
    from glimpsed.errors import ConfigError

    if config.file is None:
        return config
    try:
        return configs.load(config.file)
    except ConfigError:
        return config
