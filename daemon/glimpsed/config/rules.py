"""Rules that look at more than one key."""

from __future__ import annotations

from glimpsed.config.document import Document
from glimpsed.config.schema import Config


def check(config: Config, document: Document) -> None:
    """Note everything that contradicts something else."""
