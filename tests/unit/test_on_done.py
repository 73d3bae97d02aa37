from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from glimpsed import sidecar
from glimpsed.config.schema import OnDone
from glimpsed.errors import FileError, SidecarBlocked, Vanished
from glimpsed.model import Written
from glimpsed.sidecar import Moved
from sidecar_samples import IMAGE, Inbox, inbox

NOW = dt.datetime(2026, 11, 22, 12, 0, 0).astimezone().timestamp()


def moving(path: Path, move_to: object, file: str = "a/scan.jpg", **keys: object) -> Inbox:
    return inbox(path, file, on_done=OnDone(move_to=str(move_to)), **keys)


def move(box: Inbox, written: tuple[Written, ...]) -> Moved | None:
    return sidecar.move(box.root, box.file, box.folder, written, box.version)


def tree(path: Path) -> set[str]:
    return {str(p.relative_to(path)) for p in path.rglob("*") if not p.is_dir()}


@pytest.fixture(params=["same file system", "another file system"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "archive"
    path.mkdir()
    with contextlib.ExitStack() as stack:
        if request.param == "another file system":
            if subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "glimpsed", str(path)], check=False
            ).returncode:
                pytest.skip("may not mount a tmpfs")
            stack.callback(subprocess.run, ["umount", "-l", str(path)], check=True)
        yield path


def test_an_image_moves_with_its_sidecars_and_keeps_subdirectory_time_and_content(
    tmp_path: Path, archive: Path
) -> None:
    box = moving(tmp_path / "inbox", archive)
    box.image.chmod(0o640)
    version, answer_text = box.version, "the answer"
    moved = move(box, box.write(box.answer(answer_text)))
    assert moved is not None
    assert tree(box.path) == set()
    assert tree(archive) == {"a/scan.jpg", "a/scan.jpg.txt", "a/scan.jpg.json"}
    assert (archive / "a/scan.jpg").read_bytes() == IMAGE
    assert (archive / "a/scan.jpg").stat().st_mode & 0o777 == 0o640
    assert (archive / "a/scan.jpg.txt").read_text() == "the answer\n"
    assert moved.path == str(archive / "a/scan.jpg")
    assert moved.version == version
    for w in moved.written:
        status = (archive / "a" / w.name).stat()
        assert (w.size, w.mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_where_the_target_is_watched_the_image_is_adopted_there_not_asked_again(
    tmp_path: Path, archive: Path
) -> None:
    box = moving(tmp_path / "inbox", archive)
    move(box, box.write())
    there = Inbox(archive, box.folder, box.file)
    assert there.found().verdict == "adopt"


def test_a_name_that_is_taken_gets_a_number_and_the_sidecars_the_same_one(
    tmp_path: Path, archive: Path
) -> None:
    for content in (b"first", b"second", b"third"):
        box = moving(tmp_path / "inbox", archive, "scan.jpg")
        box.image.write_bytes(content)
        move(box, box.write(box.answer(content.decode())))
    for name, content in (("scan", "first"), ("scan-2", "second"), ("scan-3", "third")):
        assert (archive / f"{name}.jpg").read_text() == content
        assert (archive / f"{name}.jpg.txt").read_text() == f"{content}\n"
    assert len(tree(archive)) == 9


def test_one_taken_sidecar_name_is_enough_for_another_number(tmp_path: Path, archive: Path) -> None:
    (archive / "scan.jpg.txt").write_text("not ours")
    box = moving(tmp_path / "inbox", archive, "scan.jpg")
    move(box, box.write())
    assert (archive / "scan.jpg.txt").read_text() == "not ours"
    assert tree(archive) == {"scan.jpg.txt", "scan-2.jpg", "scan-2.jpg.txt", "scan-2.jpg.json"}


def test_a_relative_target_is_below_the_folder_and_filled_in_with_the_files_own_day(tmp_path: Path) -> None:
    box = moving(tmp_path, "done/{folder}/{date}/{x}")
    os.utime(box.image, (NOW, NOW))
    moved = move(box, box.write())
    assert moved is not None
    assert moved.path == str(tmp_path / "done/inbox/2026-11-22/{x}/a/scan.jpg")
    assert Path(moved.path).exists()


def test_a_sibling_of_the_folder_can_be_named_relatively(tmp_path: Path) -> None:
    box = moving(tmp_path / "inbox", "../done")
    move(box, box.write())
    assert tree(tmp_path) == {"done/a/scan.jpg", "done/a/scan.jpg.txt", "done/a/scan.jpg.json"}


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    box = moving(tmp_path, "done", "done/scan.jpg")
    assert move(box, box.write()) is None
    assert box.image.exists()


@pytest.mark.parametrize("day", ["2026-11-22", "2026-11-23"])
def test_what_changes_in_a_dated_place_stays_there(tmp_path: Path, day: str) -> None:
    box = moving(tmp_path, "done/{date}", f"done/{day}/a/scan.jpg")
    os.utime(box.image, (NOW, NOW))
    assert move(box, box.write()) is None
    assert box.image.exists()


@pytest.mark.parametrize("made", ["file", "dangling link", "long"])
def test_a_target_that_can_be_no_directory_is_told_and_not_tried_for_ever(tmp_path: Path, made: str) -> None:
    target = tmp_path / ("x" * 300 if made == "long" else "target")
    if made == "file":
        target.write_text("not a directory")
    if made == "dangling link":
        target.symlink_to(tmp_path / "nowhere")
    box = moving(tmp_path / "inbox", target / "below" if made == "file" else target)
    with pytest.raises(FileError, match="not a directory"):
        move(box, box.write())
    assert box.names() == {"scan.jpg", "scan.jpg.txt", "scan.jpg.json"}


@pytest.mark.parametrize("absolute", [True, False])
def test_a_planted_link_is_not_followed(tmp_path: Path, absolute: bool) -> None:
    box = moving(tmp_path / "inbox", tmp_path / "inbox/done" if absolute else "done")
    (tmp_path / "outside").mkdir()
    (box.path / "done").symlink_to(tmp_path / "outside")
    with pytest.raises(FileError, match="link"):
        move(box, box.write())
    assert tree(tmp_path / "outside") == set()
    assert box.names() == {"scan.jpg", "scan.jpg.txt", "scan.jpg.json"}


def test_an_image_that_is_gone_leaves_everything_where_it_was(tmp_path: Path, archive: Path) -> None:
    box = moving(tmp_path / "inbox", archive)
    written, version = box.write(), box.version
    box.image.unlink()
    with pytest.raises(Vanished):
        sidecar.move(box.root, box.file, box.folder, written, version)
    assert tree(archive) == set()
    assert box.names() == {"scan.jpg.txt", "scan.jpg.json"}


def test_a_sidecar_that_somebody_took_away_does_not_hold_up_the_image(tmp_path: Path, archive: Path) -> None:
    box = moving(tmp_path / "inbox", archive)
    written = box.write()
    box.beside("scan.jpg.txt").unlink()
    moved = move(box, written)
    assert moved is not None
    assert [w.name for w in moved.written] == ["scan.jpg.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_no_space_there_moves_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "glimpsed", str(archive)], check=False
    ).returncode:
        pytest.skip("may not mount a tmpfs")
    try:
        box = moving(tmp_path / "inbox", archive)
        box.image.write_bytes(bytes(200_000))
        written = box.write()
        with pytest.raises(SidecarBlocked, match=f"cannot be moved to {archive}: No space") as blocked:
            move(box, written)
        assert blocked.value.reach == "file"  # others are asked about and written all the same
        assert tree(archive) == set()
        assert box.names() == {"scan.jpg", "scan.jpg.txt", "scan.jpg.json"}
    finally:
        subprocess.run(["umount", "-l", str(archive)], check=True)


# -- command


DUMP = """
import json, os, sys
json.dump({"arguments": sys.argv[2:], "environment": dict(os.environ), "session": os.getsid(0) == os.getpid(),
           "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))}, open(sys.argv[1], "w"))
sys.exit(3)
"""


def telling(path: Path, *command: str) -> Inbox:
    return inbox(path, "a/-rf 'x'.jpg", on_done=OnDone(command=command))


async def run(
    box: Inbox, written: tuple[Written, ...] = (), **keys: float
) -> tuple[str | None, dict[str, object]]:
    with structlog.testing.capture_logs() as lines:
        failure = await sidecar.run_command(box.folder, str(box.image), box.file, written, **keys)
    (line,) = lines
    return failure, line


@pytest.mark.anyio
async def test_the_command_is_told_in_arguments_and_environment_and_knows_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLIMPSED_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_KEY", "sk-secret")
    out = tmp_path / "out.json"
    box = telling(
        tmp_path / "inbox", sys.executable, "-c", DUMP, str(out),
        "{path}", "x={name};{stem}", "{folder}/{relpath}", "{text_path}", "{json_path}", "{md_path}", "$HOME", "{}",
    )  # fmt: skip
    failure, line = await run(box, box.write())
    told = json.loads(out.read_text())
    image = str(box.image)
    assert failure == "the command: exit code 3"
    assert told["arguments"] == [
        image, "x=-rf 'x'.jpg;-rf 'x'", "inbox/a/-rf 'x'.jpg", f"{image}.txt", f"{image}.json", "{md_path}", "$HOME", "{}",
    ]  # fmt: skip
    environment = told["environment"]
    assert environment["GLIMPSED_PATH"] == image
    assert environment["GLIMPSED_TEXT_PATH"] == f"{image}.txt"
    assert environment["GLIMPSED_RELPATH"] == "a/-rf 'x'.jpg"
    assert environment["PATH"] == os.environ["PATH"]
    assert "sk-secret" not in environment.values()
    assert told["session"]
    assert told["open"][:3] == [0, 1, 2]
    assert len(told["open"]) <= 5  # those, the listing itself and the file written
    assert (line["event"], line["exit_code"], line["reason"]) == ("file.command", 3, "exit code 3")


@pytest.mark.anyio
async def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    box = telling(
        tmp_path / "inbox",
        "/bin/sh",
        "-c",
        f"sleep 600 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait",
    )
    failure, line = await run(box, limit=2.0)
    assert failure == "the command: killed after 2 s"
    assert line["reason"] == "killed after 2 s"
    assert not is_running(int(pid_file.read_text()))


@pytest.mark.anyio
async def test_a_command_that_cannot_be_started_is_a_line_in_the_log(tmp_path: Path) -> None:
    failure, line = await run(telling(tmp_path / "inbox", str(tmp_path / "no-such-program")))
    assert failure == "the command: cannot be started: No such file or directory"
    assert line["reason"] == "cannot be started: No such file or directory"
    failure, line = await run(telling(tmp_path / "other", "a\0b"))
    assert failure is not None
    assert line["log_level"] == "warning"


@pytest.mark.anyio
async def test_the_last_line_of_what_it_said_is_told_however_much_that_was(tmp_path: Path) -> None:
    script = (
        "yes chatter | head -c 3000000 >&2; echo 'no such\033[2J customer' >&2; echo >&2; sleep 600 & exit 4"
    )
    box = telling(tmp_path / "inbox", "/bin/sh", "-c", script)
    before = len(os.listdir("/proc/self/fd"))
    began = time.monotonic()
    failure, line = await run(box)  # the sleep keeps its standard error open
    assert time.monotonic() - began < 60
    assert failure == "the command: exit code 4: no such\\x1b[2J customer"
    assert line["reason"] == "exit code 4"  # what it says may be anything: the log does not need it twice
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.anyio
async def test_what_it_leaves_in_the_background_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    box = telling(tmp_path / "inbox", "/bin/sh", "-c", '(sleep 0.3; printf x >> "$GLIMPSED_PATH") & exit 0')
    before = box.image.read_bytes()
    assert (await run(box))[0] is None
    assert box.image.read_bytes() == before + b"x"
    pid_file = tmp_path / "pid"
    box = telling(tmp_path / "other", "/bin/sh", "-c", f"sleep 600 & echo $! > {pid_file}")
    assert (await run(box, linger=0.2))[0] is None
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


@pytest.mark.anyio
async def test_what_succeeds_has_no_reason(tmp_path: Path) -> None:
    assert (await run(telling(tmp_path / "inbox", "true")))[0] is None


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie; killed ones are given a moment to go."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state in "ZX":
            return False
        time.sleep(0.01)
    return True


def test_what_a_crash_left_at_the_target_goes_when_the_image_is_found_there(
    archive: Path, tmp_path: Path
) -> None:
    box = moving(tmp_path / "in", archive)
    version, answer = box.version, box.answer()
    moved = move(box, box.write(answer))
    assert moved is not None
    target = Path(moved.path).parent
    old, new = (target / f".glimpsed-{'0' * 8}-1-1-{'0' * 7}{n}.tmp" for n in "12")
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (NOW, NOW))
    found = sidecar.find_moved(box.root, box.file, box.folder, version, answer, now=NOW + 7200)
    assert found is not None
    assert found.path == moved.path
    assert not old.exists()
    assert new.exists(), "it may be written just now, by another host"
