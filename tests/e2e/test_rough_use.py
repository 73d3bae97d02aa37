"""Rough use from the shell: interrupted, closed and full streams, pipes, commands beside a mess."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from daemon import GLIMPSED, environment, glimpsed
from gateway import Gateway, Scripted
from glimpsed.ledger import open_ledger
from pictures import picture

ONE_FILE = "scan.png"


@pytest.fixture
def home(tmp_path: Path, gateway: Gateway) -> Path:
    """A config with one folder, one image in it, and the ledger of a daemon that has not seen it yet."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / ONE_FILE).write_bytes(picture())
    (tmp_path / "glimpsed.yaml").write_text(
        f'models: {{gw: {{api: chat, base_url: "{gateway.base_url}", api_key_env: GLIMPSED_API_KEY}}}}\n'
        "folders: {inbox: {path: inbox, settle: 0.1s, settle_limit: 1s}}\n"
        "drain: 20s\n"
    )
    (tmp_path / "state" / "glimpsed").mkdir(parents=True)
    open_ledger(f"sqlite:///{tmp_path}/state/glimpsed/ledger.sqlite").close()
    return tmp_path


def shell(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """What a user would type; `glimpsed` is the program."""
    program = " ".join(GLIMPSED)
    return subprocess.run(
        ["/bin/bash", "-c", f'glimpsed() {{ {program} "$@"; }}; {command}'],
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_once_that_is_stopped_says_what_it_left_and_is_no_success(home: Path, gateway: Gateway) -> None:
    gateway.default = Scripted(fault="hang")
    process = subprocess.Popen(
        [*GLIMPSED, "once"],
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    gateway.wait_for(1, seconds=60)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    log = []
    for line in process.stderr:
        log.append(line)
        if "a second signal ends at once" in line:
            break
    assert "a second signal ends at once" in log[-1]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    assert time.monotonic() - started < 15, "the second signal did not shorten the drain"
    assert process.returncode == 1
    assert "1 file still waits: stopped before they were done" in err


def test_try_prints_the_answer_alone_to_standard_output(home: Path) -> None:
    done = glimpsed("try", f"inbox/{ONE_FILE}", home=home)
    assert (done.returncode, done.stdout) == (0, "The quick brown fox.\n")


def test_try_tells_of_an_image_that_is_not_there_once_and_on_standard_error(home: Path) -> None:
    done = glimpsed("try", "nope.jpg", home=home)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "nope.jpg: No such file or directory\n")


def test_try_saves_the_requests_of_all_images_and_where_it_cannot_sends_nothing(
    home: Path, gateway: Gateway
) -> None:
    (home / "other.png").write_bytes(picture(seed=1))
    wrong = glimpsed("try", f"inbox/{ONE_FILE}", "--save-request", "nowhere/x.json", home=home)
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "glimpsed: --save-request: there is no directory nowhere\n",
    )
    assert not gateway.requests
    done = glimpsed("try", f"inbox/{ONE_FILE}", "other.png", "--save-request", "x.json", home=home)
    assert done.returncode == 0
    assert len(json.loads((home / "x.json").read_text())) == 2


def test_once_works_with_no_standard_streams_at_all(home: Path) -> None:
    done = shell("glimpsed once <&- >&- 2>&-", home)
    assert done.returncode == 0
    assert (home / "inbox" / f"{ONE_FILE}.txt").read_text() == "The quick brown fox.\n"
    assert glimpsed("check", home=home).returncode == 0  # nothing was printed into the ledger


@pytest.mark.parametrize("command", ["schema", "status"])
def test_a_full_disk_under_the_output_is_no_bug(command: str, home: Path) -> None:
    done = shell(f"glimpsed {command} > /dev/full", home)
    assert (done.returncode, done.stderr) == (
        1,
        "glimpsed: the output cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("trouble", ["2>/dev/full", "0</dev/null 2<&0"], ids=["full", "read-only"])
@pytest.mark.parametrize(("command", "code"), [("-c nowhere.yaml status", 78), ("status --wrong", 2)])
def test_the_code_says_what_it_was_where_nobody_can_be_told(
    command: str, code: int, trouble: str, home: Path
) -> None:
    assert shell(f"glimpsed {command} {trouble}", home).returncode == code


@pytest.mark.parametrize("command", ["export", "init", "report inbox"])
def test_an_output_named_like_a_directory_is_no_file(command: str, home: Path) -> None:
    done = shell(f"glimpsed {command} -o out/", home)
    assert done.returncode == 2
    assert "out/ is a directory: name a file" in done.stderr
    assert not (home / "out").exists()


def test_a_standard_stream_that_is_only_for_reading_is_as_good_as_none(home: Path) -> None:
    done = shell("glimpsed status 0</dev/null 1<&0", home)
    assert (done.returncode, done.stderr) == (0, "")
    assert shell("glimpsed approve 0</dev/null 2<&0", home).returncode == 0


def test_a_pipe_that_closes_early_is_told_by_the_usual_code(home: Path) -> None:
    done = shell("glimpsed status --help | true; glimpsed status | true; echo ${PIPESTATUS[0]}", home)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_once_leaves_a_file_that_never_stops_growing(home: Path) -> None:
    config = home / "glimpsed.yaml"
    config.write_text(config.read_text().replace("settle: 0.1s, settle_limit: 1s", "settle: 2s"))
    growing = subprocess.Popen(
        ["sh", "-c", "while sleep 0.1; do echo more >> inbox/growing.jpg; done"], cwd=home
    )
    try:
        done = glimpsed("once", home=home)
    finally:
        growing.kill()
        growing.wait()
    assert done.returncode == 1
    assert "1 file still waits: still being written, or not to be read" in done.stderr
    assert (home / "inbox" / f"{ONE_FILE}.txt").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_once_ends_when_a_file_cannot_be_read_and_an_answer_cannot_be_written(home: Path) -> None:
    (home / "inbox" / "locked.png").write_bytes(picture(seed=1))
    (home / "inbox" / "locked.png").chmod(0)
    (home / "inbox").chmod(0o500)
    done = glimpsed("once", home=home)
    (home / "inbox").chmod(0o700)
    assert done.returncode == 1
    assert f"a sidecar cannot be written: {ONE_FILE}: Permission denied" in done.stderr
    assert "locked.png: Permission denied" in done.stderr


def test_a_mistyped_command_is_told_with_the_one_that_was_meant(home: Path) -> None:
    done = glimpsed("statsu", home=home)
    assert (done.returncode, "Did you mean 'status'?" in done.stderr) == (2, True)
