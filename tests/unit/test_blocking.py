"""Calls that may never return cost a thread each, never the program."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time

import pytest

from glimpsed.blocking import Blocking, Threads
from glimpsed.errors import ShareTrouble
from glimpsed.service.folders import THREADS, THREADS_MOST

pytestmark = pytest.mark.anyio


async def test_a_call_that_hangs_is_given_up_and_its_thread_replaced() -> None:
    threads, release = Blocking("t", spare=1), threading.Event()
    with pytest.raises(ShareTrouble, match=r"within 0\.05 s"):
        await threads.run_within(0.05, release.wait)
    assert await threads.run_within(5, lambda: "works") == "works"
    release.set()
    threads.close()


async def test_a_call_that_never_began_costs_no_thread() -> None:
    threads, release = Blocking("t", spare=1), threading.Event()
    hanging = asyncio.create_task(threads.run(release.wait))
    await asyncio.sleep(0)
    ran: list[int] = []
    for number in range(5):  # all of them wait behind the one that hangs
        with pytest.raises(ShareTrouble):
            await threads.run_within(0.02, ran.append, number)
    release.set()
    assert await hanging
    assert await threads.run_within(5, lambda: "works") == "works"
    assert not ran
    threads.close()


async def test_when_all_threads_hang_calls_fail_at_once_until_one_comes_back() -> None:
    threads, release = Blocking("t", spare=1), threading.Event()
    for _ in range(2):
        with pytest.raises(ShareTrouble):
            await threads.run_within(0.02, release.wait)
    began = time.monotonic()
    with pytest.raises(ShareTrouble, match="2 calls hang"):
        await threads.run_within(60, release.wait)
    assert time.monotonic() - began < 5
    release.set()
    for _ in range(500):
        try:
            assert await threads.run_within(5, lambda: "works") == "works"
            break
        except ShareTrouble:
            await asyncio.sleep(0.01)
    else:
        pytest.fail("no thread came back")
    threads.close()


async def test_a_machine_without_threads_to_spare_is_asked_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = Blocking("t", spare=0)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        for _ in range(3):
            with pytest.raises(ShareTrouble, match="can't start new thread"):
                await threads.run(lambda: "works")
    assert await threads.run_within(5, lambda: "works") == "works"
    threads.close()


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


async def test_after_the_close_threads_that_are_busy_are_not_taken_for_hanging() -> None:
    threads, release = Blocking("t", spare=0), threading.Event()
    one = asyncio.create_task(threads.run(release.wait))
    await asyncio.sleep(0)
    threads.close()
    asyncio.get_running_loop().call_later(0.1, release.set)
    assert await threads.run_within(5, lambda: "works") == "works"
    assert await one


async def test_a_call_that_gets_on_may_take_longer_than_its_patience() -> None:
    threads, steps = Blocking("t"), [0]

    def work() -> str:
        for _ in range(10):
            time.sleep(0.03)
            steps[0] += 1
        return "done"

    assert await threads.run_moving(0.1, lambda: steps[0], work) == "done"
    threads.close()


async def test_a_cancelled_wait_for_a_call_that_hangs_does_not_keep_its_thread() -> None:
    threads, release, begun = Blocking("t", spare=1), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait()

    task = asyncio.create_task(threads.run_within(60, hang))
    assert await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await threads.run_within(5, lambda: "works") == "works"
    release.set()
    threads.close()


async def test_a_call_that_fails_after_it_was_given_up_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    threads, release, begun = Blocking("t"), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait()
        raise OSError("the share is back")

    task = asyncio.create_task(threads.run_moving(60, lambda: 0, hang))
    assert await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    assert await threads.run_within(5, lambda: "works") == "works"
    del task
    gc.collect()
    assert not caplog.records
    threads.close()


async def test_what_a_call_raises_comes_out() -> None:
    threads = Blocking("t")
    with pytest.raises(ZeroDivisionError):
        await threads.run_within(5, lambda: 1 // 0)
    threads.close()


async def test_lanes_that_hang_cost_the_others_nothing_and_threads_by_the_call_alone() -> None:
    pool, release = Threads("t", working=2, most=64), threading.Event()
    lanes = [Blocking(f"lane {n}", threads=2, spare=1, pool=pool) for n in range(40)]
    before = threading.active_count()
    hanging = [asyncio.create_task(lane.run_within(60, release.wait)) for lane in lanes[:20]]
    assert await lanes[20].run_within(10, lambda: "works") == "works"
    assert threading.active_count() - before <= 20 + 2
    assert await asyncio.gather(*(lane.run_within(10, lambda: 1) for lane in lanes[20:])) == [1] * 20
    assert threading.active_count() - before <= 20 + 2
    release.set()
    await asyncio.gather(*hanging)
    assert await threads_left(before) <= 2
    pool.close()


async def threads_left(before: int) -> int:
    """How many more than `before`, once no more of them end."""
    for _ in range(500):
        if threading.active_count() - before <= 2:
            break
        await asyncio.sleep(0.01)
    return threading.active_count() - before


async def test_threads_of_calls_that_come_back_while_others_wait_end_as_well() -> None:
    pool, release = Threads("t", working=2, most=64), threading.Event()
    lanes = [Blocking(f"lane {n}", threads=2, spare=1, pool=pool) for n in range(40)]
    before = threading.active_count()
    hanging = [asyncio.create_task(lane.run_within(60, release.wait)) for lane in lanes[:20]]
    assert await lanes[20].run_within(10, lambda: "works") == "works"  # so that all of the others hang
    assert await asyncio.gather(*(lane.run_within(10, lambda: 1) for lane in lanes[20:])) == [1] * 20
    waiting = [asyncio.create_task(lane.run_within(60, lambda: 1)) for lane in lanes[20:]]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*hanging, *waiting)
    assert await threads_left(before) <= 2
    pool.close()


async def test_what_waits_for_a_thread_that_others_hold_is_no_trouble_of_its_own() -> None:
    pool, release = Threads("t", working=1, most=1), threading.Event()
    other, mine = (Blocking(name, pool=pool) for name in ("other", "mine"))
    hanging = asyncio.create_task(other.run(release.wait))
    waiting = asyncio.create_task(mine.run_within(0.05, lambda: "works"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    release.set()
    assert await waiting == "works"
    assert await hanging
    pool.close()


async def test_when_no_thread_is_left_that_is_told_and_half_of_them_are_kept_for_lanes_that_work() -> None:
    pool, release = Threads("t", working=1, most=4), threading.Event()
    hung, mine = Blocking("hung", spare=9, pool=pool), Blocking("mine", pool=pool)
    for _ in range(3):
        with pytest.raises(ShareTrouble, match="no answer"):
            await hung.run_within(0.3, release.wait)
    with pytest.raises(ShareTrouble, match="hung: 3 calls hang in the file system"):
        await hung.run_within(0.3, release.wait)
    assert await mine.run_within(5, lambda: "works") == "works"
    with pytest.raises(ShareTrouble, match="no answer"):
        await mine.run_within(0.3, release.wait)
    other = Blocking("other", pool=pool)
    with pytest.raises(ShareTrouble, match="other: 4 calls hang in the file system"):
        await other.run_within(60, lambda: "works")
    release.set()
    for _ in range(500):
        with contextlib.suppress(ShareTrouble):
            assert await other.run_within(5, lambda: "works") == "works"
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail("no thread came back")
    pool.close()


async def test_hundreds_of_folders_on_one_dead_share_leave_threads_for_the_others() -> None:
    pool, release = Threads("t", working=THREADS, most=THREADS_MOST), threading.Event()
    dead = [Blocking(f"dead {n}", spare=1, pool=pool) for n in range(300)]
    hanging = [asyncio.create_task(lane.run_within(1, release.wait)) for lane in dead]
    mine = Blocking("mine", pool=pool)
    assert await mine.run_within(30, lambda: "works") == "works"
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(error, ShareTrouble) for error in ended)
    assert await mine.run_within(30, lambda: "works") == "works"
    release.set()
    pool.close()
