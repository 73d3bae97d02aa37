"""From a line of mountinfo to how a folder is watched."""

from __future__ import annotations

from pathlib import Path

import pytest

from glimpsed.config.schema import Folder
from glimpsed.discover import mounts
from glimpsed.discover.mounts import Mount, judge, parse

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:40 / /srv/nas rw - nfs4 nas:/export rw,vers=4.2
31 22 0:41 / /srv/with\\040blank rw shared:7 master:2 - cifs //nas/scans rw
32 22 0:42 / /mnt/ssh rw - fuse.sshfs me@host:/ rw
33 22 0:43 / /mnt/disk rw - fuseblk /dev/sdb1 rw
34 22 0:44 / /merged rw - overlay overlay rw,lowerdir=/usr:/srv/nas/x,upperdir=/up,workdir=/work
35 22 0:45 / /box rw - overlay overlay rw,lowerdir=/usr,upperdir=/up,workdir=/work
36 22 0:46 / /plain rw - fuse thing rw
37 30 8:1 / /srv/nas/local rw - ext4 /dev/root rw
38 22 0:47 / /twice rw - ext4 /dev/sdc rw
39 22 0:48 / /twice rw - cifs //nas/twice rw
"""
MOUNTS = [mount for line in TABLE.splitlines() if (mount := parse(line))]


@pytest.mark.parametrize(
    ("path", "filesystem", "shared"),
    [
        ("/home/a", "ext4", None),
        ("/srv/nas", "nfs4", "nfs4"),
        ("/srv/nas/deep", "nfs4", "nfs4"),
        ("/srv/nasty", "ext4", None),
        ("/srv/nas/local/x", "ext4", None),
        ("/srv/with blank/in", "cifs", "cifs"),
        ("/mnt/ssh/a", "fuse.sshfs", "fuse.sshfs"),
        ("/mnt/disk/a", "fuseblk", None),
        ("/merged/a", "overlay", "overlay on nfs4"),
        ("/box/a", "overlay", None),
        ("/plain", "fuse", "fuse"),
        ("/twice", "cifs", "cifs"),
    ],
)
def test_the_file_system_and_whether_it_is_shared(path: str, filesystem: str, shared: str | None) -> None:
    assert judge(path, MOUNTS) == (filesystem, shared)


def test_lines_that_are_none_are_passed_over() -> None:
    assert parse("") is None
    assert parse("1 2 3 - ext4") is None
    assert judge("/x", []) == ("unknown", None)


def test_a_folder_that_says_how_gets_it(tmp_path: Path) -> None:
    assert mounts.mode(Folder(path=tmp_path, watch="poll"))[0] == "poll"
    mode, filesystem, reason = mounts.mode(Folder(path=tmp_path, watch="inotify"))
    assert (mode, reason) == ("inotify", "watch: inotify")
    assert filesystem == judge(str(tmp_path.resolve()), mounts.read_mounts())[0]


def test_a_shared_file_system_is_polled_and_the_reason_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "read_mounts", lambda: [Mount("/", "nfs", "rw")])
    mode, filesystem, reason = mounts.mode(Folder(path=tmp_path))
    assert (mode, filesystem) == ("poll", "nfs")
    assert "no events" in reason
