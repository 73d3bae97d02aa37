"""What is said about a missing extra works as it stands, however this was installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CASES = [
    ({"url": "file:///usr/src/my%20glimpsed", "dir_info": {}}, "'/usr/src/my glimpsed[ocr,pdf]'"),
    ({"url": "file:///src", "dir_info": {"editable": True}}, "-e '/src[ocr,pdf]'"),
    ({"url": "git+https://host/glimpsed", "vcs_info": {}}, "'glimpsed[ocr,pdf] @ git+https://host/glimpsed'"),
    (None, "'glimpsed[ocr,pdf]'"),
    ("not JSON", "'glimpsed[ocr,pdf]'"),
]


@pytest.mark.parametrize(("told", "expected"), CASES)
def test_the_command_names_what_pip_was_given(tmp_path: Path, told: object, expected: str) -> None:
    """In a Python that finds the record of another installation first."""
    record = tmp_path / "glimpsed-9.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: glimpsed\nVersion: 9\n")
    if told is not None:
        (record / "direct_url.json").write_text(told if isinstance(told, str) else json.dumps(told))
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom glimpsed import extras; print(extras.command('ocr', 'pdf'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    pip = f"{sys.executable} -m pip" if sys.prefix != sys.base_prefix else "pip"
    assert done.stdout == f"{pip} install {expected}\n"
    (record / "INSTALLER").write_text(
        "dpkg\n"
    )  # the Debian package has them all, and pip is not to write into it
    (record / "direct_url.json").write_text("{}")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "apt-get install --reinstall glimpsed\n"
