"""What a list shows of an answer: a line of it, readable though it be JSON, with what was searched for marked. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from glimpsed.ledger.words import spans
from glimpsed.model import shown

LONGEST = 200  # characters of a search, and of a line that is shown
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*("|$))|([{}\[\]:,])|([^\s{}\[\]:,"]+))\s*', re.DOTALL)
_NAMED = re.compile(r'\A[\s{}\[\],]*"(?:[^"\\]|\\.)*"\s*:')


def readable(text: str) -> str:
    """``supplier: Weber · total: 12.5`` of ``{"supplier": "Weber", "total": 12.5}``, and of lines of it; else the text."""
    if not _NAMED.match(text):
        return text
    pieces = list(_pieces(text))
    return "".join(pieces).strip(" ·") or text


def _pieces(text: str) -> Iterator[str]:
    """What each token of it says: marks only where they part two values."""
    at, parted = 0, True
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            yield text[at:]
            return
        at = token.end()
        string, _, mark, bare = token.groups()
        if mark == ":":
            yield ": "
            parted = True
        elif mark is not None:
            if not parted:
                yield " · "
                parted = True
        else:
            yield _string(string) if string else bare
            parted = False


def _string(quoted: str) -> str:
    closed = len(quoted) > 1 and quoted.endswith('"')
    try:
        value = json.loads(quoted if closed else f'{quoted}"', strict=False)
    except ValueError:
        value = quoted.strip('"')  # cut off within an escape
    return " ".join(str(value).split())


def excerpt(line: str) -> str:
    """A line as a list shows it."""
    line = shown(readable(line))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…"


def marked(line: str, text: str) -> list[tuple[str, bool]]:
    """A line in pieces, those that a search for this text finds marked; cut so that the first of them shows."""
    line = shown(readable(line))
    first = next(iter(spans(line, text)), None)
    start = max(0, first[0] - 60) if first and len(line) > LONGEST else 0
    line = ("…" if start else "") + excerpt(line[start:])
    pieces, at = [], 0
    for begin, end in spans(line, text):
        pieces += [(line[at:begin], False), (line[begin:end], True)]
        at = end
    return [piece for piece in [*pieces, (line[at:], False)] if piece[0]]
