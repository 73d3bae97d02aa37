"""Whether the daemon is well, and who is told: systemd's watchdog, /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from glimpsed import metrics
from glimpsed.blocking import wait
from glimpsed.config.schema import Config
from glimpsed.config.units import host_port
from glimpsed.errors import GlimpsedError, LedgerUnavailable
from glimpsed.httpd import Httpd
from glimpsed.notify import Notifier

EVERY = 10.0  # seconds between two checks
PATIENCE = 20.0  # for one check
SCRAPE = 5.0  # that a look at the metrics waits for fresh ones
SCRAPERS = 32  # connections at once
STALE = 60.0  # a check that is older than this says that the event loop hangs


class Checked(Protocol):
    """What is looked at."""

    async def check(self) -> None:
        """Return when all is well, raise `GlimpsedError` when not."""

    def ready(self) -> bool:
        """Whether every folder's first listing is under way."""

    def status_line(self) -> str:
        """What it is doing, for ``systemctl status``."""

    async def gauges(self) -> None:
        """Set the metrics that nobody sets meanwhile."""


@dataclass(slots=True)
class Health:
    """The last check, and the task that makes it."""

    service: Checked
    notify: Notifier
    became_ready: Callable[[], None]
    trouble: str | None = "starting"
    at: float = 0.0  # time.monotonic() of the last check
    is_ready: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def serve(self, httpd: Httpd, config: Config) -> None:
        """Answer on the config's `metrics`, which may be the page's port as well. Raises `ConfigError`, `MissingExtra`."""
        if config.metrics is None:
            return
        self._loop = asyncio.get_running_loop()
        app = metrics.application(health=self.unwell, ready=self.unready, refresh=self._refresh)
        where = host_port(config.metrics)
        # Where the page has the same address, its process answers there, and asks us.
        with_page = config.web is not None and host_port(config.web.listen) == where
        httpd.open("metrics", None if with_page else where, SCRAPERS).rest = app

    def unwell(self) -> str | None:
        """Why not to trust the daemon, or None. Called from the server's thread."""
        if self.at and time.monotonic() - self.at > STALE:
            return f"no health check for {STALE:.0f} s: the event loop hangs"
        return self.trouble

    def unready(self) -> str | None:
        """Why it does not watch yet, or None."""
        return None if self.is_ready else "starting: not every folder is being listed yet"

    async def run(self) -> None:
        """Check, tell, wait, for ever. The watchdog is fed only after a check that found all well."""
        told = ""
        every = min(EVERY, (self.notify.watchdog_seconds or 2 * EVERY) / 2)
        while True:
            await self._check()
            if not self.is_ready and self.service.ready():
                self.is_ready = True
                self.notify.ready()
                self.became_ready()
            if (line := self.service.status_line()) != told:
                told = line
                self.notify.status(line)
            await wait(self._news, every if self.is_ready else 0.05)
            self._news.clear()

    def look_again(self) -> None:
        """Check now: what `status` shows has changed."""
        self._news.set()

    def close(self) -> None:
        """Nothing is told any more."""
        self.notify.close()

    async def _refresh(self) -> None:
        """Set the gauges when somebody looks, and only then. Runs in the server's loop, in another thread."""
        if self._loop is not None and self._loop.is_running():
            gauges = asyncio.run_coroutine_threadsafe(self.service.gauges(), self._loop)
            await asyncio.wait_for(asyncio.wrap_future(gauges), SCRAPE)

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self.service.check()
        except LedgerUnavailable as e:
            # Not well, but to be restarted would not bring the database back, and would cost the answers that
            # wait for it.
            self.trouble = str(e)
            self.notify.watchdog()
        except (GlimpsedError, TimeoutError) as e:
            self.trouble = str(e) or f"no answer within {PATIENCE:.0f} s"
        else:
            self.trouble = None
            self.notify.watchdog()
        self.at = time.monotonic()
