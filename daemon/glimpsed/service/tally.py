"""What a run has done so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from glimpsed.model import FileKey, Job, Usage
from glimpsed.pipeline import End, Outcome
from glimpsed.pipeline.answers import total

KEPT = 10_000  # failures that a run remembers for its summary


@dataclass(slots=True)
class Tally:
    """What this run has done so far."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    failed: list[tuple[FileKey, str]] = field(default_factory=list)  # with the reason; at most `KEPT`
    usage: Usage = field(default_factory=Usage)
    waiting: set[FileKey] = field(default_factory=set)  # for a fallback that pauses
    blocked: dict[FileKey, str] = field(default_factory=dict)  # whose sidecars cannot be written, and why

    @property
    def finished(self) -> int:
        """Files that are through: done, reused, failed or gone."""
        return sum(self.outcomes[o] for o in ("done", "reused", "failed", "gone"))

    def add(self, job: Job, end: End) -> None:
        """One more job has ended."""
        self.outcomes[end.outcome] += 1
        self.waiting.discard(job.key)
        self.blocked.pop(job.key, None)
        if end.outcome == "later" and end.reason is not None:
            self.waiting.add(job.key)
        if end.outcome == "blocked":
            self.blocked[job.key] = end.reason or ""
        if end.usage is not None:
            self.usage = total([self.usage, end.usage])
        if end.outcome == "failed" and len(self.failed) < KEPT:
            self.failed.append((job.key, end.reason or ""))
