"""uvicorn's HTTP protocol, with a bound on everything that a client may take.

Whoever reaches the port decides how many connections there are, how long they are silent and how slowly they read. So
each connection has an end from the moment that it is there, and where the places are taken, one that has asked for
nothing makes room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from glimpsed.httpd import App

REQUEST_SECONDS = 10.0  # for a request to arrive, all of it
REPLY_SECONDS = 150.0  # for the answer to be made and taken
STREAM_SECONDS = 300.0  # that one connection hears of news; the browser asks again
KEEP_ALIVE = 5  # seconds
LARGEST_HEADERS = 16 * 1024  # bytes


class Bounded(H11Protocol):
    """One connection, which ends in time whatever its client does."""

    clients: int  # connections at once
    _end: asyncio.TimerHandle | None = None
    since = 0.0
    asked = False  # a whole request is here, and its reply is not taken yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, and give it its time."""
        if len(self.connections) >= self.clients:
            self._make_room()
        super().connection_made(transport)
        self.since = self.loop.time()
        self._within(REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It needs no end any more."""
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a request. Once it is whole, the time for the reply begins."""
        super().data_received(data)
        if not self.asked and self.cycle is not None and not self.cycle.more_body:
            self.asked = not self.cycle.response_complete
            if self.asked:
                streams = str(self.scope["path"]).endswith("/live")
                self._within(STREAM_SECONDS + KEEP_ALIVE if streams else REPLY_SECONDS)

    def on_response_complete(self) -> None:
        """The reply is written; the client has to take it, and to ask the next one, in time."""
        self.asked = False
        self._within(REQUEST_SECONDS)
        super().on_response_complete()

    def _within(self, seconds: float) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> None:
        """End the oldest that has not asked for anything; where all have, the oldest."""
        ours: set[Any] = self.connections
        one = min(ours, key=lambda one: (one.asked, one.since))
        ours.discard(one)
        one.transport.abort()


def speaking(app: App, state: ServerState, clients: int) -> Callable[[], Bounded]:
    """Makes the protocol of a connection to this app, of which there are so many at once. In the loop that serves it."""
    config = Config(
        app,
        http=Bounded,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        h11_max_incomplete_event_size=LARGEST_HEADERS,
    )
    config.load()
    # What strangers send is no news, and what a view raises is logged by its app, without an answer's words.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
    loop = asyncio.get_running_loop()

    def connected() -> Bounded:
        made = Bounded(config, state, {}, loop)
        made.clients = clients
        return made

    return connected
