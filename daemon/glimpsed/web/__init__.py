"""The live page: what goes on, every file with its answer, and what can be done about it (DESIGN 13).

`served` opens and closes it on a port of `glimpsed.httpd`, `guard` lets in who may come in (`sessions`), `site` is what
the views stand on, `pages` renders, `pictures` makes images that can be shown, `places` finds what was read on them. The
views: `now`, `files`, `file`, `others` (answers beside the one that stands), `review`, `failures`, `workbench`, `login`;
`actions` is what they do.

Only what is asked for imports the extra: a daemon without a page starts without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from types import ModuleType
from typing import TYPE_CHECKING

from glimpsed.errors import MissingExtra
from glimpsed.journal import get_logger

if TYPE_CHECKING:
    from glimpsed.service import Service

log = get_logger()


@contextlib.asynccontextmanager
async def beside(service: Service) -> AsyncIterator[None]:
    """In the daemon, where its config has a page. Raises as `served.beside`, and `MissingExtra`."""
    for name in service.httpd.given:
        if getattr(service.config, name) is None:
            log.warning("port not served", reason=f"systemd hands it over, and the config has no '{name}:'")
    if service.config.web is None:
        yield
        return
    async with serving().beside(service, service.config.web):
        yield


def serving() -> ModuleType:
    """`served`, which needs the extra. Raises `MissingExtra`."""
    try:
        import starlette  # noqa: F401, PLC0415 - an extra
        import uvicorn  # noqa: F401, PLC0415
    except ImportError as e:
        raise MissingExtra("The live page", "web") from e
    from glimpsed.web import served  # noqa: PLC0415

    return served
