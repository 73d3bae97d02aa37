"""The live page: what goes on, every file with its answer, and what can be done about it (DESIGN 13).

`apart` starts it beside a daemon, in a `process` of its own; `listening` says where it is, `served` opens and closes it
on a port of `glimpsed.httpd`, `guard` lets in who may come in (`sessions`, `remembered`), `site` is what
the views stand on, `pages` renders, `pictures` makes images that can be shown, `places` finds what was read on them. The
views: `now`, `files`, `file`, `others` (answers beside the one that stands), `review`, `failures`, `workbench`, `login`
(with the forms that wait for it); `actions` is what they do.

Only what is asked for imports the extra: a daemon without a page starts without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from glimpsed.errors import MissingExtra
from glimpsed.journal import get_logger

if TYPE_CHECKING:
    from glimpsed.service import Service

log = get_logger()


@contextlib.asynccontextmanager
async def beside(service: Service) -> AsyncIterator[None]:
    """In the daemon, where its config has a page. Raises as `apart.beside`, and `MissingExtra`."""
    for name in service.httpd.given:
        if getattr(service.config, name) is None:
            log.warning("port not served", reason=f"systemd hands it over, and the config has no '{name}:'")
    if service.config.web is None:
        yield
        return
    need()
    from glimpsed.web import apart  # noqa: PLC0415 - `service` is not for `glimpsed web`

    async with apart.beside(service, service.config.web):
        yield


def need() -> None:
    """Raises `MissingExtra` where the extra is not there. Imports nothing of it: what serves is another process."""
    if not all(map(find_spec, ("starlette", "uvicorn"))):
        raise MissingExtra("The live page", "web")
