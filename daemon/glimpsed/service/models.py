"""The models that the folders use: connected, paused, resumed, and what was learnt about them kept."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from glimpsed.config.schema import Config, Folder, ModelEntry
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, Ledger, Paused
from glimpsed.service.budget import Reached, concerned
from glimpsed.vision import Memory, Model, connect, memory
from glimpsed.vision.pause import Pause

P = ParamSpec("P")
T = TypeVar("T")

log = get_logger()


class Models:
    """Every model of the config that a folder names, by entry. The ledger hears of pauses and lessons."""

    def __init__(self, books: Books, *, changed: Callable[[], None]) -> None:
        self._books = books
        self._changed = changed
        self._clock = books.clock
        self._memory = Memory(self._learnt)
        self._models: dict[str, Model] = {}
        self._folders: tuple[Folder, ...] = ()
        self._retired: list[Model] = []
        self._writes: set[asyncio.Task[None]] = set()
        self._in_order = asyncio.Lock()
        self._begun = 0  # writes so far
        self._used_up: dict[str, tuple[object, ...]] = {}  # the budget that a model pauses for
        self._shared: dict[str, Paused] = {}  # the pauses in the ledger, when it was looked at last
        self.unsure: Callable[[], bool] = lambda: False  # as `Pacing.unsure`
        self._known: set[str] = set()  # models that pause, and whose pause has been in the ledger

    def __getitem__(self, name: str) -> Model:
        """Also one that a reload has taken away: who began before that goes on with it."""
        if name in self._models:
            return self._models[name]
        return {model.entry.name: model for model in self._retired}[name]

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    async def open(self, config: Config) -> None:
        """Connect the models, with what earlier runs learnt about them.

        Pauses do not outlive a restart; those of other daemons stay theirs.
        """
        self._memory.load(await self._books.patient(Ledger.all_learnt, self._clock()))
        self.apply(config, self.connect(config))
        if await self._books.patient(Ledger.other_daemons, self._clock()):
            self._shared = await self._books.patient(Ledger.pauses)
            return
        for name in self._models:
            await self._books.patient(Ledger.resume, name)

    def connect(self, config: Config) -> dict[str, Model]:
        """The models that are new or changed in this config, by entry; nothing is changed yet.

        Raises `ConfigError`, `MissingExtra` when an entry cannot be used.
        """
        now = {name: model.entry for name, model in self._models.items()}
        return {
            n: connect(entry, self._memory, self._clock)
            for n, entry in used(config).items()
            if now.get(n) != entry
        }

    def apply(self, config: Config, connected: Mapping[str, Model]) -> None:
        """Take in what was connected for this config, retire what is gone; what is unchanged keeps its pace.

        A changed entry (key, base_url) starts without the pause of the old one.
        """
        wanted = used(config)
        self._folders = tuple(config.folders.values())
        for name, model in list(self._models.items()):
            if wanted.get(name) != model.entry:
                # Closed when the daemon ends: requests of the old config may still be in flight.
                if name in wanted and model.pacing.paused is not None and model.pacing.paused.probe:
                    log.info(events.MODEL_RESUMED, model=name, reason="its config or key is another one now")
                self._retired.append(self._models.pop(name))
                model.pacing.on_change = model.pacing.on_wait = None
                self._write(Ledger.resume, name)
        for name, model in connected.items():
            if model.entry.quoted:
                log.warning(
                    events.CONFIG_ERROR,
                    model=name,
                    reason="its key stands in quotes: it is used without them",
                )
            model.pacing.on_change = functools.partial(self._pause_changed, name)
            model.pacing.on_wait = functools.partial(self._share, name)
            model.pacing.unsure = lambda: self.unsure()  # noqa: PLW0108 - it is set later
            model.pacing.others = SharedRates(model.entry, self._books, self._write, self._clock)
            self._models[name] = model
        for model in self:
            model.pacing.sparing = bool(config.limits) and model.entry.price is not None

    def chain(self, folder: Folder) -> tuple[Model, ...]:
        """The folder's model and its fallbacks, in order, whether or not they may be asked now."""
        return tuple(self._models[name] for name in (folder.model, *folder.fallbacks))

    def serving(self, folder: Folder) -> tuple[Model, ...]:
        """The models to ask for this folder now, in order; none while all that it may use are paused.

        One that has been paused for `fallback_after` is passed over; before that it is waited for.
        Those passed over come last, so that no file fails for an outage.
        """
        now, first, last = self._clock(), list[Model](), list[Model]()
        for model in self.chain(folder):
            pause = model.pacing.paused_at(now)
            if pause is None or (pause.next_probe is not None and now >= pause.next_probe):
                first.append(model)
            elif folder.fallback_after is not None and now - pause.since >= folder.fallback_after:
                last.append(model)
            elif first:
                first.append(model)
            else:
                return ()
        return (*first, *last) if first else ()

    def standing(self) -> tuple[object, ...]:
        """All that `serving` depends on: when it is the same, so are the chains."""
        now = self._clock()
        pauses = [model.pacing.paused_at(now) for model in self]
        return tuple(
            (model, pause, pause is not None and self._stages(pause, now))
            for model, pause in zip(self, pauses, strict=True)
        )

    def _stages(self, pause: Pause, now: float) -> tuple[bool, ...]:
        waits = {f.fallback_after for f in self._folders if f.fallback_after is not None}
        probes = pause.next_probe is not None and now >= pause.next_probe
        return (probes, *(now - pause.since >= wait for wait in sorted(waits)))

    def next_change(self, now: float) -> float | None:
        """When a paused model is tried again, another may stand in for it, or a hold ends, by the ledger's clock."""
        times = [model.pacing.ready_at(now) for model in self]
        for folder in self._folders:
            if folder.fallback_after is not None:
                pauses = [model.pacing.paused_at(now) for model in self.chain(folder)]
                times += [pause.since + folder.fallback_after for pause in pauses if pause is not None]
        return min((at for at in times if at > now), default=None)

    def apply_budgets(self, found: Collection[Reached]) -> None:
        """Pause the models whose budget is used up, let those go on whose budget is not any more."""
        now = self._clock()
        for model in self:
            hit = None
            if model.entry.priced:
                hit = concerned(found, folder="", model=model.entry.name)
            name, pause = model.entry.name, model.pacing.paused_at(now)
            if hit is not None and (pause is None or pause.probe or self._used_up.get(name) != hit.which):
                since = now
                if pause is not None and not pause.probe:  # the month's after the day's, or another limit
                    since = pause.since
                    with self._not_told(model):
                        model.pacing.resume()
                self._used_up[name] = hit.which
                model.pacing.pause(hit.reason, since, until=self._clock.from_wall(hit.until), probe=False)
            elif hit is None and pause is not None and not pause.probe:
                model.pacing.resume()

    async def share_pauses(self) -> None:
        """Pause with other daemons on this ledger, and go on when one of them got through.

        Budgets are everybody's own arithmetic, from the ledger's sums. Raises `LedgerUnavailable`.
        """
        rows = await self._read(Ledger.pauses)
        before, self._shared = self._shared, rows
        now = self._clock()
        for model in self:
            name, pause = model.entry.name, model.pacing.paused_at(now)
            row = rows.get(name)
            if row is not None and pause is not None:
                self._known.add(name)
                if (
                    row.next_probe is not None
                    and row.next_probe < pause.told(now)
                    and row != before.get(name)
                ):
                    with self._not_told(model):  # `resume`
                        model.pacing.probe_now(now)
            elif row is not None and row != before.get(name) and row.next_probe is not None:
                log.warning(events.MODEL_PAUSED, model=name, reason=f"{row.reason} (another daemon found)")
                with self._not_told(model):
                    model.pacing.pause(row.reason, min(row.since, now), until=row.next_probe)
                self._known.add(name)
            elif row is None and pause is not None and name not in self._known:
                self._share(name, pause)  # the database was away when it began
            elif row is None and pause is not None and pause.probe:
                # Somebody took it away: a reload, or an answer.
                log.info(events.MODEL_RESUMED, model=name)
                with self._not_told(model):
                    model.pacing.resume()

    async def share_lessons(self) -> None:
        """Know what other daemons learnt, and forget what somebody had forgotten. Raises `LedgerUnavailable`."""
        self._memory.load(await self._read(Ledger.all_learnt, self._clock()))

    @contextlib.contextmanager
    def _not_told(self, model: Model) -> Iterator[None]:
        """What we heard from the ledger is not written to it again."""
        pacing = model.pacing
        told, pacing.on_change, pacing.on_wait = (pacing.on_change, pacing.on_wait), None, None
        try:
            yield
        finally:
            pacing.on_change, pacing.on_wait = told
        self._changed()

    def stop_asking(self) -> None:
        """The daemon stops: what is in flight may finish, what waits for its turn goes back."""
        for model in [*self, *self._retired]:
            model.pacing.close()

    async def close(self) -> None:
        """Close every connection and process."""
        for model in [*self, *self._retired]:
            await model.aclose()
        await asyncio.gather(*self._writes)

    # -- kept in the ledger: shown by `status`, shared by hosts

    def _pause_changed(self, name: str, pause: Pause | None) -> None:
        if pause is None:
            self._write(Ledger.resume, name)
            self._tell(log.info, events.MODEL_RESUMED, model=name)
        else:
            if pause.acquits:
                theirs = [f.name for f in self._folders if name in (f.model, *f.fallbacks)]
                self._write(Ledger.acquit, theirs)
            self._share(name, pause)
            seconds = round(max(0.0, pause.until - self._clock()))
            event = events.MODEL_PAUSED if pause.probe else events.BUDGET_REACHED
            self._tell(log.warning, event, model=name, reason=pause.reason, seconds=seconds)
        self._changed()

    def _share(self, name: str, pause: Pause) -> None:
        """Put a pause into the ledger; only one that got there can be taken away by others."""
        until = pause.told(self._clock())
        row = Paused(name, pause.reason, pause.since, until, until if pause.probe else None)

        def write(ledger: Ledger) -> None:
            ledger.pause(row)
            self._known.add(name)

        self._known.discard(name)
        self._write(write)

    def _learnt(self, where: str, facts: dict[str, Any]) -> None:
        if memory.is_lesson(where):
            what = ", ".join(f"{name}: {fact[0]}" for name, fact in sorted(facts.items()))
            names = [m.entry.name for m in self if where.startswith(f"{m.entry.base_url} {m.entry.model} ")]
            log.info(events.MODEL_LEARNED, model=", ".join(names) or where, reason=what)
        self._write(Ledger.learn, where, facts, self._clock())

    async def _read(
        self, call: Callable[Concatenate[Ledger, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What the ledger holds once everything of ours is in it: else we would hear our own past as news."""
        while True:
            await asyncio.gather(*self._writes)
            begun = self._begun
            found = await self._books(call, *args, **kwargs)
            if self._begun == begun:
                return found

    def _write(
        self, call: Callable[Concatenate[Ledger, P], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Beside the work: a lesson that does not reach the ledger is learnt again."""

        async def write() -> None:
            # One after the other: a pause must not get there after its end.
            async with self._in_order:
                await self._books.maybe(call, *args, **kwargs)

        self._begun += 1
        self._beside(write())

    def _tell(self, level: Callable[..., None], event: str, **fields: object) -> None:
        """Once all before it is in the ledger, or its database away: who reads it there sees no less than in the log."""

        async def tell() -> None:
            async with self._in_order:
                level(event, **fields)

        self._beside(tell())

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


@dataclass(frozen=True, slots=True)
class SharedRates:
    """The rates of one model entry, kept in the ledger for all daemons together."""

    entry: ModelEntry
    books: Books
    write: Callable[..., None]
    clock: Callable[[], float]

    async def wait(self, tokens: int) -> float:
        """Seconds until another request fits into the minute; 0: it does, and is counted."""
        seconds = await self.books.maybe(
            Ledger.may_send,
            self.entry.name,
            self.clock(),
            requests=self.entry.requests_per_minute,
            tokens=self.entry.tokens_per_minute,
            cost=tokens,
        )
        return 1.0 if seconds is None else seconds  # while it is away the answer could not be kept either

    def correct(self, tokens: int, started: float) -> None:
        """The request that started then took so many tokens more than it was counted with."""
        self.write(Ledger.sent, self.entry.name, 0, tokens, started)


def used(config: Config) -> dict[str, ModelEntry]:
    """The entries that a folder names, as its model, as a fallback or as a second reader."""
    return {name: entry for name, entry in config.models.items() if name in config.used_models}
