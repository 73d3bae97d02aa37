"""The process that reads answers to a schema: it may take too long, so that the daemon does not.

A frame is four bytes of length, big-endian, and so many bytes of JSON: ``{"text", "answer", "schema"}`` or
``{"value", "schema"}`` in, ``{"value"}`` or ``{"misfit": [told, reason, final]}`` out. Each has so many seconds of
CPU; then the kernel ends the process, also in the middle of a regular expression. It ends when its stdin does.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any, BinaryIO

from glimpsed import child
from glimpsed.schemas import HEAD, SECONDS, fit

_MEMORY = 1_000_000_000  # bytes of address space, of the whole process


def main() -> None:
    """Work until the daemon closes its end."""
    child.ignore_signals()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold somebody's answer
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (frame := _receive(source)) is not None:
        _cpu_limit(SECONDS)
        body = json.dumps(_done(json.loads(frame)), ensure_ascii=False).encode("utf-8", "replace")
        sink.write(HEAD.pack(len(body)) + body)
        sink.flush()


def _done(task: dict[str, Any]) -> dict[str, Any]:
    try:
        if "text" in task:
            value, misfit = fit.read(task["text"], task["answer"], task["schema"])
        else:
            value, misfit = None, fit.check(task["value"], task["schema"])
    except Exception as e:  # noqa: BLE001 - whatever a schema makes of the library, or no memory left
        unusable = f"the answer cannot be checked against the schema: {type(e).__name__}: {e}"[:300]
        return {"misfit": [unusable, unusable, True]}
    return {"value": value} if misfit is None else {"misfit": [misfit.told, misfit.reason, misfit.final]}


def _cpu_limit(seconds: float) -> None:
    """So much more CPU time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _receive(source: BinaryIO) -> bytes | None:
    head = source.read(HEAD.size)
    body = source.read(HEAD.unpack(head)[0]) if len(head) == HEAD.size else b""
    return body or None


if __name__ == "__main__":
    main()
