"""Where the page listens, and whether it may there: known without the extra."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from glimpsed.config.schema import Config, Web
from glimpsed.config.units import host_port, loopback_host
from glimpsed.errors import ConfigError, Problem, UsageError
from glimpsed.httpd import Httpd, addressed


def sockets(httpd: Httpd, web: Web) -> list[socket.socket]:
    """The page's, of systemd or our own.

    Raises `ConfigError` when the address is not to be had, and for a socket that systemd hands over and that is reached
    from other machines, where nobody says who may come in.
    """
    found = httpd.sockets("web", host_port(web.listen))
    check(web, [addressed(one) for one in found])
    return found


def check(web: Web, addresses: Sequence[tuple[str, int]]) -> None:
    """Raises `ConfigError` as `sockets`."""
    if not _says_who(web) and not all(loopback_host(host) for host, _ in addresses):
        why = (
            "the socket that systemd hands over is reached from other machines, and the page has no password"
        )
        raise ConfigError(Problem(why, key="web"))


def listening(config: Config, listen: str | None) -> Web:
    """What the config says of the page, at another address where one is named.

    Raises `UsageError` for what is no address, `ConfigError` when it is reached from other machines and there is no password.
    """
    web = config.web or Web()
    if listen is None:
        return web
    try:
        host, _ = host_port(listen)
    except ValueError as e:
        raise UsageError(f"--listen: {e}") from None
    if not (loopback_host(host) or _says_who(web)):
        why = "is reached from other machines, and the config names no password for the page"
        raise ConfigError(Problem(why, key="--listen"))
    return web.model_copy(update={"listen": listen})


def address(web: Web) -> str:
    """Where the page is, as one types it."""
    return f"http://{web.listen}{web.base_path}/"


def _says_who(web: Web) -> bool:
    return web.has_password or bool(web.user_header)
