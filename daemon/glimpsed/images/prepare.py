"""The front of the package: what the pipeline asks for, and who does it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from glimpsed import metrics
from glimpsed.children.child import Died, Late, Program, Unavailable
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.errors import FileError, ShareTrouble, TooMuch, VisionError
from glimpsed.formats import plain
from glimpsed.formats.common import NotPlain
from glimpsed.formats.sniff import MEDIA_TYPES, Kind, sniff
from glimpsed.images import plan
from glimpsed.images.room import Room
from glimpsed.images.usable import Nature
from glimpsed.model import Content, Image
from glimpsed.region import Region

if TYPE_CHECKING:
    from glimpsed.vision.engines.rapid import Compass

LIMITS = Limits(seconds=60.0, clock=60.0, address_space=1_500_000_000)
DECODED = 640_000_000  # bytes of one decoded page: A0 in colour at 300 dpi, in black and white at 600

_LOOK = plan.Target(max_edge=2400, max_bytes=plan.LOCAL_BYTES)  # enough for small print

T = TypeVar("T")


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
    left_out: tuple[int, ...] = ()  # pages that are not sent; as `inspect` gives it: that cannot be drawn


@dataclass(frozen=True, slots=True)
class OwnText:
    """A page's own text: `digital` when it says what is drawn, `layer` when it is an OCR program's under a scan."""

    text: str
    nature: Nature


class Images:
    """Prepares pages for models, in this process where no decoder is needed, else in a worker process."""

    def __init__(self, workers: int | None = None, *, limits: Limits = LIMITS) -> None:
        program = Program(
            "image worker",
            "glimpsed.images.worker",
            limits,
            settings={"decoded": DECODED},
            environment={"MALLOC_ARENA_MAX": "1"},  # or threads eat up the address space
        )
        self._pool = Pool(program, workers or len(os.sched_getaffinity(0)), died=metrics.worker_death)
        self._compass: Compass | None = None
        self.room = Room()  # for the files that pictures are made of

    @property
    def deaths(self) -> int:
        """How many workers died, or had to be killed, in the middle of a job."""
        return self._pool.deaths

    async def start(self) -> None:
        """Make sure that a worker can be started at all. Raises `ShareTrouble`."""
        with _told(self._pool.program.limits):
            await self._pool.start()

    async def inspect(self, content: Content) -> Document:
        """What the file holds. Raises `FileError` when it is no picture, or damaged."""
        kind = _kind(content.data)
        try:
            size = plain.measure(kind, content.data)
        except NotPlain:
            return await self._do(
                plan.ImageTask(kind), content.data, lambda answer, _: _document(kind, answer)
            )
        return Document(MEDIA_TYPES[kind], 1, size.width, size.height)

    async def prepare(self, content: Content, page: int, target: plan.Target) -> tuple[Image, ...]:
        """One page (from 1) as pictures that fit the target: one, or its bands in order.

        Raises `FileError` when it cannot be decoded, or not be made to fit.
        """
        kind = _kind(content.data)
        if page == 1 and (as_is := _as_it_is(kind, content.data, target)):
            return (as_is,)
        task = plan.ImageTask(kind, page, target)
        found = await self._do(task, content.data, lambda answer, data: _images(answer["images"], data, page))
        return tuple(replace(image, turned=target.turn) for image in found) if target.turn else found

    async def turn(self, content: Content, page: int) -> int:
        """By how many degrees clockwise a page (from 1) is to be turned so that its text stands upright.

        That is beyond what the file says of itself. Raises as `prepare`, and `MissingExtra` without the embedded OCR.
        """
        (picture,) = await self.prepare(content, page, _LOOK)
        if self._compass is None:
            from glimpsed.vision.engines.rapid import Compass  # noqa: PLC0415 - asked by few folders

            self._compass = Compass()
        try:
            return await self._compass.turn(picture)
        except VisionError as e:
            if e.verdict.kind == "fail":
                raise FileError(e.verdict.reason) from None
            raise ShareTrouble(e.verdict.reason) from None

    async def own_text(self, content: Content, page: int) -> OwnText | None:
        """The text that a page (from 1) has itself; None where it has none that is usable.

        Raises `FileError` when the file cannot be read.
        """
        kind = _kind(content.data)
        if kind != "pdf":
            return None
        task = plan.ImageTask(kind, page, look="text")
        return await self._do(task, content.data, lambda answer, _: _own_text(answer))

    async def is_blank(self, content: Content, page: int) -> bool:
        """Whether a page (from 1) has nothing on it. Raises `FileError` as `prepare`."""
        task = plan.ImageTask(_kind(content.data), page, look="blank")
        return await self._do(task, content.data, lambda answer, _: bool(answer["blank"]))

    async def sizes(self, content: Content) -> list[tuple[int, int]]:
        """Width and height of each page as it is seen, px, which are square. Raises `FileError` as `inspect`."""
        return await self._do(
            plan.ImageTask(_kind(content.data), look="sizes"), content.data, lambda answer, _: _sizes(answer)
        )

    async def healthy(self) -> bool:
        """Whether there is a worker that answers, or all are at work."""
        return await self._pool.healthy()

    async def close(self) -> None:
        """End every worker."""
        await self._pool.close()
        if self._compass is not None:
            await self._compass.aclose()

    async def _do(self, task: plan.ImageTask, data: bytes, read: Callable[[dict[str, Any], bytes], T]) -> T:
        """Raises `FileError` when the file is to blame, `ShareTrouble` when no worker is to be had."""
        with _told(self._pool.program.limits):
            return await self._pool.ask(task, data, read)


@contextlib.contextmanager
def _told(limits: Limits) -> Iterator[None]:
    """What becomes of a worker, as what it means for the file."""
    try:
        yield
    except Unavailable as e:
        raise ShareTrouble(str(e)) from None
    except Late:
        reason, advice = f"Decoding took longer than {limits.clock:g} s.", "Save or scan it again, smaller."
        raise TooMuch(reason, advice) from None
    except Died as e:
        if e.used_up:
            reason = f"Decoding took more than {limits.seconds:g} s of CPU."
            raise TooMuch(reason, "Save or scan it again, smaller.") from None
        how = f" ({signal.Signals(e.signum).name})" if e.signum in set(signal.Signals) else ""
        raise TooMuch(
            f"The decoder crashed on it twice{how}, or ran out of memory.",
            "Save or scan it again; the file may be damaged or malicious.",
        ) from None


def _kind(data: bytes) -> Kind:
    kind = sniff(data[:1024])
    if kind is None:
        raise FileError(
            "It is neither a picture nor a PDF of a kind that is known." if data else "The file is empty.",
            "Replace it, or exclude such files from the folder.",
        )
    return kind


def _as_it_is(kind: Kind, data: bytes, to: plan.Target) -> Image | None:
    """The first page without decoding it; None when it has to be decoded."""
    if to.turn or not to.as_is or MEDIA_TYPES[kind] not in to.media_types:
        return None
    try:
        size = plain.measure(kind, data)
        if max(size.width, size.height) > to.max_edge:
            return None
        found = plain.plain(kind, data, keep_metadata=to.keep_metadata)
    except NotPlain:
        return None
    if not plan.fits(size.width, size.height, len(found.data), found.media_type, to):
        return None
    region = Region(size.width, size.height)
    return Image(1, found.media_type, size.width, size.height, found.data, region=region)


def _document(kind: Kind, answer: dict[str, Any]) -> Document:
    pages, width, height = (int(number) for number in answer["document"])
    left_out = tuple(int(page) for page in answer["undrawable"])
    return Document(MEDIA_TYPES[kind], pages, width, height, left_out)


def _sizes(answer: dict[str, Any]) -> list[tuple[int, int]]:
    return [(int(width), int(height)) for width, height in answer["sizes"]]


def _own_text(answer: dict[str, Any]) -> OwnText | None:
    nature = answer["nature"]
    return OwnText(str(answer["text"]), nature) if nature in ("digital", "layer") else None


def _images(listed: list[tuple[str, int, int, int, list[Any]]], data: bytes, page: int) -> tuple[Image, ...]:
    images, at = [], 0
    for number, (media_type, width, height, size, region) in enumerate(listed, 1):
        band = (number, len(listed)) if len(listed) > 1 else None
        picture = data[at : at + size]
        images.append(Image(page, media_type, width, height, picture, band, region=Region(*region)))
        at += size
    if at != len(data):
        raise ValueError
    return tuple(images)
