"""The daemon: start, serve, reload, drain. `Service.run` is the table of contents."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from glimpsed import __version__, eventloop, metrics
from glimpsed.blocking import Blocking
from glimpsed.config import state_url
from glimpsed.config.schema import Config
from glimpsed.errors import AddressTaken, ConfigError, GlimpsedError, LedgerReplaced
from glimpsed.httpd import Httpd
from glimpsed.images.prepare import Images
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.ledger.engine import parsed, told
from glimpsed.model import Job, counted, shown
from glimpsed.notify import Notifier
from glimpsed.pipeline import End, Pipeline
from glimpsed.pipeline.costless import Costless
from glimpsed.pipeline.older import keep_older
from glimpsed.pipeline.unkept import Unkept
from glimpsed.searchable.maker import Maker
from glimpsed.service.backlog import Backlogs
from glimpsed.service.changes import keep_hours, let_answers_go, look_for_changes, watch_others
from glimpsed.service.dispatch import Dispatcher
from glimpsed.service.folders import Folders
from glimpsed.service.gauges import set_gauges
from glimpsed.service.health import Health
from glimpsed.service.known import KnownAnswers
from glimpsed.service.models import Models
from glimpsed.service.opening import open_books
from glimpsed.service.serving import Serving
from glimpsed.service.tally import Tally
from glimpsed.service.verifying import Verifying
from glimpsed.vision import Model
from glimpsed.words import lasting

log = get_logger()

READ_CONFIG = 60.0  # seconds after which the file system that the config is on counts as hung
CLOSE_SECONDS = 15.0  # beyond the drain, for the ledger and the processes to end
AT_START = (
    "state",
    "search",
    "keep_answers",
    "workers",
    "metrics",
    "web",
    "notify",
)  # what a reload does not change
NO_FOLDERS = "the config has no folders: nothing is watched"  # a file that was cut off is a config as well


class Service:
    """Watches, claims, asks, writes, until told to stop."""

    once: ClassVar[bool] = False  # somebody waits for the end: see `service.once`
    # Seconds for a database that is away at the start; None: for ever.
    start_patience: ClassVar[float | None] = None
    outage_patience: ClassVar[float | None] = None  # and for one that goes away meanwhile

    def __init__(
        self,
        config: Config,
        *,
        reload: Callable[[], Config] | None = None,
        reloading: Callable[[Config], object] = lambda _: None,  # just before it is taken over
        aside: Path | None = None,  # where answers wait that the ledger cannot keep
        beside: Callable[[Any], contextlib.AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self.config = config
        self.tally = Tally()
        self.stopped = False  # by a signal, not because everything was done
        self._reload = reload
        self._reloading = reloading
        self._beside = beside
        self._aside = Unkept(aside, told(parsed(state_url(config))))
        self._disk = Blocking("config")
        self._replaced: LedgerReplaced | None = None
        self._stop = asyncio.Event()
        self._now = asyncio.Event()  # the second signal: stop without draining
        self._hup = asyncio.Event()
        self.httpd = Httpd()
        self.reloaded: list[Callable[[Config], object]] = []  # who is told the config that is taken over
        self._notify = Notifier()
        self._health = Health(self, self._notify, self._became_ready)
        self._group: asyncio.TaskGroup
        self.books: Books
        self.images: Images
        self.maker: Maker
        self.models: Models
        self.dispatcher: Dispatcher
        self.known: KnownAnswers
        self.verifying: Verifying
        self.folders: Folders

    async def run(self) -> None:
        """Everything from start to stop. A task that dies takes the daemon with it.

        Raises `LedgerUnavailable` when the database was away for longer than there is patience, `LedgerReplaced` once
        what was in hand is done, for a daemon that is started again to go on from the ledger that is there.
        """
        log.info(events.SERVICE_STARTED, reason=f"glimpsed {__version__}, process {os.getpid()}")
        with self._signals():
            if not await self._open():
                return
            try:
                async with (
                    self._beside(self) if self._beside else contextlib.nullcontext(),
                    asyncio.TaskGroup() as self._group,
                ):
                    tasks = await self._start()
                    # What is here now stays: a full collection would walk through it for 50 ms each time.
                    gc.freeze()
                    await self._stop.wait()
                    await self._drain()
                    for task in tasks:
                        task.cancel()
                    self.folders.cancel()
            finally:
                await self._close()
        if self._replaced is not None:
            raise self._replaced
        log.info(events.SERVICE_STOPPED)

    def stop(self) -> None:
        """Drain, then end; called again: end now."""
        if self._stop.is_set():
            self._now.set()
        self.stopped = True
        self._stop.set()

    # -- start

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Handlers only set flags."""
        loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGHUP: self._hup.set,
            signal.SIGUSR1: self._log_status,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)
                # One more, while the process is ending as it was told to, must not make that a failure.
                signal.signal(number, signal.SIG_IGN)

    async def _open(self) -> bool:
        """Ledger, models and image workers; False when told to stop before the database answered."""
        books = await open_books(self.config, patience=self.start_patience, stop=self._stop)
        if books is None:
            return False
        self.books = books
        await self.books.patient(Ledger.take_back, self.books.clock())
        await self._aside.take_up(self.books)
        self.images = Images(self.config.workers)
        await self.images.start()
        self.models = Models(self.books, changed=self._wake)
        await self.models.open(self.config)
        costless = Costless(
            self.books,
            find_place=lambda name: self.folders.place(name),  # noqa: PLW0108 - there are none yet
            model=self.models.__getitem__,
        )
        self._backlogs = Backlogs(
            self.books,
            self.config,
            self.images,
            costless,
            wake=self._wake,
        )
        self.maker = Maker(self.images)
        self.folders = Folders(
            self.books,
            self._backlogs,
            self.maker,
            once=self.once,
            wake=self._wake,
            changed=self._health.look_again,
        )
        self._serving = Serving(self.config, self.books, self.folders, self.models)
        self.known = KnownAnswers(costless, self._serving.unserved, self._wake)
        try:
            self._health.serve(self.httpd, self.config)
        except AddressTaken as e:
            if not self.once:
                raise
            # A daemon has the port, or another run that comes to its end.
            log.info("metrics not served", reason=str(e))
        self.dispatcher = Dispatcher(
            self.books,
            Pipeline(
                self.books,
                self.images,
                find_place=self.folders.place,
                locate=self.folders.locate,
                blocked=self.folders.blocked,
                maker=self.maker,
                used_up=self._serving.used_up,
                aside=self._aside,
            ),
            lanes=self._serving.lanes,
            known=self.known.take,
            finished=self._finished,
            next_change=self.models.next_change,
            patience=self.outage_patience,
        )
        self.models.unsure = self.dispatcher.unsure
        self.verifying = Verifying(
            self.books,
            self.images,
            self.folders,
            self.models,
            over=self._serving.over,
            used_up=self._serving.used_up,
        )
        return True

    async def _start(self) -> list[asyncio.Task[None]]:
        await self.folders.apply(self.config, self._group)
        return [self._group.create_task(job) for job in self._jobs()]

    def _jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What runs from start to stop, beside the folders' watches."""
        return [
            self.dispatcher.run(),
            self.dispatcher.renew_leases(),
            self.known.run(),
            self.verifying.run(),
            look_for_changes(self.books, self.models, self._wake, self.folders.rescan),
            watch_others(self.books, self.dispatcher.wake),
            keep_hours(self.books, lambda: self.folders.names),
            let_answers_go(self.books, self.config.keep_answers),
            keep_older(
                self.books,
                self.folders.place,
                lambda: self.config.models,
                never=self.config.keep_answers == 0,
            ),
            self._health.run(),
            self._reloads(),
        ]

    # -- serve

    def _wake(self) -> None:
        self.dispatcher.wake()
        self.verifying.wake()

    def _finished(self, job: Job, end: End) -> None:
        self.tally.add(job, end)
        if end.outcome == "reused":
            self.folders.cost_nothing(job.key)
        self.verifying.wake()

    # -- reload

    async def _reloads(self) -> None:
        while True:
            await self._hup.wait()
            self._hup.clear()
            if self._reload is None:
                continue
            self._notify.reloading()
            problem = ""
            try:
                # Not by `asyncio.to_thread`: at the stop, that would wait for a file system that hangs.
                config = await self._disk.run_within(READ_CONFIG, self._reload)
                connected = self.models.connect(config)
            except ConfigError as e:
                for mistake in e.problems:
                    log.error(events.CONFIG_ERROR, reason=str(mistake))
                problem = shown(str(e), lines=True)
                mistakes = counted(len(e.problems), "error")
                log.error(events.SERVICE_RELOAD_FAILED, reason=f"{mistakes}; the old config stays")
            except GlimpsedError as e:  # its folder or an extra is not there, the file system hangs
                problem = shown(str(e), lines=True)
                log.error(events.SERVICE_RELOAD_FAILED, reason=f"{e}; the old config stays")
            else:
                fixed = [key for key in AT_START if getattr(config, key) != getattr(self.config, key)]
                await self._disk.run(self._reloading, config)
                await self._apply(config, connected)
                reasons = [f"{', '.join(fixed)}: taken over at the next start"] if fixed else []
                self._tell(events.SERVICE_RELOADED, reasons)
            self._notify.reloaded(problem)

    async def _apply(self, config: Config, connected: Mapping[str, Model]) -> None:
        """Folders and models are added, removed and changed; jobs in hand end as they began."""
        gone = self.config.folders.keys() - config.folders.keys()
        metrics.forget(folders=gone, models=self.config.models.keys() - config.models.keys())
        self.config = config
        self.models.apply(config, connected)
        self._serving.apply(config)
        await self.folders.apply(config, self._group)
        for tell in self.reloaded:
            tell(config)
        self._wake()

    # -- stop

    async def _drain(self) -> None:
        files = self.dispatcher.in_hand
        hint = f"waiting up to {lasting(self.config.drain)} for them; a second signal ends at once"
        log.info(events.SERVICE_STOPPING, files=files, **({"reason": hint} if files else {}))
        self._notify.stopping()
        self._notify.extend(self.config.drain + CLOSE_SECONDS)
        self.models.stop_asking()
        hurry = asyncio.get_running_loop().call_later(self.config.drain, self.books.hurry)
        drain = asyncio.create_task(self._drained(self.config.drain))
        now = asyncio.create_task(self._now.wait())
        await asyncio.wait([drain, now], return_when=asyncio.FIRST_COMPLETED)
        now.cancel()
        if not drain.done():
            self.books.hurry()
            await self._drained(0)
        await drain
        hurry.cancel()

    async def _drained(self, seconds: float) -> None:
        await asyncio.gather(self.dispatcher.drain(seconds), self.verifying.drain(seconds))

    async def _close(self) -> None:
        self.books.hurry()
        self._health.close()
        await asyncio.to_thread(self.httpd.stop)
        await self.models.close()
        await self.maker.close()
        await self.images.close()
        if took := metrics.taken():
            with contextlib.suppress(GlimpsedError):
                await self.books.maybe(Ledger.add_hour, took, self.books.clock.wall())
        await self.books.close()
        self._disk.close()

    # -- health

    async def check(self) -> None:
        """The ledger takes our heartbeat, the image workers answer; that this runs shows that the loop turns."""
        expected = self._backlogs.expected
        folders = {
            w.folder.name: {**w.report(), "backlog": expected.get(w.folder.name)} for w in self.folders
        }
        try:
            await self.books.apart(Ledger.heartbeat, self.books.clock(), {"folders": folders})
        except LedgerReplaced as e:
            if self._replaced is None:
                log.error(events.LEDGER_UNAVAILABLE, reason=f"{e}; ending, to begin anew with what is there")
                self._replaced = e
                self._stop.set()
            raise
        if not await self.images.healthy():
            raise GlimpsedError("the image workers do not answer")

    def ready(self) -> bool:
        """Every folder's first listing is under way."""
        return self.folders.begun

    def status_line(self) -> str:
        """Counts that change."""
        done = self.tally.outcomes
        paused = [m.entry.name for m in self.models if m.pacing.paused]
        return (
            f"{counted(len(self.folders.names), 'folder')}, {self.dispatcher.in_hand} in hand, "
            f"{done['done'] + done['reused']} done, {done['failed']} failed since start"
            + (f", paused: {', '.join(paused)}" if paused else "")
        )

    async def gauges(self) -> None:
        """Metrics that nobody sets meanwhile."""
        await set_gauges(self.books, self.folders, self.models)

    def _became_ready(self) -> None:
        self._tell(events.SERVICE_READY, [], folders=len(self.folders.names))

    def _tell(self, event: str, reasons: Sequence[str], **fields: object) -> None:
        level = log.info if self.config.folders else log.warning
        reason = "; ".join([*reasons, *([] if self.config.folders else [NO_FOLDERS])])
        level(event, **fields, **({"reason": reason} if reason else {}))

    def _log_status(self) -> None:
        log.info(events.SERVICE_STATUS, reason=self.status_line())


def run(service: Service) -> None:
    """Run the service in an event loop of its own; what killed a task is what the caller sees."""
    try:
        eventloop.run(service.run())
    except BaseExceptionGroup as group:
        error = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
