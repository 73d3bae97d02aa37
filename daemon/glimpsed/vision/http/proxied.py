"""Requests through a proxy, by httpx."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httpx


class Proxied(httpx.AsyncBaseTransport):
    """A connection for each request: what httpcore keeps may hold bytes beyond a reply, and it would take them for the next one."""

    def __init__(self, proxy: httpx.URL, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._proxy = httpx.Proxy(proxy, ssl_context=tls if proxy.scheme == "https" else None)
        port = f":{proxy.port}" if proxy.port else ""
        self.name = f"{proxy.scheme}://{proxy.host}{port}"  # without what it may want as a login

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and give the reply as soon as its head is there."""
        once = httpx.AsyncHTTPTransport(verify=self._tls, proxy=self._proxy)
        try:
            reply = await once.handle_async_request(request)
        except BaseException:
            await once.aclose()
            raise
        assert isinstance(reply.stream, httpx.AsyncByteStream)
        return httpx.Response(reply.status_code, headers=reply.headers, stream=_Rest(reply.stream, once))


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
