"""What file system a folder is on, and so whether inotify can be trusted there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from glimpsed.config.schema import Folder

Mode: TypeAlias = Literal["inotify", "poll"]

# Other machines change these, or a server behind the kernel's back does: no events for that.
_SHARED = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "virtiofs",
        "vboxsf",
        "vmhgfs",
        "prl_fs",
        "fakeowner",  # a folder of the host in Docker Desktop
        "drvfs",  # a drive of Windows in WSL
        "ncpfs",
        "coda",
        "lustre",
        "gpfs",
        "beegfs",
        "orangefs",
        "pvfs2",
        "ocfs2",
        "gfs2",
        "davfs",
        "glusterfs",
        "autofs",
        "fuse",
    ]
)
_NO_EVENTS = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "debugfs"})
_ESCAPE = re.compile(r"\\([0-7]{3})")
_LAYERS = re.compile(r"(?:^|,)(?:lowerdir|upperdir|lowerdir\+)=([^,]*)")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (proc_pid_mountinfo(5))."""

    point: str
    filesystem: str
    options: str  # of the super block


def mode(folder: Folder) -> tuple[Mode, str, str]:
    """How to watch this folder, the file system's type, and why. May hang where `os.path.realpath` does."""
    mounts = read_mounts()
    path = os.path.realpath(folder.path)
    filesystem, shared = judge(path, mounts)
    if folder.watch != "auto":
        return folder.watch, filesystem, f"watch: {folder.watch}"
    if shared:
        return "poll", filesystem, f"{shared} sends no events for changes made elsewhere"
    return "inotify", filesystem, f"{filesystem} is a local file system"


def read_mounts() -> list[Mount]:
    """The mounts that this process sees; none where that cannot be read."""
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return [mount for line in text.splitlines() if (mount := parse(line))]


def parse(line: str) -> Mount | None:
    """One line: ``36 35 98:0 / /mnt rw shared:1 - ext4 /dev/root rw,errors=continue``."""
    before, separator, after = line.partition(" - ")
    fields, source = before.split(" "), after.split(" ")
    if not separator or len(fields) < 6 or len(source) < 3:
        return None
    return Mount(_unescape(fields[4]), _unescape(source[0]), _unescape(source[2]))


def judge(path: str, mounts: list[Mount]) -> tuple[str, str | None]:
    """The file system's type at a real path, and the type of share that it is or lies on, if any."""
    mount = find(path, mounts)
    if mount is None:
        return "unknown", None
    filesystem = mount.filesystem
    if is_shared(filesystem):
        return filesystem, filesystem
    if filesystem in {"overlay", "aufs", "unionfs"}:
        for layers in _LAYERS.findall(mount.options):
            for layer in layers.split(":"):
                below = find(layer, mounts) if layer.startswith("/") else None
                if below is not None and is_shared(below.filesystem):
                    return filesystem, f"{filesystem} on {below.filesystem}"
    return filesystem, None


def find(path: str, mounts: list[Mount]) -> Mount | None:
    """The mount that a real path is on: the deepest, and of two at one place the later."""
    best: Mount | None = None
    for mount in mounts:
        inside = mount.point in {"/", path} or path.startswith(mount.point + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def is_shared(filesystem: str) -> bool:
    """Whether changes may happen there that this kernel does not see; ``fuseblk`` is a local disk."""
    return filesystem in _SHARED or filesystem in _NO_EVENTS or filesystem.startswith("fuse.")


def _unescape(field: str) -> str:
    """Blanks and the like are octal; bytes that are not UTF-8 survive."""
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
