"""The page: opened, served, closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from glimpsed.config.schema import Config, Web
from glimpsed.config.units import host_port
from glimpsed.httpd import STOP_SECONDS, App, Httpd, Port
from glimpsed.language import LANGUAGES, chosen
from glimpsed.ledger import Ledger
from glimpsed.looks import compiled
from glimpsed.web import listening
from glimpsed.web.app import application
from glimpsed.web.pictures import Cache, Pictures
from glimpsed.web.remembered import remembered
from glimpsed.web.site import Site


async def serve(
    httpd: Httpd,
    current: Callable[[], Config],
    web: Web,
    ledger: Ledger,
    *,
    stop: asyncio.Event,
    told: Callable[[], object],
    paths: Mapping[str, App] = {},
) -> None:
    """Until the stop; `told` is called once there is a page. Raises as `listening.sockets`."""
    language = current().language
    for one in LANGUAGES if language == "auto" else (chosen(language),):
        compiled(__package__, one)
    port = httpd.open("web", host_port(web.listen))
    listening.check(web, port.addresses)
    page = site(current, web, ledger)
    port.paths |= paths
    port.rest = application(page)
    told()
    await stop.wait()
    await asyncio.to_thread(_close, httpd, port, page)
    await asyncio.to_thread(httpd.stop)


def _close(httpd: Httpd, port: Port, page: Site) -> None:
    """What hangs is left to the end of the process."""
    with contextlib.suppress(TimeoutError):
        httpd.call(port.close()).result(STOP_SECONDS)
        httpd.call(page.close()).result(STOP_SECONDS)


def site(current: Callable[[], Config], web: Web, ledger: Ledger, cache: Path | None = None) -> Site:
    """What the page stands on; it keeps what it may lose in this directory."""
    cache = cache or cache_directory()
    secret = web.password.get_secret_value() if web.password is not None else None
    kept = remembered(cache / f"page-{host_port(web.listen)[1]}.json", secret)
    pictures = Pictures(Cache(cache / "pages"))
    return Site(current, web, ledger, pictures, kept.password, kept.sessions, kept.keep)


def cache_directory() -> Path:
    """Where the page keeps things: the unit's `CacheDirectory=`, else the user's own."""
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else platformdirs.user_cache_path("glimpsed")
