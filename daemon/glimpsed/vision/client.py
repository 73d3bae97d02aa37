"""HTTP to a model API: one request, one reply, and no exception but `Failure`.

`vision.http` sends and receives; here are the time limits, the sizes, and what an error means.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import httpx

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict, VisionError
from glimpsed.vision import http
from glimpsed.vision.http.encoding import decoder, in_utf8
from glimpsed.vision.http.tls import trusted
from glimpsed.vision.stream import Body, Incomplete
from glimpsed.vision.verdict import clean
from glimpsed.vision.verdict_table import Hint
from glimpsed.vision.wire import address
from glimpsed.words import cause, lasting

for _noisy in ("httpx", "httpcore"):  # they log every URL, and every header at level debug
    logging.getLogger(_noisy).setLevel(logging.WARNING)

LARGEST_REPLY = 8 << 20  # bytes of a reply, or of a stream's answer; parsed, it may take twenty times as much
LARGEST_STREAM = 64 << 20  # bytes of a stream in all
MOST_HEADERS = 500  # each of which is looked at more than once; their bytes are bounded beneath
CONNECT = 30.0  # seconds, at most, to a connection
LAST_WORD = 0.5  # seconds that a stream may go on after it: for usage, and so that the connection can be kept
# Seconds for a stream, or 5 times the entry's timeout: thinking servers ping for half an hour.
LONGEST = 1800.0


@dataclass(frozen=True, slots=True)
class Response:
    """A whole reply; of a stream, the body that an ordinary reply would have had."""

    status: int
    headers: Mapping[str, str]  # asked for in any case
    body: bytes = field(repr=False)
    through: str = ""  # which proxy, for messages; "" for none


class Failure(Exception):
    """No reply; `verdict` says what it means. `body`: as a reply's, what came of an answer that was broken off."""

    def __init__(self, verdict: Verdict, body: bytes = b"", hint: Hint = "") -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict
        self.body = body
        self.hint = hint


class Client:
    """Requests to one model entry. Callers see to it that no more are in flight than they mean to."""

    def __init__(self, entry: ModelEntry) -> None:
        self._base_url = entry.base_url or ""
        self._query = entry.query
        self._timeout = entry.timeout
        self._headers = {
            "user-agent": entry.user_agent,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",
            **({"authorization": f"Bearer {entry.key.get_secret_value()}"} if entry.key else {}),
            **{name.lower(): value for name, value in entry.headers.items()},
        }
        # To be told from an answer that does not come.
        self._extensions = {"timeout": {"connect": min(0.9 * self._timeout, CONNECT)}}
        self._known: dict[str, tuple[httpx.URL, list[tuple[bytes, bytes]]]] = {}  # by path
        self._transport: http.Direct | http.Proxied | None = None
        self._limits: set[asyncio.Timeout] = set()  # of the requests in flight
        self._stopping = False
        self._closed = False
        if self._base_url.startswith("https:"):
            with contextlib.suppress(ValueError):  # the first request tells
                trusted()  # reading the certificates takes a while: no image is to wait for it

    async def post(self, path: str, body: Sequence[bytes], headers: Mapping[str, str]) -> Response:
        """Send a body, in parts, and read all of the reply.

        Raises `Failure`; `VisionError` (pause) for what had not been sent yet at the stop.
        """
        received = Body()
        try:
            status, found = await self._exchange(self._request(path, body, headers), received)
            self._check_proxy(status)
            try:
                return Response(status, found, in_utf8(received.whole(), found), self._through)
            except Incomplete as e:
                if status >= 300:  # the status says enough
                    return Response(status, found, b"", self._through)
                early = _broken(f"the stream ended early: {e}")
                if e.said_done:  # somebody is there, and means it so
                    raise Failure(replace(early, transport=False), received.partial(), "unended") from None
                raise Failure(early, received.partial()) from None
        except Failure:
            raise
        except Exception as e:
            if self._stopping and isinstance(e, httpx.ConnectTimeout | httpx.ConnectError):
                raise VisionError(Verdict("pause", "stopping"), requests=0) from None
            error = httpx.ReadError("closed") if self._closed and isinstance(e, TimeoutError) else e
            if (verdict := _meaning(error, self._timeout, self._through)) is None:
                raise
            raise Failure(verdict, received.partial()) from None

    def stop(self) -> None:
        """The daemon stops: what was sent may be answered; what still looks for a connection is let go."""
        self._stopping = True
        if self._transport is not None:
            self._transport.send_no_more()

    async def aclose(self) -> None:
        """Close every connection; requests in flight end as failures."""
        self._closed = True
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now)
        if self._transport is not None:
            await self._transport.aclose()
        # Sockets are closed by the loop, a moment after TLS: should this be the last that it does.
        for _ in range(3):
            await asyncio.sleep(0)

    def _request(self, path: str, body: Sequence[bytes], headers: Mapping[str, str]) -> httpx.Request:
        known = self._known.get(path)
        if known is None:
            url = httpx.URL(address(self._base_url, path, self._query))
            known = url, httpx.Headers({"host": url.netloc.decode(), **self._headers}).raw
            self._known[path] = known
        url, fixed = known
        own = [(b"content-length", str(sum(map(len, body))).encode())]
        own += [(name.encode(), value.encode()) for name, value in headers.items()]
        names = [name for name, _ in own]
        every = [*own, *(pair for pair in fixed if pair[0] not in names)]
        return httpx.Request("POST", url, headers=every, stream=_Parts(body), extensions=self._extensions)

    async def _exchange(self, request: httpx.Request, body: Body) -> tuple[int, httpx.Headers]:
        """Status and headers; what comes goes into `body`."""
        reply: httpx.Response | None = None
        limit = asyncio.timeout(self._timeout)
        self._limits.add(limit)
        try:
            async with limit:
                if self._stopping:  # since it got its place in flight
                    raise httpx.ConnectTimeout("stopping")
                if self._transport is None:
                    self._transport = http.transport(request.url)
                reply = await self._transport.handle_async_request(request)
                await self._read(reply, body, limit)
        except (TimeoutError, httpx.HTTPError) as e:
            refused = isinstance(e, httpx.DecodingError) and reply is not None and reply.status_code >= 300
            if reply is None or self._closed or not (body.finished or refused):
                raise  # else all was said, be it by the status, and only the connection is lost
        finally:
            self._limits.discard(limit)
            if reply is not None:
                await reply.stream.aclose()  # type: ignore[union-attr] # an AsyncByteStream
        return reply.status_code, reply.headers

    async def _read(self, reply: httpx.Response, body: Body, limit: asyncio.Timeout) -> None:
        if len(reply.headers) > MOST_HEADERS:
            raise httpx.RemoteProtocolError(f"more than {MOST_HEADERS} headers")
        decode = decoder(reply.headers)
        now = asyncio.get_running_loop().time
        latest = now() + max(LONGEST, 5 * self._timeout)
        said = 0
        assert isinstance(reply.stream, httpx.AsyncByteStream)
        async for chunk in reply.stream:
            for piece in decode(chunk):
                body.feed(piece)
                if body.held > LARGEST_REPLY or body.received > LARGEST_STREAM:
                    largest = LARGEST_REPLY if body.held > LARGEST_REPLY else LARGEST_STREAM
                    reason = f"the reply is larger than {largest >> 20} MB"
                    raise Failure(Verdict("fail", reason), body.partial())
            stream = body.stream
            if stream is not None and stream.finished:
                if stream.pieces != said:  # a comment is no reason to wait longer
                    said = stream.pieces
                    limit.reschedule(min(now() + LAST_WORD, latest))
            elif body.alive:
                limit.reschedule(min(now() + self._timeout, latest))

    @property
    def _through(self) -> str:
        """The proxy, for messages."""
        return (
            f" (through the proxy {self._transport.name})"
            if isinstance(self._transport, http.Proxied)
            else ""
        )

    def _check_proxy(self, status: int) -> None:
        if status == 407 and self._through:
            raise Failure(Verdict("pause", f"the proxy wants a login, or another one{self._through}"))


class _Parts(httpx.AsyncByteStream):
    """A body that can be sent again."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


def _meaning(error: Exception, timeout: float, through: str) -> Verdict | None:  # noqa: PLR0911 - one for each kind
    """What an exception of httpx's, of ssl's and of the network's means; None for one that is a bug."""
    why = cause(error)
    match error:
        case httpx.ConnectTimeout():
            return Verdict("retry", f"no connection in time{through}", transport=True)
        case TimeoutError() | httpx.TimeoutException():
            return _broken(f"no answer within {lasting(timeout)}{through}", slow=True)
        case httpx.ConnectError() | httpx.ProxyError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            advice = _about_certificate(why)
            return Verdict(
                "pause", clean(f"the server's certificate is not trusted{through} ({why}); {advice}")
            )
        case httpx.ProxyError() if str(error).startswith("4") and not str(error).startswith(("408", "429")):
            return Verdict("pause", clean(f"the proxy refuses: {error}{through}"))
        case httpx.ConnectError() | httpx.ProxyError():
            return Verdict("retry", clean(f"no connection: {why}{through}"), transport=True)
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return Verdict("pause", clean(f"the request cannot be sent: {why}"))
        case httpx.DecodingError():
            return _broken(f"{why}{through}")
        case httpx.HTTPError():
            return _broken(f"connection broken: {why}{through}")
        case (
            httpx.InvalidURL()
            | httpx.StreamError()
            | ValueError()
            | ImportError()
            | OSError()
            | RuntimeError()
        ):
            # A header, proxy address, CA file or URL that cannot be used, or a client that is being closed.
            return Verdict("pause", clean(f"the request cannot be sent: {why}"))
    return None


def _about_certificate(why: str) -> str:
    """What can be done, by what OpenSSL says is wrong with it."""
    advice = "name your own CA in SSL_CERT_FILE"
    if "expired" in why or "not yet valid" in why:
        advice = "has it to be renewed, or is this machine's clock wrong?"
    elif "mismatch" in why or "not valid for" in why:
        advice = "base_url has to name the server as its certificate does"
    return advice


def _broken(reason: str, *, slow: bool = False) -> Verdict:
    """The request was on its way: the API's fault, or that of this very file (so `server` as well)."""
    return Verdict("retry", clean(reason), transport=True, server=True, slow=slow)
