"""Leases in the daemon: what is in hand is never taken for abandoned by the daemon itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from glimpsed.blocking import Blocking
from glimpsed.clock import Clock
from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.disk.files import Root
from glimpsed.errors import LedgerError, LedgerUnavailable
from glimpsed.ledger import Books, Ledger, books, open_ledger
from glimpsed.model import FileKey, Job, Offer, Version
from glimpsed.pipeline import End, Pipeline, Place, Unfinished
from glimpsed.service import dispatch
from glimpsed.service.dispatch import Dispatcher, Lane
from glimpsed.vision.pacing import Pacing

pytestmark = pytest.mark.anyio

SCAN = FileKey("in", "scan.png")


class Stories:
    """In the pipeline's place: takes every job and keeps it until told."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.error: Exception | None = None
        self.go_on = asyncio.Event()
        self.answers = False  # whether the model has answered, and only the end is missing

    def turn(self, job: Job, folder: Folder) -> asyncio.Lock:
        del job, folder
        return asyncio.Lock()

    def room(self, job: Job) -> contextlib.AbstractAsyncContextManager[None]:
        del job
        return contextlib.nullcontext()

    async def answer(self, job: Job, place: Place) -> Unfinished | End:
        self.jobs.append(job)
        if self.answers:
            return object.__new__(Unfinished)
        return await self._end()

    async def finish(self, kept: Unfinished) -> End:
        del kept
        return await self._end()

    async def _end(self) -> End:
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return End("done")

    def close(self) -> None:
        pass


class Asking(Stories):
    """Asks for a place in flight first, as the pipeline does."""

    def __init__(self, pacing: Pacing) -> None:
        super().__init__()
        self.pacing = pacing
        self.left = 0

    async def answer(self, job: Job, place: Place) -> Unfinished | End:
        self.jobs.append(job)
        async with self.pacing.slot():
            self.left += 1
        return await super().answer(job, place)


class Away(Books):
    """A ledger whose database can be taken away; remembers the order of calls."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.is_gone = False
        self.refused = 0
        self.calls: list[str] = []

    async def __call__(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self.is_gone:
            self.refused += 1
            raise LedgerUnavailable("away")
        self.calls.append(call.__name__)
        return await super().__call__(call, *args, **kwargs)


class Bench:
    """A dispatcher with a clock to turn."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dispatch, "LEDGER_PAUSE", 0.01)
        monkeypatch.setattr(dispatch, "GRACE", 0.01)
        self.now = 1000.0
        self.stories = Stories()
        self.ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        self.ledger.clock = Clock(lambda: self.now, lambda: self.now)
        self.books = Away(self.ledger)
        entry = ModelEntry(name="m", api="chat", base_url="http://127.0.0.1:1/v1", model="m")
        self.pacing = Pacing(entry)
        folder = Folder(name="in", path=tmp_path, model="m")
        place = Place(folder, Root(str(tmp_path), (0, 0)), Blocking("files"), ())

        async def lanes() -> list[Lane]:
            return [Lane((place,), self.pacing)]

        self.dispatcher = Dispatcher(
            self.books,
            cast("Pipeline", self.stories),
            lanes=lanes,
            finished=lambda job, end: None,
            next_change=lambda _: None,
        )

    def offer(self, size: int = 1) -> None:
        self.ledger.offer([Offer(SCAN, Version(size, size))], self.now)
        self.dispatcher.wake()

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not what():  # noqa: ASYNC110 - things that have no event
                await asyncio.sleep(0.005)

    async def rounds(self, count: int = 3) -> None:
        """So many more looks at the queue."""
        for _ in range(count):
            before = self.books.calls.count("claim")
            self.dispatcher.wake()
            await self.until(lambda before=before: self.books.calls.count("claim") > before)  # type: ignore[misc]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, monkeypatch)
    yield bench
    bench.stories.go_on.set()
    await bench.dispatcher.drain(5)
    bench.ledger.close()


@contextlib.asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bench.dispatcher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_after_a_sleep_of_the_machine_what_is_in_hand_is_not_claimed_again(bench: Bench) -> None:
    bench.offer()
    async with running(bench):
        await bench.until(lambda: len(bench.stories.jobs) == 1)
        bench.now += 3600  # the lease ran out meanwhile
        await bench.rounds()
    assert len(bench.stories.jobs) == 1


async def test_after_a_sleep_nothing_is_asked_about_that_another_daemon_has_taken_over(
    bench: Bench, tmp_path: Path
) -> None:
    stories = bench.dispatcher._pipeline = cast("Any", Asking(bench.pacing))
    bench.pacing.unsure = bench.dispatcher.unsure
    bench.pacing.slots.limit = 1.0
    in_flight = bench.pacing.start(bench.now)
    bench.offer()
    async with running(bench):
        await bench.until(lambda: len(stories.jobs) == 1)
        bench.now += 3600
        url, clock = f"sqlite:///{tmp_path}/ledger.db", bench.ledger.clock
        with contextlib.closing(open_ledger(url, owner="elsewhere:1:1", clock=clock)) as other:
            now = clock()
            assert len(other.claim(folders=["in"], limit=1, now=now, lease=60.0)) == 1
        bench.pacing.finish(in_flight, bench.now)  # the first thing to be seen of the time that has passed
        await bench.rounds()
        await bench.until(lambda: bench.dispatcher.in_hand == 0)
        assert stories.left == 0
        bench.offer(size=2)  # another version: this one's own
        await bench.until(lambda: stories.left == 1)


async def test_after_an_outage_leases_are_renewed_before_anything_is_claimed(bench: Bench) -> None:
    bench.offer()
    async with running(bench):
        await bench.until(lambda: len(bench.stories.jobs) == 1)
        bench.books.is_gone = True
        bench.dispatcher.wake()
        await bench.until(lambda: bench.books.refused > 0)
        bench.now += 3600
        bench.books.calls.clear()
        bench.books.is_gone = False
        await bench.rounds()
    assert bench.books.calls[0] == "renew"
    assert len(bench.stories.jobs) == 1


async def test_who_waits_for_the_database_with_all_hands_full_is_heard_and_given_up(bench: Bench) -> None:
    bench.dispatcher._patience = 100.0
    async with running(bench) as task:
        await bench.rounds()
        bench.books.away = books.Away(bench.now, LedgerUnavailable("locked"))
        with structlog.testing.capture_logs() as lines:
            await bench.rounds()
            assert not task.done(), "what it asks for itself is answered"
            bench.now += 101
            bench.dispatcher.wake()
            with pytest.raises(LedgerUnavailable, match="locked"):
                await asyncio.wait_for(task, 20)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["ledger.unavailable"]


async def test_a_file_that_changes_in_flight_is_claimed_beside_the_old_job_and_both_end(bench: Bench) -> None:
    bench.offer(size=1)
    async with running(bench):
        await bench.until(lambda: len(bench.stories.jobs) == 1)
        bench.offer(size=2)
        await bench.until(lambda: len(bench.stories.jobs) == 2)
        assert bench.dispatcher.in_hand == 2
        bench.stories.go_on.set()
        await bench.until(lambda: bench.dispatcher.in_hand == 0)
    assert bench.pacing.in_hand == 0


async def test_what_no_job_can_cope_with_ends_the_daemon(bench: Bench) -> None:
    bench.stories.error = LedgerError("damaged")
    bench.stories.go_on.set()
    bench.offer()
    async with running(bench) as task:
        async with asyncio.timeout(20):
            with pytest.raises(LedgerError, match="damaged"):
                await task


async def test_while_answers_are_written_the_model_gets_other_files_but_not_without_end(bench: Bench) -> None:
    pacing, total = bench.pacing, 100
    most = pacing.slots.most + 2 * pacing.prefetch  # one claim beyond what stops the next
    bench.stories.answers = True
    bench.ledger.offer([Offer(FileKey("in", f"{n}.png"), Version(n, n)) for n in range(total)], bench.now)
    async with running(bench):
        await bench.until(lambda: pacing.finishing >= pacing.prefetch)
        await bench.until(lambda: "next_due" in bench.books.calls)  # it has come to rest
        assert pacing.in_hand == 0
        assert pacing.prefetch <= len(bench.stories.jobs) <= most
        bench.stories.go_on.set()
        await bench.until(lambda: len(bench.stories.jobs) == total and not bench.dispatcher.in_hand)
    assert (pacing.in_hand, pacing.finishing) == (0, 0)


def silenced(bench: Bench, *files: str) -> None:
    """The model says nothing to these."""
    for file in files:
        ticket = bench.pacing.start(bench.now, file=file)
        ticket.heard, ticket.nothing = True, "an empty answer"
        bench.pacing.finish(ticket, bench.now)


async def test_probes_of_a_model_that_pauses_are_files_far_from_each_other_and_the_rest_goes_back(
    bench: Bench,
) -> None:
    keys = [FileKey("in", f"f{n:02}.png") for n in range(100)]
    bench.ledger.offer([Offer(key, Version(1, n + 1)) for n, key in enumerate(keys)], bench.now)
    silenced(bench, *(key.one for key in keys[:3]))
    async with running(bench):
        await bench.until(lambda: len(bench.stories.jobs) == 1)
        silenced(bench, bench.stories.jobs[0].key.one)
        bench.stories.go_on.set()
        await bench.until(lambda: bench.pacing.in_hand == 0)
        bench.stories.go_on.clear()
        bench.now += 1
        bench.dispatcher.wake()
        await bench.until(lambda: len(bench.stories.jobs) == 2)
    first, second = (keys.index(job.key) for job in bench.stories.jobs)
    assert first > 33, "far from those that got nothing, however many of their kind come after them"
    assert abs(second - first) > 20
    assert bench.ledger.counts(["in"])["in"]["queued"] == 98


async def test_a_stop_in_the_middle_of_a_claim_leaves_nothing_in_hand_behind_its_back(bench: Bench) -> None:
    claimed, go_on = asyncio.Event(), asyncio.Event()
    claim = bench.books.__call__

    class Slow(Away):
        async def __call__(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            result = await claim(call, *args, **kwargs)
            if call is Ledger.claim and result:
                claimed.set()
                await go_on.wait()
            return result

    bench.dispatcher._books = Slow(bench.ledger)
    bench.offer()
    async with running(bench):
        await asyncio.wait_for(claimed.wait(), 20)
        drain = asyncio.create_task(bench.dispatcher.drain(20))
        await asyncio.sleep(0)
        go_on.set()
        await bench.until(lambda: len(bench.stories.jobs) == 1)
        assert not drain.done()
        bench.stories.go_on.set()
        await drain
        assert bench.dispatcher.in_hand == 0
        assert bench.pacing.in_hand == 0


async def test_once_drained_nothing_is_claimed_or_started(bench: Bench) -> None:
    await bench.dispatcher.drain(0)
    bench.offer()
    async with running(bench) as task:
        await asyncio.wait_for(task, 20)
    assert not bench.stories.jobs
