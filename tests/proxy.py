"""A small real HTTP proxy on loopback: it forwards http, tunnels what CONNECT asks for, and passes on whatever comes.

with Proxy() as proxy:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    ...
assert proxy.asked == ["CONNECT 127.0.0.1:8443"]
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import urllib.parse

from serving import Serving


class Proxy(Serving):
    """The server.

    `login`: ``user:password`` that it wants. `refuse`: the status that it answers instead of doing anything.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, login: str | None = None, refuse: int | None = None
    ) -> None:
        super().__init__("proxy", tls=tls)
        self.asked: list[str] = []
        self._login = login
        self._refuse = refuse

    @property
    def url(self) -> str:
        login = f"{self._login}@" if self._login else ""
        return f"{'https' if self._tls else 'http'}://{login}127.0.0.1:{self.port}"

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, version = first.split(" ")
        self.asked.append(f"{method} {target}")
        wanted = f"Basic {base64.b64encode((self._login or '').encode()).decode()}"
        logged_in = f"proxy-authorization: {wanted}".lower() in head.lower()
        status = self._refuse or (407 if self._login and not logged_in else None)
        if status is not None:
            writer.write(f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
            await reader.read()
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            url = urllib.parse.urlsplit(target)
            there = await asyncio.open_connection(url.hostname, url.port or 80)
            path = url._replace(scheme="", netloc="").geturl() or "/"
            kept = [line for line in lines if not line.lower().startswith("proxy-")]
            there[1].write("\r\n".join([f"{method} {path} {version}", *kept]).encode("latin-1"))
        try:
            await asyncio.gather(_pass(reader, there[1]), _pass(there[0], writer))
        finally:
            there[1].transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError, NotImplementedError):
        if writer.can_write_eof():
            writer.write_eof()
        else:  # TLS has no half-close
            writer.close()
