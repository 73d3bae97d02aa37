"""Where right answers are looked for: trees as anybody may have made them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from glimpsed.evaluate import known


def test_a_deep_tree_is_gone_through_as_far_as_paths_reach(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        for number in range(3000):
            os.mkdir("d", dir_fd=fd)
            below = os.open("d", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
            if number in {0, 1200}:
                for name, content in (("a.png", b"x"), ("a.png.expected.txt", b"right")):
                    file = os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=fd)
                    os.write(file, content)
                    os.close(file)
        (tmp_path / "d" / ".hidden").mkdir()
        (tmp_path / "d" / ".hidden" / "b.png").write_bytes(b"x")
        (tmp_path / "d" / ".hidden" / "b.png.expected.txt").write_text("hidden")
        (tmp_path / "link").symlink_to(tmp_path / "d")
        found = known.find(tmp_path)
        assert [file.known.text for file in found] == ["right"] * 2
        assert known.find(tmp_path, recursive=False) == []
    finally:
        os.close(fd)
        subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)
