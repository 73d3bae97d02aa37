"""The child's side: answers questions until the daemon closes its end, or is gone.

A question is a pickled value with its file in a memory file (the descriptor comes along); an answer is JSON, with
its bytes in another one. JSON, because whatever took over this process must not get further: the daemon unpickles
nothing that comes from here.

It imports little: a child has to start in a blink.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

from glimpsed.errors import FileError
from glimpsed.words import cause

MESSAGE = 65536  # bytes of a message; what is larger goes in a memory file
_PR_SET_PDEATHSIG = 1  # prctl(2)

Answer: TypeAlias = tuple[dict[str, Any], Sequence[bytes]]  # what goes as JSON, and the bytes beside it
Answering: TypeAlias = Callable[[Any, BinaryIO], Answer]  # raises `FileError` when it is the file's fault


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may use.

    By the clock, all of its time counts; but where CPU time is limited, only time in which none was used: the machine
    may be busy.
    """

    seconds: float | None = None  # of CPU
    clock: float = 120.0  # seconds by the clock
    address_space: int | None = None  # bytes, of the whole process


def serve(start: Callable[[dict[str, Any]], Answering]) -> None:
    """Be a child: `start` gets the settings, and says what answers the questions."""
    ignore_signals()
    end_with_daemon()
    with socket.socket(fileno=int(sys.argv[1])) as daemon:
        limits = Limits(**json.loads(sys.argv[2]))
        confine(limits)
        gc.disable()  # what a program loads stays: nothing of it is garbage, now or later
        try:
            answering = start(json.loads(sys.argv[3]))
        except Exception as e:  # noqa: BLE001 - whatever a broken installation raises is told to the daemon
            _send(daemon, {"broken": f"{cause(e)}"[:1000]})
            return
        gc.freeze()
        gc.enable()
        _send(daemon, {})
        while True:
            message, descriptors, _, _ = socket.recv_fds(daemon, MESSAGE, 1)
            if not message:
                return
            _cpu_limit(limits.seconds)
            with os.fdopen(descriptors[0], "rb") as file:
                try:
                    answer, parts = answering(pickle.loads(message), file)  # noqa: S301 - from the daemon
                except FileError as e:
                    answer, parts = {"reason": e.reason[:1000], "advice": e.advice[:1000]}, ()
                except OSError as e:  # no process to be had, or no descriptor
                    answer, parts = _trouble(e), ()
            _send(daemon, answer, parts)


def ignore_signals() -> None:
    """Signals to the process group are meant for the daemon, which lets us finish."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


def end_with_daemon() -> None:
    """Be killed when whoever started us dies, even in the middle of a question, or stopped."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def confine(limits: Limits) -> None:
    """Limits for the whole process."""
    if limits.address_space is not None:
        resource.setrlimit(resource.RLIMIT_AS, (limits.address_space, limits.address_space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold somebody's scan
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")  # when memory runs out, the kernel should take a child, not the daemon


def _cpu_limit(seconds: float | None) -> None:
    """So much more CPU time from now on; then the kernel ends the process, also one whose daemon is gone."""
    if seconds is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _send(daemon: socket.socket, answer: dict[str, Any], parts: Sequence[bytes] = ()) -> None:
    """Answer; where the machine has no room for the bytes, say that: it is not the file's fault."""
    if not parts:
        daemon.send(json.dumps(answer).encode())
        return
    try:
        out = os.memfd_create("glimpsed-out")
    except OSError as e:
        daemon.send(json.dumps(_trouble(e)).encode())
        return
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(out, view) :]
        socket.send_fds(daemon, [json.dumps(answer).encode()], [out])
    except OSError as e:
        daemon.send(json.dumps(_trouble(e)).encode())
    finally:
        os.close(out)


def _trouble(error: OSError) -> dict[str, Any]:
    return {"trouble": error.strerror}
