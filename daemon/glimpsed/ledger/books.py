"""The one handle for the ledger that the daemon awaits: threads, patience, grouping and the lack of a database are its affair.

await books(Ledger.find, key)                          # LedgerUnavailable when the database is away
await books.patient(Ledger.release, job)               # when it is back
await books.maybe(Ledger.leave)                        # or not at all: None
await books.attempt(several())                         # the same for several calls
await books.grouped(Ledger.all_done, (job, written), now)   # with whoever comes meanwhile, in one transaction
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from glimpsed.blocking import Blocking
from glimpsed.clock import Clock
from glimpsed.errors import LedgerUnavailable, ShareTrouble
from glimpsed.ledger.group import GroupCommit
from glimpsed.ledger.ledger import Ledger, open_ledger

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

THREADS = 2
AGAIN = 1.0  # seconds between two tries
HANGS = 60.0  # seconds after which a server that says nothing counts as away …
HEARTBEAT = 5.0  # … for who asks whether all is well …
HURRY = 10.0  # seconds that all which is still told at the end may take together, whichever database it is
_LEAST = 1.0  # seconds for each of it, once they are over


@dataclass(frozen=True, slots=True)
class Away:
    """That somebody waits for the database, since when, and for what reason."""

    since: float
    error: LedgerUnavailable


class Books:
    """A ledger that is open. Each call has a thread for as long as it takes."""

    def __init__(self, ledger: Ledger, lane: Blocking | None = None) -> None:
        self._ledger = ledger
        self._lane = lane or Blocking("ledger", threads=THREADS)
        self._apart = Blocking("heartbeat")
        self._groups: dict[Any, GroupCommit[Any, Any]] = {}
        self.away: Away | None = None  # as far as those know who are `patient`
        self._end: float | None = None  # by the loop's clock: when the last of it was to be told

    @classmethod
    async def open(cls, url: str, *, search: bool, keep: float | None) -> Self:
        """As `open_ledger`, off the event loop."""
        return cls(await Blocking("ledger").run(open_ledger, url, search=search, keep=keep))

    @property
    def clock(self) -> Clock:
        """That of all due times in the ledger."""
        return self._ledger.clock

    @property
    def log_file(self) -> str | None:
        """As `Ledger.log_file`."""
        return self._ledger.log_file

    async def __call__(
        self, call: Callable[Concatenate[Ledger, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The call's result. Raises what it raises: `LedgerUnavailable` when the database is away."""
        return await self._in(self._lane, HANGS, call, *args, **kwargs)

    async def _in(
        self,
        lane: Blocking,
        seconds: float,
        call: Callable[Concatenate[Ledger, P], R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        if self._end is not None:
            left = self._end - asyncio.get_running_loop().time()
            seconds = max(_LEAST, min(seconds, left))
        elif not self._ledger.on_server:
            return await lane.run(call, self._ledger, *args, **kwargs)
        try:
            return await lane.run_within(seconds, call, self._ledger, *args, **kwargs)
        except ShareTrouble:
            who = "the server" if self._ledger.on_server else "the file"
            raise LedgerUnavailable(f"{self._ledger.where}: {who} does not answer") from None

    def hurry(self) -> None:
        """The daemon ends: what is still to be told is not worth a long wait, be the database silent or locked."""
        if self._end is None:
            self._end = asyncio.get_running_loop().time() + HURRY

    async def patient(
        self, call: Callable[Concatenate[Ledger, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The call, again and again while the database is away: what was paid for is not dropped because of that.

        Nothing is logged: the dispatcher tells that it is away.
        """
        while True:
            try:
                result = await self(call, *args, **kwargs)
            except LedgerUnavailable as e:
                self.away = self.away or Away(self.clock(), e)
                await asyncio.sleep(AGAIN)
            else:
                self.away = None
                return result

    async def maybe(
        self, call: Callable[Concatenate[Ledger, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R | None:
        """The call's result; None when the database is away."""
        return await self.attempt(self(call, *args, **kwargs))

    async def attempt(self, doing: Awaitable[R]) -> R | None:
        """What several calls come to; None when the database is away, which the dispatcher tells."""
        try:
            return await doing
        except LedgerUnavailable:
            return None

    async def apart(
        self, call: Callable[Concatenate[Ledger, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The call in a thread of its own, which does not queue behind what waits for the database."""
        return await self._in(self._apart, HEARTBEAT, call, *args, **kwargs)

    async def grouped(
        self,
        call: Callable[Concatenate[Ledger, Sequence[T], P], Sequence[R]],
        one: T,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """`patient`, for a call about many: those that come in while one is under way share the next one."""
        if (group := self._groups.get(call)) is None:

            async def together(several: Sequence[tuple[T, tuple[Any, ...], dict[str, Any]]]) -> Sequence[R]:
                # All but the things themselves is the same, or the time of the last.
                _, rest, named = several[-1]
                return await self.patient(call, [thing for thing, _, _ in several], *rest, **named)

            group = self._groups[call] = GroupCommit(together)
        result: R = await group.run((one, args, kwargs))
        return result

    async def close(self) -> None:
        """Leave no heartbeat behind, and let go of the database."""
        self.hurry()
        await self.maybe(Ledger.leave)
        await self.maybe(Ledger.close)
        self._lane.close()
        self._apart.close()
