"""journald, through systemd-python's `sendv`, which holds the interpreter for as long as it waits.

It waits where journald's queue is full, and where what this process has sent and nobody has read fills its socket's
buffer. So it is called only when neither can be: a socket of our own says of the first (POLLOUT), and of the second by
a datagram with nothing in it, which journald passes over: once that is gone from the queue, so is all that went before.
"""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios
import time
from typing import TYPE_CHECKING

from glimpsed.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
_UNREAD = 64_000  # bytes that may wait to be read; the smallest of buffers holds three times as much
_OVERHEAD = 2_000  # bytes of the kernel's own for each entry
_LOOK = 0.01  # seconds between two looks whether journald reads again


class Journal:
    """Sends entries. Waits, without the interpreter, for a journald that hangs; finds one that came back.

    Raises `MissingExtra` without systemd-python.
    """

    def __init__(self, path: str = SOCKET) -> None:
        try:
            from systemd.journal import sendv  # noqa: PLC0415 -- an extra
        except ImportError as e:
            raise MissingExtra("the journal", "journald") from e
        self._sendv = sendv
        self._path = path
        self._ours: socket.socket | None = None
        self._unread = 0

    def send(self, fields: Mapping[str, str]) -> None:
        """Send one entry; names are upper case, values any text. Raises `OSError` when it was not taken."""
        entry = [f"{name}={value}".encode("utf-8", "backslashreplace") for name, value in fields.items()]
        try:
            self._hand_over(entry)
        except (ConnectionError, FileNotFoundError):  # a journald of before
            self.close()
            self._hand_over(entry)

    def close(self) -> None:
        """Let go of the socket; the next `send` opens another."""
        if self._ours is not None:
            self._ours.close()
            self._ours = None

    def _hand_over(self, entry: list[bytes]) -> None:
        self._wait(2 * sum(map(len, entry)) + _OVERHEAD)
        self._sendv(*entry)

    def _wait(self, size: int) -> None:
        """Until an entry of this size is taken at once."""
        ours = self._ours = self._ours or _connected(self._path)
        writable = select.poll()
        writable.register(ours, select.POLLOUT)
        writable.poll()
        if self._unread and self._unread + size > _UNREAD:
            ours.send(b"")
            while _queued(ours):
                time.sleep(_LOOK)
            writable.poll()
            self._unread = 0
        self._unread += size


def _connected(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        opened.connect(path)
    except OSError:
        opened.close()
        raise
    return opened


def _queued(ours: socket.socket) -> int:
    """Bytes that were sent and not read yet, with the kernel's own."""
    answer = fcntl.ioctl(ours, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
