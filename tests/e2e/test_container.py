"""The container image, built and run: as PUID and PGID, its log as JSON on stdout, healthy, and stopped gracefully."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import wait_until
from pictures import LETTER, drop, page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

REPO = Path(__file__).parents[2]
USER, GROUP = 12345, 12346
SETPRIV = shutil.which("setpriv")
NO_FRESH_DEBIAN = "no fresh Debian here"


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    """A working container of the image that `make image` builds; not yet running anything."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if missing := [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    made = subprocess.run(["make", "-s", "image"], cwd=REPO, capture_output=True, text=True, check=False)
    if NO_FRESH_DEBIAN in made.stderr:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    name = buildah("from", "localhost/glimpsed:latest").strip()
    yield name
    buildah("rm", name)


def buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inside(container: str, *options: str) -> list[str]:
    as_whom = [f"--env=PUID={USER}", f"--env=PGID={GROUP}"]
    return ["buildah", "run", "--isolation", "chroot", *as_whom, *options, container, "--"]


def daemon_of(outer: int) -> int | None:
    """The process among the descendants of `outer` that has become PUID."""
    ahead = [outer]
    for pid in ahead:
        try:
            # By its status: the directory is root's, as the daemon lets nobody look into its memory.
            if f"\nUid:\t{USER}\t" in Path(f"/proc/{pid}/status").read_text():
                return pid
            for task in Path(f"/proc/{pid}/task").iterdir():  # any thread may have started it
                ahead += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None


def test_the_image_says_how_it_is_to_be_run(container: str) -> None:
    config = json.loads(buildah("inspect", "--type", "image", "localhost/glimpsed:latest"))["Docker"][
        "config"
    ]
    assert config["Entrypoint"] == ["start"]
    assert config["Healthcheck"]["Test"] == ["CMD", "healthy"]
    assert config["StopSignal"] == "SIGTERM"
    assert "/state" in config["Volumes"]


def test_a_letter_is_read_as_the_owner_of_the_folder_and_a_stop_ends_it(
    container: str, tmp_path: Path
) -> None:
    data, state, log = tmp_path / "data", tmp_path / "state", tmp_path / "log"
    data.mkdir()
    state.mkdir()
    os.chown(data, USER, GROUP)
    volumes = [f"--volume={data}:/data", f"--volume={state}:/state"]
    with log.open("wb") as out, subprocess.Popen([*inside(container, *volumes), "start"], stdout=out) as run:
        try:
            drop(data, "letter.png", page())
            wait_until((data / "letter.png.txt").exists, "no text", 300)
            assert (data / "letter.png.txt").stat().st_uid == USER
            assert (data / "letter.png.txt").stat().st_gid == GROUP
            text = (data / "letter.png.txt").read_text()
            assert all(line.split()[0] in text for line in LETTER)
            assert subprocess.run([*inside(container, *volumes), "healthy"], check=False).returncode == 0
            pid = daemon_of(run.pid)
            assert pid is not None
            os.kill(pid, signal.SIGTERM)
            assert run.wait(60) == 0
        finally:
            run.kill()
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events[0] == "service.started"
    assert "file.done" in events
    assert events[-1] == "service.stopped"
    assert (state / "ledger.sqlite").stat().st_uid == USER
    assert subprocess.run([*inside(container, *volumes), "healthy"], check=False).returncode != 0


@pytest.mark.skipif(os.geteuid() != 0 or SETPRIV is None, reason="needs root and setpriv")
def test_another_puid_takes_over_what_the_one_before_had_for_itself_alone(tmp_path: Path) -> None:
    state, private, programs = tmp_path / "state", tmp_path / "state/.cache/glimpsed", tmp_path / "bin"
    private.mkdir(parents=True, mode=0o700)
    (private / "page.json").touch()
    for place in (state, private.parent, private, private / "page.json"):
        os.chown(place, USER - 1, GROUP)
    programs.mkdir()
    (programs / "setpriv").symlink_to("/bin/true")  # what becomes PUID, and has no part in this
    as_in_compose = [str(SETPRIV), "--bounding-set=-all,+chown,+setuid,+setgid", "--no-new-privs"]
    where = {"PATH": f"{programs}:{os.environ['PATH']}", "STATE_DIRECTORY": str(state)}
    done = subprocess.run(
        [*as_in_compose, REPO / "packaging/container/start", "status"],
        env={**where, "PUID": str(USER), "PGID": str(GROUP)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (private / "page.json").stat().st_uid == private.stat().st_uid == USER
