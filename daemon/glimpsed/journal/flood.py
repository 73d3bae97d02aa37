"""Says a thing that repeats itself a few times, then now and then, with a count.

A share that flaps or a gateway that is down for a night would else write thousands of lines. Only events
about a condition are collapsed; what happened to a file for good has its line, always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glimpsed.journal import events

BURST = 5  # lines said as they come
WINDOWS = (60.0, 600.0, 3600.0, 7200.0)  # seconds between the lines after those; the last one stays
KEYS = 4096  # conditions remembered at most; beyond that, lines pass uncounted

# What a folder or a model goes through is one story: the last line that is said must be how it stands.
_STORIES = {
    events.FOLDER_LOST: "folder",
    events.FOLDER_BACK: "folder",
    events.FOLDER_DEGRADED: "folder",
    events.MODEL_PAUSED: "model",
    events.MODEL_RESUMED: "model",
}
_CONDITIONS = frozenset(
    {
        events.FILE_RETRY,
        events.FILE_SKIPPED,
        events.MODEL_LEARNED,
        events.BUDGET_REACHED,
        events.LEDGER_SHARED,
        events.LEDGER_UNAVAILABLE,
        events.SIDECAR_BLOCKED,
        events.LIBRARY,
    }
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

Record = Mapping[str, Any]


@dataclass(slots=True)
class _Told:
    said: int = 0
    window: int = 0
    until: float = 0.0  # when the window ends
    last: Record | None = None  # kept back since the window began
    kept: int = 0


class Flood:
    """Which lines to write now; `now` is in seconds of any steady clock."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], _Told] = {}

    def admit(self, record: Record, now: float) -> Record | None:
        """The record if it is to be written now, else None: it is counted, and may come out of `due`."""
        key = subject(record)
        if key is None or (key not in self._told and len(self._told) >= KEYS):
            return record
        told = self._told.setdefault(key, _Told(until=now + WINDOWS[0]))
        if told.said < BURST:
            told.said += 1
            told.until = now + WINDOWS[0]
            return record
        told.last, told.kept = record, told.kept + 1
        return None

    def due(self, now: float) -> list[Record]:
        """What was kept back in windows that ended: the last of each kind, with a count of the others."""
        out: list[Record] = []
        for key, told in list(self._told.items()):
            if told.until > now:
                continue
            if told.last is None:  # quiet for a whole window: forgotten
                del self._told[key]
                continue
            out.append(told.last if told.kept == 1 else {**told.last, "repeated": told.kept - 1})
            told.last, told.kept = None, 0
            told.window = min(told.window + 1, len(WINDOWS) - 1)
            told.until = now + WINDOWS[told.window]
        return out

    def rest(self) -> list[Record]:
        """All that is still kept back: for the end of the program."""
        for told in self._told.values():
            told.until = float("-inf")
        return self.due(0.0)

    def next_due(self) -> float | None:
        """When `due` has something next; None: nothing is kept back."""
        return min((t.until for t in self._told.values() if t.last is not None), default=None)


def subject(record: Record) -> tuple[str, ...] | None:
    """What a line is about, without the numbers and the file in its reason; None: it is said every time."""
    event = str(record.get("event", ""))
    folder, model = str(record.get("folder", "")), str(record.get("model", ""))
    if event in _STORIES:
        return (_STORIES[event], folder, model)
    if event not in _CONDITIONS:
        return None
    reason = str(record.get("reason", ""))
    if file := str(record.get("file", "")):  # the same trouble for every file is one trouble
        reason = reason.replace(file, "").replace(file.rpartition("/")[2], "")
    reason = _NUMBER.sub("#", reason[:200])
    return (event, folder, model, reason, str(record.get("logger", "")))
