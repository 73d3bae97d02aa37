"""What others have to say: logging, warnings, exceptions that nobody caught in a thread."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from glimpsed.journal.events import LIBRARY
from glimpsed.model import utc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Take = Callable[[Mapping[str, Any]], None]

# Never below: httpcore's debug lines hold request headers, PIL's a line for each tag of an image.
_LEVEL = logging.WARNING


def record(level: str, logger: str, reason: str, exception: str | None = None) -> dict[str, Any]:
    """An event that is not glimpsed's own."""
    out = {
        "event": LIBRARY,
        "level": level,
        "timestamp": utc(time.time()),
        "logger": logger,
        "reason": reason,
    }
    return out if exception is None else {**out, "exception": exception}


class _Handler(logging.Handler):
    def __init__(self, take: Take) -> None:
        super().__init__(_LEVEL)
        self._take = take

    def emit(self, entry: logging.LogRecord) -> None:
        """Pass it on; a line whose arguments do not fit its format is passed on unformatted."""
        try:
            reason = entry.getMessage()
        except Exception:  # noqa: BLE001 -- whatever a library's arguments do when they are formatted
            reason = str(entry.msg)
        exception = "".join(traceback.format_exception(*entry.exc_info)) if entry.exc_info else None
        self._take(record(entry.levelname.lower(), entry.name, reason, exception))


def listen(take: Take) -> None:
    """Hand everything to `take` from now on."""
    let_go()
    root = logging.getLogger()
    root.addHandler(_Handler(take))
    root.setLevel(_LEVEL)
    logging.captureWarnings(capture=True)

    def thread_died(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            text = "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback))
            name = args.thread.name if args.thread else "a thread"
            take(record("error", f"thread {name}", f"died: {args.exc_type.__name__}: {args.exc_value}", text))

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        text = "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback))
        take(record("error", "python", f"{args.err_msg or 'ignored'}: {args.exc_value!r}", text))

    threading.excepthook = thread_died
    sys.unraisablehook = unraisable


def let_go() -> None:
    """Undo `listen`."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(handler)
        logging.captureWarnings(capture=False)
        threading.excepthook = threading.__excepthook__
        sys.unraisablehook = sys.__unraisablehook__
