"""How fast a model is asked, with time as an argument: no test waits."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict, VisionError
from glimpsed.vision.pacing import Pacing
from glimpsed.vision.pause import Pause
from glimpsed.vision.slots import Ticket

T0 = 1_800_000_000.0
BROKEN = Verdict("retry", "no connection", transport=True)
SERVER = Verdict("retry", "HTTP 500", server=True)
BUSY = Verdict("retry", "HTTP 429", overload=True)
QUOTA = Verdict("pause", "HTTP 402")
BAD_IMAGE = Verdict("shrink", "image too large")


def pacing(**entry: Any) -> Pacing:
    return Pacing(ModelEntry(api="chat", base_url="http://127.0.0.1/v1", model="m", **entry))


def once(
    pace: Pacing, now: float, verdict: Verdict | None = None, file: str = "a", took: float = 0.0
) -> Ticket:
    """One request, begun and ended."""
    assert pace.wait(now) == 0
    ticket = pace.start(now, 0, file)
    ticket.heard, ticket.verdict = True, verdict
    pace.finish(ticket, now + took)
    return ticket


def test_concurrency_is_kept() -> None:
    pace = pacing(concurrency=2)
    first = pace.start(T0)
    assert pace.wait(T0) == 0
    pace.start(T0)
    assert pace.wait(T0) == math.inf
    pace.finish(first, T0)
    assert pace.wait(T0) == 0


def test_room_counts_what_is_in_hand_and_leaves_some_to_prepare() -> None:
    pace = pacing(concurrency=8)
    assert pace.room(T0) == 12
    pace.take(10)
    assert pace.room(T0) == 2
    pace.take()
    assert pace.room(T0) == 0, "all slots are taken, and three wait: one more is not worth a claim"
    pace.take(5)
    assert pace.room(T0) == 0
    pace.give_back(16)
    assert pace.room(T0) == 12


@given(st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_never_more_requests_in_any_minute_than_allowed(rate: int, gaps: list[float]) -> None:
    pace = pacing(concurrency=1000, requests_per_minute=rate)
    now, starts = T0, []
    for gap in gaps:
        now += gap
        while (wait := pace.wait(now)) > 0:
            now += wait
        pace.finish(pace.start(now), now)
        starts.append(now)
    for first, start in enumerate(starts):
        assert sum(1 for s in starts[first:] if s < start + 60) <= rate


@given(
    st.integers(10, 2000),
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 3000), st.none() | st.integers(0, 3000)), min_size=1, max_size=40),
)  # fmt: skip
def test_never_more_tokens_in_any_minute_than_allowed_but_for_one_request(
    rate: int, asked: list[tuple[float, int, int | None]]
) -> None:
    pace = pacing(concurrency=1000, tokens_per_minute=rate)
    now, sent = T0, []
    for gap, guess, real in asked:
        now += gap
        while (wait := pace.wait(now, guess)) > 0:
            now += wait
        in_window = [t for s, t in sent if s > now - 60]
        assert not in_window or sum(in_window) + guess <= rate
        ticket = pace.start(now, guess)
        ticket.used = real
        pace.finish(ticket, now)
        sent.append((now, guess if real is None else real))


def test_a_clock_that_is_set_back_does_not_stop_everything() -> None:
    pace = pacing(requests_per_minute=1)
    once(pace, T0 + 7200)
    assert pace.wait(T0) == 0


def test_overload_halves_once_for_all_that_were_in_flight_and_success_wins_it_back() -> None:
    pace = pacing(concurrency=16)
    flying = [pace.start(T0) for _ in range(16)]
    for ticket in flying:
        ticket.heard, ticket.verdict = True, BUSY
        pace.finish(ticket, T0 + 1)
    assert pace.slots.limit == 8
    once(pace, T0 + 2, BUSY)
    assert pace.slots.limit == 4
    for n in range(200):
        once(pace, T0 + 3 + n)
    assert pace.slots.limit == 16


def test_limit_never_falls_below_one() -> None:
    pace = pacing(concurrency=4)
    for n in range(20):
        once(pace, T0 + n, BUSY)
    assert pace.slots.limit == 1
    assert pace.wait(T0 + 99) == 0


def test_retry_after_of_an_overload_holds_every_request_back_but_not_for_long() -> None:
    pace = pacing()
    once(pace, T0, Verdict("retry", "x", overload=True, retry_after=5))
    assert (pace.wait(T0), pace.room(T0), pace.ready_at(T0)) == (5, 0, T0 + 5)
    assert pace.wait(T0 + 5) == 0
    once(pace, T0 + 9, Verdict("retry", "x", overload=True, retry_after=3600))
    assert (pace.room(T0 + 68), pace.room(T0 + 69)) == (0, 1), "another file finds out"
    assert pace.may_probe("b", T0 + 69)
    assert not pace.may_probe("a", T0 + 69)
    assert pace.may_probe("a", T0 + 9 + 3600)


@pytest.mark.parametrize(
    "reason",
    ["HTTP 429: later (asked to wait more than a day; 1 h it is)", "HTTP 429: Try again in 30 minutes"],
)
def test_a_wait_that_the_reason_names_is_not_told_twice(reason: str) -> None:
    pace = pacing()
    once(pace, T0, Verdict("retry", reason, overload=True, retry_after=1800))
    assert pace.paused is not None
    assert pace.paused.reason == reason


def test_a_wait_of_more_than_a_minute_is_a_pause_that_says_so_and_can_be_lifted() -> None:
    pace, told = pacing(), list[Pause | None]()
    pace.on_change = told.append
    once(pace, T0, Verdict("retry", "HTTP 429: later", overload=True, retry_after=1800))
    assert pace.paused is not None
    assert pace.paused.reason == "HTTP 429: later (asks to wait 30 minutes)"
    pace.probe_now(T0 + 5)
    assert (pace.room(T0 + 5), pace.may_probe("a", T0 + 5)) == (1, True)
    once(pace, T0 + 5)
    assert pace.paused is None
    assert told[-1] is None


def test_two_files_that_are_to_wait_long_are_proof_enough() -> None:
    pace = pacing()
    busy = Verdict("retry", "HTTP 429", overload=True, retry_after=600)
    once(pace, T0, Verdict("retry", "HTTP 429", overload=True), "a")
    once(pace, T0, busy, "b")
    assert pace.ready_at(T0) == T0 + 600


def refused(pace: Pacing, files: str, seconds: float, step: float) -> float | None:
    """Files in turn, each refused for a rate every `step` seconds; when the model pauses."""
    for n in range(int(seconds / step)):
        now = T0 + n * step
        if pace.paused is not None:
            return now
        once(pace, now, BUSY, files[n % len(files)])
    return None


def test_a_rate_that_answers_nobody_for_longer_than_a_minute_is_none() -> None:
    pace = pacing()
    assert refused(pace, "abc", 100, 5.0) == T0 + 70
    assert pace.paused is not None
    assert pace.paused.reason == "nobody is answered for 65 s; the last: HTTP 429"
    once(pace, T0 + 500, BUSY, "c")
    assert pace.paused is not None, "another refusal for a rate is no answer"
    once(pace, T0 + 5000, None, "a")
    assert pace.paused is None


@given(st.integers(2, 60), st.integers(1, 8))
def test_a_rate_that_answers_anybody_in_a_minute_never_pauses(every: int, files: int) -> None:
    pace = pacing()
    for n in range(400):
        once(pace, T0 + n, None if n % every == 0 else BUSY, "abcdefgh"[n % files])
        assert pace.paused is None


def test_one_file_that_is_refused_for_a_rate_is_no_model_that_answers_nobody() -> None:
    assert refused(pacing(), "a", 1000, 10.0) is None


def test_those_in_flight_together_are_refused_once() -> None:
    pace = pacing(concurrency=64)
    tickets = [pace.start(T0, 0, f"f{n}") for n in range(64)]
    for ticket in tickets:
        ticket.heard, ticket.verdict = True, BUSY
        pace.finish(ticket, T0 + 100)
    assert pace.paused is None


def test_a_hold_is_over_when_the_clock_is_set_back() -> None:
    pace = pacing()
    once(pace, T0, Verdict("retry", "HTTP 429", overload=True, retry_after=30))
    assert (pace.wait(T0), pace.room(T0), pace.ready_at(T0)) == (30, 0, T0 + 30)
    back = T0 - 7200
    assert (pace.wait(back), pace.ready_at(back)) == (0, back)
    assert pace.room(back) > 0


def test_pause_verdict_pauses_at_once_and_is_told() -> None:
    pace, told = pacing(), []
    pace.on_change = told.append
    once(pace, T0, QUOTA)
    assert pace.paused == Pause("HTTP 402", T0, T0 + 60, file="a", own_probe=T0 + 60)
    assert told == [pace.paused]
    assert pace.room(T0 + 59) == 0
    with pytest.raises(VisionError) as raised:
        pace.wait(T0 + 59)
    assert (raised.value.verdict.kind, raised.value.requests) == ("pause", 0)


def test_five_transport_failures_in_a_row_pause() -> None:
    pace = pacing()
    for n in range(4):
        once(pace, T0 + n, BROKEN)
    once(pace, T0 + 4)
    for n in range(4):
        once(pace, T0 + 5 + n, BROKEN)
    assert pace.paused is None
    once(pace, T0 + 9, BROKEN)
    assert pace.paused is not None
    assert "no connection" in pace.paused.reason


@pytest.mark.parametrize("files", ["aaaaa", "ababa"])
@pytest.mark.parametrize("answered", [False, True])
def test_nobody_is_to_blame_for_an_outage_of_several_files_while_nobody_was_answered(
    files: str, *, answered: bool
) -> None:
    """Else a file that breaks the server would win its tries back with each pause, and never come to an end."""
    pace = pacing()
    if answered:
        once(pace, T0, file="c")
    for file in files:
        once(pace, T0, Verdict("retry", "broken off", transport=True, server=True), file)
    assert pace.paused is not None
    assert pace.paused.acquits == (files == "ababa" and not answered)


def test_server_errors_pause_only_over_more_than_one_file() -> None:
    pace = pacing()
    for n in range(20):
        once(pace, T0 + n, SERVER, file="the one bad file")
    assert pace.paused is None
    once(pace, T0 + 21, SERVER, file="another")
    assert pace.paused is not None


def test_what_the_api_says_about_an_image_is_no_failure_of_the_api() -> None:
    pace = pacing()
    for n in range(20):
        once(pace, T0 + n, BROKEN if n % 5 < 4 else BAD_IMAGE)
    assert pace.paused is None


def test_probe_is_one_request_each_time_later_up_to_fifteen_minutes() -> None:
    pace = pacing()
    once(pace, T0, QUOTA)
    now, gaps = T0, []
    for _ in range(7):
        assert pace.paused is not None
        gaps.append(pace.paused.until - now)
        now = pace.paused.until
        assert pace.room(now) == 1
        pace.take()
        assert pace.room(now) == 0
        ticket = pace.start(now)
        with pytest.raises(VisionError):
            pace.wait(now)  # no second one beside it
        ticket.heard, ticket.verdict = True, BROKEN
        pace.finish(ticket, now)
        pace.give_back()
    assert gaps == [60, 120, 240, 480, 900, 900, 900]


@pytest.mark.parametrize("verdict", [None, BAD_IMAGE, BUSY])
def test_probe_that_gets_through_resumes(verdict: Verdict | None) -> None:
    pace, told = pacing(), []
    once(pace, T0, QUOTA)
    pace.on_change = told.append
    once(pace, T0 + 60, verdict)
    assert pace.paused is None
    assert told == [None]


def test_probe_that_is_cancelled_leaves_the_way_free_for_the_next() -> None:
    pace = pacing()
    once(pace, T0, QUOTA)
    pace.finish(pace.start(T0 + 60), T0 + 61)  # nothing was heard
    assert pace.paused is not None
    assert pace.room(T0 + 61) == 1


def test_requests_in_flight_that_fail_during_a_pause_do_not_lengthen_it() -> None:
    pace = pacing(concurrency=64)
    flying = [pace.start(T0, 0, str(n)) for n in range(64)]
    for ticket in flying:
        ticket.heard, ticket.verdict = True, BROKEN
        pace.finish(ticket, T0 + 1)
    assert pace.paused is not None
    assert pace.paused.until == T0 + 61


def test_budget_pause_ends_by_itself_and_is_not_probed() -> None:
    pace, told = pacing(), []
    pace.pause("budget reached", T0, until=T0 + 3600, probe=False)
    pace.on_change = told.append
    assert pace.paused is not None
    assert pace.paused.next_probe is None
    assert pace.room(T0 + 3599) == 0
    assert pace.room(T0 + 3600) > 0
    assert told == [None]


def test_a_reply_that_was_on_its_way_does_not_lift_a_budget_pause() -> None:
    pace = pacing()
    ticket = pace.start(T0)
    pace.pause("budget reached", T0, until=T0 + 3600, probe=False)
    ticket.heard = True
    pace.finish(ticket, T0 + 1)
    assert pace.paused is not None


class Breaker(RuleBasedStateMachine):
    """Whatever comes back in whatever order: the counts hold, and a pause always ends or is probed."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = pacing(concurrency=4, requests_per_minute=30)
        self.now = T0
        self.flying: list[Ticket] = []

    @rule(seconds=st.floats(0, 1000))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(file=st.sampled_from("ab"))
    def a_request_leaves_if_it_may(self, file: str) -> None:
        with contextlib.suppress(VisionError):
            if self.pace.wait(self.now, 5) == 0:
                self.flying.append(self.pace.start(self.now, 5, file))

    @precondition(lambda self: self.flying)
    @rule(
        verdict=st.sampled_from([None, BROKEN, SERVER, BUSY, QUOTA, BAD_IMAGE]),
        heard=st.booleans(),
        data=st.data(),
    )
    def a_request_ends(self, verdict: Verdict | None, heard: bool, data: st.DataObject) -> None:
        ticket = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        ticket.verdict, ticket.heard = verdict, heard
        self.pace.finish(ticket, self.now)

    @rule()
    def somebody_resumes(self) -> None:
        self.pace.resume()

    @invariant()
    def counts_hold(self) -> None:
        assert self.pace.in_flight == len(self.flying) <= 4
        assert 1 <= self.pace.slots.limit <= 4

    @invariant()
    def a_pause_is_probed_within_fifteen_minutes(self) -> None:
        if self.pace.paused is not None and not self.flying:
            assert self.pace.paused.until <= self.now + 900
            assert self.pace.room(self.now + 900) == 1


TestBreaker = Breaker.TestCase


# --- the part that waits ---


@pytest.mark.anyio
async def test_slots_are_handed_on_in_order() -> None:
    pace, order = pacing(concurrency=1), []

    async def work(name: int) -> None:
        async with pace.slot() as ticket:
            order.append(name)
            await asyncio.sleep(0)
            ticket.heard = True

    await asyncio.gather(*(work(n) for n in range(20)))
    assert order == list(range(20))
    assert pace.in_flight == 0


@pytest.mark.anyio
async def test_who_waits_for_a_slot_hears_of_a_pause() -> None:
    pace = pacing(concurrency=1)
    async with pace.slot() as ticket:
        waiting = asyncio.create_task(pace.slot().__aenter__())
        await asyncio.sleep(0)
        ticket.heard, ticket.verdict = True, Verdict("pause", "HTTP 401")
    with pytest.raises(VisionError, match="HTTP 401"):
        await waiting


class AskedMeanwhile:
    """Other daemons, and what happens here while their rates are asked for."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.meanwhile = meanwhile

    async def wait(self, tokens: int) -> float:
        del tokens
        await asyncio.sleep(0)
        self.meanwhile()
        return 0.0

    def correct(self, tokens: int, started: float) -> None:
        raise NotImplementedError


@pytest.mark.anyio
async def test_a_pause_that_begins_while_the_others_are_asked_is_heard_of() -> None:
    pace = pacing(requests_per_minute=10)
    pace.others = AskedMeanwhile(lambda: pace.pause("no money", T0))
    with pytest.raises(VisionError, match="no money"):
        async with pace.slot(clock=lambda: T0):
            pass
    assert pace.in_flight == 0


@pytest.mark.anyio
async def test_who_is_let_in_by_something_broken_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = pacing(concurrency=1)

    def broken(*_: object) -> float:
        raise RuntimeError("bug")

    async with pace.slot():
        waiting = asyncio.create_task(pace.slot().__aenter__())
        await asyncio.sleep(0)
        monkeypatch.setattr(pace, "wait", broken)
    with pytest.raises(RuntimeError, match="bug"):
        await asyncio.wait_for(waiting, 5)


@pytest.mark.anyio
async def test_cancelled_waiter_holds_nothing_up() -> None:
    pace = pacing(concurrency=1)
    async with pace.slot():
        waiting = asyncio.create_task(pace.slot().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(5), pace.slot():
        assert pace.in_flight == 1


async def places(pace: Pacing, count: int) -> list[Any]:
    """So many requests, each at `async with`; those with a place are inside."""
    waiting = [asyncio.create_task(pace.slot(clock=lambda: T0).__aenter__()) for _ in range(count)]
    await asyncio.sleep(0)
    return waiting


@pytest.mark.anyio
async def test_of_places_that_become_free_together_each_is_taken_at_once() -> None:
    pace = pacing(concurrency=4)
    flying = [pace.start(T0) for _ in range(4)]
    waiting = await places(pace, 6)
    assert pace.in_flight == 4
    for ticket in flying:
        pace.finish(ticket, T0)
        assert pace.in_flight == 4, "handed on before anything else happens"
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True] * 4 + [False] * 2
    for task in waiting[4:]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.anyio
async def test_a_place_that_is_handed_to_somebody_who_is_just_cancelled_is_not_lost() -> None:
    pace = pacing(concurrency=1)
    flying = pace.start(T0)
    [waiting] = await places(pace, 1)
    pace.finish(flying, T0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert pace.in_flight == 0


@pytest.mark.anyio
async def test_who_waits_for_a_budget_that_is_new_by_now_is_let_in() -> None:
    pace, now = pacing(concurrency=2), [T0]
    pace.pause("used up", T0, until=T0 + 60, probe=False)
    now[0] += 60
    async with (
        asyncio.timeout(5),
        pace.slot(clock=lambda: now[0]),
        pace.slot(clock=lambda: now[0]),
    ):
        assert (pace.in_flight, pace.paused) == (2, None)


@pytest.mark.anyio
async def test_what_is_held_back_for_a_time_goes_on_by_itself() -> None:
    pace, start = pacing(), asyncio.get_running_loop().time()
    once(pace, start, Verdict("retry", "x", overload=True, retry_after=0.05))
    async with asyncio.timeout(5), pace.slot(clock=asyncio.get_running_loop().time):
        assert asyncio.get_running_loop().time() >= start + 0.05


def test_jobs_that_are_answered_leave_room_for_others_but_not_for_any_number() -> None:
    pace = pacing(concurrency=8)
    pace.take(12)
    assert pace.room(T0) == 0
    pace.answered(3)
    assert pace.room(T0) == 3
    pace.take(3)
    pace.answered(2)
    assert pace.room(T0) == 0, "five of them hold their images"
    pace.written(2)
    assert pace.room(T0) == 2


# --- whose fault it is, and who probes ---

DOUBTFUL = Verdict("pause", "HTTP 403", doubtful=True)
SLOW = Verdict("retry", "no answer in time", transport=True, server=True, slow=True)


def test_a_refusal_that_may_be_about_one_file_is_probed_at_once_by_another() -> None:
    pace = pacing()
    once(pace, T0, DOUBTFUL, "bad")
    assert pace.paused is not None
    assert (pace.room(T0), pace.wait(T0, file="good")) == (1, 0)
    assert not pace.may_probe("bad", T0)
    with pytest.raises(VisionError):
        pace.wait(T0, file="bad")
    assert pace.ready_at(T0) == T0 + 60  # with nothing else to ask about
    once(pace, T0 + 1, None, "good")
    assert pace.paused is None


def test_an_answer_that_was_on_its_way_to_another_file_clears_the_doubt() -> None:
    pace = pacing()
    bad, good = pace.start(T0, file="bad"), pace.start(T0, file="good")
    bad.verdict, bad.heard, good.heard = DOUBTFUL, True, True
    pace.finish(bad, T0 + 1)
    assert pace.paused is not None
    pace.finish(good, T0 + 2)
    assert pace.paused is None


def test_a_refusal_to_another_file_ends_the_doubt_too() -> None:
    pace = pacing()
    first, second = pace.start(T0, file="a"), pace.start(T0, file="b")
    for ticket in (first, second):
        ticket.verdict, ticket.heard = DOUBTFUL, True
        pace.finish(ticket, T0 + 1)
    assert pace.paused is not None
    assert (pace.paused.until, pace.paused.doubtful, pace.room(T0 + 2)) == (T0 + 61, False, 0)


def test_the_next_probe_is_another_file_than_the_last_that_failed_and_each_time_is_told() -> None:
    pace, waits = pacing(), []
    pace.on_wait = waits.append
    once(pace, T0, QUOTA, "a")
    once(pace, T0 + 60, QUOTA, "b")
    assert pace.paused is not None
    assert (pace.paused.file, pace.paused.until, waits) == ("b", T0 + 180, [pace.paused])
    pace.probe_now(T0 + 70)
    assert pace.room(T0 + 70) == 1
    assert waits[-1].until == T0 + 70


def test_files_refused_alike_pause_until_an_answer_and_the_same_refusal_goes_on() -> None:
    pace, alike = pacing(), frozenset({"400 drelm"})
    pace.pause_alike("3 files in a row", "c", alike, T0)
    once(pace, T0 + 60, Verdict("switch", "HTTP 400", alike=alike), "a")
    assert pace.paused is not None
    assert pace.paused.until == T0 + 180
    once(pace, T0 + 180, Verdict("switch", "HTTP 400", alike=frozenset({"400 else"})), "b")
    assert pace.paused is None


@pytest.mark.parametrize(("answers", "left"), [(0, 1), (2, 1), (8, 4), (100, 4)])
def test_time_outs_bring_concurrency_down_to_what_is_answered_in_that_time(answers: int, left: int) -> None:
    pace = pacing(concurrency=8)
    slow = [pace.start(T0, file=str(n)) for n in range(3)]
    for n in range(answers):
        once(pace, T0 + n / 100, None, "good")
    for ticket in slow:
        ticket.verdict, ticket.heard = SLOW, True
        pace.finish(ticket, T0 + 4)
    assert int(pace.slots.limit) == left
    assert pace.paused is None


def test_a_server_that_works_on_one_request_at_a_time_gets_every_file_through() -> None:
    """The server as a sum: 24 files, 1.5 s each, one after the other, also for those whose client has gone."""
    pace, now, busy_until, sent = pacing(concurrency=8), T0, T0, 0
    left, flying = 24, []
    while left:
        while len(flying) < left and pace.wait(now) == 0:
            busy_until = max(busy_until, now) + 1.5
            flying.append(
                (min(busy_until, now + 4.0), busy_until <= now + 4.0, pace.start(now, file=str(sent)))
            )
            sent += 1
        if not flying:
            now += 0.1
            continue
        now, fine, ticket = flying.pop(flying.index(min(flying, key=lambda f: f[0])))
        ticket.heard, ticket.verdict = True, None if fine else SLOW
        pace.finish(ticket, now)
        left -= fine
    assert sent <= 36
    assert pace.paused is None
    assert int(pace.slots.limit) <= 2
