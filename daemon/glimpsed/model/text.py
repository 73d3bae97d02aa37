"""Names, texts, numbers and times as they are shown: nothing that comes from outside forges a line."""

from __future__ import annotations

import datetime as dt
import json
import re

# What could break or forge a line, or tell a terminal what to do: control characters, line and paragraph
# separators, and what turns the direction of all that follows (bidirectional embeddings, overrides, isolates).
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# What nobody sees on a terminal, and what changes how the rest is seen: marks of direction and of byte order, tags
# that spell a text of their own, annotations. Joiners and spaces of no width are parts of words and of emoji.
_UNSEEN = re.compile(
    r"[\u061c\u200e\u200f\u2061-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def shown(text: str, *, lines: bool = False) -> str:
    """A path, or any text from outside, as it may be printed or logged: valid UTF-8, on one line that runs one way.

    `lines`: as it may be printed in more than one: an answer's newlines and tabs stay.
    All else stays as it is (DESIGN 5): a wide or a narrow space, a joiner in an emoji are parts of names.
    """
    if text.isprintable():  # nearly all names are, and this is asked of every image several times
        return text
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair, which no file name has, but JSON may
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if lines:
        return _UNSAFE_IN_LINES.sub(_escaped, text.replace("\r\n", "\n"))
    return _UNSAFE.sub(_escaped, text)


def on_terminal(text: str) -> str:
    """Any text from outside as it may be printed on a terminal, in lines: `shown`, and nothing in it unseen.

    What goes into a file or another program is not for this: there, a mark of direction is part of a text.
    """
    return _UNSEEN.sub(_escaped, shown(text, lines=True))


def json_shown(text: str) -> str:
    """A JSON text with its control characters escaped as JSON does, so that it means the same and tells no terminal anything."""
    return _UNSEEN.sub(_as_json, _UNSAFE_IN_LINES.sub(_as_json, text))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _as_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]  # beyond U+FFFF as a pair


def counted(count: int, what: str) -> str:
    """``1 file``, ``1,234 files``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def utc(seconds: float) -> str:
    """Epoch seconds as ISO 8601 with microseconds and ``Z``, the form that sidecars use (DESIGN 7)."""
    return (
        dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


def utc_ns(nanoseconds: int) -> str:
    """`utc` for a file's ``st_mtime_ns``, cut (not rounded) to the microsecond."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    whole = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(microsecond=rest // 1000)
    return whole.isoformat(timespec="microseconds").replace("+00:00", "Z")


def local(seconds: float) -> str:
    """Epoch seconds as people read them, in this machine's zone, which is said: ``2026-11-22 11:00:00 +01:00``."""
    return (
        dt.datetime.fromtimestamp(seconds).astimezone().isoformat(" ", timespec="seconds").replace("+", " +")
    )
