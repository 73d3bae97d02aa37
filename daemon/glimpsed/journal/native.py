"""journald's native protocol: one datagram of fields an entry (systemd.io/JOURNAL_NATIVE_PROTOCOL).

Not systemd-python: its `sendv` holds the GIL while sd_journal_sendv(3) waits for a journald that hangs,
and so stops every thread of the daemon. This one waits a moment in the log's own thread, then gives up.
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
LONGEST = 48_000  # bytes of one value: an entry stays well under what one datagram may hold
_PATIENCE = 1.0  # seconds for a journald that is busy; the entry is lost after that


class Journal:
    """Sends entries; reconnects when journald was restarted. Raises `OSError` when one was not taken."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def send(self, fields: Mapping[str, str]) -> None:
        """Send one entry; names are upper case, values any text."""
        payload = b"".join(_field(name, value) for name, value in fields.items())
        try:
            self._send(payload)
        except (ConnectionRefusedError, ConnectionResetError, FileNotFoundError):  # a journald of before
            self.close()
            self._send(payload)

    def close(self) -> None:
        """Let go of the socket; the next `send` opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, payload: bytes) -> None:
        if self._socket is None:
            opened = socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            )
            try:
                opened.connect(self._path)
            except OSError:
                opened.close()
                raise
            self._socket = opened
        try:
            self._socket.send(payload)
        except BlockingIOError:
            select.select((), (self._socket,), (), _PATIENCE)
            self._socket.send(payload)


def _field(name: str, value: str) -> bytes:
    """``NAME=value``; a value of several lines goes with its length in front."""
    data = value.encode("utf-8", "backslashreplace")[:LONGEST]
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"
