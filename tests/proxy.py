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
import threading
import urllib.parse
from typing import Self


class Proxy:
    """The server, in a thread of its own; a context manager.

    `login`: ``user:password`` that it wants. `refuse`: the status that it answers instead of doing anything.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, login: str | None = None, refuse: int | None = None
    ) -> None:
        self.asked: list[str] = []
        self.port = 0
        self._tls = tls
        self._login = login
        self._refuse = refuse
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._main, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        login = f"{self._login}@" if self._login else ""
        return f"{'https' if self._tls else 'http'}://{login}127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connection(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # somebody left, or the proxy stops
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
