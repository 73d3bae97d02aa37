"""OCR engines behind ``api: local``: one picture in, its text out.

`rapid` keeps rapidocr in a process of its own, `tesseract` starts Debian's program for each picture; what runs
there is in the package `ocr`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import ConfigError, Problem
from glimpsed.model import Image
from glimpsed.region import Box

ENGINES = ("rapidocr", "tesseract")


@dataclass(frozen=True, slots=True)
class Seen:
    """A line or a word, and where it stands in the picture as it was sent: fractions of its width and height."""

    text: str
    box: Box
    confidence: float
    words: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineReading:
    """What an engine made of one picture."""

    text: str  # with its line breaks; empty where there is none
    turned: int = 0  # degrees clockwise that the picture was turned by before it was read
    ink: bool = False  # something is there that is no text to the engine
    lines: tuple[Seen, ...] = ()  # where they are wanted, in reading order


class Engine(Protocol):
    """Reads pictures, one at a time."""

    name: str  # with its version, as the sidecar tells it
    at_once: int  # pictures that it reads at the same time, at best

    async def read(self, image: Image, *, lines: bool = False) -> EngineReading:
        """What one picture says, and, with `lines`, where.

        Raises `VisionError`.
        """

    async def aclose(self) -> None:
        """End whatever runs."""


def engine_for(entry: ModelEntry) -> Engine:
    """The engine that the entry's ``model`` names; without one it is rapidocr.

    Raises `MissingExtra` or `ConfigError` when it is not installed, or there is none of that name.
    """
    if entry.model == "tesseract":
        from glimpsed.vision.engines.tesseract import Tesseract  # noqa: PLC0415 - only what is used

        return Tesseract(entry)
    if entry.model in {"", "rapidocr", entry.name}:
        from glimpsed.vision.engines.rapid import Rapid  # noqa: PLC0415 - only what is used

        return Rapid(entry)
    raise ConfigError(
        Problem(
            f"there is no local engine '{entry.model}': it is one of {', '.join(ENGINES)}",
            key=f"models.{entry.name}.model",
        )
    )
