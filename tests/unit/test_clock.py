"""What waits, waits by elapsed time: the wall clock may jump, the machine restart, the ledger move."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.clock import Clock, ClockMark, Clocks, elapsed
from glimpsed.ledger import Ledger, open_ledger, timekeeping
from glimpsed.ledger.hosts import FURTHEST
from glimpsed.model import FileKey, Offer, Version
from ledger_fixtures import OpenLedger, Postgres

YEAR = 365 * 86400.0
JUMPS = (1.0, -1.0, 3600.0, -3600.0, YEAR, -YEAR)
KEY = FileKey("f", "a.png")
seconds = st.floats(0, 1e6)
jumps = st.floats(-1e8, 1e8)


@dataclass
class Machine:
    """The clocks of a machine, to be turned."""

    uptime: float = 1000.0
    wall: float = 1.8e9

    def passes(self, seconds: float) -> None:
        self.uptime += seconds
        self.wall += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.uptime)

    def reading(self, boot: str = "one") -> Clocks:
        return Clocks(boot, self.uptime, self.wall)


@given(st.lists(st.tuples(seconds, jumps), max_size=20))
def test_a_clock_counts_what_has_elapsed_whatever_the_wall_clock_does(
    steps: list[tuple[float, float]],
) -> None:
    machine = Machine()
    clock = machine.clock()
    began = clock()
    for passed, jump in steps:
        machine.passes(passed)
        machine.wall += jump
    total = sum(passed for passed, _ in steps)
    assert math.isclose(clock() - began, total, abs_tol=1e-3)
    assert math.isclose(clock.to_wall(clock()), machine.wall, abs_tol=0.51)
    assert math.isclose(clock.from_wall(machine.wall + 5), clock() + 5, abs_tol=1e-3)


@given(seconds, jumps, st.booleans())
def test_a_mark_never_leads_back_and_is_exact_since_the_same_boot(
    passed: float, jump: float, restarted: bool
) -> None:
    machine = Machine()
    mark = ClockMark(5e8, machine.reading())
    machine.passes(passed)
    machine.wall += jump
    now = mark.now(machine.reading("two" if restarted else "one"))
    assert now >= mark.time
    if not restarted:
        assert math.isclose(now, mark.time + passed, abs_tol=1e-3)
    elif passed + jump >= 0:
        assert math.isclose(now, mark.time + passed + jump, abs_tol=1e-3)


def test_the_machines_own_clock_counts_on_while_it_sleeps() -> None:
    assert elapsed() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=5)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_ledger_that_is_opened_again_goes_on_by_what_has_elapsed(opened: OpenLedger, jump: float) -> None:
    machine = Machine()
    first = opened(clock=machine.clock())
    before = first.clock()
    machine.passes(30)
    machine.wall += jump
    assert opened(clock=machine.clock()).clock() == pytest.approx(before + 30, abs=0.01)


@pytest.mark.parametrize("jump", JUMPS)
def test_what_was_to_be_tried_again_is_due_when_its_time_has_passed(opened: OpenLedger, jump: float) -> None:
    machine = Machine()
    ledger = opened(clock=machine.clock())
    ledger.offer([Offer(KEY, Version(1, 1))], machine.wall)
    (job,) = ledger.claim(folders=["f"], limit=1, now=ledger.clock())
    ledger.retry(job, ledger.clock() + 300, "busy", attempts=1, retries=1, cut_off=0, now=machine.wall)
    machine.wall += jump
    again = opened(clock=machine.clock())
    again.take_back(again.clock())
    for one in (ledger, again):
        assert not one.claim(folders=["f"], limit=1, now=one.clock())
    machine.passes(301)
    assert again.claim(folders=["f"], limit=1, now=again.clock())


def test_after_a_start_of_the_machine_the_clock_does_not_go_back(
    opened: OpenLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    first = opened(clock=machine.clock())
    before = first.clock()
    monkeypatch.setattr(timekeeping, "this_boot", lambda: "another")
    other = Machine(uptime=3.0, wall=machine.wall - YEAR)  # its battery is empty
    assert opened(clock=other.clock()).clock() >= before


def test_a_due_time_further_off_than_anything_waits_is_due(ledger: Ledger) -> None:
    ledger.offer([Offer(KEY, Version(1, 1))], 1.0)
    (job,) = ledger.claim(folders=["f"], limit=1, now=100.0)
    ledger.release(job, due=100.0 + FURTHEST - 1)
    assert ledger.take_back(100.0) == 0
    assert ledger.take_back(98.0) == 1
    assert ledger.claim(folders=["f"], limit=1, now=100.0)


def test_a_host_that_was_paused_catches_up_with_the_others(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would think that its own leases hold when to all others they have run out."""
    postgres.wipe()
    machine, paused = Machine(), Machine()
    with contextlib.closing(open_ledger(postgres.url, owner="a:1:1", clock=machine.clock())) as one:
        monkeypatch.setattr(timekeeping, "this_boot", lambda: "another host's")
        with contextlib.closing(open_ledger(postgres.url, owner="b:1:1", clock=paused.clock())) as other:
            other.heartbeat(other.clock())
            monkeypatch.undo()
            machine.passes(300)
            one.heartbeat(one.clock())
            assert one.clock() == pytest.approx(other.clock() + 300, abs=1)
            monkeypatch.setattr(timekeeping, "this_boot", lambda: "another host's")
            other.heartbeat(other.clock())
            assert other.clock() == pytest.approx(one.clock(), abs=1)


@pytest.mark.parametrize("jump", JUMPS)
def test_budgets_are_kept_by_the_calendar_and_their_pauses_by_the_clock(jump: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += jump
    midnight = machine.wall + 3600
    assert clock.from_wall(midnight) - clock() == pytest.approx(3600, abs=0.01)
