"""How large a unit of a PDF page is (`/UserUnit`), which PDFium does not tell: by the page's own dictionary, as far as it can be read.

It stands in the file, or deflated in an object stream of it. Pages are told from one another by their boxes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import TypeAlias

Corners: TypeAlias = tuple[float, float, float, float]

_UNIT = re.compile(rb"/UserUnit\s+(\d{1,6}(?:\.\d{1,6})?)")
_BOX = re.compile(rb"/MediaBox\s*\[([-+\d.\s]{1,100})\]")
_PACKED = re.compile(rb"/ObjStm\b.{0,400}?\bstream\r?\n", re.DOTALL)
_BRACKETS = re.compile(rb"<<|>>")
_LONGEST = 4000  # bytes of a page's dictionary before and after the unit
_MOST = 1 << 24  # bytes that are inflated


def unit(data: bytes, box: Corners) -> float:
    """Units of 1/72 inch that one of the page's is; 1 is the rule. `box`: its MediaBox, in its own units."""
    for text in (data, *_inflated(data)):
        for found in _UNIT.finditer(text):
            said = _BOX.search(_dictionary(text, found.start()))
            # Without a box of its own, it has that of the pages around it.
            if (said is None or _same(said[1], box)) and float(found[1]) > 0:
                return float(found[1])
    return 1.0


def _inflated(data: bytes) -> Iterator[bytes]:
    left = _MOST
    for found in _PACKED.finditer(data):
        try:
            text = zlib.decompressobj().decompress(data[found.end() :], left)
        except zlib.error:
            continue  # encrypted, or damaged
        yield text
        left -= len(text)
        if left <= 0:
            return


def _dictionary(text: bytes, at: int) -> bytes:
    """The dictionary in which this place is."""
    start, end, depth = max(0, at - _LONGEST), at + _LONGEST, 0
    for bracket in reversed(list(_BRACKETS.finditer(text, start, at))):
        depth += 1 if bracket[0] == b">>" else -1
        if depth < 0:
            start = bracket.start()
            break
    depth = 0
    for bracket in _BRACKETS.finditer(text, at, end):
        depth += 1 if bracket[0] == b"<<" else -1
        if depth < 0:
            end = bracket.end()
            break
    return text[start:end]


def _same(said: bytes, box: Corners) -> bool:
    try:
        numbers = [float(number) for number in said.split()]
    except ValueError:
        return False
    return len(numbers) == 4 and all(abs(a - b) < 0.01 for a, b in zip(numbers, box, strict=True))
