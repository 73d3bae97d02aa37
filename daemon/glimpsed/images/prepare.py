"""The front of the package: what the pipeline asks for, and who does it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from glimpsed.errors import FileError
from glimpsed.images import asis, plan
from glimpsed.images.sniff import MEDIA_TYPES, Kind, sniff
from glimpsed.images.worker import Limits, Task
from glimpsed.images.workers import Workers
from glimpsed.model import Bytes, Content, Image


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds.

    `width` and `height` are pixels of its first page as it is stored, before any EXIF orientation; of a
    PDF page, at 300 dpi.
    """

    media_type: str
    pages: int
    width: int
    height: int


class Images:
    """Prepares pages for models, in this process where no decoder is needed, else in a worker process."""

    def __init__(self, workers: int | None = None, *, limits: Limits | None = None) -> None:
        self._workers = Workers(workers or len(os.sched_getaffinity(0)), limits or Limits())

    @property
    def deaths(self) -> int:
        """How many workers died, or had to be killed, in the middle of a job."""
        return self._workers.deaths

    async def start(self) -> None:
        """Make sure that a worker can be started at all. Raises `ShareTrouble`."""
        await self._workers.start()

    async def inspect(self, content: Content) -> Document:
        """What the file holds. Raises `FileError` when it is no picture, or damaged."""
        kind = _kind(content.data)
        try:
            size = asis.measure(kind, content.data)
        except asis.NotPlain:
            answer, _ = await self._workers.run(Task(kind), content.data)
            pages, width, height = _checked(answer)["document"]
            return Document(MEDIA_TYPES[kind], pages, width, height)
        return Document(MEDIA_TYPES[kind], 1, size.width, size.height)

    async def prepare(self, content: Content, page: int, target: plan.Target) -> tuple[Image, ...]:
        """One page (from 1) as pictures that fit the target: one, or its bands in order.

        Raises `FileError` when it cannot be decoded, or not be made to fit.
        """
        kind = _kind(content.data)
        if page == 1 and (as_is := _as_it_is(kind, content.data, target)):
            return (as_is,)
        answer, data = await self._workers.run(Task(kind, page, target), content.data)
        return _images(_checked(answer)["images"], data, page)

    async def healthy(self) -> bool:
        """Whether there is a worker that answers, or all are at work."""
        return await self._workers.healthy()

    async def close(self) -> None:
        """End every worker."""
        await self._workers.close()


def _kind(data: Bytes) -> Kind:
    kind = sniff(data[:1024])
    if kind is None:
        raise FileError(
            "It is neither a picture nor a PDF of a kind that is known." if data else "The file is empty.",
            "Replace it, or exclude such files from the folder.",
        )
    return kind


def _as_it_is(kind: Kind, data: Bytes, to: plan.Target) -> Image | None:
    """The first page without decoding it; None when it has to be decoded."""
    if not to.as_is or MEDIA_TYPES[kind] not in to.media_types:
        return None
    try:
        size = asis.measure(kind, data)
        if max(size.width, size.height) > to.max_edge:
            return None
        found = asis.plain(kind, data, keep_metadata=to.keep_metadata)
    except asis.NotPlain:
        return None
    if not plan.fits(size.width, size.height, len(found.data), found.media_type, to):
        return None
    return Image(1, found.media_type, size.width, size.height, found.data)


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "reason" in answer:
        raise FileError(str(answer["reason"]), str(answer["advice"]))
    return answer


def _images(listed: list[tuple[str, int, int, int]], data: bytes, page: int) -> tuple[Image, ...]:
    images, at = [], 0
    for number, (media_type, width, height, size) in enumerate(listed, 1):
        band = (number, len(listed)) if len(listed) > 1 else None
        images.append(Image(page, media_type, width, height, data[at : at + size], band))
        at += size
    return tuple(images)
