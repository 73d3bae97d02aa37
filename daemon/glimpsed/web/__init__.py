"""The live page: what goes on, every file with its answer, and what can be done about it (DESIGN 13).

`served` opens and closes it on a port of `glimpsed.httpd`, `guard` lets in who may come in (`sessions`), `site` is what the views stand on, `pages` renders, `pictures` makes images that can be shown. The views:
`now`, `files`, `file`, `failures`, `login`; `actions` is what they do.

Only what is asked for imports the extra: a daemon without a page starts without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from types import ModuleType
from typing import TYPE_CHECKING

from glimpsed.errors import MissingExtra

if TYPE_CHECKING:
    from glimpsed.service import Service


@contextlib.asynccontextmanager
async def beside(service: Service) -> AsyncIterator[None]:
    """In the daemon, where its config has a page. Raises as `served.beside`, and `MissingExtra`."""
    if service.config.web is None:
        yield
        return
    async with serving().beside(service, service.config.web):
        yield


def serving() -> ModuleType:
    """`served`, which needs the extra. Raises `MissingExtra`."""
    try:
        import jinja2  # noqa: F401, PLC0415 - an extra
        import starlette  # noqa: F401, PLC0415
        import uvicorn  # noqa: F401, PLC0415
    except ImportError as e:
        raise MissingExtra("The live page", "web") from e
    from glimpsed.web import served  # noqa: PLC0415

    return served
