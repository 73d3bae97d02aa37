"""The page beside a daemon, or in it: opened, served, closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import platformdirs

from glimpsed.config import state_url
from glimpsed.config.schema import Config, Web
from glimpsed.config.units import host_port, loopback_host
from glimpsed.errors import ConfigError, Problem
from glimpsed.journal import get_logger
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.service import Service
from glimpsed.web import server
from glimpsed.web.app import application
from glimpsed.web.pictures import Cache, Pictures
from glimpsed.web.sessions import Password
from glimpsed.web.site import Site

log = get_logger()


@contextlib.asynccontextmanager
async def beside(service: Service, web: Web) -> AsyncIterator[None]:
    """In the daemon: in a thread of its own, with a handle of its own for the ledger.

    Raises `ConfigError` when the address is not to be had.
    """
    config = service.config
    sockets = server.sockets(web.listen, open_to_all=_says_who(web))
    ledger = await asyncio.to_thread(
        open_ledger, state_url(config), search=config.search, keep=config.keep_answers
    )

    async def run(stop: asyncio.Event) -> None:
        await _serve(lambda: service.config, web, ledger, sockets, stop)

    page = server.Thread(run)
    log.info("page served", reason=address(web))
    try:
        yield
    finally:
        await asyncio.to_thread(page.stop)


async def serve(config: Config, web: Web, ledger: Ledger, told: Callable[[], None]) -> None:
    """Beside a daemon, until SIGTERM or Ctrl-C. Raises as `beside`."""
    sockets = server.sockets(web.listen, open_to_all=_says_who(web))
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    told()
    await _serve(lambda: config, web, ledger, sockets, stop)


def listening(config: Config, listen: str | None) -> Web:
    """What the config says of the page, at another address where one is named.

    Raises `ConfigError` when that is reached from other machines, and there is no password.
    """
    web = config.web or Web()
    if listen is None:
        return web
    try:
        host, _ = host_port(listen)
    except ValueError as e:
        raise ConfigError(Problem(str(e), key="--listen")) from None
    if not (loopback_host(host) or _says_who(web)):
        why = "is reached from other machines, and the config names no password for the page"
        raise ConfigError(Problem(why, key="--listen"))
    return web.model_copy(update={"listen": listen})


def address(web: Web) -> str:
    """Where the page is, as one types it."""
    return f"http://{web.listen}{web.base_path}/"


def _says_who(web: Web) -> bool:
    return web.has_password or bool(web.user_header)


async def _serve(
    current: Callable[[], Config],
    web: Web,
    ledger: Ledger,
    sockets: list[socket.socket],
    stop: asyncio.Event,
) -> None:
    password = Password(web.password.get_secret_value()) if web.password is not None else None
    site = Site(current, web, ledger, Pictures(Cache(pictures_directory())), password)
    try:
        await server.serve(application(site), sockets, stop)
    finally:
        await site.close()


def pictures_directory() -> Path:
    """Where pictures of pages are kept: the unit's `CacheDirectory=`, else the user's own."""
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    return (Path(given) if given else platformdirs.user_cache_path("glimpsed")) / "pages"
