"""What must never reach a log: keys, Authorization headers, image data, answers (DESIGN 10).

Three nets, each for what slips through the one before: fields that are dropped by name, values known to
be secret, and whatever looks like a credential or like data. Gateways echo keys in their error bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

REMOVED = "[removed]"
LONGEST = 2000  # characters of one value; an HTML error page is cut here
_DROPPED = frozenset(
    {
        "authorization",
        "api_key",
        "key",
        "secret",
        "password",
        "token",
        "headers",
        "body",
        "prompt",
        "text",
        "answer",
        "data",
    }
)
_OWN = frozenset({"event", "level", "timestamp", "file", "folder"})  # ours: not to be mistaken for a key
_LOOKS = (
    (re.compile(r"data:[\w.+-]*/?[\w.+-]*;base64,[\w+/=%-]*", re.ASCII), REMOVED),
    (re.compile(r"[A-Za-z0-9+/]{200,}={0,2}"), REMOVED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.ASCII), r"\1 " + REMOVED),
    (
        re.compile(
            r"(?i)((?:authorization|[\w-]*api[_-]?key|access[_-]?token|secret|password)[\"']?\s*[:=]\s*[\"']?)"
            r"(?!\[removed\]|(?:bearer|basic) \[)[^\s\"',;&}]+",
            re.ASCII,
        ),
        r"\1" + REMOVED,
    ),
    (re.compile(r"(?<![\w/-])(?:sk|pk|rk|xai|gsk|hf|ghp)[-_][\w-]{12,}", re.ASCII), REMOVED),
    (re.compile(r"\bAIza[\w-]{20,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", re.ASCII), REMOVED),  # Google; a JWT
    (re.compile(r"(?<=://)[^\s/@]+:[^\s/@]+(?=@)"), REMOVED),  # user:password in a URL
)


class Redactor:
    """Cleans records; knows the secrets that it was told of."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first, so that one that contains another goes whole. Very short ones are no secrets.
        self._secrets = sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True)

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record without what must not be logged."""
        return {k: self._value(k, v) for k, v in record.items() if k.lower() not in _DROPPED}

    def _value(self, key: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return self({str(k): v for k, v in value.items()})
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(key, v) for v in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return REMOVED
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, REMOVED)
        if key not in _OWN:
            text = looks(text[: 8 * LONGEST])
        return text if len(text) <= LONGEST or key == "exception" else text[:LONGEST] + "…"


def looks(text: str) -> str:
    """The text without anything that looks like a credential or like encoded data."""
    for pattern, instead in _LOOKS:
        text = pattern.sub(instead, text)
    return text
