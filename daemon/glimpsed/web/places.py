"""Where on the pages what was read stands: a local model's lines, of the answer that stands or of another one about the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glimpsed.evaluate.doubt import lines_with
from glimpsed.model import Answer, Line

MOST_LINES = 1000  # that are shown of one file
MOST_VALUES = 200  # whose places are looked for

Pages = Mapping[int, Sequence[Line]]


def lines(answer: Answer | None, others: Sequence[Answer]) -> Pages:
    """By page, in reading order, of the first that has any; empty where nobody knows."""
    known = next((of.lines for of in (answer, *others) if of is not None and of.lines), ())
    found: dict[int, list[Line]] = {}
    for line in sorted(known, key=lambda line: line.page)[:MOST_LINES]:
        found.setdefault(line.page, []).append(line)
    return found


def places(pages: Pages, values: Sequence[str]) -> dict[str, str]:
    """Where each of these values stands: ``1:0 2:7``, page and line."""
    if not pages:
        return {}
    there = [(f"{page}:{at}", line.text) for page, some in pages.items() for at, line in enumerate(some)]
    sought = list(dict.fromkeys(values))[:MOST_VALUES]
    found = lines_with(sought, [text for _, text in there])
    return {value: " ".join(there[at][0] for at in some) for value, some in zip(sought, found, strict=True)}
