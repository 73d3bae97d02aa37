"""HTTP/1.1 to one server, behind `httpx.AsyncBaseTransport`: one door, and two ways through it.

`Direct` keeps its connections for the next request; `Proxied` goes through a proxy, by httpx, with a connection for
each request. Both take and give httpx's types, raise its exceptions, and pass the same tests. Neither sets a time
limit but that of the connection (``request.extensions["timeout"]["connect"]``): whoever waits has its own.
"""

from __future__ import annotations

import httpx

from glimpsed.vision.http.direct import Direct
from glimpsed.vision.http.proxied import Proxied
from glimpsed.vision.http.proxies import proxy_for
from glimpsed.vision.http.tls import trusted

# Shorter than any server's own limit that we know (uvicorn and node: 5 s), so that a request does not go
# out on a connection that is just being closed.
KEEPALIVE = 4.0

__all__ = ["Direct", "Proxied", "transport"]


def transport(base: httpx.URL) -> Direct | Proxied:
    """The way to this server, by what the environment says of proxies.

    Raises ValueError, ImportError or `httpx.InvalidURL` where the proxy or the certificates named there cannot be used.
    """
    proxy = proxy_for(base)
    if proxy is not None:
        return Proxied(proxy, trusted())
    return Direct(base, trusted() if base.scheme == "https" else None, keepalive=KEEPALIVE)
