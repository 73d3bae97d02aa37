"""Whether files that a model refused for good were at fault themselves.

Three in a row that are refused alike, with no answer of the model in between, are not three bad files (DESIGN 9). So
a file that is to fail waits as long as others of its model are on their way: one of them is answered, and it was its
own fault; two others are refused alike, and it was the model's; nothing comes, and it fails after all.

Once the model answered another file, one that is refused again was at fault itself; and if there was a pause for that,
so many alike say less for an hour: bad files come in runs, and twice as many are needed for the next one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from glimpsed.model import FileKey

ALIKE = 3  # files in a row
MOST_ALIKE = 48  # where fewer turned out to be at fault themselves
REMEMBERED, FORGOTTEN = 1000, 3600.0  # files that were refused, and seconds that this is remembered
GRACE = 1.0  # seconds that others may take to come, at least


@dataclass(frozen=True, slots=True)
class Ruling:
    """`guilty`: the file's own fault. `alike`: with this one there are too many; those refused before it."""

    guilty: bool
    alike: tuple[FileKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Files that were refused alike, in a row; and what their refusals had in common."""

    files: tuple[FileKey, ...] = ()
    alike: frozenset[str] = frozenset()


class Record(Protocol):
    """Where that is kept: for all daemons on one ledger, across restarts."""

    def read(self) -> Refused: ...  # noqa: D102
    def write(self, refused: Refused) -> None: ...  # noqa: D102


class Own:
    """A record of this process alone."""

    def __init__(self) -> None:
        self._refused = Refused()

    def read(self) -> Refused:
        """What was written last."""
        return self._refused

    def write(self, refused: Refused) -> None:
        """Until the process ends."""
        self._refused = refused


class Jury:
    """One model's. `busy`: whether others than so many that wait here are on their way."""

    def __init__(self, busy: Callable[[int], bool]) -> None:
        self.record: Record = Own()
        self.answers = 0  # that the model gave so far
        self._busy = busy
        # Files in a row, and since when, by what their refusals have in common.
        self._needed: dict[str, tuple[int, float]] = {}
        self._paused: frozenset[str] = frozenset()  # the model, for this
        self._accused: OrderedDict[FileKey, tuple[float, int]] = OrderedDict()  # since, answers by then
        self._waiting: dict[asyncio.Future[bool], float] = {}  # until when at least

    def answered(self) -> None:
        """The model gave somebody an answer."""
        self.answers += 1
        if self.record.read().files:
            self.record.write(Refused())
        self._settle(guilty=True)

    def released(self) -> None:
        """The model pauses or stops: nobody is to blame."""
        self._settle(guilty=False)

    def look(self) -> None:
        """Somebody came to an end: whoever waits for nobody any more hears so."""
        if not self._waiting or self._busy(len(self._waiting)):
            return
        now = asyncio.get_running_loop().time()
        if now >= max(self._waiting.values()):
            self._settle(guilty=True)

    async def hear(self, file: FileKey, alike: frozenset[str]) -> Ruling:
        """Whether this file, refused so, is to fail."""
        if self._refused_before(file):
            now = asyncio.get_running_loop().time()
            for likeness in self._paused & alike:
                self._needed[likeness] = min(2 * self._needs(likeness), MOST_ALIKE), now
            self._paused -= alike
            return Ruling(guilty=True)
        before = self.record.read()
        others = () if before.alike.isdisjoint(alike) else tuple(f for f in before.files if f != file)
        if len(others) >= max(map(self._needs, alike)) - 1:
            self.record.write(Refused())
            self._paused = alike
            self._settle(guilty=False)
            return Ruling(guilty=False, alike=others)
        self.record.write(Refused((*others, file), alike))
        if not self._busy(0):  # not even this one is counted: nobody hands out files here
            return Ruling(guilty=True)
        loop = asyncio.get_running_loop()
        waits: asyncio.Future[bool] = loop.create_future()
        self._waiting[waits] = loop.time() + GRACE
        timer = loop.call_later(GRACE + 0.01, self.look)
        try:
            return Ruling(guilty=await waits)
        finally:
            timer.cancel()
            self._waiting.pop(waits, None)

    def _needs(self, likeness: str) -> int:
        """How many files in a row, refused so, are not at fault themselves."""
        files, since = self._needed.get(likeness, (ALIKE, 0.0))
        if asyncio.get_running_loop().time() - since > FORGOTTEN:
            self._needed.pop(likeness, None)
            return ALIKE
        return files

    def _refused_before(self, file: FileKey) -> bool:
        """Whether this file was refused before, and others were answered since."""
        now = asyncio.get_running_loop().time()
        since, answers = self._accused.pop(file, (now, self.answers))
        if now - since > FORGOTTEN:
            since, answers = now, self.answers
        self._accused[file] = since, answers
        while len(self._accused) > REMEMBERED:
            self._accused.popitem(last=False)
        return self.answers > answers

    def _settle(self, *, guilty: bool) -> None:
        for waits in list(self._waiting):
            if not waits.done():
                waits.set_result(guilty)
