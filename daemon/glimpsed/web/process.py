"""The page's process: `apart` starts it, tells it the config, and ends it by closing its socket, or when it hangs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import socket
import sys
import threading
from typing import IO, Any

import httpx

from glimpsed import eventloop, journal, metrics
from glimpsed.children.program import Limits, confine, end_with_daemon, ignore_signals
from glimpsed.config import state_url
from glimpsed.errors import GlimpsedError
from glimpsed.httpd import App, Httpd, reply
from glimpsed.ledger import Ledger, open_ledger
from glimpsed.web.apart import SERVES, PageSettings
from glimpsed.web.served import serve

PATIENCE = 15.0  # seconds that the daemon may take to say how it is


def main() -> None:
    """Serve until the daemon closes its end, or is gone."""
    ignore_signals()
    end_with_daemon()
    confine(Limits())
    daemon, *sockets = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    for one in (daemon, *sockets):
        one.set_inheritable(False)
    try:
        with daemon.makefile("rb") as news:
            eventloop.run(_serve(daemon, news, Httpd({"web": sockets})))
    except EOFError:  # it is gone
        return


async def _serve(daemon: socket.socket, news: IO[bytes], httpd: Httpd) -> None:
    told = _next(news)
    try:
        ledger = _opened(told)
    except GlimpsedError as e:
        daemon.sendall(str(e).encode())
        return
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def listen() -> None:
        nonlocal told
        with contextlib.suppress(EOFError, OSError):
            while True:
                told = _next(news)
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=listen, name="news", daemon=True).start()
    gc.freeze()
    answering = dict.fromkeys(metrics.PATHS, _asking(told.metrics.decode())) if told.metrics else {}
    await serve(
        httpd,
        lambda: told.config,
        told.web,
        ledger,
        stop=stop,
        told=lambda: httpd.call(_beat(daemon, told.beat)),
        paths=answering,
    )


async def _beat(daemon: socket.socket, seconds: float) -> None:
    """Say that the page serves, from where it does so; no word of it waits for a daemon that was stopped."""
    while True:
        with contextlib.suppress(OSError):
            daemon.send(SERVES, socket.MSG_DONTWAIT)
        await asyncio.sleep(seconds)


def _next(news: IO[bytes]) -> PageSettings:
    """What the daemon says, and nobody else can. Raises EOFError at its end."""
    told: PageSettings = pickle.load(news)  # noqa: S301
    journal.configure(told.config.log, secrets=told.config.secrets)
    return told


def _opened(told: PageSettings) -> Ledger:
    config = told.config
    return open_ledger(state_url(config), search=config.search, keep=config.keep_answers)


def _asking(local: str) -> App:
    """What the daemon itself answers, on a socket that only this machine's processes reach."""
    client = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=local), base_url="http://daemon", timeout=PATIENCE
    )

    async def ask(scope: Any, receive: Any, send: Any) -> None:
        del receive
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        accept = [value for name, value in scope["headers"] if name == b"accept"]
        try:
            said = await client.request(
                method, scope["path"], headers={"Accept": b", ".join(accept).decode("latin-1")}
            )
        except httpx.HTTPError:
            await reply(send, 503, b"the daemon does not answer\n")
            return
        await reply(send, said.status_code, said.content, said.headers["content-type"])

    return ask


if __name__ == "__main__":
    main()
