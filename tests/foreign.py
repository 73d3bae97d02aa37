"""Servers that somebody else wrote, from PyPI, each in a virtual environment of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from daemon import environment, wait_until

INSTALL = 1500  # seconds


def installed(cache: Path, *packages: str, program: str) -> Path:
    """A program of these packages; the test is skipped where it cannot be had."""
    found, whole = cache / "venv" / "bin" / program, cache / "whole"
    if not (found.exists() and whole.exists()):
        commands: tuple[list[str | Path], ...] = (
            [sys.executable, "-m", "venv", "--clear", cache / "venv"],
            [cache / "venv" / "bin" / "python", "-m", "pip", "install", "-q", *packages],
        )
        for command in commands:
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL, check=False)
            except subprocess.TimeoutExpired:
                pytest.skip(f"{program} could not be installed within {INSTALL // 60} minutes")
            if done.returncode:
                pytest.skip(f"{program} cannot be installed: {done.stderr.strip()[-300:]}")
        whole.touch()
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serving(
    command: Sequence[str | Path], home: Path, *, health: str, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """While this lasts, the server answers at `health`."""
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(
            command, cwd=home, env=environment(home, env), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        wait_until(
            lambda: process.poll() is not None or _alive(health), "the server does not start", seconds=600
        )
        assert process.poll() is None, (home / "out").read_text()[-2000:]
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _alive(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
