"""``api: local``: OCR on this machine, behind the same interface as the remote models.

It reads what is printed and ignores the prompt. An empty page is an answer here, not a failure: an
engine that finds no text has found that there is none, and would find it again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING

from glimpsed.clock import elapsed
from glimpsed.config.schema import TRANSCRIBE, ModelEntry
from glimpsed.errors import Verdict, VisionError
from glimpsed.journal import events, get_logger
from glimpsed.model import Line, Reply, Request, Usage
from glimpsed.ocr import layout
from glimpsed.vision import placed
from glimpsed.vision.engines import EngineReading, engine_for
from glimpsed.vision.memory import Ceiling
from glimpsed.vision.pacing import Pacing

if TYPE_CHECKING:
    from glimpsed.vision import Smaller

log = get_logger()

IGNORES_PROMPT = "reads the text as it stands; prompts are ignored"


class LocalModel:
    """An OCR engine as a model. Costs nothing, sends nothing."""

    def __init__(self, entry: ModelEntry, clock: Callable[[], float] = elapsed) -> None:
        self.entry = entry
        self._engine = engine_for(entry)
        at_once = min(entry.concurrency, self._engine.at_once)
        self.pacing = Pacing(entry.model_copy(update={"concurrency": at_once}))
        self._clock = clock
        self._told = False

    def ceiling(self, images: int = 1) -> Ceiling:  # noqa: ARG002 - the protocol's
        """Nothing is too large here."""
        return Ceiling()

    async def ask(self, request: Request, smaller: Smaller | None = None) -> Reply:  # noqa: ARG002 - the protocol's
        """The text of all the pictures, pages apart by an empty line. Raises `VisionError`."""
        if request.schema is not None:
            raise VisionError(
                Verdict("switch", "an OCR engine cannot fill in a schema: the folder needs a vision model"),
                requests=0,
            )
        if not self._told and request.prompt.strip() != TRANSCRIBE:  # which is what it does
            self._told = True
            log.info(events.MODEL_LEARNED, model=self.entry.name, reason=IGNORES_PROMPT)
        file = request.file or request.idempotency_key or ""
        async with self.pacing.slot(file=file, clock=self._clock) as ticket:
            try:
                pages, lines = await self._read(request)
            except VisionError as e:
                ticket.heard, ticket.verdict = True, e.verdict
                raise
            ticket.heard = True
        text = "\n\n".join(pages[page].text for page in sorted(pages))
        lost = not text.strip() and any(page.ink for page in pages.values())
        return Reply(
            text=text if text.strip() else "",
            finish="nothing_found" if lost else "stop",
            answered=self._engine.name,
            api="local",
            usage=Usage(cost=0.0, currency=self.entry.currency),
            request_id=None,
            turned={page: read.turned for page, read in pages.items() if read.turned},
            lines=tuple(lines) if request.lines else None,
        )

    async def _read(self, request: Request) -> tuple[dict[int, EngineReading], list[Line]]:
        """Each page, and where its lines stand. Its own text is exact, so its picture is not looked at."""
        pages = {own.page: EngineReading(own.text) for own in request.texts}
        lines: list[Line] = []
        for page, images in groupby(request.images, key=lambda image: image.page):
            if page not in pages:
                parts = list(images)
                read = [await self._engine.read(part, lines=request.lines) for part in parts]
                text = layout.joined([one.text for one in read])
                pages[page] = EngineReading(text, read[0].turned, any(one.ink for one in read))
                lines += placed.lines(parts, read)
        return pages, sorted(lines, key=lambda line: line.page)

    async def aclose(self) -> None:
        """End the engine's processes."""
        await self._engine.aclose()
