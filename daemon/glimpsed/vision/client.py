"""HTTP to a model API: one request, one reply, and no exception but `Failure`.

One ``AsyncClient`` with one connection for each request in flight: httpcore's pool walks all its connections
several times a request. And with a transport of our own (`transport`), unless a proxy is in the way. CPU ms a
request of 400 KB, 32 / 64 in flight, on two cores busy with other work as well: 1.0 / 1.5 this way, 5.1 / 10 with
one pool, 0.4 / 0.3 a raw asyncio loop (``python tests/benchmarks/bench_client.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict
from glimpsed.vision.stream import Events, Incomplete, assembled
from glimpsed.vision.transport import DirectTransport
from glimpsed.vision.verdict import clean

for _noisy in ("httpx", "httpcore"):  # they log every URL, and every header at level debug
    logging.getLogger(_noisy).setLevel(logging.WARNING)

LARGEST_REPLY = 32 << 20  # bytes
CONNECT = 30.0  # seconds, at most, to a connection
# Shorter than any server's own limit that we know (uvicorn and node: 5 s), so that a request does not go
# out on a connection that is just being closed.
KEEPALIVE = 4.0
_END = 0.5  # seconds that a stream may go on after its last event, so that the connection can be kept
STREAM_TIMEOUTS = 5  # a stream may take so many times the entry's timeout in all
_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole reply; of a stream, the body that an ordinary reply would have had."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes = field(repr=False)


class Failure(Exception):
    """No reply; `verdict` says what it means."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class Client:
    """Requests to one model entry. Callers see to it that no more are in flight than they mean to."""

    def __init__(self, entry: ModelEntry) -> None:
        self._base = httpx.URL(entry.base_url or "")
        self._timeout = entry.timeout
        self._headers = {
            "user-agent": entry.user_agent,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **({"authorization": f"Bearer {entry.key.get_secret_value()}"} if entry.key else {}),
            **{name.lower(): value for name, value in entry.headers.items()},
        }
        self._idle: list[httpx.AsyncClient] = []
        self._all: set[httpx.AsyncClient] = set()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], *, stream: bool) -> Response:
        """Send, and read all of the reply. Raises `Failure`."""
        with _translated(self._timeout):
            async with self._slot() as client:
                url = self._base.copy_with(path=self._base.path.rstrip("/") + path)
                request = client.build_request("POST", url, content=body, headers=dict(headers))
                total = self._timeout * (STREAM_TIMEOUTS if stream else 1)
                async with asyncio.timeout(total):
                    return await self._exchange(client, request)

    async def aclose(self) -> None:
        """Close every connection; requests in flight end as failures."""
        for client in list(self._all):
            await client.aclose()
        self._all.clear()
        self._idle.clear()

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request) -> Response:
        reply = await client.send(request, stream=True)
        try:
            headers = {name.lower(): value for name, value in reply.headers.items()}
            if reply.status_code == 200 and "text/event-stream" in headers.get("content-type", ""):
                body = await self._events(reply, request.url.path)
            else:
                body = await _bounded(reply)
        finally:
            await reply.aclose()
        return Response(reply.status_code, headers, body)

    async def _events(self, reply: httpx.Response, path: str) -> bytes:
        """The body that the events of a stream add up to; every event starts the time limit anew."""
        events, received = Events(), 0
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout) as limit:
                async for chunk in reply.aiter_bytes():
                    received += len(chunk)
                    if received > LARGEST_REPLY:
                        raise Failure(Verdict("fail", f"the reply is larger than {LARGEST_REPLY >> 20} MB"))
                    if events.feed(chunk):
                        limit.reschedule(loop.time() + (_END if events.finished else self._timeout))
        except (TimeoutError, httpx.HTTPError):
            if not events.finished:  # else all was said, and only the connection is lost
                raise
        try:
            return assembled(events.events, path)
        except Incomplete as e:
            raise Failure(_broken(f"the stream ended early: {e}")) from None

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client that nobody else uses meanwhile: the one used last, whose connection is warm."""
        client = self._idle.pop() if self._idle else self._new()
        try:
            yield client
        finally:
            if not client.is_closed:
                self._idle.append(client)

    def _new(self) -> httpx.AsyncClient:
        timeout = httpx.Timeout(self._timeout, connect=min(self._timeout, CONNECT))
        tls = _tls(*(os.environ.get(name) for name in _CA_VARIABLES))
        client = httpx.AsyncClient(
            verify=tls,
            transport=None if _proxies() else DirectTransport(tls, KEEPALIVE),
            headers=self._headers,
            timeout=timeout,
            limits=_LIMITS,
            follow_redirects=False,  # the key is for this host alone
        )
        self._all.add(client)
        return client


def _proxies() -> bool:
    """Whether the environment names any: httpx then sees to which requests go there."""
    return bool(urllib.request.getproxies_environment().keys() - {"no"})


async def _bounded(reply: httpx.Response) -> bytes:
    parts, received = [], 0
    async for chunk in reply.aiter_bytes():
        parts.append(chunk)
        received += len(chunk)
        if received > LARGEST_REPLY:
            raise Failure(Verdict("fail", f"the reply is larger than {LARGEST_REPLY >> 20} MB"))
    return b"".join(parts)


_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@functools.lru_cache(maxsize=4)
def _tls(file: str | None, directory: str | None, *bundles: str | None) -> ssl.SSLContext:
    """The TLS context of all clients: the system's certificates, or those that a usual variable names.

    Raises ValueError when a variable leads to nothing usable.
    """
    named = dict.fromkeys(path for path in (file, directory, *bundles) if path)
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


@contextlib.contextmanager
def _translated(timeout: float) -> Iterator[None]:
    """Turn what httpx, ssl and the network raise into a `Failure`."""
    try:
        yield
    except httpx.ConnectTimeout:
        raise Failure(Verdict("retry", "no connection in time", transport=True)) from None
    except (TimeoutError, httpx.TimeoutException):
        raise Failure(_broken(f"no answer within {timeout:g} s")) from None
    except (httpx.ConnectError, httpx.ProxyError) as e:
        cause = _cause(e)
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            advice = "name your own CA in SSL_CERT_FILE"
            raise Failure(
                Verdict("pause", clean(f"the server's certificate is not trusted ({cause}); {advice}"))
            ) from None
        raise Failure(Verdict("retry", clean(f"no connection: {cause}"), transport=True)) from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as e:
        raise Failure(Verdict("pause", clean(f"the request cannot be sent: {_cause(e)}"))) from None
    except httpx.HTTPError as e:
        raise Failure(_broken(f"connection broken: {_cause(e)}")) from None
    except (httpx.InvalidURL, httpx.StreamError, ValueError, ImportError, OSError, RuntimeError) as e:
        # A header, proxy address, CA file or URL that cannot be used, or a client that is being closed.
        raise Failure(Verdict("pause", clean(f"the request cannot be sent: {_cause(e)}"))) from None


def _broken(reason: str) -> Verdict:
    """The request was on its way: the API's fault, or that of this very file (so `server` as well)."""
    return Verdict("retry", clean(reason), transport=True, server=True)


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
