"""Where a job lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from glimpsed.blocking import Blocking
from glimpsed.config.schema import Folder
from glimpsed.files import Root
from glimpsed.vision import Model

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 60.0  # seconds for one operation of a slow share …
RATE = 250_000  # … and one more for so many bytes (2 Mbit/s)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder's config, root and file threads, and the models to ask, in order."""

    folder: Folder
    root: Root
    io: Blocking
    chain: tuple[Model, ...]

    async def do(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """File work in the folder's own threads; a share that hangs is `ShareTrouble` after a minute."""
        return await self.io.run_within(PATIENCE, call, *args, **kwargs)
