"""What the real servers of the tests have in common: a port on loopback, served from a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import Self


class Serving:
    """A server on loopback in a thread of its own, until `stop` ends it with every connection; a context manager.

    Who inherits writes `_connection`, which ends a connection by returning.
    """

    def __init__(
        self, name: str, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.port = port  # 0 until it is known
        self.connections = 0
        self._host = host
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://{self._host}:{self.port}"

    def start(self) -> Self:
        """Returns once it listens; raises what kept it from that."""
        self._thread.start()
        assert self._ready.wait(10)
        if self._failed is not None:
            raise self._failed
        return self

    def stop(self) -> None:
        """Close the port and every connection; what hangs, ends."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- in its own thread ---

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        raise NotImplementedError

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as e:  # noqa: BLE001 - raised in `start`
            self._failed = e
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._accepted, self._host, self.port, ssl=self._tls, limit=1 << 20, backlog=512
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            await self._connection(reader, writer, self.connections)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the server stops
        finally:
            self._open.discard(task)
            writer.transport.abort()
