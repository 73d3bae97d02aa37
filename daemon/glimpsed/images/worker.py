"""The program of a worker process: decodes hostile bytes, so that the daemon does not.

One message in, one message out, over the socket whose number is the first argument. A request is a pickled
`Task` with the file in a memory file (its descriptor comes along); an answer is JSON with the pictures in
another one. JSON, because whatever took over this process must not get further: the daemon unpickles nothing
that comes from here. Nothing is ever written to a disk.

It imports what every picture needs and no more (see tests): it has to start in a blink.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from glimpsed import child
from glimpsed.errors import FileError
from glimpsed.images import decode
from glimpsed.images.plan import Target
from glimpsed.images.sniff import Kind

READY = b"{}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use."""

    seconds: float = 60.0  # of CPU
    clock: float = 300.0  # seconds by the clock: the machine may be busy
    address_space: int = 1_500_000_000  # bytes, of the whole process
    decoded: int = (
        640_000_000  # bytes of one decoded page: A0 in colour at 300 dpi, in black and white at 600
    )


@dataclass(frozen=True, slots=True)
class Task:
    """A page to prepare, or with `to` None a document to look at."""

    kind: Kind
    page: int = 1
    to: Target | None = None


def main() -> None:
    """Work until the daemon closes its end."""
    with socket.socket(fileno=int(sys.argv[1])) as daemon:
        limits = Limits(**json.loads(sys.argv[2]))
        _confine(limits)
        daemon.send(READY)
        while True:
            message, descriptors, _, _ = socket.recv_fds(daemon, child.MESSAGE, 1)
            if not message:
                return
            _cpu_limit(limits.seconds)
            answer, pictures = _work(pickle.loads(message), descriptors[0], limits)  # noqa: S301 - from the daemon
            with _memory_file(pictures) as out:
                socket.send_fds(daemon, [json.dumps(answer).encode()], [out])


def _work(task: Task, descriptor: int, limits: Limits) -> tuple[dict[str, object], list[bytes]]:
    """The answer to one task, and the bytes of the pictures that it lists."""
    try:
        with os.fdopen(descriptor, "rb") as file:
            if task.to is None:
                pages, width, height = decode.inspect(file, task.kind)
                return {"document": [pages, width, height]}, []
            done = decode.prepare(file, task.kind, task.page, task.to, limits.decoded)
        return {"images": [[e.media_type, e.width, e.height, len(e.data)] for e in done]}, [
            e.data for e in done
        ]
    except FileError as e:
        return {"reason": e.reason[:1000], "advice": e.advice[:1000]}, []


def _confine(limits: Limits) -> None:
    """Limits for the whole process."""
    child.ignore_signals()
    resource.setrlimit(resource.RLIMIT_AS, (limits.address_space, limits.address_space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold somebody's scan
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")  # when memory runs out, the kernel should take a worker, not the daemon
    Image.MAX_IMAGE_PIXELS = None  # `decode` refuses by the bytes it takes, and says how many


def _cpu_limit(seconds: float) -> None:
    """So much more CPU time from now on; then the kernel ends the process, also one whose daemon is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


@contextlib.contextmanager
def _memory_file(parts: list[bytes]) -> Iterator[int]:
    out = os.memfd_create("glimpsed-out")
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(out, view) :]
        yield out
    finally:
        os.close(out)


if __name__ == "__main__":
    main()
