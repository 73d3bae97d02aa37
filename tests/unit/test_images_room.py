"""How many bytes of files are held at a time."""

from __future__ import annotations

import asyncio
import random

import pytest

from glimpsed.images.room import Room

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seed", range(20))
async def test_there_is_never_more_than_there_is_room_for_and_everybody_has_a_turn(seed: int) -> None:
    room, dice = Room(100), random.Random(seed)
    held = most = ended = 0

    async def one(size: int) -> None:
        nonlocal held, most, ended
        async with room.of(size):
            held += min(size, 100)
            most = max(most, held)
            try:
                for _ in range(dice.randrange(5)):
                    await asyncio.sleep(0)
            finally:
                held -= min(size, 100)
        ended += 1

    tasks = []
    for _ in range(200):
        tasks.append(asyncio.create_task(one(dice.choice([0, 1, 30, 70, 100, 5000]))))
        for _ in range(dice.randrange(3)):
            await asyncio.sleep(0)
        if dice.random() < 0.2:  # somebody gives up, waiting or not
            dice.choice(tasks).cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert 0 < most <= 100
    assert ended == sum(result is None for result in results) > 100
    async with asyncio.timeout(1), room.of(100):
        """All of it is free again."""


async def test_a_large_one_is_not_passed_by_small_ones_for_ever() -> None:
    room, order = Room(100), list[str]()

    async def one(name: str, size: int, leave: asyncio.Event) -> None:
        async with room.of(size):
            order.append(name)
            await leave.wait()

    first, rest = asyncio.Event(), asyncio.Event()
    rest.set()
    tasks = [asyncio.create_task(one("small", 1, first))]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(one("large", 1000, rest)))
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(one("after it", 1, rest)))
    await asyncio.sleep(0)
    assert order == ["small"]
    first.set()
    await asyncio.gather(*tasks)
    assert order == ["small", "large", "after it"]
