"""JSON that somebody else wrote, parsed within bounds that hold before its values take memory. Pure.

`json.loads` makes up to 30 bytes of memory of each hostile byte (``[[],[],…``: 1.8 GB for 67 MB), so values are
counted first, on the text. Integers are bounded by Python itself (4,300 digits), depth also for whoever
writes the value out again or walks it.
"""

from __future__ import annotations

import json
import re
from typing import Any

VALUES = 100_000  # of one document, roughly: 40 MB at the very worst
DEPTH = 100  # arrays and objects in one another
_FEW = 2  # broken characters of a text, however short it is
_BRACKETS = re.compile(rb"[\[\]{}]")


def loads(data: bytes | str, *, largest: int, values: int = VALUES, depth: int = DEPTH) -> Any:
    """The value of a JSON text of at most `largest` bytes. Raises `ValueError` for what is none, or too much of one.

    As with `json.loads`, NaN is a number, half a surrogate pair a character, and the last one of equal keys counts.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > largest:
        raise ValueError(f"is larger than {largest} bytes")
    check(raw, values=values, depth=depth)
    return json.loads(data)


def received(data: bytes, *, largest: int) -> Any:
    """`loads` of what a server sent, in which a character may be cut in half, or stand in another encoding: it is replaced.

    Where that is no exception, the whole is in another encoding, and what would be read is not what was written.
    """
    try:
        return loads(data, largest=largest)
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    if text.count("\ufffd") > max(_FEW, len(text) // 500):
        raise ValueError("is not UTF-8")
    return loads(text, largest=largest)


def check(raw: bytes, *, values: int = VALUES, depth: int = DEPTH) -> None:
    """Raise `ValueError` when a JSON text holds too many values, or too deep; whether it is JSON at all is not asked."""
    if b"\0" in raw[:4]:  # UTF-16 and UTF-32, which `json` knows as well
        raise ValueError("is not UTF-8")
    outside = _outside(raw, values)
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > values:
        raise ValueError(f"holds more than {values} values")
    deep = 0
    for bracket in _BRACKETS.finditer(outside):
        deep += 1 if bracket[0] in b"[{" else -1
        if deep > depth:
            raise ValueError(f"is more than {depth} levels deep")
        if deep < 0:  # no JSON: the parser stops here too
            return


def sane(text: str) -> str:
    """`text` as every file, database and log takes it: no half surrogates (JSON can escape them), no NUL."""
    if text.isascii():
        return text.replace("\x00", "")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "")


def sane_value(value: Any) -> Any:
    """`sane`, of every text in the value of a JSON text that `loads` took."""
    if isinstance(value, str):
        return sane(value)
    if isinstance(value, dict):
        return {sane(key): sane_value(item) for key, item in value.items()}
    return [sane_value(item) for item in value] if isinstance(value, list) else value


def _outside(raw: bytes, values: int) -> bytes:
    """What stands outside of strings."""
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 4 * values + 2:  # a key and a text for each value
        raise ValueError(f"holds more than {values} values")
    return b"".join(plain.split(b'"')[::2])
