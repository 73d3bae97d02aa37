"""Who is let in, beyond the page's process: one that is started anew ends no session, and takes the forms that are open.

In a file that is for the service's user alone: the key of the forms' tokens, and of sessions and of the password what
tells them, from which neither can be had. Sessions end with the machine, and with the password that began them.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from glimpsed.clock import elapsed, this_boot
from glimpsed.web.sessions import Password, Sessions

LARGEST = 1_000_000  # bytes; all sessions that there may be take a tenth


@dataclass(frozen=True, slots=True)
class Remembered:
    """Sessions, and where they are kept."""

    path: Path
    sessions: Sessions
    password: Password | None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def keep(self) -> None:
        """As they are now; where the disk takes nothing, they end with the process. Waits for the disk."""
        with self._turn, contextlib.suppress(OSError):
            said = {
                "boot": this_boot(),
                "secret": self.sessions.secret.hex(),
                "password": self.password.hash.hex() if self.password is not None else "",
                "ends": self.sessions.going_on(elapsed()),
            }
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self.path.with_suffix(".new")
            new.unlink(missing_ok=True)
            with open(new, "x", encoding="ascii", opener=_private) as file:
                json.dump(said, file)
            os.replace(new, self.path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def remembered(path: Path, password: str | None) -> Remembered:
    """What this file keeps, as far as it still counts; else new, and kept."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(LARGEST))
        secret, hashed = bytes.fromhex(said["secret"]), bytes.fromhex(said["password"])
        ends = {str(digest): float(end) for digest, end in said["ends"].items()}
        if said["boot"] != this_boot():
            ends = {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        secret, hashed, ends = b"", b"", {}
    sessions = Sessions(secret) if len(secret) == 32 else Sessions()
    asked = Password(password, sessions.secret) if password is not None else None
    if asked is not None and hmac.compare_digest(asked.hash, hashed):
        with contextlib.suppress(ValueError):
            sessions.go_on(ends)
    found = Remembered(path, sessions, asked)
    found.keep()
    return found
