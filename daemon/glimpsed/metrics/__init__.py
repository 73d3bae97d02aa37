"""Prometheus metrics, and health over HTTP.

Functions that any stage may call; they do nothing until there is an `application`, so that a daemon without
``metrics:`` pays nothing for them, but for the sums of its stages that `taken` gives. The registry is glimpsed's own, not the library's global one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from glimpsed import __version__
from glimpsed.errors import MissingExtra
from glimpsed.httpd import TEXT, App, reply
from glimpsed.model import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    Trouble = Callable[[], str | None]
    Refresh = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)

Stage: TypeAlias = Literal["settle", "wait", "prepare", "model", "write"]
Said: TypeAlias = tuple[int, bytes, str]  # status, body, media type
PATHS = ("/metrics", "/healthz", "/readyz")
MODES = ("inotify", "poll")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 3600)
_FRESH = 0.5  # seconds that a page of metrics is as good as a new one


@dataclass(frozen=True, slots=True)
class _Metrics:
    registry: CollectorRegistry
    files: Gauge
    requests: Counter
    seconds: Histogram
    tokens: Counter
    cost: Counter
    queue_age: Gauge
    up: Gauge
    degraded: Gauge
    mode: Gauge
    paused: Gauge
    rescans: Counter
    deaths: Counter
    reasons: dict[str, str] = field(default_factory=dict)  # of degraded folders, as they are shown


_on: _Metrics | None = None
_sums: dict[str, tuple[int, float]] = {}


def _create() -> _Metrics:
    try:
        import prometheus_client as p  # noqa: PLC0415 -- an extra
        import uvicorn  # noqa: F401, PLC0415 -- speaks HTTP
    except ImportError as e:
        raise MissingExtra("metrics:", "metrics") from e
    p.disable_created_metrics()  # type: ignore[no-untyped-call]  # a time series more for each counter, which nobody reads
    r = p.CollectorRegistry()
    p.ProcessCollector(registry=r)
    p.GCCollector(registry=r)
    p.Info("glimpsed", "This program", registry=r).info({"version": __version__})
    return _Metrics(
        registry=r,
        files=p.Gauge("glimpsed_files", "Files in the ledger", ["folder", "state"], registry=r),
        requests=p.Counter(
            "glimpsed_requests", "Requests to models, by what came of them", ["model", "verdict"], registry=r
        ),
        seconds=p.Histogram(
            "glimpsed_stage_seconds",
            "How long a file spends in a stage",
            ["stage"],
            buckets=_BUCKETS,
            registry=r,
        ),
        tokens=p.Counter("glimpsed_tokens", "Tokens used", ["model", "direction"], registry=r),
        cost=p.Counter(
            "glimpsed_cost", "Money spent, by the configured prices", ["model", "currency"], registry=r
        ),
        queue_age=p.Gauge("glimpsed_queue_age_seconds", "Age of the oldest file that waits", registry=r),
        up=p.Gauge("glimpsed_folder_up", "1 while the folder can be listed", ["folder"], registry=r),
        degraded=p.Gauge(
            "glimpsed_folder_degraded",
            "1 while there are no events, or nothing can be written",
            ["folder", "reason"],
            registry=r,
        ),
        mode=p.Gauge("glimpsed_folder_watch_mode", "1 for the mode in use", ["folder", "mode"], registry=r),
        paused=p.Gauge("glimpsed_model_paused", "1 while the model is paused", ["model"], registry=r),
        rescans=p.Counter("glimpsed_rescans", "Full listings of a folder", ["folder"], registry=r),
        deaths=p.Counter(
            "glimpsed_image_worker_deaths", "Image processes that died or were killed", registry=r
        ),
    )


def files(folder: str, counts: Mapping[State, int]) -> None:
    """How many files of a folder are in which state."""
    if _on:
        for state, count in counts.items():
            _on.files.labels(folder, state).set(count)


def request(model: str, verdict: str) -> None:
    """A request came back: ``ok``, or what its error means (DESIGN 9)."""
    if _on:
        _on.requests.labels(model, verdict).inc()


def stage(name: Stage, seconds: float) -> None:
    """A file spent so long in a stage."""
    times, total = _sums.get(name, (0, 0.0))
    _sums[name] = times + 1, total + seconds
    if _on:
        _on.seconds.labels(name).observe(seconds)


def taken() -> dict[str, tuple[int, float]]:
    """How often files were in a stage, and for how many seconds together, since this was asked last."""
    found = dict(_sums)
    _sums.clear()
    return found


@contextlib.contextmanager
def timed(name: Stage) -> Iterator[None]:
    """`stage` for what happens in the block, if it comes to its end."""
    started = time.monotonic()
    yield
    stage(name, time.monotonic() - started)


def usage(
    model: str, input_tokens: int, output_tokens: int, cost: float | None, currency: str | None
) -> None:
    """What an answer used."""
    if _on:
        _on.tokens.labels(model, "input").inc(input_tokens)
        _on.tokens.labels(model, "output").inc(output_tokens)
        if cost:
            _on.cost.labels(model, currency or "").inc(cost)


def queue_age(seconds: float) -> None:
    """How long the oldest queued file has been waiting; 0 when none does."""
    if _on:
        _on.queue_age.set(seconds)


def folder(name: str, *, up: bool, mode: str) -> None:
    """How a folder is watched: ``inotify`` or ``poll``, and whether it is there at all."""
    if _on:
        _on.up.labels(name).set(up)
        for one in MODES:
            _on.mode.labels(name, one).set(one == mode)


def degraded(name: str, reason: str | None) -> None:
    """A folder has no events, or takes no sidecars, and why; None: it is well. One series a folder."""
    if _on:
        shown = reason or ""
        before, _on.reasons[name] = _on.reasons.get(name, shown), shown
        if before != shown:
            _on.degraded.remove(name, before)
        _on.degraded.labels(name, shown).set(reason is not None)


def paused(model: str, *, paused: bool) -> None:
    """A model was paused, or works again."""
    if _on:
        _on.paused.labels(model).set(paused)


def rescan(folder: str) -> None:
    """A folder was listed in full."""
    if _on:
        _on.rescans.labels(folder).inc()


def worker_death() -> None:
    """An image process died or had to be killed."""
    if _on:
        _on.deaths.inc()


def forget(*, folders: Iterable[str] = (), models: Iterable[str] = ()) -> None:
    """Drop the gauges of folders and models that a reload removed."""
    if _on:
        gone: list[tuple[Gauge, tuple[str, ...]]] = [
            (_on.files, (name, state)) for name in folders for state in get_args(State)
        ]
        gone += [(_on.mode, (name, mode)) for name in folders for mode in MODES]
        gone += [(_on.degraded, (name, _on.reasons.pop(name, ""))) for name in folders]
        gone += [(_on.up, (name,)) for name in folders] + [(_on.paused, (name,)) for name in models]
        for gauge, labels in gone:
            with contextlib.suppress(KeyError):
                gauge.remove(*labels)


async def _nothing() -> None:
    """For an `application` without anything to refresh."""


def application(*, health: Trouble, ready: Trouble, refresh: Refresh = _nothing) -> App:
    """Begin to count, and answer GET and HEAD of `PATHS`.

    `health` and `ready` give the reason why not, or None; `refresh` sets the gauges that nobody sets meanwhile. All three
    are called from another thread. Raises `MissingExtra`.
    """
    global _on  # noqa: PLW0603 -- the one switch of this module
    _on = _on or _create()
    return _Answering(_on.registry, health, ready, refresh)


@dataclass(slots=True)
class _Answering:
    """What strangers are told. /metrics is made anew only so often, however many ask for it."""

    registry: CollectorRegistry
    health: Trouble
    ready: Trouble
    refresh: Refresh
    _refreshed: float = float("-inf")
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _pages: dict[str, bytes] = field(default_factory=dict)  # by media type

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request. What goes wrong with it is its own business."""
        del receive
        try:
            status, body, media_type = await self._said(scope)
        except Exception:
            log.exception("a request was not answered")
            status, body, media_type = 500, b"not answered; the log says why\n", TEXT
        await reply(send, status, body, media_type)

    async def _said(self, scope: Any) -> Said:
        if scope["method"] not in {"GET", "HEAD"}:
            return 501, b"GET and HEAD only\n", TEXT
        match scope["path"]:
            case "/metrics":
                accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
                return await self._metrics(accept.decode("latin-1"))
            case "/healthz":
                return _verdict(self.health())
            case "/readyz":
                return _verdict(self.ready())
            case _:
                return 404, b"/metrics, /healthz or /readyz\n", TEXT

    async def _metrics(self, accept: str) -> Said:
        from prometheus_client import exposition  # noqa: PLC0415 -- an extra

        encode, media_type = exposition.choose_encoder(accept)
        async with self._turn:
            if (now := time.monotonic()) - self._refreshed > _FRESH:
                self._pages.clear()
                # The ledger is away: what is known otherwise is still good.
                with contextlib.suppress(Exception):
                    await self.refresh()
                self._refreshed = now
            if media_type not in self._pages:
                self._pages[media_type] = encode(self.registry)
            return 200, self._pages[media_type], media_type


def _verdict(trouble: str | None) -> Said:
    return 503 if trouble else 200, f"{trouble or 'ok'}\n".encode(), TEXT
