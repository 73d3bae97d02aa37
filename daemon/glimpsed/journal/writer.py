"""The one thread that writes the log, so that a full pipe or a stuck journald holds up nobody else."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from glimpsed.journal import foreign
from glimpsed.journal.flood import Flood

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glimpsed.journal.sinks import Sink

    Record = Mapping[str, Any]

# Lines that come without end are written in lots: each time that this thread wakes it takes the interpreter from
# those who work. The first ones are written at once.
_BUSY = 20  # records in a row
_BREATH = 0.02  # seconds
LIMIT = 10_000  # records that wait; more are counted and dropped


class Writer:
    """Takes records from any thread, never blocks, never raises; writes them in order from its own."""

    def __init__(self, sink: Sink, *, limit: int = LIMIT) -> None:
        self._sink = sink
        self._limit = limit
        self._queue: queue.SimpleQueue[Record | threading.Event | None] = queue.SimpleQueue()
        self._flood = Flood()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Have the record written; or counted as lost, when too many wait already."""
        if self._queue.qsize() < self._limit:
            self._queue.put(record)
        else:
            self._dropped += 1

    def flush(self, seconds: float) -> bool:
        """Wait until all that was put is written, at most so long; whether it was."""
        done = threading.Event()
        self._queue.put(done)
        return done.wait(seconds) if self._thread.is_alive() else False

    def close(self, seconds: float) -> None:
        """Write what waits and what was kept back, then end; a stuck reader is left behind."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        in_a_row = 0
        while True:
            if in_a_row > _BUSY and self._queue.empty():
                time.sleep(_BREATH)
            began = time.monotonic()
            try:
                item = self._queue.get(timeout=self._until_due())
            except queue.Empty:
                self._write_all(self._flood.due(time.monotonic()))
                in_a_row = 0
                continue
            in_a_row = in_a_row + 1 if time.monotonic() - began < _BREATH else 0
            if item is None:
                break
            if isinstance(item, threading.Event):
                item.set()
                continue
            self._write_all(self._flood.due(time.monotonic()))
            if (record := self._flood.admit(item, time.monotonic())) is not None:
                self._write_all([record])
        self._write_all(self._flood.rest())

    def _until_due(self) -> float | None:
        due = self._flood.next_due()
        return None if due is None else max(0.0, due - time.monotonic())

    def _write_all(self, records: list[Record]) -> None:
        written = [self._write(record) for record in records]
        if self._dropped and any(written):
            dropped, self._dropped = self._dropped, 0
            reason = f"{dropped} log lines were dropped: whoever reads the log is too slow, or was not there"
            if not self._write(foreign.record("warning", "glimpsed.journal", reason)):
                self._dropped = dropped

    def _write(self, record: Record) -> bool:
        """Write one; what cannot be written is counted: a closed pipe, a full disk, a journald that ended."""
        try:
            self._sink(record)
        except Exception:  # noqa: BLE001 -- nowhere to complain to
            self._dropped += 1
            return False
        return True
