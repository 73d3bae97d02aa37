"""What a model's loop writes down: of one question as it goes on, and of one job from question to question."""

from __future__ import annotations

from dataclasses import dataclass

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict
from glimpsed.model import Usage
from glimpsed.vision import families
from glimpsed.vision.verdict_table import Hint
from glimpsed.vision.wire import Answered


@dataclass(slots=True)
class Note:
    """What happened to one job's earlier requests."""

    edge: int | None = None  # px, longest side that was refused
    bytes: int | None = None  # of all images, that was refused
    seen: frozenset[Hint] = frozenset()  # what it was put off for


@dataclass(slots=True)
class Spent:
    """What the requests for one question came to so far, and the last text that was no answer."""

    answers: int = 0  # that the model had given when the question came
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    raw: str | None = None
    last: Verdict | None = None

    def count(self, answered: Answered, tokens: int) -> int:
        """Add a reply's usage, or an estimate of it (`tokens`: of what was sent); its tokens."""
        # Zeros beside a text are no report.
        got = answered.input_tokens or None
        told = bool(answered.text or answered.thought)
        gave = answered.output_tokens or (None if told else answered.output_tokens)
        if got is None or gave is None:
            self.estimated = True
        got = tokens if got is None else got
        gave = families.text_tokens(answered.text) + answered.thought // 4 if gave is None else gave
        self.input_tokens += got
        self.output_tokens += gave
        return got + gave

    def usage(self, entry: ModelEntry) -> Usage:
        """All of it, and what that cost by the entry's price."""
        price, cost = entry.price, None
        if price is not None:
            cost = round((self.input_tokens * price.input + self.output_tokens * price.output) / 1e6, 6)
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost=cost,
            currency=None if price is None else entry.currency,
            estimated=self.estimated,
        )
