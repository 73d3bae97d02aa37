"""Whether files that a model refused for good were at fault themselves.

Three in a row that are refused alike, with no answer of the model in between, are not three bad files (DESIGN 9). So
a file that is to fail waits as long as others of its model are on their way: one of them is answered, and it was its
own fault; two others are refused alike, and it was the model's; nothing comes, and it fails after all.

Once the model answered another file, one that is refused again was at fault itself; and if there was a pause for that,
the next one for it is doubted for an hour: bad files come in runs, so others probe soon (`Pause.doubted`).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from glimpsed.model import FileKey

ALIKE = 3  # files in a row
REMEMBERED, FORGOTTEN = 1000, 3600.0  # files that were refused, and seconds that this is remembered
GRACE = 1.0  # seconds that others may take to come, at least


@dataclass(frozen=True, slots=True)
class Ruling:
    """`guilty`: the file's own fault. `alike`: with this one there are too many; those refused before it.

    `doubted`: a pause for that was the files' own fault within the last hour.
    """

    guilty: bool
    alike: tuple[FileKey, ...] = ()
    doubted: bool = False


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
        # When a pause turned out to be the files' own fault, by what their refusals had in common.
        self._innocent: dict[str, float] = {}
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
            self._innocent |= dict.fromkeys(self._paused & alike, now)
            self._paused -= alike
            return Ruling(guilty=True)
        before = self.record.read()
        others = () if before.alike.isdisjoint(alike) else tuple(f for f in before.files if f != file)
        if len(others) >= ALIKE - 1:
            self.record.write(Refused())
            self._paused = alike
            self._settle(guilty=False)
            return Ruling(guilty=False, alike=others, doubted=self._doubts(alike))
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

    def _doubts(self, alike: frozenset[str]) -> bool:
        """Whether a pause for this was the files' own fault lately."""
        old = asyncio.get_running_loop().time() - FORGOTTEN
        self._innocent = {likeness: at for likeness, at in self._innocent.items() if at >= old}
        return not self._innocent.keys().isdisjoint(alike)

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
