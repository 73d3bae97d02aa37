"""The real program as a process: started, listened to, stopped.

    with Daemon(config_text, tmp_path) as daemon:
        (daemon.inbox / "scan.png").write_bytes(...)
        daemon.wait_event("file.done", file="scan.png")

Its log comes as JSON lines from standard error; every line is kept in `events`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import jsonschema
import pytest

from glimpsed.sidecar.described import json_schema

GLIMPSED = [sys.executable, "-m", "glimpsed"]
PATIENCE = 120.0  # machines are shared; what is waited for comes at once or not at all


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment, with XDG folders of its own and no proxy or key from outside."""
    keep = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG", "LC_ALL", "COVERAGE_PROCESS_START"}}
    return {
        **keep,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GLIMPSED_API_KEY": "sk-test-key-0123456789",
        **(extra or {}),
    }


def glimpsed(
    *arguments: str | Path, home: Path, env: Mapping[str, str] | None = None, seconds: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*GLIMPSED, *map(str, arguments)],
        cwd=home,
        env=environment(home, env),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def read_sidecar(path: Path) -> dict[str, Any]:
    """A JSON sidecar, which its published schema describes."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    schema = json_schema()
    jsonschema.validate(found, schema)
    assert set(found) <= set(schema["properties"])
    return found


def wait_until(what: Callable[[], bool], message: str, seconds: float = PATIENCE) -> None:
    """Return once it is true; fail the test with the message when that takes too long."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(f"{message} (waited {seconds:g} s)")
        time.sleep(0.02)


def status_when(is_it: Callable[[Any], bool], home: Path) -> Any:
    """What `status` tells once it is so: what is logged, as a pause, reaches the ledger that it reads a moment later."""
    deadline = time.monotonic() + PATIENCE
    while not is_it(told := json.loads(glimpsed("status", "--json", home=home).stdout)):
        if time.monotonic() > deadline:
            pytest.fail(f"status does not tell it: {told}")
    return told


class Daemon:
    """`glimpsed run`, with a config written for it."""

    def __init__(
        self,
        config: str,
        home: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),  # a program that runs it in other surroundings: nsenter, setpriv
    ) -> None:
        self.home = home
        self.config = home / "glimpsed.yaml"
        self.config.write_text(config)
        self.events: list[dict[str, Any]] = []
        self.noise: list[str] = []  # lines that are not JSON: there should be none
        self._arguments = arguments
        self._before = before
        self._env = environment(home, env)
        self.run = 0  # how often it was started: `${RUN}` in its config
        self.process: subprocess.Popen[str]
        self._reader: threading.Thread

    def start(self) -> Self:
        self.run += 1
        self.process = subprocess.Popen(
            [*self._before, *GLIMPSED, "run", "-c", str(self.config), *self._arguments],
            cwd=self.home,
            env={**self._env, "RUN": str(self.run)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def stop(self, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Signal it, wait for its end, give its exit code.

        A sidecar can be there, from the run before, when this one still imports: a signal then ends Python, not glimpsed.
        """
        if number != signal.SIGKILL:
            wait_until(lambda: self.process.poll() is not None or self._minds_signals(), "deaf to signals")
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"did not stop within {seconds:g} s of signal {number}: {self.tail()}")
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        elif not self.process.stderr.closed:  # type: ignore[union-attr]
            self._reader.join(5)
            self.process.stderr.close()  # type: ignore[union-attr]

    def seen(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The log lines so far with this event and these fields."""
        return [
            e
            for e in list(self.events)
            if e.get("event") == event and all(e.get(k) == v for k, v in fields.items())
        ]

    def wait_event(
        self, event: str, *, count: int = 1, seconds: float = PATIENCE, **fields: object
    ) -> dict[str, Any]:
        """The first (or so many-th) log line with this event and these fields."""
        deadline = time.monotonic() + seconds
        while len(found := self.seen(event, **fields)) < count:
            if time.monotonic() > deadline or not (self.process.poll() is None or self._reader.is_alive()):
                pytest.fail(f"no {event} {fields}; the log: {self.tail()}")
            time.sleep(0.01)
        return found[count - 1]

    def tail(self) -> str:
        """The end of the log, for a failing test's message."""
        return "\n".join([*map(str, self.events[-15:]), *self.noise[-15:]])

    def _minds_signals(self) -> bool:
        """Whether SIGTERM is caught, or was and is ignored as the end is near (proc_pid_status(5))."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        )
        return bool((int(status["SigCgt"], 16) | int(status["SigIgn"], 16)) >> (signal.SIGTERM - 1) & 1)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.noise.append(line)
