"""One line of a page as a picture of its own: cut where it is too long, and its words found in it.

Runs in the OCR process only. The engine tells at which of its time steps it saw each character, the picture where there
is no ink: together they say where a word ends, whatever the engine made of the gap.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glimpsed.ocr.page import ReadWord

LONG, PIECE = 22.0, 13.0  # heights: longer lines are read in pieces of about that
WORD = 0.15  # of a line's height: a gap between words is at least as wide
SPACE = 0.26  # of a line's height: a wider gap between two letters is a space …
SPREAD = 2.5  # … where it is so many times this line's usual one, too
STOPS = ".,"
FULL = 0.9  # of a line's height: a gap between Chinese letters that is no mark's, but a space
CELL = 0.45  # of a line's height, at most, of the room on each side of a mark that is its own
INK = 0.75  # of the paper's brightness: darker is ink
REACH, DUST = 1 / 6, 0.04  # of a line's height: what stands above and below may reach into its box
EDGE, HAIR = (
    0.05,
    0.02,
)  # likewise, where a space is put in: as thin, and as near the edge, are the bar of a T and the foot of an L

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


def divided(cut: Array) -> list[tuple[int, Array]]:
    """The line without what is empty above and below; a very long one in pieces, cut between words.

    Each with the column at which it begins.
    """
    cut = _trimmed(cut)
    height, width = cut.shape[:2]
    if width <= LONG * height:
        return [(0, cut)]
    at = [0, *_gaps(cut, max(1, round(width / (PIECE * height)))), width]
    return [(start, cut[:, start:end]) for start, end in itertools.pairwise(at)]


def run_on(parts: Sequence[list[ReadWord]], height: int) -> list[ReadWord]:
    """The words of a line's parts; where Chinese or Japanese was cut, no space is meant unless there is a wide one."""
    found: list[ReadWord] = []
    for part in parts:
        if found and part and _runs_on(found[-1], part[0], height):
            found[-1] = replace(found[-1], text=found[-1].text + part[0].text, end=part[0].end)
            part = part[1:]  # noqa: PLW2901 - what is left of it
        found += part
    return found


def _runs_on(one: ReadWord, other: ReadWord, height: int) -> bool:
    # Korean has spaces.
    full = all(
        unicodedata.east_asian_width(c) in "WF" and not "가" <= c <= "힣"
        for c in (one.text[-1], other.text[0])
    )
    return full and other.start - one.end < FULL * height


def words(cut: Array, text: str, found: Any) -> list[ReadWord]:
    """The words of what the engine read, apart wherever the picture has a gap: it leaves some out, as in `Datum:24.11.2026`.

    `found` is rapidocr's WordInfo, with the time step of each character. Starts and ends are columns of the cut.
    """
    letters = [c for c in text if not c.isspace()]
    height, width = cut.shape[:2]
    empty = _empty(cut)
    steps = [step for word in found.word_cols for step in word] if found else []
    if len(steps) == len(letters):
        at = [(step + 0.5) / found.line_txt_len * width for step in steps]
        bare = _empty(cut, EDGE, HAIR)
        gaps = [_widest(bare[max(0, round(a)) : round(b)]) / height for a, b in itertools.pairwise(at)]
        text = _spaced(text, letters, gaps)
    else:
        at = [(number + 0.5) / len(letters) * width for number in range(len(letters))]
    return list(_placed(text.split(), at, empty))


def _spaced(text: str, letters: list[str], gaps: list[float]) -> str:
    """The text with a space wherever the gap between two letters (of a line's height) is one."""
    if not gaps:
        return text
    wide = max(SPACE, SPREAD * float(np.median(gaps)))
    gaps = _without_cells(letters, gaps)
    parts: list[str] = []
    number = -1
    for c in text:
        if not c.isspace():
            number += 1
            apart = number > 0 and gaps[number - 1] > wide and not parts[-1].isspace()
            before = letters[number - 1]
            figures = c.isdigit() and before.isdigit()  # a 1 is narrow, and has as much room as an 8
            if apart and not figures and c.isascii() and before.isascii():
                parts.append(" ")
        parts.append(c)
    return "".join(parts)


def _without_cells(letters: list[str], gaps: list[float]) -> list[float]:
    """The gaps without what belongs to a mark.

    Where all letters are as wide, on receipts, it stands in the middle of its cell: what is empty on both of its sides alike.
    """
    found = list(gaps)
    for n in range(1, len(letters) - 1):
        within = letters[n - 1].isdigit() and letters[n + 1].isdigit()
        # French has a space on both sides of a colon.
        if letters[n] in STOPS or (letters[n] == ":" and within):
            own = min(gaps[n - 1], gaps[n], CELL)
            found[n - 1 : n + 1] = gaps[n - 1] - own, gaps[n] - own
    if letters[-1] in STOPS:  # what is beside it there is the paper's margin
        found[-1] -= min(found[-1], CELL)
    return found


def _placed(texts: list[str], at: list[float], empty: Array) -> Iterator[ReadWord]:
    """Each word from its first to its last ink, between the middles of the gaps beside it."""
    first = 0
    for text in texts:
        last = first + len(text) - 1
        low = round((at[first - 1] + at[first]) / 2) if first else 0
        high = round((at[last] + at[last + 1]) / 2) if last + 1 < len(at) else len(empty)
        ink = np.flatnonzero(~empty[low:high])
        yield ReadWord(text, *((low + int(ink[0]), low + int(ink[-1]) + 1) if len(ink) else (low, high)))
        first = last + 1


def _widest(empty: Array) -> int:
    """The longest run of empty columns, px."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], empty.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _empty(cut: Array, beyond: float = REACH, dust: float = DUST) -> Array:
    """The columns of a line without more ink than dust, aside from what is beyond, above and below; both of its height."""
    height = cut.shape[0]
    edge = int(beyond * height)
    grey = _darkest(cut[edge : height - edge])
    return np.asarray((grey < INK * np.median(grey)).sum(axis=0) <= dust * height)


def _darkest(cut: Array) -> Array:
    """Of each pixel's three values the least: plane by plane, since along so short an axis NumPy takes fourteen times as long."""
    return np.minimum(np.minimum(cut[:, :, 0], cut[:, :, 1]), cut[:, :, 2])


def _trimmed(cut: Array) -> Array:
    """Without most of what is empty above and below: the engine sees every line at the same height, margins included."""
    height = cut.shape[0]
    grey = _darkest(cut)
    rows = np.flatnonzero((grey < INK * np.median(grey)).mean(axis=1) > 0.004)
    if not len(rows) or rows[-1] - rows[0] < 0.4 * height:
        return cut
    margin = max(1, round(0.08 * height))
    return cut[max(0, rows[0] - margin) : rows[-1] + 1 + margin]


def _gaps(cut: Array, pieces: int) -> list[int]:
    """Where to cut a line into about so many pieces: in the middle of the widest gap near each even share."""
    height, width = cut.shape[:2]
    empty = _empty(cut)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], empty.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    middles, sizes = (starts + ends) // 2, ends - starts
    found: list[int] = []
    for number in range(1, pieces):
        near = np.abs(middles - number * width / pieces) < 0.4 * width / pieces
        if near.any() and sizes[near].max() >= WORD * height:
            found.append(int(middles[near][sizes[near].argmax()]))
    return found
