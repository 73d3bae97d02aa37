"""Real file systems that come and go under a watched folder: FUSE wherever there is one, mounts where root may."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glimpsed.blocking import Threads
from glimpsed.config.schema import Folder
from glimpsed.discover import mounts, site, watch
from glimpsed.discover.watch import FolderWatch
from glimpsed.ledger import Books, Ledger, open_ledger

pytestmark = pytest.mark.anyio

JPEG = b"\xff\xd8\xff\xda\x00\x02\xff\xd9"  # whole, as far as its markers tell


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def point(tmp_path: Path) -> Iterator[Path]:
    """A mount point; whatever is mounted there is gone afterwards."""
    path = tmp_path / "share"
    path.mkdir()
    yield path
    while _run("umount", "-l", str(path)):
        pass


@pytest.fixture
def server(tmp_path: Path) -> Path:
    path = tmp_path / "server"
    path.mkdir()
    return path


def _run(*command: str) -> bool:
    return not subprocess.run(command, check=False, capture_output=True).returncode


class Share:
    """A folder of a server's, mounted: `kill` ends it, `hang` stops it, `go_on` and `start` bring it back."""

    filesystem: str

    def __init__(self, server: Path, point: Path) -> None:
        if shutil.which("fusermount3") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("needs FUSE")
        self.server = server
        self.point = point
        self.mounted: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        raise NotImplementedError

    def serving(self) -> list[int]:
        """The processes without which the share does not answer."""
        raise NotImplementedError

    def kill(self) -> None:
        for pid in self.serving():
            os.kill(pid, signal.SIGKILL)
        self.mounted.kill()
        self.mounted.wait()

    def hang(self) -> None:
        for pid in self.serving():
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        for pid in self.serving():
            os.kill(pid, signal.SIGCONT)

    def unmount(self) -> None:
        _run("umount", "-l", str(self.point))  # if it has not gone by itself
        assert not os.path.ismount(self.point)

    def mount(self, *command: str) -> None:
        self.mounted = _start(*command)
        end = time.monotonic() + 60
        while not os.path.ismount(self.point):
            if self.mounted.poll() is not None:
                pytest.skip("FUSE mounts are not allowed here")
            assert time.monotonic() < end
            time.sleep(0.02)


class Bindfs(Share):
    """A share in user space, whose server is the process that mounts it."""

    filesystem = "fuse"

    def start(self) -> None:
        if shutil.which("bindfs") is None:
            pytest.skip("needs bindfs")
        self.mount("bindfs", "-f", str(self.server), str(self.point))

    def serving(self) -> list[int]:
        return [self.mounted.pid]


class Sshfs(Share):
    """A share over the network: sshfs, and an sshd of our own on loopback, for the user that we are."""

    filesystem = "fuse.sshfs"
    options = ""

    def start(self) -> None:
        self.start_server()
        user = pwd.getpwuid(os.getuid()).pw_name
        keys = f"IdentityFile={self._home}/id,StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null,BatchMode=yes"
        options = f"{keys},dir_cache=no,port={self._port}{self.options}"
        self.mount("sshfs", "-f", "-o", options, f"{user}@127.0.0.1:{self.server}", str(self.point))

    def start_server(self) -> None:
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
        if sshd is None or shutil.which("sshfs") is None:
            pytest.skip("needs sshfs and sshd")
        if not hasattr(self, "_home"):
            self._home, self._port = self._keys(), _free_port()
        self._sshd = _start(sshd, "-D", "-f", f"{self._home}/sshd_config", "-p", str(self._port))
        end = time.monotonic() + 60
        while not _answers(self._port):
            assert self._sshd.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)

    def _keys(self) -> Path:
        home = self.server.parent / "ssh"
        home.mkdir(mode=0o700)
        for name in ("host", "id"):
            assert _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name))
        (home / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/id.pub\n"
            "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it
        return home

    def serving(self) -> list[int]:
        return _family(self._sshd.pid)

    def kill_server(self) -> None:
        """The server alone: what the mount makes of it is up to sshfs."""
        for pid in self.serving():
            os.kill(pid, signal.SIGKILL)
        self._sshd.wait()

    def kill(self) -> None:
        self.kill_server()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.mounted.wait(5)  # it ends by itself, and then the folder below shows
        self.mounted.kill()
        self.mounted.wait()


class ReconnectingSshfs(Sshfs):
    """With `reconnect` the mount stays, and reads of it can end early."""

    options = ",reconnect"


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in _family(int(child)))]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(params=[Bindfs, Sshfs])
def share(request: pytest.FixtureRequest, server: Path, point: Path) -> Iterator[Share]:
    opened: Share = request.param(server, point)
    yield opened
    opened.kill()


@contextlib.asynccontextmanager
async def watching(
    path: Path, ledger: Ledger, *, threads: Threads | None = None, **keys: Any
) -> AsyncIterator[FolderWatch]:
    options = {"settle": 0.05, "poll": 0.1, "rescan": 3600} | keys
    it = FolderWatch(
        Folder(name="f", path=path, **options), Books(ledger), offered=lambda: None, threads=threads
    )
    task = asyncio.create_task(it.run())
    try:
        yield it
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CHECK", 0.3)
    monkeypatch.setattr(site, "PATIENCE", 2.0)


async def until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def states(ledger: Ledger) -> dict[str, str]:
    return {n: known.state for d in ledger.directories("f") for n, known in ledger.known("f", d).items()}


def finish(ledger: Ledger) -> None:
    for job in ledger.claim(folders=["f"], limit=100, now=time.time() + 60):
        assert ledger.done(job, (), time.time())


async def test_files_that_appear_on_the_server_are_found_on_the_share(share: Share, ledger: Ledger) -> None:
    async with watching(share.point, ledger) as w:
        await asyncio.wait_for(w.listed.wait(), 30)
        assert (w.state.mode, w.state.filesystem) == ("poll", share.filesystem)
        (share.server / "a.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger) == {"a.jpg": "queued"})


async def test_a_killed_share_is_lost_once_and_nothing_is_done_again_when_it_is_back(
    share: Share, ledger: Ledger
) -> None:
    for number in range(20):
        (share.server / f"{number}.jpg").write_bytes(JPEG)
    async with watching(share.point, ledger) as w:
        await until(lambda: len(states(ledger)) == 20)
        finish(ledger)
        share.kill()  # ENOTCONN
        await until(lambda: w.state.state == "lost")
        share.unmount()  # an empty folder that takes writes
        await asyncio.sleep(1)
        assert w.state.state == "lost"
        assert w.root is None
        assert set(states(ledger).values()) == {"done"}
        (share.server / "new.jpg").write_bytes(JPEG)
        share.start()
        await until(lambda: states(ledger).get("new.jpg") == "queued")
        assert sorted(states(ledger).values()) == ["done"] * 20 + ["queued"]
        assert w.state.state == "watching"


async def test_a_share_that_hangs_holds_up_neither_another_folder_nor_the_stop(
    share: Share, ledger: Ledger, tmp_path: Path
) -> None:
    other, second = tmp_path / "other", open_ledger(f"sqlite:///{tmp_path}/second.sqlite")
    other.mkdir()
    async with watching(share.point, ledger) as w, watching(other, second) as v:
        await asyncio.wait_for(w.listed.wait(), 30)
        await asyncio.wait_for(v.listed.wait(), 30)
        share.hang()
        await until(lambda: w.state.state == "lost")
        (other / "a.jpg").write_bytes(JPEG)
        await until(lambda: states(second) == {"a.jpg": "queued"})
        share.go_on()
        (share.server / "b.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger) == {"b.jpg": "queued"})
        share.hang()
        await until(lambda: w.state.state == "lost")
        began = time.monotonic()
    assert time.monotonic() - began < 30  # it hangs until it may go on
    share.go_on()
    second.close()


async def test_many_shares_that_hang_at_once_cost_only_themselves(tmp_path: Path, ledger: Ledger) -> None:
    threads, shares = Threads("folders", working=2, most=64), list[Bindfs]()
    other, second = tmp_path / "other", open_ledger(f"sqlite:///{tmp_path}/second.sqlite")
    other.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(second.close)
        for number in range(6):
            server, point = tmp_path / f"server{number}", tmp_path / f"share{number}"
            server.mkdir()
            point.mkdir()
            shares.append(Bindfs(server, point))
            stack.callback(_run, "umount", "-l", str(point))
            stack.callback(shares[-1].kill)
        watches = [
            await stack.enter_async_context(watching(share.point, ledger, threads=threads))
            for share in shares
        ]
        v = await stack.enter_async_context(watching(other, second, threads=threads))
        await until(lambda: all(w.listed.is_set() for w in (*watches, v)))
        for share in shares:
            share.hang()
        (other / "a.jpg").write_bytes(JPEG)
        await until(lambda: states(second) == {"a.jpg": "queued"})
        await until(lambda: all(w.state.state == "lost" for w in watches))
        (other / "b.jpg").write_bytes(JPEG)
        await until(lambda: len(states(second)) == 2)
        assert v.state.state == "watching"
        for share in shares:
            share.go_on()
        await until(lambda: all(w.state.state == "watching" for w in watches))


async def test_a_server_that_comes_back_under_a_mount_that_stayed_is_taken_up_again(
    server: Path, point: Path, ledger: Ledger
) -> None:
    share = ReconnectingSshfs(server, point)
    for number in range(20):
        (server / f"{number}.jpg").write_bytes(JPEG)
    async with watching(point, ledger, rescan=0.2) as w:
        await until(lambda: len(states(ledger)) == 20)
        finish(ledger)
        share.kill_server()
        (server / "new.jpg").write_bytes(JPEG)
        await until(lambda: w.state.state == "lost")
        await asyncio.sleep(1)
        assert states(ledger) == {f"{number}.jpg": "done" for number in range(20)}
        share.start_server()
        await until(lambda: states(ledger).get("new.jpg") == "queued")
        assert sorted(states(ledger).values()) == ["done"] * 20 + ["queued"]
    share.kill()


async def test_a_mount_over_the_folder_and_its_end_are_noticed(point: Path, ledger: Ledger) -> None:
    def mount() -> None:
        if not _run("mount", "-t", "tmpfs", "tmpfs", str(point)):
            pytest.skip("mounts are not allowed here")

    (point / "below.jpg").write_bytes(JPEG)
    async with watching(point, ledger, watch="inotify") as w:
        await until(lambda: states(ledger) == {"below.jpg": "queued"})
        finish(ledger)
        mount()
        await until(lambda: w.state.state == "lost")  # it is empty
        (point / "above.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger).get("above.jpg") == "queued")
        assert _run("umount", str(point))
        await until(lambda: w.state.state == "watching" and states(ledger)["below.jpg"] == "done")
        (point / "later.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger).get("later.jpg") == "queued")


async def test_an_unmounted_file_system_is_not_a_folder_that_was_emptied(
    server: Path, point: Path, ledger: Ledger
) -> None:
    if not _run("mount", "--bind", str(server), str(point)):
        pytest.skip("mounts are not allowed here")
    (server / "a.jpg").write_bytes(JPEG)
    async with watching(point, ledger, watch="inotify") as w:
        await until(lambda: states(ledger) == {"a.jpg": "queued"})
        finish(ledger)
        assert _run("umount", "-l", str(point))
        await until(lambda: w.state.state == "lost")
        w.rescan()
        await asyncio.sleep(0.5)
        assert states(ledger) == {"a.jpg": "done"}
        assert _run("mount", "--bind", str(server), str(point))
        await until(lambda: w.state.state == "watching")
        (server / "b.jpg").write_bytes(JPEG)
        await until(lambda: states(ledger) == {"a.jpg": "done", "b.jpg": "queued"})


async def test_a_fuse_share_is_recognised(share: Share) -> None:
    mode, filesystem, reason = mounts.mode(Folder(path=share.point))
    assert (mode, filesystem) == ("poll", share.filesystem)
    assert "no events" in reason
