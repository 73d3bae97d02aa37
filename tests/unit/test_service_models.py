"""Which models serve a folder while some of them pause, and what daemons on one ledger know of models together."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clocks import Hand
from glimpsed.config.schema import Config, Folder, ModelEntry
from glimpsed.disk.files import Root
from glimpsed.errors import LedgerUnavailable, Verdict, VisionError
from glimpsed.ledger import Books, Ledger, open_ledger
from glimpsed.model import FileKey
from glimpsed.service import models as models_module
from glimpsed.service.budget import Reached
from glimpsed.service.models import Models
from glimpsed.service.serving import Serving
from glimpsed.vision import memory
from glimpsed.vision.remote import RemoteModel

pytestmark = pytest.mark.anyio
NAMES = ("a", "b", "c")
NOW = 1_800_000_000.0


@dataclass
class Desk:
    models: Models
    ledger: Ledger
    clock: Hand
    books: Books

    def serving(self, after: float | None) -> list[str]:
        return [m.entry.name for m in self.models.serving(folder(after))]

    def remote(self, name: str) -> RemoteModel:
        found = self.models[name]
        assert isinstance(found, RemoteModel)
        return found


def folder(after: float | None = None) -> Folder:
    return Folder(name="f", path="/f", model="a", fallbacks=("b", "c"), fallback_after=after)


def config(after: float | None = None) -> Config:
    models = {n: ModelEntry(name=n, model=n, api="chat", base_url="https://x/v1") for n in NAMES}
    return Config(models=models, folders={"f": folder(after)})


Open = Callable[[float | None], Awaitable[Desk]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Daemons' models on one ledger, whose clocks stand still."""
    open_ones: list[tuple[Models, Books]] = []

    async def start(after: float | None = None) -> Desk:
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", owner=f"here:{len(open_ones)}:1")
        books, clock = Books(ledger), Hand(NOW)
        ledger.clock = clock
        models = Models(books, changed=lambda: None)
        await models.open(config(after))
        open_ones.append((models, books))
        return Desk(models, ledger, clock, books)

    yield start
    for models, books in open_ones:
        await models.close()
        await books.close()


async def test_a_model_that_pauses_is_waited_for_and_passed_over_after_fallback_after(opened: Open) -> None:
    desk = await opened(600)
    assert desk.serving(600) == ["a", "b", "c"]
    desk.models["a"].pacing.pause("no money", NOW, until=NOW + 9000)
    assert desk.serving(None) == desk.serving(600) == []
    assert desk.models.next_change(desk.clock()) == NOW + 600
    desk.clock.now = NOW + 600
    assert desk.serving(None) == []
    assert desk.serving(600) == ["b", "c", "a"]
    desk.clock.now = NOW + 9000  # a probe is due
    assert desk.serving(None) == desk.serving(600) == ["a", "b", "c"]


async def test_who_began_before_a_reload_still_finds_the_model_that_it_took_away(opened: Open) -> None:
    """What looks for answers has its folder from before, and asks for that folder's models after it has read a file."""
    desk = await opened(None)
    taken = desk.models["c"]
    left = config().models["a"]
    desk.models.apply(Config(models={"a": left}, folders={"f": Folder(name="f", path="/f", model="a")}), {})
    assert desk.models["c"] is taken
    assert [model.entry.name for model in desk.models] == ["a"]
    with pytest.raises(KeyError):
        desk.models["never"]


async def test_a_pause_is_logged_once_the_ledger_knows_of_it(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads `status` at that line of the log sees no less than the log says."""
    desk = await opened(600)
    known: list[tuple[str, set[str]]] = []

    def told(event: str, **_: object) -> None:
        known.append((event, set(desk.ledger.pauses())))

    monkeypatch.setattr(models_module, "log", SimpleNamespace(warning=told, info=told))
    desk.models["a"].pacing.pause("no money", NOW, until=NOW + 9000)
    desk.models["a"].pacing.resume()
    await desk.models.share_pauses()
    assert known == [("model.paused", {"a"}), ("model.resumed", set())]


async def test_a_pause_that_another_daemon_found_has_lasted_as_long_here(opened: Open) -> None:
    first, second = await opened(600), await opened(600)
    first.models["a"].pacing.pause("no money", NOW, until=NOW + 9000)
    await first.models.share_pauses()
    second.clock.now = NOW + 400
    await second.models.share_pauses()
    assert second.serving(600) == []
    second.clock.now = NOW + 600
    assert second.serving(600) == ["b", "c", "a"]


async def test_a_fallback_is_passed_over_only_when_it_has_paused_as_long(opened: Open) -> None:
    desk = await opened(600)
    desk.models["a"].pacing.pause("no money", NOW, until=NOW + 9000)
    desk.models["b"].pacing.pause("no money", NOW + 500, until=NOW + 9000)
    desk.clock.now = NOW + 700
    assert desk.serving(600) == []
    desk.clock.now = NOW + 1100
    assert desk.serving(600) == ["c", "a", "b"]
    desk.models["a"].pacing.resume()
    assert desk.serving(600) == ["a", "c", "b"]
    assert desk.serving(None) == ["a", "b", "c"]  # what `a` refuses waits for `b`


async def test_all_paused_is_nobody(opened: Open) -> None:
    desk = await opened(1)
    for name in NAMES:
        desk.models[name].pacing.pause("no money", NOW, until=NOW + 9000)
    desk.clock.now = NOW + 100
    assert desk.serving(1) == []


async def test_at_the_stop_models_of_an_earlier_config_are_not_asked_any_more_either(opened: Open) -> None:
    desk = await opened(None)
    old = desk.models["a"]
    new = config()
    new.models["a"] = new.models["a"].model_copy(update={"base_url": "https://y/v1"})
    desk.models.apply(new, desk.models.connect(new))
    assert old.pacing.wait(NOW) == desk.models["a"].pacing.wait(NOW) == 0
    desk.models.stop_asking()
    for model in (old, desk.models["a"]):
        with pytest.raises(VisionError, match="stopping"):
            model.pacing.wait(NOW)


async def test_a_pause_is_lifted_when_another_daemon_takes_it_away_but_not_when_it_never_got_there(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await opened(None)
    pacing = desk.models["a"].pacing
    with monkeypatch.context() as away:
        away.setattr(desk.ledger, "pause", unavailable)
        pacing.pause("no money", NOW, until=NOW + 9000)
        await desk.models.share_pauses()
        assert pacing.paused is not None
    await desk.models.share_pauses()  # which writes it
    await desk.models.share_pauses()
    assert pacing.paused is not None
    assert desk.ledger.pauses()["a"].reason == "no money"
    desk.ledger.resume("a")
    await desk.models.share_pauses()
    assert pacing.paused is None


def unavailable(*_: object) -> None:
    raise LedgerUnavailable("away")


async def test_what_one_daemon_learnt_all_know_and_what_is_forgotten_is_forgotten_by_all(
    opened: Open,
) -> None:
    one, other = await opened(None), await opened(None)
    one.remote("a").lessons.learn("chat", edge=768)
    assert other.remote("a").ceiling().edge is None
    await one.models.share_lessons()  # which waits until its own is written
    await other.models.share_lessons()
    assert one.remote("a").ceiling().edge == other.remote("a").ceiling().edge == 768
    assert other.ledger.forget(memory.key(other.remote("a").entry)) == 1
    for desk in (one, other):
        await desk.models.share_lessons()
        assert desk.remote("a").ceiling().edge is None


async def test_somebody_who_asks_for_a_probe_is_heard_and_each_new_time_is_told(opened: Open) -> None:
    desk = await opened(None)
    pacing = desk.models["a"].pacing
    pacing.pause("HTTP 401", NOW)
    await desk.models.share_pauses()
    row = desk.ledger.pauses()["a"]
    assert row.next_probe == NOW + 60
    desk.ledger.pause(replace(row, until=NOW + 1, next_probe=NOW + 1))  # as `resume` does
    desk.clock.now = NOW + 1
    await desk.models.share_pauses()
    assert pacing.room(NOW + 1) == 1
    ticket = pacing.start(NOW + 1)
    ticket.heard, ticket.verdict = True, Verdict("pause", "HTTP 401")
    pacing.finish(ticket, NOW + 1)
    await desk.models.share_pauses()
    assert desk.ledger.pauses()["a"].next_probe == NOW + 121
    assert pacing.paused is not None


async def test_a_pause_and_its_end_reach_the_ledger_in_their_order(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await opened(None)
    write = desk.ledger.pause
    monkeypatch.setattr(desk.ledger, "pause", lambda row: (time.sleep(0.2), write(row)))
    desk.models["a"].pacing.pause("HTTP 403", NOW)
    desk.models["a"].pacing.resume()
    await desk.models.share_pauses()
    assert desk.ledger.pauses() == {}
    assert desk.models["a"].pacing.paused is None


async def test_while_the_standing_of_the_models_is_the_same_so_are_the_chains(opened: Open) -> None:
    desk, chances = await opened(600), random.Random(7)
    seen: dict[tuple[object, ...], tuple[list[str], list[str]]] = {}
    for _ in range(2000):
        desk.clock.now += chances.choice([0, 1, 50, 700])
        pacing = desk.models[chances.choice(NAMES)].pacing
        now = desk.clock.now
        if chances.random() < 0.3:
            pacing.pause("no money", now, until=now + chances.choice([100, 900]))
        elif chances.random() < 0.3:
            pacing.resume()
        found = desk.serving(None), desk.serving(600)
        assert seen.setdefault(desk.models.standing(), found) == found
    assert len(seen) < 2000


async def test_lanes_are_worked_out_when_something_changed_and_not_for_each_job(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await opened(None)
    watches = [
        SimpleNamespace(
            folder=folder().model_copy(update={"name": f"f{n}"}),
            root=Root(f"/f{n}", (1, n)),
            state=SimpleNamespace(state="watching"),
            lanes=SimpleNamespace(files=None),
        )
        for n in range(3)
    ]

    class Folders(list[Any]):
        changes = 0

    folders = Folders(watches)
    serving, asked = (
        Serving(config(), desk.books, cast("Any", folders), desk.models),
        list[str](),
    )
    really = desk.models.serving
    monkeypatch.setattr(desk.models, "serving", lambda f: asked.append(f.name) or really(f))

    async def served(*used_up: Reached) -> list[str]:
        async def over() -> list[Reached]:
            return list(used_up)

        monkeypatch.setattr(serving, "over", over)
        return [p.folder.name for lane in await serving.lanes() if not lane.answered for p in lane.places]

    assert await served() == await served() == ["f0", "f1", "f2"]
    assert asked == ["f0", "f1", "f2"]
    watches[1].root = None
    folders.changes += 1
    assert await served() == ["f0", "f2"]
    desk.models["a"].pacing.pause("no money", NOW, until=NOW + 60)
    assert await served() == []
    desk.clock.now += 61
    assert await served() == ["f0", "f2"]
    desk.models["a"].entry.__dict__["price"] = object()
    over = Reached("folder f0", "day", 1, 1, "USD", NOW)
    assert await served(over) == ["f2"]
    assert await served() == ["f0", "f2"]


async def test_files_refused_alike_in_a_row_are_counted_over_daemons_and_restarts(opened: Open) -> None:
    alike, files = frozenset({"400 drelm"}), [FileKey("f", f"{n}\udce4.png") for n in range(3)]
    first = await opened(None)
    assert (await first.models["a"].pacing.jury.hear(files[0], alike)).guilty
    second = await opened(None)  # another daemon on that ledger, or the next start
    await first.models.share_lessons()
    await second.models.share_lessons()
    assert (await second.models["a"].pacing.jury.hear(files[1], alike)).guilty
    await second.models.share_lessons()
    third = await opened(None)
    ruling = await third.models["a"].pacing.jury.hear(files[2], alike)
    assert (ruling.guilty, ruling.alike) == (False, tuple(files[:2]))
    assert (
        await third.models["b"].pacing.jury.hear(files[2], alike)
    ).guilty  # another model's is another row
