"""Ledgers for tests: on SQLite in a temporary directory, on a PostgreSQL that is started for the tests."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glimpsed.ledger import Ledger, open_ledger
from glimpsed.model import Answer, ModelUsed, PromptUsed, Source, Usage, utc

OpenLedger = Callable[..., Ledger]


def _binaries() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Postgres:
    """One cluster on loopback that can be stopped and started again."""

    def __init__(self, directory: Path, binaries: Path, *, fsync: bool = False) -> None:
        self._directory = directory
        self._binaries = binaries
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(directory, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        self.port = _free_port()
        self._run("initdb", "-D", str(directory / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")  # fmt: skip

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        settings = ["listen_addresses=127.0.0.1", f"port={self.port}", f"fsync={self._fsync}",
                    f"unix_socket_directories={self._directory}"]  # fmt: skip
        command = [*self._as_user, str(self._binaries / "postgres"), "-D", str(self._directory / "data")]
        for setting in settings:
            command += ["-c", setting]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once: clients see a server that died
            self._process.wait(30)
            self._process = None

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections and questions, and answers nothing: as a machine that swaps, or a firewall that forgot."""
        assert self._process is not None
        stopped = _family(self._process.pid)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def wipe(self) -> None:
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", autocommit=True
        ) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def _answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", connect_timeout=5).close()
            return True
        return False

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._binaries / program), *arguments]
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL)


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in _family(child))]


def kept_answer(text: str, sha256: str = "aa" * 32, reused_from: str | None = None) -> Answer:
    """An answer about this content."""
    return Answer(
        folder="in",
        source=Source(
            name="a.png",
            bytes=1,
            modified=utc(0),
            sha256=sha256,
            media_type="image/png",
            width=1,
            height=1,
            pages=1,
        ),
        prompt=PromptUsed(sha256="0" * 64),
        model=ModelUsed(entry="m", api="chat", asked="gpt-4o", answered="gpt-4o"),
        sent=(),
        text=text,
        finish="stop",
        usage=Usage(input_tokens=1, output_tokens=1),
        attempts=1,
        started=utc(0),
        finished=utc(1),
        seconds=1.0,
        reused_from=reused_from,
    )


class NoPostgresError(Exception):
    """What is missing."""


@contextlib.contextmanager
def started_postgres(*, fsync: bool = False) -> Iterator[Postgres]:
    """A PostgreSQL of our own. `fsync`: its commits reach the disk, as a real one's do."""
    if importlib.util.find_spec("psycopg") is None:
        raise NoPostgresError("psycopg is not installed")
    binaries = _binaries()
    if binaries is None:
        raise NoPostgresError("PostgreSQL is not installed: apt install postgresql")
    # Not below tmp_path: its parents are closed to the user postgres.
    directory = Path(tempfile.mkdtemp(prefix="glimpsed-pg-"))
    cluster = Postgres(directory, binaries, fsync=fsync)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of our own; the test is skipped where Debian's package is not installed."""
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(started_postgres())
        except NoPostgresError as e:
            pytest.skip(str(e))
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/ledger.db"
    cluster: Postgres = request.getfixturevalue("postgres")
    cluster.wipe()
    return cluster.url


@pytest.fixture
def opened(ledger_url: str) -> Iterator[OpenLedger]:
    """Opens that database once more, as another process would."""
    with contextlib.ExitStack() as stack:

        def open_it(**options: object) -> Ledger:
            ledger = open_ledger(ledger_url, **options)
            stack.callback(ledger.close)
            return ledger

        yield open_it


@pytest.fixture
def ledger(opened: OpenLedger) -> Ledger:
    return opened()
