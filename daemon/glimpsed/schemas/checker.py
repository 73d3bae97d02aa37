"""The daemon's side of `worker`: an answer and a schema in, its value or what is wrong with it out, in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from glimpsed import bounded
from glimpsed.children.child import Died, Late, Program
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.schemas import LARGEST, Misfit

SECONDS = 3.0  # of CPU for one answer
MOST = 4  # processes
SLOW, REMEMBERED = 0.3, 1000  # seconds of CPU that make a schema a slow one; how many of those are known
TOO_SLOW = f"the answer could not be checked against the schema within {SECONDS:g} s of CPU"
DIED = "the answer could not be checked against the schema: that ends the process that does it"
_PROGRAM = Program(
    "schema checker", "glimpsed.schemas.worker", Limits(seconds=SECONDS, address_space=1_000_000_000)
)


@dataclass(slots=True)
class Turn:
    """Who checks against one schema, and how many want to."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Checker:
    """A few processes, started when there are answers, let go when idle. All may raise `children.child.Unavailable`.

    A schema is checked by one at a time, and those that took long before leave one process to the others: so a slow
    schema costs its own folder time, and nobody else's.
    """

    def __init__(self, *, idle: float | None = None) -> None:
        self._pool = Pool(_PROGRAM, MOST, idle=idle)
        self._turns: dict[bytes, Turn] = {}  # of the schemas that are being checked
        self._slow: set[bytes] = set()
        self._others = asyncio.Semaphore(MOST - 1)  # what slow ones may take

    async def read(self, text: str, schema: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
        """The last value in the text that meets the schema, or why there is none; see `fit.read`."""
        return await self._in_turn({"text": text, "schema": schema})

    async def check(self, value: Any, schema: Mapping[str, Any]) -> Misfit | None:
        """What is wrong with a value."""
        return (await self._in_turn({"value": value, "schema": schema}))[1]

    def processes(self) -> list[int]:
        """The process ids of all that run now."""
        return self._pool.processes()

    async def aclose(self) -> None:
        """End the processes."""
        await self._pool.close()

    async def _in_turn(self, task: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
        """One answer to each schema at a time."""
        which = hashlib.sha256(json.dumps(task["schema"]).encode()).digest()
        turn = self._turns.setdefault(which, Turn())
        turn.users += 1
        try:
            async with turn.lock, self._others if which in self._slow else contextlib.nullcontext():
                value, misfit, seconds = await self._asked(task)
                self._remember(which, slow=seconds > SLOW)
                return value, misfit
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[which]

    def _remember(self, which: bytes, *, slow: bool) -> None:
        if not slow:
            self._slow.discard(which)
        elif len(self._slow) < REMEMBERED:
            self._slow.add(which)

    async def _asked(self, task: Mapping[str, Any]) -> tuple[Any, Misfit | None, float]:
        data = json.dumps(task, ensure_ascii=False).encode("utf-8", "replace")
        try:
            return await self._pool.ask(None, data, _result)
        except (Died, Late) as e:
            reason = TOO_SLOW if isinstance(e, Late) or e.used_up else DIED
            return None, Misfit(reason, reason, final=True), SECONDS


def _result(answer: dict[str, Any], data: bytes) -> tuple[Any, Misfit | None, float]:
    """The value, what is wrong with it, and the seconds of CPU that it took to find out."""
    seconds = float(answer["seconds"])
    if "misfit" in answer:
        told, reason, final = answer["misfit"]
        return None, Misfit(str(told), str(reason), final=bool(final)), seconds
    return bounded.loads(data, largest=LARGEST), None, seconds
