"""Which proxy the environment names for an address (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`). Pure."""

from __future__ import annotations

import fnmatch
import ipaddress
import urllib.request
from collections.abc import Mapping
from typing import TypeAlias

import httpx

_PORTS = {"http": 80, "https": 443}
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(url: httpx.URL, environment: Mapping[str, str] | None = None) -> httpx.URL | None:
    """The proxy for this address, None for none. Raises `httpx.InvalidURL`.

    `environment`: as `urllib.request.getproxies_environment` gives it, which is the default.
    """
    named = urllib.request.getproxies_environment() if environment is None else environment
    proxy = named.get(url.scheme) or named.get("all")
    if not proxy or bypassed(url, named.get("no", "")):
        return None
    try:
        return httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
    except httpx.InvalidURL:  # what it says may hold a part of the password
        raise httpx.InvalidURL("the proxy that the environment names is no address") from None


def bypassed(url: httpx.URL, rules: str) -> bool:
    """Whether `NO_PROXY` holds this address: `*`, names with all beneath them, addresses, networks, each with a port or not."""
    port = url.port or _PORTS.get(url.scheme)
    host = url.host.lower().rstrip(".")
    address = _address("127.0.0.1" if host == "localhost" else host)
    for rule in rules.replace(",", " ").lower().split():
        name, only = _with_port(rule.rpartition("://")[2])
        if only in (None, port) and (_within(address, name) or _beneath(host, name)):
            return True
    return False


def _with_port(rule: str) -> tuple[str, int | None]:
    """``name:80``, ``[::1]:80``, ``::1``, ``10.0.0.0/8``: the name, without brackets, and the port if there is one."""
    name, colon, port = rule.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (":" not in name or name.endswith("]")):
        return name.strip("[]"), int(port)
    return rule.strip("[]"), None


def _within(address: _Address | None, rule: str) -> bool:
    try:
        return address is not None and address in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return False


def _beneath(host: str, rule: str) -> bool:
    name = rule.removeprefix("*.").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}") or fnmatch.fnmatchcase(host, rule))


def _address(host: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
