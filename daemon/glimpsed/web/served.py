"""The page beside a daemon, or in it: opened, served, closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import platformdirs

from glimpsed.config import state_url
from glimpsed.config.schema import Config, Web
from glimpsed.config.units import host_port, loopback_host
from glimpsed.errors import ConfigError, Problem
from glimpsed.httpd import STOP_SECONDS, Httpd, Port
from glimpsed.journal import get_logger
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.service import Service
from glimpsed.web.app import application
from glimpsed.web.pictures import Cache, Pictures
from glimpsed.web.sessions import Password
from glimpsed.web.site import Site

log = get_logger()


@contextlib.asynccontextmanager
async def beside(service: Service, web: Web) -> AsyncIterator[None]:
    """In the daemon: where its HTTP server is, with a handle of its own for the ledger.

    Raises `ConfigError` when the address is not to be had.
    """
    config = service.config
    port = opened(service.httpd, web)
    ledger = await asyncio.to_thread(
        open_ledger, state_url(config), search=config.search, keep=config.keep_answers
    )
    page = site(lambda: service.config, web, ledger)
    port.rest = application(page)
    log.info("page served", reason=address(web))
    try:
        yield
    finally:
        await asyncio.to_thread(_close, service.httpd, port, page)


async def serve(config: Config, web: Web, ledger: Ledger, told: Callable[[], None]) -> None:
    """Beside a daemon, until SIGTERM or Ctrl-C. Raises as `beside`."""
    httpd = Httpd()
    port = opened(httpd, web)
    page = site(lambda: config, web, ledger)
    port.rest = application(page)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    told()
    await stop.wait()
    await asyncio.to_thread(_close, httpd, port, page)
    await asyncio.to_thread(httpd.stop)


def opened(httpd: Httpd, web: Web) -> Port:
    """The page's port.

    Raises `ConfigError` when the address is not to be had, and for a socket that systemd hands over and that is reached
    from other machines, where nobody says who may come in.
    """
    port = httpd.open("web", host_port(web.listen))
    if not _says_who(web) and not all(loopback_host(host) for host, _ in port.addresses):
        why = (
            "the socket that systemd hands over is reached from other machines, and the page has no password"
        )
        raise ConfigError(Problem(why, key="web"))
    return port


def _close(httpd: Httpd, port: Port, page: Site) -> None:
    """What hangs is left to the end of the process."""
    with contextlib.suppress(TimeoutError):
        httpd.call(port.close()).result(STOP_SECONDS)
        httpd.call(page.close()).result(STOP_SECONDS)


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


def site(current: Callable[[], Config], web: Web, ledger: Ledger, pictures: Path | None = None) -> Site:
    """What the page stands on; its pictures are kept in this directory."""
    password = Password(web.password.get_secret_value()) if web.password is not None else None
    return Site(current, web, ledger, Pictures(Cache(pictures or pictures_directory())), password)


def pictures_directory() -> Path:
    """Where pictures of pages are kept: the unit's `CacheDirectory=`, else the user's own."""
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    return (Path(given) if given else platformdirs.user_cache_path("glimpsed")) / "pages"
