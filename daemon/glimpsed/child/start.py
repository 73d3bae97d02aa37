"""The daemon's side: a process with a socket, without our secrets, and ended without a trace."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass

_PASSED_ON = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "COVERAGE_PROCESS_START",
)


@dataclass(frozen=True, slots=True)
class Child:
    """A process and our end of the socket to it, whose messages are whole and which never blocks us."""

    process: subprocess.Popen[bytes]
    socket: socket.socket

    def end(self) -> None:
        """Kill it. What it leaves on the process table is taken off by a thread: a large one dies slowly."""
        self.socket.close()
        self.process.kill()
        with contextlib.suppress(RuntimeError):  # no thread is to be had: then it is taken off at the end
            threading.Thread(target=self.process.wait, name="reaper", daemon=True).start()


def start(module: str, *arguments: str) -> Child:
    """Run this module of ours with the number of its socket, and these, as arguments. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                # -P: a folder that we are started in must not get to say what 'glimpsed' or 'PIL' is
                [sys.executable, "-P", "-m", module, str(theirs.fileno()), *arguments],
                pass_fds=(theirs.fileno(),),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # decoders write their complaints there
            )
        except OSError:
            ours.close()
            raise
    ours.settimeout(0)
    return Child(process, ours)


def environment() -> dict[str, str]:
    """Not the daemon's own, which may hold API keys; one arena, or threads eat up the address space."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}
