"""A real systemd as PID 1, with journald and systemctl, in namespaces over an overlay of this machine.

    with Machine(tmp_path, {host_folder: "/srv/scans"}) as machine:
        machine.run("systemctl", "start", "glimpsed")

What it writes goes to an overlay in memory and is gone afterwards. Another root, one that was made for it, may
lie under the overlay instead. It shares the network, so a server on
loopback here can be reached from there. Needs root, cgroup v2, and an overlay of ``/``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

SYSTEMD = Path("/lib/systemd/systemd")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_SECONDS = 120.0  # a busy machine; what does not boot ends before
MASKED = """
systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket
systemd-timesyncd.service systemd-networkd.service systemd-resolved.service systemd-logind.service getty.target
console-getty.service systemd-sysctl.service systemd-modules-load.service systemd-journald-audit.socket
systemd-remount-fs.service systemd-update-utmp.service apt-daily.timer apt-daily-upgrade.timer
dpkg-db-backup.timer e2scrub_all.timer man-db.timer dev-hugepages.mount sys-kernel-debug.mount
sys-kernel-tracing.mount
"""
# A folder for the overlay, the root beneath it, the cgroup to be the root of, `out` (of it, so far), then pairs of host
# folder and place inside.
BOOT = f"""
set -eu
D=$1; LOWER=$2; CG=$3; STAGE=$4; shift 4
if [ "$STAGE" = out ]; then echo 0 > "$CG/cgroup.procs"; exec unshare --cgroup bash "$D/boot.sh" "$D" "$LOWER" "$CG" in "$@"; fi
mount -t tmpfs -o mode=755 tmpfs "$D/ov"; mkdir "$D/ov/up" "$D/ov/work" "$D/ov/root"
R=$D/ov/root
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$D/ov/up,workdir=$D/ov/work" "$R"
mount -t proc proc "$R/proc"
mount -t sysfs -o ro sysfs "$R/sys" 2>/dev/null || mount --rbind -o ro /sys "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$R/dev"
for n in null zero full random urandom tty; do : > "$R/dev/$n"; mount --bind "/dev/$n" "$R/dev/$n"; done
mkdir -p "$R/dev/pts" "$R/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$R/dev/pts"; ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$R/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$R/run"; mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"
while [ $# -gt 0 ]; do mkdir -p "$R$2"; mount --bind "$1" "$R$2"; shift 2; done
: > "$R/etc/fstab"; mkdir -p "$R/var/log/journal"
for u in {" ".join(MASKED.split())}; do ln -sfn /dev/null "$R/etc/systemd/system/$u"; done
printf '[Journal]\\nStorage=volatile\\nRateLimitIntervalSec=0\\nReadKMsg=no\\nAudit=no\\n' > "$R/etc/systemd/journald.conf"
cd "$R"; mkdir -p .old; pivot_root . .old; umount -l /.old
mount --make-rshared /  # else LoadCredential= arrives empty
exec env -i container=other PATH={PATH} LANG=C.UTF-8 {SYSTEMD} --unit=basic.target \
  --log-target=journal-or-kmsg --show-status=false </dev/null >/dev/null 2>&1
"""


def obstacle() -> str | None:
    """Why no machine can be booted here; None when it is worth a try."""
    if os.geteuid() != 0:
        return "needs root"
    if not SYSTEMD.exists() or not all(map(shutil.which, ("unshare", "nsenter", "systemctl"))):
        return "needs systemd, unshare and nsenter"
    if _cgroup2() is None:
        return "needs a cgroup v2 hierarchy that can be written to"
    return None


class Machine:
    """Boots, runs commands, powers off. A test that uses it is skipped where it does not boot."""

    def __init__(self, folder: Path, binds: Mapping[Path, str], root: Path = Path("/")) -> None:
        self._folder = folder
        self._root = root
        self._binds = binds
        self._cgroup = Path(_cgroup2() or "/none") / f"glimpsed-test-{secrets.token_hex(8)}"
        self._outer: subprocess.Popen[bytes]
        self.pid = 0  # of its PID 1, as seen from here

    def __enter__(self) -> Self:
        (self._folder / "ov").mkdir()
        (self._folder / "boot.sh").write_text(BOOT)
        self._cgroup.mkdir()
        binds = [str(part) for bind in self._binds.items() for part in bind]
        script, folder, root, cgroup = self._folder / "boot.sh", self._folder, self._root, self._cgroup
        boot = ["bash", *map(str, (script, folder, root, cgroup)), "out", *binds]
        namespaces = [
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--uts",
            "--ipc",
            "--propagation",
            "private",
        ]
        with (self._folder / "boot.log").open("wb") as log:
            self._outer = subprocess.Popen(
                ["unshare", *namespaces, *boot], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + BOOT_SECONDS
        while not self._is_up():
            if self._outer.poll() is not None or time.monotonic() > deadline:
                log_text = (self._folder / "boot.log").read_text(errors="replace")[-300:]
                self.__exit__()
                pytest.skip(f"systemd does not boot here: {log_text}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGRTMIN + 4)  # power off
        try:
            self._outer.wait(15)
        except subprocess.TimeoutExpired:
            self._outer.kill()
            self._outer.wait()
        for directory, _, _ in os.walk(self._cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)

    def run(
        self, *command: str, check: bool = True, seconds: float = 120.0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root; fail the test when it fails."""
        done = subprocess.run(
            [*self._inside(), "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root", "SYSTEMD_PAGER=",
             *(f"{k}={v}" for k, v in (env or {}).items()), *command],
            capture_output=True, text=True, timeout=seconds, check=False, errors="replace",
        )  # fmt: skip
        if check and done.returncode != 0:
            pytest.fail(
                f"{command} ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
            )
        return done

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, with its directories."""
        script = 'mkdir -p "$(dirname "$1")"; printf %s "$2" > "$1"; chmod "$3" "$1"'
        self.run("bash", "-c", script, "write", path, text, f"{mode:o}")

    def _inside(self) -> list[str]:
        root = f"/proc/{self.pid}/root"
        return [
            "nsenter",
            "-t",
            str(self.pid),
            "-m",
            "-p",
            "-C",
            "-u",
            "-i",
            f"--root={root}",
            f"--wd={root}",
        ]

    def _is_up(self) -> bool:
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        with contextlib.suppress(OSError):
            for pid in children.read_text().split():
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    self.pid = int(pid)
        if not self.pid:
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in {"running", "degraded"}


def _cgroup2() -> str | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(place, os.W_OK):
            return place
    return None
