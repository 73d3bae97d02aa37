"""sd_notify(3): what systemd is told of the daemon. Without systemd, nothing happens.

systemd-python says it. Where that is not installed, the socket that is asked whether systemd listens carries the same
message itself: a unit of Type=notify would else be ended as one that does not get ready.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

try:
    from systemd.daemon import notify
except ImportError:  # the extra [journald] is not there
    notify = None


class Notifier:
    """Messages to the socket in ``$NOTIFY_SOCKET``. Never blocks, never raises: True when it was taken."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._address = _address(env.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(env)  # None: systemd does not want to be fed
        self._socket: socket.socket | None = None  # connected, while there is somebody
        self._runtime = env.get("RUNTIME_DIRECTORY", "").partition(":")[0]

    def ready(self, status: str | None = None) -> bool:
        """Start or reload is finished."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """The line that ``systemctl status`` shows."""
        return self._send(*_status(text))

    def reloading(self) -> bool:
        """A reload begins; `ready` ends it. systemd 253 wants to know when, on its own clock."""
        return self._send(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )

    def reloaded(self, problem: str = "") -> bool:
        """The reload has ended; a `problem` says why the old config stays.

        No message can make `systemctl reload` fail: the unit's ExecReload= waits for this file, and fails with what it
        says. Only the daemon knows: a check beside it may have other credentials.
        """
        if self._runtime:
            place = os.path.join(self._runtime, "reload")
            with contextlib.suppress(OSError):
                with open(f"{place}.new", "w", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(problem and f"{problem}\n")
                os.replace(f"{place}.new", place)
        return self.ready()

    def stopping(self, status: str | None = None) -> bool:
        """The stop begins."""
        return self._send("STOPPING=1", *_status(status))

    def watchdog(self) -> bool:
        """All is well, for another `watchdog_seconds`."""
        return self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> bool:
        """The start or stop under way needs so long from now on."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def close(self) -> None:
        """No message any more."""
        self._address = None
        self._disconnect()

    def _send(self, *lines: str) -> bool:
        if self._address is None:
            return False
        message = "\n".join(lines).encode("utf-8", "backslashreplace").decode()
        try:
            ours = self._socket = self._socket or _connected(self._address)
            # `notify` holds the interpreter while systemd is busy or restarts itself: the next message will get there.
            writable = select.poll()
            writable.register(ours, select.POLLOUT)
            if not writable.poll(0):
                return False
            return bool(notify(message)) if notify is not None else ours.send(message.encode()) > 0
        except OSError:
            self._disconnect()
            return False

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(address: str | bytes) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened


def _address(value: str) -> str | bytes | None:
    """A path, or an abstract socket, which is written with ``@``; anything else (vsock) is not for us."""
    if value.startswith("@") and len(value) > 1:
        return b"\0" + os.fsencode(value[1:])
    return value if value.startswith("/") else None


def _status(text: str | None) -> tuple[str, ...]:
    return () if text is None else ("STATUS=" + " ".join(text.split()),)


def _watchdog_seconds(env: Mapping[str, str]) -> float | None:
    """``WatchdogSec`` of the unit, when it is meant for this process (sd_watchdog_enabled(3))."""
    try:
        microseconds = int(env.get("WATCHDOG_USEC", ""))
        ours = int(env.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except ValueError:
        return None
    return microseconds / 1_000_000 if ours and microseconds > 0 else None
