"""Whose certificates are trusted: the system's, or those that a usual variable of the environment names."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def trusted() -> ssl.SSLContext:
    """The TLS context of all clients. Raises ValueError when a variable leads to nothing usable."""
    return _context(*(os.environ.get(name) for name in _VARIABLES))


@functools.lru_cache(maxsize=4)
def _context(*paths: str | None) -> ssl.SSLContext:
    named = dict.fromkeys(path for path in paths if path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, host names too
    context.set_alpn_protocols(["http/1.1"])
    for path in named:
        where = {"capath": path} if Path(path).is_dir() else {"cafile": path}
        try:
            context.load_verify_locations(**where)
        except OSError as e:  # ssl.SSLError is one
            raise ValueError(f"{path} holds no certificates: {e}") from None
    if not named:
        context.load_default_certs()
        if not context.cert_store_stats()["x509_ca"]:  # a container without ca-certificates
            import certifi  # noqa: PLC0415 - httpx brings it; rarely needed

            context.load_verify_locations(cafile=certifi.where())
    return context
