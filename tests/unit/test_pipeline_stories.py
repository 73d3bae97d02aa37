"""What goes wrong about one file stays that file's matter, in whatever order things happen."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from clocks import Hand
from glimpsed import sidecar
from glimpsed.blocking import Blocking
from glimpsed.errors import LedgerError, NotYet, ShareTrouble, SidecarBlocked
from glimpsed.images.prepare import Images
from glimpsed.journal import events
from glimpsed.ledger import Books, Ledger, open_ledger
from glimpsed.model import FileKey, Job, Offer
from glimpsed.pipeline import End, Pipeline, Place, Unfinished, ends
from glimpsed.searchable.maker import Maker
from sidecar_samples import Inbox, inbox

pytestmark = pytest.mark.anyio

ROUNDS = 200


class Threads:
    """`Blocking`, on the loop: each call begins and ends after as many turns of it as the dice say."""

    def __init__(
        self, dice: random.Random, trouble: Callable[[Any], Exception | None] = lambda _: None
    ) -> None:
        self.dice = dice
        self.trouble = trouble  # what a call comes to grief with

    async def run(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        await self._turns()
        if (error := self.trouble(call)) is not None:
            raise error
        result = call(*args, **kwargs)
        await self._turns()
        return result

    async def run_within(self, _: float, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await self.run(call, *args, **kwargs)

    async def _turns(self) -> None:
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory, where there is such a place: thousands of syncs would take a disk a minute."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=memory) as path:
        yield Path(path)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield ledger
    ledger.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Tracebacks with all their values would take longer than everything else here."""
    with structlog.testing.capture_logs():
        yield


def pipeline(ledger: Ledger, dice: random.Random, clock: Hand, **keys: Any) -> Pipeline:
    ledger.clock = clock
    db = cast("Blocking", Threads(dice))
    images = cast("Images", None)  # nothing here is asked about
    return Pipeline(
        Books(ledger, db),
        images,
        find_place=lambda _: None,
        locate=lambda _: None,
        maker=Maker(images),
        **keys,
    )


async def handled(stories: Pipeline, job: Job, place: Place) -> End:
    """As the dispatcher does it."""
    come_to = await stories.answer(job, place)
    return await stories.finish(come_to) if isinstance(come_to, Unfinished) else come_to


def answered(ledger: Ledger, box: Inbox, names: list[str], now: float) -> list[Job]:
    """These files, claimed, each with an answer that is to be written."""
    version = box.version
    for name in names:
        (box.path / name).parent.mkdir(exist_ok=True)
        (box.path / name).write_bytes(box.image.read_bytes())
    offers = [Offer(FileKey("inbox", n), replace(box, file=n).version) for n in names]
    assert version
    ledger.offer(offers, now)
    return claimed(ledger, box, now)


def claimed(ledger: Ledger, box: Inbox, now: float) -> list[Job]:
    jobs = ledger.claim(folders=["inbox"], limit=100, now=now)
    return [replace(job, answer=replace(box, file=job.key.path).answer()) for job in jobs]


@pytest.mark.parametrize("seed", range(8))
async def test_trouble_of_some_files_beside_others_that_get_done_ends_nothing_and_is_told_once(
    tmp_path: Path, ledger: Ledger, seed: int
) -> None:
    """Whatever comes to grief with whatever else, in whatever order: every file is done in the end."""
    dice, clock = random.Random(seed), Hand(1_000_000.0)
    kinds: list[Callable[[], Exception | None]] = [
        lambda: ShareTrouble("it hangs"),
        lambda: NotYet("locked"),
        lambda: SidecarBlocked("read-only", reach="directory"),
        lambda: SidecarBlocked("full", reach="disk"),
        lambda: SidecarBlocked("busy"),
        lambda: None,
        lambda: None,
    ]
    box = inbox(tmp_path / "inbox", "a/0.png")
    states: dict[str, str | None] = {}
    stories = pipeline(ledger, dice, clock, blocked=states.__setitem__)
    for number in range(ROUNDS // 8):
        names = [f"{directory}/{number}-{n}.png" for directory in "ab" for n in range(2)]
        jobs = answered(ledger, box, names, clock.now)
        assert len(jobs) == len(names)
        left = 2  # rounds in which something may still go wrong
        with structlog.testing.capture_logs() as lines:
            while jobs:
                trouble = (lambda _: dice.choice(kinds)()) if left else (lambda _: None)
                io = cast("Blocking", Threads(dice, trouble))
                ended = await asyncio.gather(
                    *(handled(stories, job, Place(box.folder, box.root, io, ())) for job in jobs)
                )
                assert {end.outcome for end in ended} <= {"done", "later", "blocked"}
                left -= 1 if left else 0
                clock.now += 700
                jobs = claimed(ledger, box, clock.now)
        rows = [ledger.find(FileKey("inbox", name)) for name in names]
        assert all(row is not None and row.state == "done" for row in rows)
        assert not [line for line in lines if line["event"] == "bug"]
        troubled = Counter(
            line["event"] for line in lines if line["event"] in {events.FILE_RETRY, events.SIDECAR_BLOCKED}
        )
        loud = Counter(
            line["event"]
            for line in lines
            if line["log_level"] == "warning" and line["event"] in {events.FILE_RETRY, events.SIDECAR_BLOCKED}
        )
        assert loud.keys() == troubled.keys()  # the first is never lost
        assert set(states.values()) <= {None}


async def test_of_many_that_meet_it_together_the_first_is_told_and_the_rest_is_not_looked_at(
    tmp_path: Path, ledger: Ledger
) -> None:
    clock, calls = Hand(1_000_000.0), Counter[str]()
    box = inbox(tmp_path / "inbox", "a/0.png")
    states: dict[str, str | None] = {}
    stories = pipeline(ledger, random.Random(1), clock, blocked=states.__setitem__)
    jobs = answered(ledger, box, [f"a/{n}.png" for n in range(1, 30)], clock.now)

    def trouble(call: Any) -> Exception:
        calls[call.__name__] += 1
        return SidecarBlocked("Read-only file system", path="a/1.png", reach="disk")

    place = Place(box.folder, box.root, cast("Blocking", Threads(random.Random(2), trouble)), ())
    with structlog.testing.capture_logs() as lines:
        first = await asyncio.gather(*(handled(stories, job, place) for job in jobs[:8]))
        at_first = calls.total()
        then = [await handled(stories, job, place) for job in jobs[8:]]
    assert {end.outcome for end in [*first, *then]} == {"blocked"}
    assert calls.total() == at_first <= 8
    assert [line["log_level"] for line in lines if line["event"] == events.SIDECAR_BLOCKED].count(
        "warning"
    ) == 1
    assert states == {"inbox": "no sidecars can be written: Read-only file system"}
    # They do not all come back at once.
    assert len({row.due for job in jobs[8:] if (row := ledger.find(job.key))}) == len(jobs) - 8


# -- bugs


@pytest.fixture
async def one(tmp_path: Path, ledger: Ledger) -> AsyncIterator[tuple[Pipeline, Inbox, Place, Hand]]:
    clock, io = Hand(1_000_000.0), Blocking("io")
    box = inbox(tmp_path / "inbox", "a/0.png")
    yield pipeline(ledger, random.Random(0), clock), box, Place(box.folder, box.root, io, ()), clock
    io.close()


def broken(*_: Any, **__: Any) -> Any:
    raise KeyError("inbox")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (sidecar, "write"),
        (ends.Ends, "done"),
        (ends.Ends, "blocked"),
        (ends.Ends, "put_off"),
        (sidecar, "write_error"),
    ],
)
async def test_a_bug_wherever_in_a_files_story_is_that_files_failure(
    one: tuple[Pipeline, Inbox, Place, Hand],
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
) -> None:
    stories, box, place, clock = one
    first, second = answered(ledger, box, ["a/1.png", "a/2.png"], clock.now)
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as lines:
        patch.setattr(where, name, broken)
        if name in {"blocked", "write_error"}:
            error = SidecarBlocked("full") if name == "blocked" else TypeError("no")
            patch.setattr(sidecar, "write", lambda *_, **__: (_ for _ in ()).throw(error))
        end = await handled(stories, first, place)
    assert end.outcome == "failed"
    row = ledger.find(first.key)
    assert row is not None
    assert row.state == "failed"
    assert "bug" in (row.reason or "")
    assert [line for line in lines if line["event"] == "bug" and line["exc_info"]]
    assert [line for line in lines if line["event"] == events.FILE_FAILED]
    assert (await handled(stories, second, place)).outcome == "done"


async def test_a_failure_that_cannot_be_kept_is_put_aside_and_not_asked_about_again(
    one: tuple[Pipeline, Inbox, Place, Hand], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories, box, place, clock = one
    (job,) = answered(ledger, box, ["a/1.png"], clock.now)
    written = Counter[str]()

    def write(*_: Any, **__: Any) -> Any:
        written["tries"] += 1
        raise KeyError("inbox")

    with monkeypatch.context() as patch:
        patch.setattr(sidecar, "write", write)
        patch.setattr(Ledger, "failed", broken)
        assert (await handled(stories, job, place)).outcome == "failed"
        assert ledger.claim(folders=["inbox"], limit=1, now=clock.now + 600) == []
        clock.now += 4000
        (job,) = claimed(ledger, box, clock.now)
        assert (await handled(stories, job, place)).outcome == "failed"
        assert written["tries"] == 1
    clock.now += 4000
    (job,) = claimed(ledger, box, clock.now)
    assert (await handled(stories, job, place)).outcome == "failed"
    row = ledger.find(job.key)
    assert row is not None
    assert (row.state, written["tries"]) == ("failed", 1)


async def test_where_no_failure_can_be_kept_at_all_the_daemon_ends(
    one: tuple[Pipeline, Inbox, Place, Hand], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories, box, place, clock = one
    jobs = answered(ledger, box, ["a/1.png", "a/2.png", "a/3.png"], clock.now)
    monkeypatch.setattr(sidecar, "write", broken)
    monkeypatch.setattr(Ledger, "failed", broken)
    for job in jobs[:2]:
        assert (await handled(stories, job, place)).outcome == "failed"
    with pytest.raises(KeyError):
        await handled(stories, jobs[2], place)
    # Whoever comes next does not begin with the same three.
    assert ledger.claim(folders=["inbox"], limit=9, now=clock.now + 600) == []


async def test_a_ledger_that_is_damaged_ends_the_daemon_at_once(
    one: tuple[Pipeline, Inbox, Place, Hand], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories, box, place, clock = one
    (job,) = answered(ledger, box, ["a/1.png"], clock.now)

    def damaged(*_: Any, **__: Any) -> Any:
        raise LedgerError("damaged")

    monkeypatch.setattr(Ledger, "all_done", damaged)
    monkeypatch.setattr(Ledger, "failed", damaged)
    with pytest.raises(LedgerError):
        await handled(stories, job, place)
