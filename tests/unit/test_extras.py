"""What is said about a missing extra works as it stands, however this was installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REQUIRES = """Requires-Dist: pillow>=12
Requires-Dist: rapidocr<4,>=3.10; extra == "ocr"
Requires-Dist: pypdfium2>=5; extra == 'pdf'
Requires-Dist: glimpsed[ocr,pdf]; extra == "ready"
"""
CASES = [
    ({"url": "file:///usr/my%20src", "dir_info": {}}, "'rapidocr<4,>=3.10' 'pypdfium2>=5'"),
    ({"url": "file:///srv", "dir_info": {"editable": True}}, "-e '/srv[ocr,pdf]'"),
    ({"url": "file:///tmp/gone/build", "dir_info": {}}, "'rapidocr<4,>=3.10' 'pypdfium2>=5'"),
    (
        {"url": "https://host/glimpsed", "vcs_info": {"vcs": "git", "commit_id": "1f"}},
        "'glimpsed[ocr,pdf] @ git+https://host/glimpsed'",
    ),
    (
        {"url": "file:///srv/glimpsed", "vcs_info": {"vcs": "git", "requested_revision": "v1"}},
        "'glimpsed[ocr,pdf] @ git+file:///srv/glimpsed@v1'",
    ),
    (None, "'rapidocr<4,>=3.10' 'pypdfium2>=5'"),
    ("not JSON", "'rapidocr<4,>=3.10' 'pypdfium2>=5'"),
]


@pytest.mark.parametrize(("told", "expected"), CASES)
def test_the_command_names_what_pip_was_given(tmp_path: Path, told: object, expected: str) -> None:
    """In a Python that finds the record of another installation first."""
    record = tmp_path / "glimpsed-9.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: glimpsed\nVersion: 9\n" + REQUIRES)
    if told is not None:
        (record / "direct_url.json").write_text(told if isinstance(told, str) else json.dumps(told))
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom glimpsed import extras; print(extras.command('ocr', 'pdf'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    pip = f"{sys.executable} -m pip" if sys.prefix != sys.base_prefix else "pip"
    assert done.stdout == f"{pip} install {expected}\n"
    (record / "INSTALLER").write_text("uv")  # which puts no pip into what it makes
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"uv pip install --python {sys.executable} {expected}\n"
    (record / "INSTALLER").write_text(
        "dpkg\n"
    )  # the Debian package has them all, and pip is not to write into it
    (record / "direct_url.json").write_text("{}")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "apt-get install --reinstall glimpsed\n"


def test_where_the_source_is_it_is_named(tmp_path: Path) -> None:
    source = tmp_path / "my glimpsed"
    source.mkdir()
    record = tmp_path / "glimpsed-9.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: glimpsed\nVersion: 9\n" + REQUIRES)
    (record / "direct_url.json").write_text(json.dumps({"url": source.as_uri(), "dir_info": {}}))
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom glimpsed import extras; print(extras.command('ocr'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith(f" install '{source}[ocr]'\n")


def test_the_program_is_named_so_that_a_shell_finds_it() -> None:
    """By its name where that leads here, by its path where it leads elsewhere or nowhere."""
    own = f"{sys.prefix}/bin/glimpsed"
    program = "from glimpsed import extras; print(extras.program())"

    def named(path: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PATH": path}
        )
        return done.stdout.strip()

    assert named(f"{sys.prefix}/bin:/usr/bin") == "glimpsed"
    assert named("/nowhere") == own
