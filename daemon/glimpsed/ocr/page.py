"""A page as the OCR process read it, on its way to the daemon."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Line:
    """What stands in one box."""

    quad: list[list[float]]  # four corners in px of the turned picture, clockwise from the top left
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was read."""

    lines: list[Line]
    width: int  # px of the turned picture
    height: int
    turned: int  # degrees clockwise that it was turned by
    ink: bool  # something is printed or drawn on it
    strange: bool  # lines of print, in letters that the engine does not know

    def to_json(self) -> bytes:
        """For the pipe."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """From the pipe. Raises ValueError, TypeError or KeyError for anything else."""
        found = json.loads(data)
        return cls(**{**found, "lines": [Line(**line) for line in found["lines"]]})
