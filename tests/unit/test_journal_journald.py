"""A real journald, alone in namespaces of its own: fields, catalog, and what happens when it hangs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from glimpsed.journal.events import EVENTS

JOURNALD = "/lib/systemd/systemd-journald"
CATALOG = Path(__file__).parents[2] / "systemd" / "glimpsed.catalog"
# $1 is a script for bash. Nothing outside is touched; all of it dies with the namespaces.
INSIDE = f"""
set -eu
echo 512 > /proc/sys/net/unix/max_dgram_qlen  # as systemd sets it
mount -t tmpfs -o mode=755 tmpfs /run; mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /run/systemd/journal /run/log/journal /run/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\nRateLimitIntervalSec=0\\nReadKMsg=no\\nAudit=no\\nForwardToSyslog=no\\n' \
  > /run/systemd/journald.conf.d/test.conf
{JOURNALD} > /run/journald.out 2>&1 & daemon=$!
for i in $(seq 200); do [ -S /run/systemd/journal/socket ] && journalctl --sync 2>/dev/null && break; sleep 0.05; done
eval "$1"
"""
LOG = """
import sys
from glimpsed import journal
from glimpsed.config.schema import Log
target = journal.configure(Log(target="journald"))
log = journal.get_logger()
def speak():
    log.error("file.failed", folder="invoices", file="a b.jpg", model="m", attempt=2, cost=0.25, reason="it is torn")
"""


def _unshare(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    command = [
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
    ]
    return subprocess.run(
        [*command, "bash", "-c", INSIDE, "inside", script], cwd=tmp_path, capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | {"PY": sys.executable},
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def possible(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("systemd.journal", reason="needs systemd-python")
    if os.geteuid() != 0 or not Path(JOURNALD).exists() or shutil.which("unshare") is None:
        pytest.skip("needs root, systemd-journald and unshare")
    if _unshare("true", tmp_path_factory.mktemp("try")).returncode != 0:
        pytest.skip("no namespaces here")


def entries(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_an_event_is_found_by_its_fields(tmp_path: Path) -> None:
    (tmp_path / "speak.py").write_text(LOG + "print(target, file=sys.stderr)\nspeak()\n")
    done = _unshare(
        "$PY speak.py; journalctl --sync; journalctl -o json -t glimpsed"
        " GLIMPSED_FOLDER=invoices GLIMPSED_EVENT=file.failed",
        tmp_path,
    )
    assert done.stderr == "journald\n"
    (entry,) = entries(done.stdout)
    expected = {
        "MESSAGE": "invoices/a b.jpg: failed: it is torn",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "glimpsed",
        "MESSAGE_ID": EVENTS["file.failed"].message_id,
        "CODE_FILE": str(tmp_path / "speak.py"),
        "CODE_FUNC": "speak",
        "CODE_LINE": "8",
        "GLIMPSED_FILE": "a b.jpg",
        "GLIMPSED_MODEL": "m",
        "GLIMPSED_ATTEMPT": "2",
        "GLIMPSED_COST": "0.25",
        "GLIMPSED_REASON": "it is torn",
    }
    assert {k: entry.get(k) for k in expected} == expected | {"CODE_FILE": entry["CODE_FILE"]}
    assert Path(entry["CODE_FILE"]).name == "speak.py"


def test_journalctl_x_explains_the_event(tmp_path: Path) -> None:
    (tmp_path / "speak.py").write_text(LOG + "speak()\n")
    script = (
        "mount -t tmpfs tmpfs /var/lib/systemd/catalog; mkdir -p /run/systemd/catalog;"
        f"mount -t tmpfs tmpfs /usr/lib/systemd/catalog; cp {CATALOG} /usr/lib/systemd/catalog/;"
        "journalctl --update-catalog; $PY speak.py; journalctl --sync; journalctl -x -t glimpsed --no-pager"
    )
    done = _unshare(script, tmp_path)
    assert "Subject: A file failed: invoices/a b.jpg" in done.stdout, done
    assert "it is torn" in done.stdout.split("Subject:")[1]
    assert "glimpsed retry" in done.stdout


def test_the_target_auto_is_journald_when_standard_error_is_its_stream(tmp_path: Path) -> None:
    text = LOG.replace('target="journald"', 'target="auto"') + "print(target)\nspeak()\n"
    (tmp_path / "speak.py").write_text(text)
    # systemd sets JOURNAL_STREAM to the socket that systemd-cat makes; here python looks it up itself.
    (tmp_path / "auto.py").write_text(
        "import os, runpy\ns = os.fstat(2)\nos.environ['JOURNAL_STREAM'] = f'{s.st_dev}:{s.st_ino}'\n"
        "runpy.run_path('speak.py')\n"
    )
    done = _unshare(
        "systemd-cat -t other $PY auto.py; journalctl --sync; journalctl -o json -t glimpsed;"
        "journalctl -o cat -t other",
        tmp_path,
    )
    assert [e["GLIMPSED_EVENT"] for e in entries(done.stdout)] == ["file.failed"]
    assert done.stdout.splitlines()[-1] == "journald"


@pytest.mark.parametrize("size", [10, 2000])  # 512 of the largest are more than a socket's buffer holds
def test_a_journald_that_hangs_holds_nobody_up_and_reads_on_where_it_stopped(
    tmp_path: Path, size: int
) -> None:
    (tmp_path / "speak.py").write_text(
        LOG
        + "import os, signal, time\nos.kill(int(sys.argv[1]), signal.SIGSTOP)\n"
        + f"turns, more = [], {{f'more{{n}}': '- ' * ({size} // 2) for n in range(10)}}\n"
        + "for n in range(600):\n"
        + f"    log.info('file.done', folder='in', file=str(n), exception='- ' * 4 * {size}, **more)\n"
        + "    turns.append(time.monotonic())\n"
        + "    time.sleep(0.001)\n"
        + "print('turns', max(b - a for a, b in zip(turns, turns[1:])) < 20, journal.flush(0.2))\n"
        + "os.kill(int(sys.argv[1]), signal.SIGCONT)\nprint('flushed', journal.flush(60), flush=True)\n"
    )
    done = _unshare(
        "timeout 80 $PY speak.py $daemon; journalctl --sync;"
        " journalctl -o json --output-fields=GLIMPSED_FILE -t glimpsed GLIMPSED_EVENT=file.done",
        tmp_path,
    )
    assert done.stdout.splitlines()[:2] == ["turns True False", "flushed True"], done
    assert [e["GLIMPSED_FILE"] for e in entries(done.stdout)] == [str(n) for n in range(600)]


def test_the_end_does_not_wait_for_a_journald_that_hangs(tmp_path: Path) -> None:
    (tmp_path / "speak.py").write_text(
        LOG
        + "for n in range(2000):\n    log.info('file.done', folder='in', file=str(n), exception='- ' * 10_000)\n"
    )
    done = _unshare(
        "kill -STOP $daemon; timeout 200 $PY speak.py; echo code $?; kill -CONT $daemon", tmp_path
    )
    assert done.stdout.splitlines() == ["code 0"], done


def test_an_entry_that_no_datagram_holds_arrives_whole(tmp_path: Path) -> None:
    (tmp_path / "speak.py").write_text(
        "from glimpsed.journal.journald import Journal\n"
        "journal = Journal()\n"
        "for text in ('ä\\n' * 2_000_000, 'small\\udcff'): journal.send({'MESSAGE': text, 'SYSLOG_IDENTIFIER': 'big'})\n"
    )
    done = _unshare(
        "$PY speak.py; journalctl --sync; journalctl -o json --all -t big | $PY -c '"
        'import json, sys\nfor line in sys.stdin: print(len(m := json.loads(line)["MESSAGE"]), ascii(m[-9:]))\'',
        tmp_path,
    )
    large, small = done.stdout.splitlines()
    assert large == r"4000000 '\n\xe4\n\xe4\n\xe4\n\xe4\n'"
    assert small == r"11 'all\\udcff'"


def test_a_journald_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "speak.py").write_text(LOG + "speak()\nprint('well', journal.flush(20))\n")
    done = _unshare("kill -9 $daemon; wait $daemon || true; $PY speak.py; rm /run/systemd/journal/socket; $PY speak.py",
                    tmp_path)  # fmt: skip
    assert done.stdout.splitlines() == ["well True", "well True"]
    told, failed = entries(done.stderr)  # the second time there is no socket, which is noticed
    assert "no journal to be reached here" in told["reason"]
    assert failed["event"] == "file.failed"


def test_the_catalog_explains_every_event_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(CATALOG, place)
    journalctl = ["journalctl", f"--root={tmp_path}"]
    subprocess.run([*journalctl, "--update-catalog"], check=True, capture_output=True)
    listed = subprocess.run(
        [*journalctl, "--list-catalog"], check=True, capture_output=True, text=True
    ).stdout
    found = {line.split()[0]: line for line in listed.splitlines() if " glimpsed: " in line}
    assert set(found) == {uuid.UUID(e.message_id).hex for e in EVENTS.values()}
