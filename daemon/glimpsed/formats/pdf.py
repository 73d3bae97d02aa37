"""PDF: where the last `%%EOF` has to be, which may stand in the middle of a file, too; and whether it is signed."""

from __future__ import annotations

import re

from glimpsed.formats.common import Read

_HEAD, _TAIL = 1024, 64 * 1024
_LINEARIZED = re.compile(rb"/Linearized\b")
# Possessive: anybody may have written that, and nothing is looked for twice from within itself.
_LENGTH = re.compile(rb"/L\s++(\d{1,20})")
_DICTIONARY = re.compile(rb"\s*+<<")
_UNFINISHED = re.compile(rb"\s*+\d*+\s*+%?%?E?O?")
_STARTXREF = re.compile(rb"startxref\s++(\d{1,20}+)\s*+%?%?E?O?\s*+\Z")
_TABLE = re.compile(rb"\s*(?:xref|\d+\s+\d+\s+obj)\b")
_OBJECT = re.compile(rb"\b\d+\s+\d+\s+obj\b")
_COVERED = re.compile(rb"/ByteRange\s*+(?:\[\s*+\d|\d++\s++\d++\s++R\b)")


def whole(read: Read, size: int) -> str | None:
    """Whether its last part is there: of a linearized file the first part has an end mark as well."""
    head = bytes(read(0, min(size, _HEAD)))
    if _LINEARIZED.search(head) and (announced := _LENGTH.search(head)) and int(announced[1]) > size:
        return "data that its header announces"
    tail = bytes(read(max(0, size - _TAIL), min(size, _TAIL)))
    _, mark, after = tail.rpartition(b"%%EOF")
    if mark and not _OBJECT.search(after):  # objects after it are an update that has not arrived whole
        return None
    if _ends_in_trailer(tail):
        return None
    at = _STARTXREF.search(tail)
    if at and int(at[1]) < size and _TABLE.match(bytes(read(int(at[1]), 32))):
        return None
    return "the end marker (%%EOF)"


def is_signed(data: bytes) -> bool:
    """Whether somebody has signed it. What a signature covers stands in the file in plain, and only there."""
    return _COVERED.search(data) is not None


def _ends_in_trailer(tail: bytes) -> bool:
    """Whether all is there that a reader finds its way from, and only the mark itself has not been written."""
    _, mark, trailer = tail.rpartition(b"trailer")
    before, startxref, after = trailer.rpartition(b"startxref")
    if startxref and _UNFINISHED.fullmatch(after.rstrip()):
        trailer = before
    start = _DICTIONARY.match(trailer)
    return bool(mark) and start is not None and trailer[start.end() :].rstrip().endswith(b">>")
