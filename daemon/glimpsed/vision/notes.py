"""What a model's loop writes down: of one question as it goes on, and of one job from question to question."""

from __future__ import annotations

from dataclasses import dataclass

from glimpsed.errors import Verdict
from glimpsed.vision.verdict_table import Hint


@dataclass(slots=True)
class Note:
    """What happened to one job's earlier requests."""

    edge: int | None = None  # px, longest side that was refused
    bytes: int | None = None  # of all images, that was refused
    seen: frozenset[Hint] = frozenset()  # what it was put off for


@dataclass(slots=True)
class Spent:
    """What the requests for one question came to so far, and the last text that was no answer."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    raw: str | None = None
    last: Verdict | None = None
