"""Where two readings differ, for the eye: both in pieces, those that the other lacks marked."""

from __future__ import annotations

import re

from rapidfuzz.distance.Indel import opcodes

Pieces = list[tuple[str, bool]]  # a text, and whether it differs

LONGEST = 4000  # characters; a longer text is one piece
# Words whole; figures one by one, as they are misread, and so are characters of scripts without spaces.
_TOKEN = re.compile(r"[^\W\d\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+|.", re.DOTALL)


def differences(one: str, other: str) -> tuple[Pieces, Pieces]:
    """Both texts in pieces, whole when put together again; upper and lower case are the same. Pure."""
    if max(len(one), len(other)) > LONGEST:
        return _piece(one, differs=one != other), _piece(other, differs=one != other)
    here, there = _TOKEN.findall(one), _TOKEN.findall(other)
    pieces: tuple[Pieces, Pieces] = [], []
    for step in opcodes([token.casefold() for token in here], [token.casefold() for token in there]):
        differs = step.tag != "equal"
        pieces[0].extend(_piece("".join(here[step.src_start : step.src_end]), differs=differs))
        pieces[1].extend(_piece("".join(there[step.dest_start : step.dest_end]), differs=differs))
    return pieces


def _piece(text: str, *, differs: bool) -> Pieces:
    return [(text, differs)] if text else []
