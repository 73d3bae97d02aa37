"""The program of the file worker. It imports little: it has to start in a blink.

One message in, one message out, in order. A request is a pickled (number, what, arguments), an answer
(number, result); the bytes of a file come in a memory file. No result at all means that there is more to it
than what is done here: the daemon then does it in its own threads, and finds out what the matter is.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from glimpsed import temporary
from glimpsed.children.program import MESSAGE, ignore_signals
from glimpsed.errors import GlimpsedError
from glimpsed.files import Root, as_written, entry, opened_directory, read_content_in, version_there
from glimpsed.model import Content, Version, Written


def read(root: Root, path: str, version: Version, others: Sequence[str]) -> Content | None:
    """The image's content, if nothing stands beside it under these names."""
    directory, _, name = path.rpartition("/")
    with opened_directory(root, directory) as parent:
        if any(entry(parent, other) is not None for other in others):
            return None
        return read_content_in(parent, name, path, version)


def write(
    root: Root, path: str, version: Version, like: temporary.Owner, sidecars: Mapping[str, bytes], error: str
) -> tuple[Written, ...] | None:
    """The sidecars, durable, in this order, if nothing stands there yet under these names nor the error sidecar's."""
    directory, _, name = path.rpartition("/")
    with opened_directory(root, directory) as parent:
        if version_there(parent, name) != version or entry(parent, error) is not None:
            return None
        with temporary.files(parent, like, sidecars) as ready:
            # All of them before the first is there: beside a JSON of ours, somebody's own text would pass for ours.
            if any(entry(parent, sidecar) is not None for sidecar in sidecars):
                return None
            for sidecar in sidecars:
                os.rename(ready[sidecar], sidecar, src_dir_fd=parent, dst_dir_fd=parent)
                del ready[sidecar]
        temporary.sync_directory(parent)
        return tuple(as_written(parent, sidecar) for sidecar in sidecars)


CALLS: Mapping[str, Callable[..., Any]] = {"read": read, "write": write}


def main() -> None:
    """Work until the daemon closes its end."""
    ignore_signals()
    with socket.socket(fileno=int(sys.argv[1])) as daemon:
        daemon.send(pickle.dumps((0, None)))
        while message := daemon.recv(MESSAGE):
            number, what, arguments = pickle.loads(message)  # noqa: S301 - from the daemon
            try:
                result = CALLS[what](*arguments)
            except (GlimpsedError, OSError):
                result = None
            _answer(daemon, number, result)


def _answer(daemon: socket.socket, number: int, result: Any) -> None:
    if not isinstance(result, Content):
        daemon.send(pickle.dumps((number, result)))
        return
    file = os.memfd_create("glimpsed-content")
    try:
        temporary.write_all(file, result.data)
        socket.send_fds(daemon, [pickle.dumps((number, replace(result, data=b"")))], [file])
    finally:
        os.close(file)


if __name__ == "__main__":
    main()
