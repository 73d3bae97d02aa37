"""The real daemon on kernel cifs and NFS, with real servers: run by `tests/shares/run` in a kernel of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, wait_until
from gateway import Gateway
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
defaults: {{settle: 300ms, poll: 500ms, prompt: Say., reuse: false}}
folders:
  share: {{path: {share}}}
  local: {{path: {local}}}
log: {{target: json, level: debug}}
"""
SMB = """
[global]
 server role = standalone server
 interfaces = 127.0.0.1
 bind interfaces only = yes
 smb ports = 445
 disable netbios = yes
 load printers = no
 printcap name = /dev/null
 lock directory = {home}/lock
 private dir = {home}/private
 state directory = {home}/state
 cache directory = {home}/cache
 pid directory = {home}/pid
 ncalrpc dir = {home}/ncalrpc
 log file = {home}/log/%m.log
 passdb backend = tdbsam:{home}/private/passdb.tdb
[scan]
 path = {server}
 read only = no
 valid users = root
"""


def run(*command: str, input: str | None = None) -> str:  # noqa: A002 - subprocess's name
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=input, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class Cifs:
    """smbd, and the kernel's client, as in an office."""

    filesystem = "cifs"

    def __init__(self, base: Path) -> None:
        self.server, self.point, self._home = base / "server", base / "share", base / "smb"
        for directory in ("lock", "private", "state", "cache", "pid", "ncalrpc", "log"):
            (self._home / directory).mkdir(parents=True, mode=0o755)
        self.server.mkdir()
        self.point.mkdir()
        self._config = self._home / "smb.conf"
        self._config.write_text(SMB.format(home=self._home, server=self.server))
        run("smbpasswd", "-c", str(self._config), "-s", "-a", "root", input="pw\npw\n")
        run("modprobe", "cifs")
        self.start()
        options = "username=root,password=pw,vers=3.1.1,soft,echo_interval=2"
        run("mount", "-t", "cifs", "//127.0.0.1/scan", str(self.point), "-o", options)

    def start(self) -> None:
        # A session of its own: when it is asked to end, smbd signals its whole process group.
        command = ["smbd", "-F", "--no-process-group", "-s", str(self._config)]
        self._smbd = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: answers(445), "smbd does not answer")

    def kill(self) -> None:
        for pid in family(self._smbd.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._smbd.wait()


class Nfs:
    """The kernel's server and client, `soft`: what the server does not answer is an error after a while."""

    filesystem = "nfs4"
    options = "soft,timeo=20,retrans=2"

    def __init__(self, base: Path) -> None:
        self.server, self.point = base / "server", base / "share"
        self.server.mkdir()
        self.point.mkdir()
        run("mount", "-t", "tmpfs", "exported", str(self.server))
        for module in ("nfsd", "nfs", "nfsv4"):
            run("modprobe", module)
        if not os.path.ismount("/proc/fs/nfsd"):
            run("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
            Path("/run/rpc_pipefs").mkdir()
            run("mount", "-t", "rpc_pipefs", "rpc", "/run/rpc_pipefs")
            Path("/var/lib/nfs/v4recovery").mkdir(parents=True, exist_ok=True)
            run("rpcbind", "-w")
            run("rpc.mountd")
            for time in ("gracetime", "leasetime"):
                Path(f"/proc/fs/nfsd/nfsv4{time}").write_text("10\n")  # s, the least that it takes
        exports = f"{self.server} 127.0.0.1(rw,fsid=0,no_root_squash,insecure,no_subtree_check,sync)\n"
        Path("/etc/exports").write_text(exports)
        run("exportfs", "-ra")
        self.start()
        run("mount", "-t", "nfs4", "-o", f"vers=4.2,{self.options}", "127.0.0.1:/", str(self.point))

    def start(self) -> None:
        run("rpc.nfsd", "--no-udp", "2")

    def kill(self) -> None:
        run("rpc.nfsd", "0")


class HardNfs(Nfs):
    """As most are mounted: whoever asks while the server is away waits in the kernel, and cannot be killed by SIGTERM."""

    options = "hard,timeo=20,retrans=2"


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in family(int(child)))]


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(params=[Cifs, Nfs, HardNfs])
def share(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cifs | Nfs]:
    opened: Cifs | Nfs = request.param(tmp_path)
    yield opened
    subprocess.run(["umount", "-l", str(opened.point)], check=False)
    opened.kill()


def test_a_share_whose_server_dies_and_comes_back_gets_every_file_once(
    share: Cifs | Nfs, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    local.mkdir()
    for number in range(20):
        drop(share.server, f"there-{number}.png", picture(seed=number))
    with Gateway() as gateway:
        text = CONFIG.format(url=gateway.base_url, share=share.point, local=local)
        with Daemon(text, tmp_path) as daemon:
            watching = daemon.wait_event("folder.watching", folder="share")
            assert (watching["mode"], watching["filesystem"]) == ("poll", share.filesystem)
            drop(share.server, "deep/comes.png", picture(seed=100))
            daemon.wait_event("file.done", folder="share", count=21)
            wait_until((share.server / "deep/comes.png.json").exists, "no sidecar at the server")

            share.kill()
            drop(share.server, "meanwhile.png", picture(seed=101))
            daemon.wait_event("folder.lost", folder="share")
            drop(local, "beside.png", picture(seed=102))
            daemon.wait_event("file.done", folder="local", seconds=10)

            share.start()
            daemon.wait_event("folder.back", folder="share", seconds=120)
            daemon.wait_event("file.done", file="meanwhile.png")
            assert len(daemon.seen("folder.lost")) == 1
            assert not daemon.seen("file.failed")

            share.kill()
            daemon.wait_event("folder.lost", folder="share", count=2)
            assert daemon.stop(seconds=15) == 0
            share.start()
        assert len(gateway.requests) == 23
        assert not gateway.problems
    assert len(list(share.server.rglob("*.json"))) == 22
