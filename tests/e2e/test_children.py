"""What becomes of the daemon's children: killed, stopped, left alone."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import images_samples as samples
from daemon import Daemon, wait_until
from gateway import Gateway
from pictures import drop

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, settle: 20ms}}
log: {{target: json, level: debug}}
workers: 2
"""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False) as gateway:
        yield gateway


def slow(seed: int) -> bytes:
    """A page that takes more than a second to draw, also on a fast machine."""
    return samples.pdf(b"0 0 m 600 %d l 300 20 l S\n" % (700 - seed) * 6000)


def at_work(daemon: Daemon) -> set[int]:
    """The image workers that have used some CPU beyond their start."""
    tasks = Path(f"/proc/{daemon.process.pid}/task")
    found = set()
    for task in tasks.iterdir():
        for pid in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if b"images.worker" in Path(f"/proc/{pid}/cmdline").read_bytes() and cpu(int(pid)) > 0.5:
                    found.add(int(pid))
    return found


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_image_worker_that_is_killed_once_fails_no_file(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    with Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        for n in range(2):
            drop(inbox, f"{n}.pdf", slow(n))
        wait_until(lambda: len(at_work(daemon)) == 2, "nothing is drawn")
        for pid in at_work(daemon):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(daemon.seen("file.done")) == 2, f"not done: {daemon.tail()}")
        assert not daemon.seen("file.failed")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2


@pytest.mark.parametrize("number", [None, signal.SIGSTOP], ids=str)
def test_no_worker_outlives_a_daemon_that_is_killed(
    tmp_path: Path, inbox: Path, gateway: Gateway, number: signal.Signals | None
) -> None:
    with Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        drop(inbox, "0.pdf", samples.pdf(b"0 0 m 600 800 l 300 20 l S\n" * 1_000_000))
        wait_until(lambda: len(at_work(daemon)) == 1, "nothing is drawn")
        [pid] = at_work(daemon)
        if number is not None:
            os.kill(pid, number)
        daemon.stop(signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the worker lives on", 20)


LOCAL = """
models:
  m: {{api: local, model: tesseract}}
folders:
  inbox: {{path: {inbox}, settle: 20ms}}
log: {{target: json, level: debug}}
"""


def test_an_ocr_process_that_is_killed_once_fails_no_page_and_none_outlives_the_daemon(
    tmp_path: Path, inbox: Path
) -> None:
    program = tmp_path / "bin" / "tesseract"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
[ "$1" = --version ] && echo tesseract 9.9 && exit
echo $$ >> {tmp_path}/pids
[ -e {tmp_path}/hang ] && exec sleep 600
[ -e {tmp_path}/once ] || {{ touch {tmp_path}/once; kill -9 $$; }}
cat > /dev/null
printf 'level\\tpage\\tblock\\tparagraph\\tline\\tword\\tleft\\ttop\\twidth\\theight\\tconf\\ttext\\nread\\n'
"""
    )
    program.chmod(0o755)
    path = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    with Daemon(LOCAL.format(inbox=inbox), tmp_path, env=path) as daemon:
        daemon.wait_event("service.ready")
        drop(inbox, "a.png", samples.save(samples.typed(300, 400), "PNG"))
        daemon.wait_event("file.done", file="a.png")
        assert (inbox / "a.png.txt").read_text() == "read\n"
        assert not daemon.seen("file.retry")
        (tmp_path / "hang").touch()
        before = len((tmp_path / "pids").read_text().split())
        drop(inbox, "b.png", samples.save(samples.typed(300, 500), "PNG"))
        wait_until(lambda: len((tmp_path / "pids").read_text().split()) > before, "it is not asked")
        last = (tmp_path / "pids").read_text().split()[-1]
        daemon.stop(signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{last}").exists(), "tesseract lives on", 20)
