"""Where a job lives, and what is to be asked about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from glimpsed.blocking import Blocking
from glimpsed.config.schema import Folder
from glimpsed.disk.files import Root
from glimpsed.model import Answer, Job, Version
from glimpsed.pipeline import question
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
    asks: bool = True  # False: no model may be asked now, and only what is known is served

    async def do(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """File work in the folder's own threads; a share that hangs is `ShareTrouble` after a minute."""
        return await self.io.run_within(PATIENCE, call, *args, **kwargs)

    async def do_with(
        self, version: Version, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`do`, for what reads or copies all of a file of this version."""
        return await self.io.run_within(PATIENCE + version.size / RATE, call, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class Story:
    """A claimed job, where it lives, and the question's fingerprint for each model that may be asked."""

    job: Job
    place: Place
    questions: Mapping[str, str]  # by model entry; the first is the one that is asked first

    @classmethod
    def of(cls, job: Job, place: Place) -> Story:
        """The story as it begins."""
        entries = [model.entry for model in place.chain]
        return cls(job, place, question.of_file(place.folder, entries, job.key, job.version.mtime_ns))

    @property
    def question(self) -> str:
        """As it is asked first."""
        return next(iter(self.questions.values()), "")

    def asked_of(self, answer: Answer) -> str:
        """The question that this answers; as asked first, when who answered is not in the config any more."""
        return self.questions.get(answer.model.entry) or self.question
