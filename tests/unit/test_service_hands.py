"""What is in hand comes to its end, one way or the other, and what could not be coped with is heard of."""

from __future__ import annotations

import asyncio

import pytest

from glimpsed.service.hands import Hands

pytestmark = pytest.mark.anyio


async def test_each_end_is_told_and_leaves_nothing_in_hand() -> None:
    told: list[int] = []
    hands: Hands[str] = Hands(lambda: told.append(len(hands)))
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()

    hands.start("a", work(), "a")
    hands.start("b", work(), "b")
    assert set(hands) == {"a", "b"}
    go.set()
    await hands.drain(1)
    assert not hands
    assert told == [1, 0]
    hands.check()


async def test_what_a_task_could_not_cope_with_is_raised_by_check() -> None:
    hands: Hands[str] = Hands(lambda: None)

    async def work() -> None:
        raise ZeroDivisionError

    hands.start("a", work(), "a")
    await hands.drain(1)
    with pytest.raises(ZeroDivisionError):
        hands.check()


async def test_who_does_not_come_to_an_end_in_time_is_cancelled_and_may_give_back_what_it_had() -> None:
    given_back: list[str] = []
    hands: Hands[str] = Hands(lambda: None)

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            given_back.append(name)
            raise

    hands.start("lost", work("lost"), "lost")
    hands.start("slow", work("slow"), "slow")
    await asyncio.sleep(0)
    hands.cancel("lost")
    await hands.drain(0)
    assert given_back == ["lost", "slow"]
    assert not hands
    hands.check()  # to be cancelled is no trouble


async def test_after_the_drain_nothing_is_started() -> None:
    hands: Hands[str] = Hands(lambda: None)
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    await hands.drain(0)
    hands.start("late", work(), "late")
    await asyncio.sleep(0)
    assert not hands
    assert not done


async def test_a_claim_that_hangs_holds_up_the_drain_for_as_long_as_it_may_take() -> None:
    hands: Hands[str] = Hands(lambda: None)
    async with hands.claiming:
        await hands.drain(0.05)
    assert not hands


async def test_two_tasks_that_are_known_by_the_same_are_two_in_hand() -> None:
    """A row's number may be another file's before the task of the file that had it is quite over."""
    told: list[int] = []
    first, second, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def ended() -> None:
        told.append(len(hands))
        over.set()

    hands: Hands[str] = Hands(ended)

    async def work(until: asyncio.Event) -> None:
        await until.wait()

    hands.start("a", work(first), "a")
    hands.start("a", work(second), "a")
    first.set()
    await over.wait()
    assert list(hands) == ["a"]
    second.set()
    await hands.drain(1)
    assert told == [1, 0]
