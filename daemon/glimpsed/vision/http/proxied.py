"""Requests through a proxy, by httpx."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable

import httpx

from glimpsed.vision.http.connecting import Connecting


class Proxied(httpx.AsyncBaseTransport):
    """A connection for each request: what httpcore keeps may hold bytes beyond a reply, and it would take them for the next one."""

    def __init__(self, proxy: httpx.URL, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._proxy = httpx.Proxy(proxy, ssl_context=tls if proxy.scheme == "https" else None)
        port = f":{proxy.port}" if proxy.port else ""
        self._connecting = Connecting()
        self.name = f"{proxy.scheme}://{proxy.host}{port}"  # without what it may want as a login

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and give the reply as soon as its head is there."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        once = httpx.AsyncHTTPTransport(verify=self._tls, proxy=self._proxy)
        try:
            # httpx has the time limit of the connection.
            async with self._connecting.limit(None) as found:
                request.stream = _Sent(request.stream, found)
                reply = await once.handle_async_request(request)
        except BaseException:
            await once.aclose()
            raise
        assert isinstance(reply.stream, httpx.AsyncByteStream)
        return httpx.Response(reply.status_code, headers=reply.headers, stream=_Rest(reply.stream, once))

    def send_no_more(self) -> None:
        """What has no connection yet gets none: `httpx.ConnectTimeout` at once."""
        self._connecting.end()


class _Sent(httpx.AsyncByteStream):
    """A request's body, and who is told when it is asked for: there is a connection now."""

    def __init__(self, body: httpx.AsyncByteStream, asked: Callable[[], None]) -> None:
        self._body = body
        self._asked = asked

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._asked()
        async for part in self._body:
            yield part


class _Rest(httpx.AsyncByteStream):
    """The reply's body; its connection ends with it."""

    def __init__(self, body: httpx.AsyncByteStream, once: httpx.AsyncHTTPTransport) -> None:
        self._body = body
        self._once = once

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            await self._once.aclose()
