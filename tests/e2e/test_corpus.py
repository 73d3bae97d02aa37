"""Every format, and files made to crash, hang or exhaust decoders, through the whole program."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from daemon import GLIMPSED, environment
from gateway import Gateway

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
MOST = 1_000_000_000  # bytes, of the daemon and its image workers together
CONFIG = """
models: {{m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, concurrency: 4}}}}
folders: {{inbox: {{path: {inbox}, settle: 0, settle_limit: 1s, max_pages: 60}}}}
log: {{target: json, level: debug}}
"""


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(c) for c in (task / "children").read_text().split()]
    return found


def resident(pid: int) -> int:
    """Proportional set size in bytes: what is shared between the processes counts once."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of test images is not here")
def test_every_file_of_the_corpus_ends_done_failed_or_skipped_and_memory_stays_bounded(
    tmp_path: Path,
) -> None:
    inbox = tmp_path / "inbox"
    for part in ("pillow", "scans"):
        shutil.copytree(CORPUS / part, inbox / part)
    for file in inbox.rglob("*"):
        os.chmod(file, 0o755 if file.is_dir() else 0o644)
    images = {str(f.relative_to(inbox)) for f in inbox.rglob("*") if f.is_file()}
    with Gateway(decode=False) as gateway:
        (tmp_path / "glimpsed.yaml").write_text(CONFIG.format(url=gateway.base_url, inbox=inbox))
        with open(tmp_path / "log", "w") as log:
            process = subprocess.Popen(
                [*GLIMPSED, "once"], cwd=tmp_path, env=environment(tmp_path), stdout=log, stderr=log
            )
            peak, everybody = 0, set()
            deadline = time.monotonic() + 300
            while process.poll() is None:
                assert time.monotonic() < deadline, "did not end"
                processes = tree(process.pid)
                everybody.update(processes)
                peak = max(peak, sum(resident(p) for p in processes))
                time.sleep(0.2)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    ended = {
        e["file"] for e in lines if e["event"] in ("file.done", "file.reused", "file.failed", "file.skipped")
    }
    assert images - ended == set()
    assert process.returncode == 1  # some of them cannot be decoded
    failed = [e for e in lines if e["event"] == "file.failed"]
    assert all(e["reason"] for e in failed)
    assert not [e for e in failed if "bug" in e["reason"]]
    assert len({e["file"] for e in lines if e["event"] in ("file.done", "file.reused")}) > len(images) * 0.8
    assert peak < MOST
    assert not [p for p in everybody if os.path.exists(f"/proc/{p}") and "glimpsed" in _command(p)]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
