"""How a process of ours is started: with a socket, without our secrets."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass

_PASSED_ON = (
    "PATH",
    "HOME",
    "TMPDIR",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "OMP_NUM_THREADS",
    "TESSDATA_PREFIX",
    "COVERAGE_PROCESS_START",
)


@dataclass(frozen=True, slots=True)
class Process:
    """A process and our end of the socket to it, whose messages are whole and which never blocks us."""

    process: subprocess.Popen[bytes]
    socket: socket.socket

    def end(self) -> None:
        """Kill it. What it leaves on the process table is taken off by a thread: a large one dies slowly."""
        self.socket.close()
        self.process.kill()
        with contextlib.suppress(RuntimeError):  # no thread is to be had: then it is taken off at the end
            threading.Thread(target=self.process.wait, name="reaper", daemon=True).start()


def start(module: str, *arguments: str, environment: Mapping[str, str] = {}) -> Process:
    """Run this module of ours, or this script, with the number of its socket, and these, as arguments. Raises OSError."""
    what = [module] if module.endswith(".py") else ["-m", module]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                # -P: a folder that we are started in must not get to say what 'glimpsed' or 'PIL' is
                [sys.executable, "-P", *what, str(theirs.fileno()), *arguments],
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env={**passed_on(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # decoders write their complaints there
            )
        except OSError:
            ours.close()
            raise
    ours.settimeout(0)
    return Process(process, ours)


def passed_on() -> dict[str, str]:
    """What a process gets of the daemon's environment, which may hold API keys."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if paths := os.environ.get("PYTHONPATH"):
        passed["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths.split(os.pathsep))
    return passed
