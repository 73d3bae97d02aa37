"""The daemon's side of `worker`: an answer and a schema in, its value or what is wrong with it out, in bounded time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from glimpsed import bounded
from glimpsed.children.child import Died, Late, Program
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.schemas import LARGEST, Misfit

SECONDS = 3.0  # of CPU for one answer
TOO_SLOW = f"the answer could not be checked against the schema within {SECONDS:g} s of CPU"
DIED = "the answer could not be checked against the schema: that ends the process that does it"
_PROGRAM = Program(
    "schema checker", "glimpsed.schemas.worker", Limits(seconds=SECONDS, address_space=1_000_000_000)
)


class Checker:
    """One process, started at the first answer, let go when it is idle. All may raise `children.child.Unavailable`."""

    def __init__(self, *, idle: float | None = None) -> None:
        self._pool = Pool(_PROGRAM, idle=idle)

    async def read(self, text: str, schema: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
        """The last value in the text that meets the schema, or why there is none; see `fit.read`."""
        return await self._asked({"text": text, "schema": schema})

    async def check(self, value: Any, schema: Mapping[str, Any]) -> Misfit | None:
        """What is wrong with a value."""
        return (await self._asked({"value": value, "schema": schema}))[1]

    def processes(self) -> list[int]:
        """The process ids of all that run now."""
        return self._pool.processes()

    async def aclose(self) -> None:
        """End the process."""
        await self._pool.close()

    async def _asked(self, task: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
        data = json.dumps(task, ensure_ascii=False).encode("utf-8", "replace")
        try:
            return await self._pool.ask(None, data, _result)
        except (Died, Late) as e:
            reason = TOO_SLOW if isinstance(e, Late) or e.used_up else DIED
            return None, Misfit(reason, reason, final=True)


def _result(answer: dict[str, Any], data: bytes) -> tuple[Any, Misfit | None]:
    if "misfit" in answer:
        told, reason, final = answer["misfit"]
        return None, Misfit(str(told), str(reason), final=bool(final))
    return bounded.loads(data, largest=LARGEST), None
