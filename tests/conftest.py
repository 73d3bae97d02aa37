"""Fixtures for every test."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gateway import Gateway
from glimpsed import cli, journal

pytest_plugins = ["ledger_fixtures"]

# Machines are shared: how long an example takes tells nothing. On top of what Hypothesis takes where CI is set: the same
# examples each time, as a new find is for a desk, and not for whoever lands something else.
settings.register_profile(
    "shared machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _signals_as_they_come() -> None:
    """Programs that a test starts inherit what is ignored here, and would not hear Ctrl-C.

    A shell without job control starts what runs in the background with SIGINT ignored, and a service that has run in this
    process leaves its signals ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A command that a test runs in its own process sets the log up; the next test finds none of that."""
    yield
    journal.close()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An empty folder to watch."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A model's server that answers every request."""
    with Gateway() as running:
        yield running


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Any command, run in this process and in an empty directory: its exit code, and what it wrote."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLIMPSED_CONFIG", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([*arguments])
        assert isinstance(ended.value.code, int)
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return run


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody signed but itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    where = tmp_path_factory.mktemp("tls")
    cert, key = where / "cert.pem", where / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(cert), "-keyout", str(key)]
    subprocess.run([*made, *names], check=True, capture_output=True)
    return cert, key


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is known to be slow has an hour."""
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(3600))
