"""Calls that share a transaction: in order, none lost, none failing for another's sake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from glimpsed.ledger.group import MOST, GroupCommit


class Ledger:
    """Notes each call; holds the first one until told to go on."""

    def __init__(self, *, bad: frozenset[int] = frozenset()) -> None:
        self.calls: list[list[int]] = []
        self.go = asyncio.Event()
        self.bad = bad

    async def __call__(self, several: Sequence[int]) -> list[bool]:
        self.calls.append(list(several))
        await self.go.wait()
        if self.bad & set(several):
            raise ValueError("bad")
        return [one % 2 == 0 for one in several]


async def begun(together: GroupCommit[int, bool], *numbers: int) -> list[asyncio.Task[bool]]:
    tasks = [asyncio.create_task(together.run(number)) for number in numbers]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


@pytest.mark.anyio
async def test_what_comes_in_during_a_call_goes_together_in_the_next_and_each_gets_its_own_result() -> None:
    ledger = Ledger()
    together = GroupCommit(ledger)
    first = await begun(together, 0)
    rest = await begun(together, *range(1, MOST + 3))
    ledger.go.set()
    assert await asyncio.gather(*first, *rest) == [n % 2 == 0 for n in range(MOST + 3)]
    assert [len(call) for call in ledger.calls] == [1, MOST, 2]
    assert [n for call in ledger.calls for n in call] == list(range(MOST + 3))


@pytest.mark.anyio
async def test_one_that_fails_does_so_alone() -> None:
    ledger = Ledger(bad=frozenset({2}))
    together = GroupCommit(ledger)
    first = await begun(together, 0)
    rest = await begun(together, 1, 2, 3)
    ledger.go.set()
    found = await asyncio.gather(*first, *rest, return_exceptions=True)
    assert [type(f) for f in found] == [bool, bool, ValueError, bool]


@pytest.mark.anyio
async def test_one_that_nobody_waits_for_any_more_is_left_out_and_later_ones_still_go() -> None:
    ledger = Ledger()
    together = GroupCommit(ledger)
    first = await begun(together, 0)
    given_up, kept = await begun(together, 2, 4)
    given_up.cancel()
    ledger.go.set()
    assert await asyncio.gather(*first, kept) == [True, True]
    assert ledger.calls == [[0], [4]]
    assert await together.run(6)


@pytest.mark.anyio
async def test_a_call_with_too_few_results_leaves_nobody_waiting() -> None:
    async def nothing(_: Sequence[int]) -> list[bool]:
        return []

    with pytest.raises(ValueError, match="shorter"):
        await asyncio.wait_for(GroupCommit(nothing).run(1), 5)
