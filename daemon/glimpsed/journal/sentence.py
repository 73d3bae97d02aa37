"""From an event and its fields to one readable line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from glimpsed.journal.events import EVENTS, LIBRARY
from glimpsed.model import shown
from glimpsed.words import lasting

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = re.compile(r"\[([^\]]*)\]")
_FIELD = re.compile(r"\{(\w+)(?::([^}]*))?\}")
_NOT_SAID = frozenset({"event", "level", "timestamp", "exception", "repeated"})


def sentence(record: Mapping[str, Any]) -> str:
    """The event's sentence with its fields, on one line; any other event as ``name key=value``."""
    name = str(record.get("event", ""))
    if name in EVENTS:
        text = _filled(EVENTS[name].sentence, record)
    elif name == LIBRARY:
        text = f"{record.get('logger')}: {record.get('reason')}"
    else:
        fields = (f"{k}={v}" for k, v in record.items() if k not in _NOT_SAID and not k.startswith("code_"))
        text = " ".join((name, *fields))
    if more := record.get("repeated"):
        text += f" (and {more} more like it)"
    return shown(" ".join(text.split()))


def _filled(template: str, record: Mapping[str, Any]) -> str:
    """The template with its fields; an optional part goes when a field of it is missing or empty."""

    def part(match: re.Match[str]) -> str:
        names = [name for name, _ in _FIELD.findall(match[1])]
        return match[1] if all(record.get(name) for name in names) else ""

    def field(match: re.Match[str]) -> str:
        value = record.get(match[1], "?")
        try:
            return lasting(value) if match[2] == "lasting" else format(value, match[2] or "")
        except (TypeError, ValueError):  # not the type that the sentence expects: better said anyhow
            return str(value)

    return _FIELD.sub(field, _PART.sub(part, template))
