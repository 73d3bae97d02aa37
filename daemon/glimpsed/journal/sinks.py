"""Where a cleaned record is written: the journal, a console, JSON lines, or lines that journald parses."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glimpsed.journal import journald as native
from glimpsed.journal.events import EVENTS
from glimpsed.journal.sentence import sentence
from glimpsed.model import json_shown, on_terminal, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Record = Mapping[str, Any]
    Sink = Callable[[Record], None]

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog(3)
_STYLE = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


def priority(record: Record) -> int:
    """The syslog priority of a record's level."""
    return _PRIORITY.get(str(record.get("level")), 6)


def journald() -> Sink | None:
    """Native journal entries (DESIGN 10); None when nobody listens at journald's socket. Raises `MissingExtra`."""
    if not Path(native.SOCKET).is_socket():
        return None
    journal = native.Journal()

    def write(record: Record) -> None:
        journal.send(journal_fields(record))

    return write


def journal_fields(record: Record) -> dict[str, str]:
    """The fields of a record's journal entry."""
    fields = {
        "MESSAGE": sentence(record),
        "PRIORITY": str(priority(record)),
        "SYSLOG_IDENTIFIER": "glimpsed",
        "CODE_FILE": str(record.get("code_file", "")),
        "CODE_LINE": str(record.get("code_line", "")),
        "CODE_FUNC": str(record.get("code_func", "")),
    }
    if event := EVENTS.get(str(record.get("event"))):
        fields["MESSAGE_ID"] = event.message_id
    for key, value in record.items():
        hidden = value is None or key in {"level", "timestamp"} or key.startswith("code_")
        if not hidden and _FIELD_NAME.fullmatch(key):
            fields[f"GLIMPSED_{key.upper()}"] = value if isinstance(value, str) else _json(value)
    return fields


def json_lines(record: Record) -> None:
    """One JSON object a line on stderr."""
    first = {k: record.get(k) for k in ("event", "level", "timestamp")}
    line = _json({**first, **{k: v for k, v in record.items() if not k.startswith("code_")}})
    _write(json_shown(line) + "\n")


def console(record: Record) -> None:
    """``10:02:11 sentence`` in local time, on stderr; with colour on a terminal."""
    level = str(record.get("level"))
    clock = dt.datetime.fromisoformat(str(record["timestamp"])).astimezone().strftime("%H:%M:%S")
    mark = f"{level.upper()}: " if priority(record) <= _PRIORITY["warning"] else ""
    lines = "\n".join((mark + sentence(record), *_traceback(record)))
    if sys.stderr.isatty():
        lines = on_terminal(lines)
    if _colours():
        style = _STYLE.get(level)
        _write(f"{_DIM}{clock}{_PLAIN} " + (f"{style}{lines}{_PLAIN}\n" if style else f"{lines}\n"))
    else:
        _write(f"{clock} {lines}\n")


def prefixed(record: Record) -> None:
    """``<6>sentence`` on stderr: sd-daemon(3) priorities, for journald where it cannot have fields."""
    lines = (sentence(record), *_traceback(record))
    _write("".join(f"<{priority(record)}>{line}\n" for line in lines))


def journald_reads(descriptor: int, journal_stream: str | None) -> bool:
    """Whether this descriptor is the stream that systemd connected to the journal (systemd.exec(5))."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def _traceback(record: Record) -> list[str]:
    return [shown(line) for line in str(record.get("exception") or "").split("\n") if line]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(text: str) -> None:
    # Looked up each time: a progress bar puts itself in the place of sys.stderr, and moves out of the way.
    sys.stderr.write(text.encode("utf-8", "backslashreplace").decode())  # file names that are not UTF-8
    sys.stderr.flush()
