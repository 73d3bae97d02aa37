"""Lines of text over pages, pure: those whose place is known there, all others in the room between them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glimpsed.searchable.words import PageWords, PlacedLine, PlacedWord, bounds, divided, upright

_MARGIN = 0.05  # of the page, beside lines of which nothing was seen
_HIGHEST = 0.025  # of the page: a line of which nothing is known
_LETTER = 0.5  # of a line's height is a letter wide, about


@dataclass(frozen=True, slots=True)
class Slot:
    """A line whose place is known."""

    page: int  # index
    words: PlacedLine
    elsewhere: tuple[tuple[int, PlacedWord], ...] = ()  # what was seen of it on other pages


def spread(texts: Sequence[str], slots: Sequence[Slot | None], pages: Sequence[PageWords]) -> list[PageWords]:
    """The pages with all the lines on them, in the order of the text."""
    lines: list[list[PlacedLine]] = [[] for _ in pages]
    if not pages:
        return []
    for known, group in itertools.groupby(range(len(texts)), key=lambda n: slots[n] is not None):
        numbers = list(group)
        if known:
            for n in numbers:
                slot = slots[n]
                assert slot is not None
                lines[slot.page].append(slot.words)
                for page, word in slot.elsewhere:
                    lines[page].append((word,))
            continue
        before = slots[numbers[0] - 1] if numbers[0] else None
        after = slots[numbers[-1] + 1] if numbers[-1] + 1 < len(texts) else None
        for page, line in _unseen([texts[n] for n in numbers], before, after, pages):
            lines[page].append(line)
    return [replace(page, lines=tuple(lines[n])) for n, page in enumerate(pages)]


def _unseen(
    texts: Sequence[str], before: Slot | None, after: Slot | None, pages: Sequence[PageWords]
) -> list[tuple[int, PlacedLine]]:
    """Lines of which nothing was seen, on pages of which nothing was seen where there are any between, else in the gap."""
    first = before.page if before else 0
    last = after.page if after else len(pages) - 1
    empty = [n for n in range(first, max(first, last) + 1) if not pages[n].lines]
    if empty:
        shares = [len(texts) * n // len(empty) for n in range(len(empty) + 1)]
        return [
            (page, line)
            for page, (start, end) in zip(empty, itertools.pairwise(shares), strict=True)
            for line in _in_rows(texts[start:end], pages[page], 0.0, pages[page].height)
        ]
    number = before.page if before else after.page if after else 0
    page = pages[number]
    top = bounds(before.words)[3] if before else 0.0
    bottom = bounds(after.words)[1] if after and after.page == number else page.height
    if bottom - top < 0.5 * _HIGHEST * page.height:  # no room: over what stands there
        top = min(top, page.height * (1 - _HIGHEST))
        bottom = min(page.height, top + _HIGHEST * page.height)
    return [(number, line) for line in _in_rows(texts, page, top, bottom)]


def _in_rows(texts: Sequence[str], page: PageWords, top: float, bottom: float) -> list[PlacedLine]:
    """One below the other, as high as there is room for, but no higher than print is."""
    if not texts:
        return []
    room = (bottom - top) / len(texts)
    height = min(0.8 * room, _HIGHEST * page.height)
    left, widest = _MARGIN * page.width, (1 - 2 * _MARGIN) * page.width
    return [
        divided(
            text,
            upright(
                left,
                top + n * room + 0.1 * height,
                left + min(widest, _LETTER * height * len(text)),
                top + n * room + 1.1 * height,
            ),
        )
        for n, text in enumerate(texts)
    ]
