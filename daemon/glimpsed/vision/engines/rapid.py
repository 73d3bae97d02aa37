"""rapidocr in a process of its own: started at first use, bounded in time, let go when idle.

The entry's ``extra`` goes to rapidocr as parameters (``{Det.limit_side_len: 1280}``).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from itertools import compress

from glimpsed.children.child import Program
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import MissingExtra, Verdict, VisionError
from glimpsed.extras import OCR_MODULES
from glimpsed.model import Image
from glimpsed.ocr import layout
from glimpsed.ocr.page import Page, ReadLine
from glimpsed.vision.engines import EngineReading, Seen
from glimpsed.vision.engines.told import told

STRANGE = (
    "this script is not known to the engine: the built-in model reads Latin letters (not all of Vietnamese), Chinese and "
    "Japanese. For others, say model: tesseract with its language (extra: {languages: [rus]} or auto, apt install tesseract-ocr-rus), or ask a vision model"
)
IDLE = 300.0  # seconds without a page after which its 400 MB are given back
# onnxruntime's official builds report to their makers, and keep a device id in the home directory, unless
# told not to before they are loaded. An engine that runs on this machine talks to nobody.
_SILENT = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}  # names of two of its versions

# Tensors come and go by the megabyte, from a thread for each core. glibc keeps what each has freed for itself, and does not give
# back what lies below something that stays: one heap for all, trimmed, has peaks of 410 MB for 545 at the same CPU (measured).
_HEAP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # what is mapped by itself is cleared page by page each time
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class _Process:
    """The daemon's end of `rapid_worker`."""

    def __init__(self, entry: ModelEntry, *, idle: float = IDLE) -> None:
        for module in OCR_MODULES:
            if importlib.util.find_spec(module) is None:
                raise MissingExtra("the embedded OCR model", "ocr")
        self.name = f"rapidocr-{importlib.metadata.version('rapidocr')}"
        self.at_once = 1  # it uses every core for one page
        program = Program(
            "OCR process",
            "glimpsed.ocr.rapid_worker",
            Limits(clock=entry.timeout),
            settings=entry.extra,
            environment=_SILENT | _HEAP,
            startup=120.0,  # for import and models
        )
        self._pool = Pool(program, self.at_once, idle=idle)

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return next(iter(self._pool.processes()), None)

    async def aclose(self) -> None:
        """End the process; a page in work is lost."""
        await self._pool.close()


class Rapid(_Process):
    """rapidocr as an engine."""

    async def read(self, image: Image, *, lines: bool = False) -> EngineReading:
        """What one picture says; see `Engine`. Waiting for other pages does not count as time."""
        with told("the embedded OCR model", self._pool.program.limits):
            page = await self._pool.ask(None, image.data, lambda _, data: Page.from_json(data))
        if page.strange:
            raise VisionError(Verdict("fail", STRANGE))
        quads, texts = [line.quad for line in page.lines], [line.text for line in page.lines]
        whole = layout.uncut(quads, page.height, image.band if not page.turned else None)
        boxes = layout.boxes(list(compress(quads, whole)), list(compress(texts, whole)))
        seen: tuple[Seen, ...] = ()
        if lines:
            line_of = dict(zip(boxes, compress(page.lines, whole), strict=True))
            seen = tuple(_seen(line_of[box], page) for box in layout.in_order(boxes))
        return EngineReading(layout.text(boxes), page.turned, page.ink, seen)


class Compass(_Process):
    """Tells which way up a page lies, for models elsewhere."""

    def __init__(self) -> None:
        super().__init__(ModelEntry(name="upright", api="local"))

    async def turn(self, image: Image) -> int:
        """By how many degrees clockwise it has to be turned to stand upright. Raises `VisionError`."""
        with told("the embedded OCR model", self._pool.program.limits):
            return await self._pool.ask("turn", image.data, lambda answer, _: int(answer["turned"]))


def _seen(line: ReadLine, page: Page) -> Seen:
    words = tuple(
        Seen(word.text, page.as_sent(line.part(word.start, word.end)), line.confidence) for word in line.words
    )
    around = page.as_sent((x, y) for x, y in line.quad)
    return Seen(line.text, around, line.confidence, words)
