"""A program on a pseudo-terminal, as a person sees and uses it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from daemon import GLIMPSED, environment

PATIENCE = 60.0


class Terminal:
    """A command on a pseudo-terminal, what it shows, and a keyboard."""

    def __init__(
        self,
        home: Path,
        *arguments: str,
        program: Sequence[str] = GLIMPSED,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=home,
            env={**environment(home, env), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def see(self, pattern: str) -> None:
        """Wait until the screen has shown this since the last look."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.raw)):
            assert time.monotonic() < deadline, self.raw
            assert self._read(), f"ended without {pattern}: {self.raw}"
        self.raw = self.raw[found.end() :]

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Its exit code, once it is done."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE)
        if not ready:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)
