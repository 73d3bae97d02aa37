"""What breaks around a running daemon: the disk of a folder, the ledger's database, the ledger itself.

An answer that was paid for is written in the end, without another request.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from ledger_fixtures import Postgres
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, settle: 20ms, prompt: "{{relpath}}"}}
log: {{target: json, level: debug}}
{top}
"""
HANDFUL = 12  # lines about one outage
NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
LEASE = 60  # seconds


def config(gateway: Gateway, inbox: Path, top: str = "") -> str:
    return CONFIG.format(url=gateway.base_url, inbox=inbox, top=top)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False) as gateway:
        yield gateway


def status(daemon: Daemon) -> dict[str, Any]:
    out = glimpsed("status", "--json", "-c", daemon.config, home=daemon.home).stdout
    folders: dict[str, Any] = json.loads(out)["folders"]
    return folders["inbox"]


def warnings(daemon: Daemon, event: str) -> list[dict[str, Any]]:
    """What people see: lines that are not for debugging."""
    return [e for e in daemon.seen(event) if e["level"] != "debug"]


def both(image: Path) -> bool:
    return all(image.with_name(image.name + suffix).exists() for suffix in (".txt", ".json"))


# --- the folder's disk ---


class Disk:
    """A small file system in a mount namespace of its own: it goes with its processes."""

    def __init__(self, path: Path, *mount: str) -> None:
        self.path = path
        path.mkdir()
        self._enter = [] if os.geteuid() == 0 else ["-r"]
        script = f'mount {shlex.join(mount)} "{path}" && echo mounted && exec cat'
        command = ["unshare", *self._enter, "-m", "--propagation", "private", "sh", "-c", script]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._holder.stdout is not None
        self.mounted = self._holder.stdout.readline() == "mounted\n"
        self.outside = Path(f"/proc/{self._holder.pid}/root{path}")  # the way there for the test

    @property
    def before(self) -> list[str]:
        """What runs a program that sees this disk."""
        user = ["-U", "--preserve-credentials"] if self._enter else []
        return ["nsenter", "-t", str(self._holder.pid), *user, "-m", "--"]

    def remount(self, how: str) -> None:
        subprocess.run([*self.before, "mount", "-o", f"remount,{how}", str(self.path)], check=True)

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.outside / ".ballast").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        (self.outside / ".ballast").unlink()

    def close(self) -> None:
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._holder.stdin.close()
        self._holder.wait(10)
        self._holder.stdout.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("needs unshare and nsenter: apt install util-linux")
    disk = Disk(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256k", "glimpsed")
    try:
        if not disk.mounted:
            pytest.skip("may not mount a tmpfs in a namespace of its own")
        yield disk
    finally:
        disk.close()


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Disk]:
    """An ext4 on which quotas are enforced."""
    tools = {"mkfs.ext4": "e2fsprogs", "setquota": "quota", "setpriv": "util-linux", "nsenter": "util-linux"}
    if missing := {package for tool, package in tools.items() if shutil.which(tool, path=SBIN) is None}:
        pytest.skip(f"needs {' '.join(sorted(missing))} from Debian")
    if os.geteuid() != 0:
        pytest.skip("only root may mount an image with quotas")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "quota", str(image)], check=True, env={"PATH": SBIN})
    disk = Disk(tmp_path / "disk", "-t", "ext4", "-o", "loop,usrquota", str(image))
    try:
        if not disk.mounted:
            pytest.skip("this kernel has no loop devices, or no quotas on ext4 (CONFIG_QFMT_V2)")
        yield disk
    finally:
        disk.close()


def stuck(daemon: Daemon) -> None:
    """Its answer waits: told once, tried again and again."""
    told = daemon.wait_event("sidecar.blocked", level="warning")
    assert told["folder"] == "inbox"
    daemon.wait_event("sidecar.blocked", level="debug")
    assert len(warnings(daemon, "sidecar.blocked")) == 1
    assert status(daemon)["answered"] == 1


def test_a_full_disk_keeps_the_answer_in_the_ledger_across_a_restart_until_there_is_space(
    disk: Disk, tmp_path: Path, gateway: Gateway
) -> None:
    gateway.script(Scripted(delay=1.5))
    daemon = Daemon(config(gateway, disk.path), tmp_path, before=disk.before)
    with daemon:
        image = drop(disk.outside, "scan.png", picture())
        gateway.wait_for(1, 60)
        disk.fill()
        stuck(daemon)
        assert [p.name for p in disk.outside.iterdir() if p.name != ".ballast"] == ["scan.png"]
        assert daemon.stop(signal.SIGKILL) != 0
    daemon.events.clear()
    with daemon:
        daemon.wait_event("sidecar.blocked", level="warning")
        disk.free()
        daemon.wait_event("file.done", file="scan.png")
        assert both(image)
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1


def test_a_read_only_remount_delays_the_sidecar_and_nothing_else(
    disk: Disk, tmp_path: Path, gateway: Gateway
) -> None:
    gateway.script(Scripted(delay=1.5))
    with Daemon(config(gateway, disk.path), tmp_path, before=disk.before) as daemon:
        image = drop(disk.outside, "scan.png", picture())
        gateway.wait_for(1, 60)
        disk.remount("ro")
        stuck(daemon)
        disk.remount("rw")
        daemon.wait_event("file.done", file="scan.png")
        assert both(image)
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1


def test_a_failure_that_could_not_be_told_beside_its_image_is_told_there_when_it_can(
    disk: Disk, tmp_path: Path, gateway: Gateway
) -> None:
    gateway.default = Scripted(status=400, body={"error": {"message": "no"}})
    gateway.script(Scripted(status=400, body={"error": {"message": "no"}}, delay=1.5))
    with Daemon(config(gateway, disk.path), tmp_path, before=disk.before) as daemon:
        image = drop(disk.outside, "scan.png", picture())
        gateway.wait_for(1, 60)
        disk.remount("ro")
        daemon.wait_event("file.failed", file="scan.png")
        assert warnings(daemon, "sidecar.blocked")
        asked = len(gateway.requests)
        disk.remount("rw")
        told = image.with_name("scan.png.error.txt")
        wait_until(told.exists, "the failure was never told")
        assert "No model gave a usable answer" in told.read_text()
        assert daemon.stop() == 0
    assert len(gateway.requests) == asked


def test_a_user_over_quota_keeps_the_answer_until_there_is_room_again(
    ext4: Disk, tmp_path: Path, gateway: Gateway
) -> None:
    def allow(kilobytes: int) -> None:  # 0: as much as there is
        limits = ["0", str(kilobytes), "0", "0"]
        subprocess.run([*ext4.before, "setquota", "-u", "root", *limits, str(ext4.path)],
                       check=True, env={"PATH": SBIN})  # fmt: skip

    gateway.script(Scripted(delay=1.5))
    before = [*ext4.before, *NO_CAPABILITIES]  # quotas do not hold for who has them
    with Daemon(config(gateway, ext4.path), tmp_path, before=before) as daemon:
        image = drop(ext4.outside, "scan.png", picture())
        gateway.wait_for(1, 60)
        allow(1)  # the picture alone is more
        stuck(daemon)
        assert "quota" in str(warnings(daemon, "sidecar.blocked")).lower()
        assert not image.with_name("scan.png.txt").exists()
        allow(0)
        daemon.wait_event("file.done", file="scan.png")
        assert both(image)
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1


def test_what_cannot_be_written_is_not_asked_about_and_the_folder_beside_it_goes_on(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    before: list[str] = []
    if os.geteuid() == 0:  # root may write anywhere, unless it gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv: apt install util-linux")
        before = NO_CAPABILITIES
    closed = inbox / "closed"
    closed.mkdir()
    images = [drop(inbox, f"closed/{n}.png", picture(seed=n)) for n in range(8)]
    closed.chmod(0o555)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    text = config(gateway, inbox, f"metrics: 127.0.0.1:{port}").replace(
        "api: chat,", "api: chat, concurrency: 8,"
    )
    try:
        with Daemon(text, tmp_path, before=before) as daemon:
            told = daemon.wait_event("sidecar.blocked", level="warning")
            assert (told["folder"], "Permission denied" in told["reason"]) == ("inbox", True)
            for n in range(8, 40):  # they get done beside the trouble, which is met again and again meanwhile
                drop(inbox, f"{n}.png", picture(seed=n))
                daemon.wait_event("file.done", file=f"{n}.png")
            images += [drop_anyway(closed, f"{n}.png", picture(seed=n)) for n in range(40, 44)]
            wait_until(lambda: status(daemon)["queued"] == 12, "later arrivals do not wait")
            seen = status(daemon)
            assert (seen["state"], seen["done"], seen["answered"]) == ("degraded", 32, 0)
            assert seen["reason"] == "no sidecars can be written in closed: Permission denied"
            shown = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
            (line,) = [line for line in shown.splitlines() if line.startswith("glimpsed_folder_degraded{")]
            assert line.endswith(" 1.0")
            assert "Permission denied" in line
            assert len(warnings(daemon, "sidecar.blocked")) == len(warnings(daemon, "folder.degraded")) == 1
            assert len(gateway.requests) == 32
            closed.chmod(0o755)
            wait_until(lambda: all(both(image) for image in images), "not all are done")
            wait_until(lambda: status(daemon)["state"] == "watching", "it stays degraded")
            assert daemon.stop() == 0
            assert daemon.noise == []
    finally:
        closed.chmod(0o755)
    assert len(gateway.requests) == 44


def test_a_directory_that_cannot_be_listed_is_told_and_what_is_in_it_is_found_once_it_can(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    before: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv: apt install util-linux")
        before = NO_CAPABILITIES
    hidden = drop(inbox, "private/a.png", picture(seed=1))
    hidden.parent.chmod(0)
    text = config(gateway, inbox).replace("settle: 20ms", "settle: 20ms, rescan: 1s")
    try:
        with Daemon(text, tmp_path, before=before) as daemon:
            told = daemon.wait_event("folder.degraded")
            assert told["reason"].endswith("is not seen: private: Permission denied")
            drop(inbox, "b.png", picture(seed=2))
            daemon.wait_event("file.done", file="b.png")
            assert (status(daemon)["state"], status(daemon)["reason"]) == ("degraded", told["reason"])
            hidden.parent.chmod(0o755)
            daemon.wait_event("file.done", file="private/a.png")
            wait_until(lambda: status(daemon)["state"] == "watching", "it stays degraded")
            assert len(warnings(daemon, "folder.degraded")) == 1
    finally:
        hidden.parent.chmod(0o755)


def drop_anyway(closed: Path, name: str, content: bytes) -> Path:
    """As somebody would who may write where the daemon may not."""
    closed.chmod(0o755)
    image = drop(closed, name, content)
    closed.chmod(0o555)
    return image


# --- the ledger's database ---


@contextlib.contextmanager
def busy_pair(tmp_path: Path, inbox: Path, gateway: Gateway, postgres: Postgres) -> Iterator[list[Daemon]]:
    """Two daemons on one database, with six files in flight; at the end all went well, and little was said."""
    postgres.wipe()
    gateway.default = Scripted(delay=1.0)
    with contextlib.ExitStack() as stack:
        daemons = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            text = config(gateway, inbox, f'state: "{postgres.url}"')
            daemons.append(stack.enter_context(Daemon(text, tmp_path / name)))
        for daemon in daemons:
            daemon.wait_event("service.ready")
        for number in range(6):
            drop(inbox, f"{number}.png", picture(seed=number))
        gateway.wait_for(6, 60)
        yield daemons
        for daemon in daemons:
            assert len(warnings(daemon, "ledger.unavailable")) <= HANDFUL, daemon.tail()
            assert daemon.seen("file.failed") == []
            assert daemon.stop() == 0
            assert daemon.noise == []


def test_postgresql_goes_away_and_comes_back_and_answers_wait_for_it(
    tmp_path: Path, inbox: Path, gateway: Gateway, postgres: Postgres
) -> None:
    with busy_pair(tmp_path, inbox, gateway, postgres) as daemons:
        postgres.stop()
        try:
            for number in range(6, 9):  # found while nobody can be told
                drop(inbox, f"{number}.png", picture(seed=number))
            for daemon in daemons:
                daemon.wait_event("ledger.unavailable")
            wait_until(lambda: gateway.in_flight == 0, "answers are still on their way")
            away = time.monotonic()
            wait_until(lambda: time.monotonic() - away > 4, "time stands still")
        finally:
            postgres.start()
        wait_until(lambda: len(list(inbox.glob("*.txt"))) == 9, "files were lost")
    assert sorted(r.prompt for r in gateway.requests) == [f"{n}.png" for n in range(9)]


@pytest.mark.slow
def test_an_outage_longer_than_a_lease_has_nothing_asked_again(
    tmp_path: Path, inbox: Path, gateway: Gateway, postgres: Postgres
) -> None:
    """All leases are over when the database is back, and each daemon still has its answers in hand."""
    with busy_pair(tmp_path, inbox, gateway, postgres):
        postgres.stop()
        try:
            wait_until(lambda: gateway.in_flight == 0, "answers are still on their way")
            away = time.monotonic()
            wait_until(lambda: time.monotonic() - away > LEASE + 15, "time stands still", LEASE + 30)
        finally:
            postgres.start()
        wait_until(lambda: len(list(inbox.glob("*.txt"))) == 6, "files were lost", 2 * LEASE)
    assert sorted(r.prompt for r in gateway.requests) == [f"{n}.png" for n in range(6)]


def test_a_daemon_waits_for_a_database_that_is_not_up_yet(
    tmp_path: Path, inbox: Path, gateway: Gateway, postgres: Postgres
) -> None:
    postgres.wipe()
    postgres.stop()
    try:
        with Daemon(config(gateway, inbox, f'state: "{postgres.url}"'), tmp_path) as daemon:
            daemon.wait_event("ledger.unavailable")
            postgres.start()
            drop(inbox, "scan.png", picture())
            daemon.wait_event("file.done", file="scan.png")
            assert daemon.stop() == 0
    finally:
        if not postgres._answers():
            postgres.start()


def test_a_daemon_whose_database_is_away_stops_when_told(
    tmp_path: Path, inbox: Path, gateway: Gateway, postgres: Postgres
) -> None:
    postgres.wipe()
    gateway.default = Scripted(delay=0.5)
    top = f'state: "{postgres.url}"\ndrain: 1s'
    with Daemon(config(gateway, inbox, top), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        drop(inbox, "scan.png", picture())
        gateway.wait_for(1, 60)
        postgres.stop()
        try:
            daemon.wait_event("ledger.unavailable")
            assert daemon.stop(seconds=30) == 0
            assert daemon.noise == []
        finally:
            postgres.start()


def test_a_ledger_that_another_program_locks_for_ten_seconds_loses_nothing(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    gateway.script(Scripted(delay=1.0))
    with Daemon(config(gateway, inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        drop(inbox, "0.png", picture(seed=0))
        gateway.wait_for(1, 60)
        other = sqlite3.connect(tmp_path / "state/glimpsed/ledger.sqlite", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            locked = time.monotonic()
            drop(inbox, "1.png", picture(seed=1))
            wait_until(lambda: time.monotonic() - locked > 10, "time stands still")
            assert not (inbox / "0.png.txt").exists()  # not before it is in the ledger
            other.execute("ROLLBACK")
        finally:
            other.close()
        for number in (0, 1):
            daemon.wait_event("file.done", file=f"{number}.png")
        assert warnings(daemon, "ledger.unavailable") == []
        assert daemon.stop() == 0
    assert len(gateway.requests) == 2


# --- the ledger itself ---


def run_once(daemon: Daemon, inbox: Path, *names: str, seed: int) -> None:
    """Start, have these files done, stop."""
    before = {name: len(daemon.seen("file.done", file=name)) for name in names}
    with daemon:
        for number, name in enumerate(names):
            drop(inbox, name, picture(seed=seed + number))
        for name in names:
            daemon.wait_event("file.done", file=name, count=before[name] + 1)
        wait_until(lambda: all(both(inbox / n) for n in names), f"not done: {daemon.tail()}")
        assert daemon.stop() == 0


def overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * length)


@pytest.mark.parametrize("start", [0, 4096])
def test_a_damaged_ledger_ends_the_daemon_with_a_reason_and_check_tells_it(
    tmp_path: Path, inbox: Path, gateway: Gateway, start: int
) -> None:
    daemon = Daemon(config(gateway, inbox), tmp_path)
    run_once(daemon, inbox, "0.png", "1.png", seed=0)
    ledger = tmp_path / "state/glimpsed/ledger.sqlite"
    overwrite(ledger, start, 30 * 4096)

    ran = glimpsed("run", "-c", daemon.config, home=tmp_path)
    assert ran.returncode == 78, ran.stderr
    assert str(ledger) in ran.stderr
    assert "Move it away" in ran.stderr
    assert "Traceback" not in ran.stderr
    checked = glimpsed("check", "-c", daemon.config, home=tmp_path)
    assert checked.returncode == 1
    assert "Move it away" in checked.stdout + checked.stderr

    for part in ledger.parent.glob("ledger*"):  # as it says
        part.unlink()
    run_once(daemon, inbox, "2.png", seed=2)
    assert len(gateway.requests) == 3


def delete(state: Path, _copy: Path) -> None:
    for part in state.glob("*"):
        part.unlink()


def replace(state: Path, copy: Path) -> None:
    for part in state.glob("*-*"):
        part.unlink()
    for part in copy.iterdir():
        part.rename(state / part.name)


def remove_directory(state: Path, _copy: Path) -> None:
    shutil.rmtree(state)


def delete_the_log(state: Path, _copy: Path) -> None:
    for part in state.glob("*-*"):
        part.unlink()


@pytest.mark.parametrize("mistreat", [delete, replace, remove_directory, delete_the_log])
def test_a_ledger_whose_file_is_another_one_ends_the_daemon_and_nothing_is_paid_twice(
    tmp_path: Path, inbox: Path, gateway: Gateway, mistreat: Callable[[Path, Path], None]
) -> None:
    state, copy = tmp_path / "state" / "glimpsed", tmp_path / "copy"
    daemon = Daemon(config(gateway, inbox), tmp_path)
    run_once(daemon, inbox, "0.png", seed=0)
    shutil.copytree(state, copy)
    with daemon:
        wait_until(lambda: len(daemon.seen("service.ready")) == 2, "not ready")
        drop(inbox, "1.png", picture(seed=1))
        wait_until(lambda: both(inbox / "1.png"), "not done")
        wait_until(lambda: bool(list(state.glob("*-wal"))), "no log")
        mistreat(state, copy)
        drop(inbox, "2.png", picture(seed=2))
        daemon.process.wait(60)
        assert daemon.stop() == 69, daemon.tail()
        (told,) = daemon.seen("ledger.unavailable")
        assert str(state) in told["reason"]
        daemon.start()  # as systemd does
        wait_until(lambda: both(inbox / "2.png"), "not done")
        wait_until(lambda: status(daemon)["done"] == 3, f"lost: {status(daemon)}")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 3


def test_once_does_not_wait_for_a_database_for_ever(
    tmp_path: Path, inbox: Path, gateway: Gateway, postgres: Postgres
) -> None:
    postgres.stop()
    try:
        Daemon(config(gateway, inbox, f'state: "{postgres.url}"'), tmp_path)
        drop(inbox, "1.png", picture())
        began = time.monotonic()
        ended = glimpsed("once", "-q", "-c", tmp_path / "glimpsed.yaml", home=tmp_path)
        assert ended.returncode == 69
        assert "refused" in ended.stderr.splitlines()[-1]
        assert time.monotonic() - began < 90
        looked = glimpsed("status", "-c", tmp_path / "glimpsed.yaml", home=tmp_path)
        assert looked.returncode == 69
        assert "refused" in looked.stderr
    finally:
        postgres.start()


def test_a_lost_ledger_costs_no_money(tmp_path: Path, inbox: Path, gateway: Gateway) -> None:
    daemon = Daemon(config(gateway, inbox), tmp_path)
    run_once(daemon, inbox, "0.png", "sub/1.png", "2.png", seed=0)
    before = {p: p.read_bytes() for p in inbox.rglob("*") if p.is_file()}
    shutil.rmtree(tmp_path / "state")
    with daemon:
        wait_until(lambda: len(daemon.seen("scan.finished")) == 2, "no listing")
        assert status(daemon)["done"] == 3
        assert daemon.stop() == 0
    run_once(daemon, inbox, "3.png", seed=3)
    assert len(gateway.requests) == 4
    assert {p: p.read_bytes() for p in before} == before


def test_a_ledger_restored_from_an_old_copy_costs_no_money(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    """Whatever the copy says of a file that was answered since: nothing, an older version, or queued."""
    state, copy = tmp_path / "state", tmp_path / "copy"
    daemon = Daemon(config(gateway, inbox), tmp_path)
    run_once(daemon, inbox, "older.png", seed=0)
    gateway.script(Scripted(fault="hang"))
    with daemon:
        drop(inbox, "running.png", picture(seed=1))
        gateway.wait_for(2, 60)
        daemon.stop(signal.SIGKILL)
    shutil.copytree(state, copy)
    run_once(daemon, inbox, "older.png", "unknown.png", seed=10)
    wait_until(lambda: both(inbox / "running.png"), "not done")
    assert len(gateway.requests) == 5
    before = {p: p.read_bytes() for p in inbox.iterdir()}

    shutil.rmtree(state)
    copy.rename(state)
    daemon.events.clear()
    with daemon:
        daemon.wait_event("file.reused", file="running.png")
        daemon.wait_event("file.reused", file="older.png")
        wait_until(lambda: status(daemon)["done"] == 3, "not all are done")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 5
    assert {p: p.read_bytes() for p in inbox.iterdir()} == before


def test_a_daemon_whose_database_says_nothing_any_more_stops_when_told_and_loses_no_answer(
    tmp_path: Path, inbox: Path, gateway: Gateway, postgres: Postgres
) -> None:
    postgres.wipe()
    gateway.default = Scripted(delay=0.5)
    with Daemon(config(gateway, inbox, f'state: "{postgres.url}"\ndrain: 3s'), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        drop(inbox, "scan.png", picture())
        gateway.wait_for(1, 60)
        with postgres.silent():
            assert daemon.stop(seconds=100) == 0
        assert daemon.noise == []
        daemon.start()  # the answer that came meanwhile is in a file
        daemon.wait_event("file.done", file="scan.png")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1
