"""HTTP to a model API: one request, one reply, and no exception but `Failure`.

One connection for each request in flight, by `transport`, unless a proxy is in the way: then httpx sees to it.
CPU ms a request of 400 KB, 32 / 64 in flight: 0.4 / 0.5 this way, 5.6 / 17 with one httpx pool, 0.3 / 0.3 a raw
asyncio loop (``python tests/benchmarks/bench_client.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict
from glimpsed.vision.stream import Events, Incomplete, assembled
from glimpsed.vision.transport import Direct
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


class Reply(Protocol):
    """A reply whose body is still to be read: httpx's, or ours."""

    @property
    def status_code(self) -> int: ...  # noqa: D102
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...  # noqa: D102
    async def aclose(self) -> None: ...  # noqa: D102


class Sender(Protocol):
    """One request at a time to one server."""

    @property
    def is_closed(self) -> bool: ...  # noqa: D102
    async def send(self, path: str, body: Sequence[bytes], headers: Mapping[str, str]) -> Reply: ...  # noqa: D102
    async def aclose(self) -> None: ...  # noqa: D102


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
        self._idle: list[Sender] = []
        self._all: set[Sender] = set()
        if self._base.scheme == "https":
            with contextlib.suppress(ValueError):  # the first request tells
                _trusted()  # reading the certificates takes a while: no image is to wait for it

    async def post(self, path: str, body: Sequence[bytes], headers: Mapping[str, str]) -> Response:
        """Send a body, in parts, and read all of the reply. Raises `Failure`."""
        try:
            # The one that was used last: its connection is warm.
            sender = self._idle.pop() if self._idle else self._new()
            try:
                async with asyncio.timeout(self._timeout) as limit:
                    return await self._exchange(sender, path, body, headers, limit)
            finally:
                if not sender.is_closed:
                    self._idle.append(sender)
        except Exception as e:
            if (verdict := _meaning(e, self._timeout)) is None:
                raise
            raise Failure(verdict) from None

    async def aclose(self) -> None:
        """Close every connection; requests in flight end as failures."""
        for sender in list(self._all):
            await sender.aclose()
        self._all.clear()
        self._idle.clear()

    async def _exchange(
        self,
        sender: Sender,
        path: str,
        body: Sequence[bytes],
        headers: Mapping[str, str],
        limit: asyncio.Timeout,
    ) -> Response:
        reply = await sender.send(path, body, headers)
        try:
            found = {name.lower(): value for name, value in reply.headers.items()}
            if reply.status_code == 200 and "text/event-stream" in found.get("content-type", ""):
                more = self._timeout * (STREAM_TIMEOUTS - 1)
                limit.reschedule((limit.when() or 0.0) + more)
                whole = await self._events(reply, path)
            else:
                whole = await _bounded(reply)
        finally:
            await reply.aclose()
        return Response(reply.status_code, found, whole)

    async def _events(self, reply: Reply, path: str) -> bytes:
        """The body that the events of a stream add up to; every event starts the time limit anew."""
        events, received = Events(), 0
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout) as limit:
                async for chunk in reply.aiter_bytes():
                    received += len(chunk)
                    if received > LARGEST_REPLY:
                        raise _too_large()
                    if events.feed(chunk):
                        limit.reschedule(loop.time() + (_END if events.finished else self._timeout))
        except (TimeoutError, httpx.HTTPError):
            if not events.finished:  # else all was said, and only the connection is lost
                raise
        try:
            return assembled(events.events, path)
        except Incomplete as e:
            raise Failure(_broken(f"the stream ended early: {e}")) from None

    def _new(self) -> Sender:
        connect = min(0.9 * self._timeout, CONNECT)  # to be told from an answer that does not come
        sender: Sender
        if _proxies():
            sender = Proxied(self._base, self._headers, _trusted(), timeout=self._timeout, connect=connect)
        else:
            tls = _trusted() if self._base.scheme == "https" else None
            sender = Direct(self._base, self._headers, tls, connect=connect, keepalive=KEEPALIVE)
        self._all.add(sender)
        return sender


class Proxied:
    """Requests by httpx, which sees to the proxies that the environment names."""

    def __init__(
        self,
        base: httpx.URL,
        headers: Mapping[str, str],
        tls: ssl.SSLContext,
        *,
        timeout: float,
        connect: float,
    ) -> None:
        self._base = base
        self._client = httpx.AsyncClient(
            verify=tls,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=connect),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE),
            follow_redirects=False,  # the key is for this host alone
        )

    @property
    def is_closed(self) -> bool:
        """Whether it cannot be used any more."""
        return self._client.is_closed

    async def send(self, path: str, body: Sequence[bytes], headers: Mapping[str, str]) -> Reply:
        """Post it, and give the reply as soon as its head is there."""
        url = self._base.copy_with(path=self._base.path.rstrip("/") + path)
        request = self._client.build_request("POST", url, content=b"".join(body), headers=dict(headers))
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        """Close the connection; a request in flight fails."""
        await self._client.aclose()


def _proxies() -> bool:
    """Whether the environment names any: httpx then sees to which requests go there."""
    return bool(urllib.request.getproxies_environment().keys() - {"no"})


async def _bounded(reply: Reply) -> bytes:
    parts, received = [], 0
    async for chunk in reply.aiter_bytes():
        parts.append(chunk)
        received += len(chunk)
        if received > LARGEST_REPLY:
            raise _too_large()
    return b"".join(parts)


def _too_large() -> Failure:
    return Failure(Verdict("fail", f"the reply is larger than {LARGEST_REPLY >> 20} MB"))


_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def _trusted() -> ssl.SSLContext:
    """The TLS context of all clients. Raises ValueError when a variable leads to nothing usable."""
    return _tls(*(os.environ.get(name) for name in _CA_VARIABLES))


@functools.lru_cache(maxsize=4)
def _tls(file: str | None, directory: str | None, *bundles: str | None) -> ssl.SSLContext:
    """The system's certificates, or those that a usual variable names."""
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


def _meaning(error: Exception, timeout: float) -> Verdict | None:  # noqa: PLR0911 - one for each kind
    """What an exception of httpx's, of ssl's and of the network's means; None for one that is a bug."""
    cause = _cause(error)
    match error:
        case httpx.ConnectTimeout():
            return Verdict("retry", "no connection in time", transport=True)
        case TimeoutError() | httpx.TimeoutException():
            return _broken(f"no answer within {timeout:g} s", slow=True)
        case httpx.ConnectError() | httpx.ProxyError() if "CERTIFICATE_VERIFY_FAILED" in cause:
            advice = "name your own CA in SSL_CERT_FILE"
            return Verdict("pause", clean(f"the server's certificate is not trusted ({cause}); {advice}"))
        case httpx.ConnectError() | httpx.ProxyError():
            return Verdict("retry", clean(f"no connection: {cause}"), transport=True)
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return Verdict("pause", clean(f"the request cannot be sent: {cause}"))
        case httpx.HTTPError():
            return _broken(f"connection broken: {cause}")
        case (
            httpx.InvalidURL()
            | httpx.StreamError()
            | ValueError()
            | ImportError()
            | OSError()
            | RuntimeError()
        ):
            # A header, proxy address, CA file or URL that cannot be used, or a client that is being closed.
            return Verdict("pause", clean(f"the request cannot be sent: {cause}"))
    return None


def _broken(reason: str, *, slow: bool = False) -> Verdict:
    """The request was on its way: the API's fault, or that of this very file (so `server` as well)."""
    return Verdict("retry", clean(reason), transport=True, server=True, slow=slow)


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
