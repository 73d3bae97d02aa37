"""A page that says nothing, as starlette and uvicorn serve it: what readers take of a machine whatever they are shown.

    python tests/benchmarks/bare_page.py

Prints its port, then serves until it is ended. ``/live`` is told something every two seconds.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route


async def page(request: Request) -> Response:
    return HTMLResponse(f"<!doctype html><title>{len(request.url.path)}</title>")


async def live(request: Request) -> Response:
    del request
    return StreamingResponse(_news(), media_type="text/event-stream")


async def _news() -> AsyncIterator[str]:
    while True:
        yield "data: 1\n\n"
        await asyncio.sleep(2)


def main() -> None:
    app = Starlette(routes=[Route("/live", live), Route("/{path:path}", page)])
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, http="h11", lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
