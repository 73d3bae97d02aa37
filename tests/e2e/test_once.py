"""`once` always comes to its end, and says what it left and why."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import GLIMPSED, Daemon, environment, glimpsed
from gateway import Gateway, Scripted
from ledger_fixtures import Postgres
from pictures import drop, picture

REFUSED = Scripted(status=401, body={"error": {"message": "no", "code": "invalid_api_key"}})

CONFIG = """
models:
  bad: {{api: chat, base_url: "{url}"}}
  good: {{api: chat, base_url: "{url}", {price}}}
folders:
{folders}
log: {{target: json}}
{top}
"""


def once(home: Path, gateway: Gateway, *folders: str, price: str = "", top: str = "") -> tuple[int, str]:
    """Run it to its end; its exit code and what it said last: beside the log, which is JSON and nothing else."""
    lines = "\n".join(f"  {folder}" for folder in folders)
    text = CONFIG.format(url=gateway.base_url, folders=lines, price=price, top=top)
    (home / "glimpsed.yaml").write_text(text)
    ended = glimpsed("once", home=home, seconds=30)
    assert all(json.loads(line)["event"] for line in ended.stderr.splitlines())
    return ended.returncode, next(line for line in ended.stdout.splitlines() if "still wait" in line)


PRICE = "concurrency: 1, price: {input: 1000, output: 1000}"


def test_once_does_not_wait_for_a_model_that_pauses_beside_one_that_does_not(tmp_path: Path) -> None:

    with Gateway(default=lambda seen: REFUSED if seen.body["model"] == "bad" else Scripted()) as gateway:
        drop(tmp_path / "one", "first.jpg", picture("JPEG", seed=1))
        drop(tmp_path / "two", "second.jpg", picture("JPEG", seed=2))
        one, two = "one: {path: one, settle: 50ms, model: bad}", "two: {path: two, settle: 50ms, model: good}"
        code, told = once(tmp_path, gateway, one, two)
        assert (code, told.partition(": HTTP 401")[0]) == (1, "1 file still waits: bad")
        assert (tmp_path / "two/second.jpg.txt").exists()


def test_once_does_not_wait_for_a_folder_that_is_gone_with_files_in_the_queue(tmp_path: Path) -> None:
    with Gateway(default=REFUSED) as gateway:
        drop(tmp_path / "one", "first.jpg", picture("JPEG"))
        (tmp_path / "two").mkdir()
        one, two = "one: {path: one, settle: 50ms, model: bad}", "two: {path: two, settle: 50ms, model: good}"
        assert once(tmp_path, gateway, one, two)[0] == 1
        (tmp_path / "one").rename(tmp_path / "away")
        code, told = once(tmp_path, gateway, one, two)
        assert code == 1
        assert told.startswith("1 file still waits: one: ")


def test_once_does_not_wait_for_a_folders_own_budget(tmp_path: Path) -> None:
    with Gateway() as gateway:
        for number in range(6):
            drop(tmp_path / "one", f"{number}.jpg", picture("JPEG", seed=number))
        one = "one: {path: one, settle: 50ms, model: good, budget: {per_day: 1}}"
        code, told = once(tmp_path, gateway, one, price=PRICE)
        assert code == 1
        assert "files still wait: the budget of folder one for this day is used up" in told


def test_once_leaves_a_backlog_that_waits_to_be_approved(tmp_path: Path) -> None:
    one, top = "one: {path: one, settle: 50ms, model: good}", "backlog_confirm: 1"
    for number in range(3):
        drop(tmp_path / "one", f"{number}.jpg", picture("JPEG", seed=number))
    with Gateway() as gateway:
        text = CONFIG.format(url=gateway.base_url, folders=f"  {one}", price=PRICE, top=top)
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("backlog.waiting")
        code, told = once(tmp_path, gateway, one, price=PRICE, top=top)
        waits = "one: its backlog waits to be approved, 'glimpsed approve' releases it"
        assert (code, told) == (1, f"3 files still wait: {waits}")
        assert not gateway.requests


def test_cron_gets_no_mail_while_all_is_well_and_else_one_that_can_be_read(tmp_path: Path) -> None:
    """As the recipe has it: `-q`, `target: console`, no terminal."""
    with Gateway() as gateway:
        (tmp_path / "glimpsed.yaml").write_text(
            f"models: {{m: {{api: chat, base_url: '{gateway.base_url}'}}}}\n"
            "folders: {inbox: {path: in, model: m, settle: 0}}\n"
            "log: {target: console}\n"
        )
        drop(tmp_path / "in", "good.png", picture())
        ended = glimpsed("once", "-q", home=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
        drop(tmp_path / "in", "bad.png", b"no picture")
        ended = glimpsed("once", "-q", home=tmp_path)
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR: inbox/bad.png: failed: It is neither a picture .*", line)
        ended = glimpsed("once", "-q", home=tmp_path)  # told once
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


# -- the ledger's database goes away meanwhile

FILES = 16


@contextlib.contextmanager
def at_work(home: Path, gateway: Gateway, state: str) -> Iterator[subprocess.Popen[str]]:
    """`once` in the middle of its files, some of them answered and some being asked about."""
    (home / "in").mkdir()
    for n in range(FILES):
        drop(home / "in", f"{n}.png", picture(seed=n))
    (home / "glimpsed.yaml").write_text(
        f"models: {{m: {{api: chat, base_url: '{gateway.base_url}', concurrency: 2}}}}\n"
        f"folders: {{in: {{path: in, model: m, settle: 0, reuse: false}}}}\nstate: '{state}'\nlog: {{target: json}}\n"
    )
    with subprocess.Popen(
        [*GLIMPSED, "once"],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            gateway.wait_for(4, 60)
            yield process
        finally:
            process.kill()


def asked_once(home: Path, gateway: Gateway) -> None:
    """The rest gets done now, and nothing was paid for twice."""
    assert glimpsed("once", "-q", home=home).returncode == 0
    assert len(list((home / "in").glob("*.json"))) == FILES
    assert len(gateway.requests) == FILES


def test_once_waits_for_a_database_that_comes_back_and_pays_for_nothing_twice(
    tmp_path: Path, postgres: Postgres
) -> None:
    postgres.wipe()
    with (
        Gateway(default=Scripted(delay=0.7)) as gateway,
        at_work(tmp_path, gateway, postgres.url) as process,
    ):
        postgres.stop()
        try:
            assert process.stderr is not None
            assert any("ledger.unavailable" in line for line in process.stderr)
        finally:
            postgres.start()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        asked_once(tmp_path, gateway)


def test_once_ends_when_its_ledger_is_another_file_and_nothing_is_lost(tmp_path: Path) -> None:
    ledger = tmp_path / "l.sqlite"
    with (
        Gateway(default=Scripted(delay=4.0)) as gateway,
        at_work(tmp_path, gateway, f"sqlite:///{ledger}") as process,
    ):
        for file in tmp_path.glob("l.sqlite*"):  # its log belongs to it
            file.rename(tmp_path / f"away-{file.name}")
        sqlite3.connect(ledger).close()  # seen at the next heartbeat: before all is answered
        _, err = process.communicate(timeout=120)
        assert process.returncode == 69, err
        assert err.splitlines()[-1] == f"glimpsed: the ledger's file {ledger} is another file now"
        assert "Traceback" not in err
        gateway.default = Scripted()
        for file in tmp_path.glob("away-*"):
            file.rename(tmp_path / file.name.removeprefix("away-"))
        asked_once(tmp_path, gateway)


@pytest.mark.slow
def test_once_gives_up_a_database_that_stays_locked(tmp_path: Path) -> None:
    ledger = tmp_path / "l.sqlite"
    with (
        Gateway(default=Scripted(delay=0.7)) as gateway,
        at_work(tmp_path, gateway, f"sqlite:///{ledger}") as process,
    ):
        with contextlib.closing(sqlite3.connect(ledger, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            _, err = process.communicate(timeout=400)
        assert process.returncode == 69, err
        assert err.splitlines()[-1].startswith("glimpsed: ")
        assert "locked" in err.splitlines()[-1]
        assert "Traceback" not in err


def test_once_does_its_work_beside_a_daemon_that_has_the_port_of_the_metrics(tmp_path: Path) -> None:
    with Gateway() as gateway, socket.create_server(("127.0.0.1", 0)) as taken:
        drop(tmp_path / "one", "first.jpg", picture("JPEG"))
        text = CONFIG.format(
            url=gateway.base_url,
            folders="  one: {path: one, settle: 50ms, model: good}",
            price=PRICE,
            top=f"metrics: 127.0.0.1:{taken.getsockname()[1]}",
        )
        (tmp_path / "glimpsed.yaml").write_text(text)
        ended = glimpsed("once", "-q", home=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
        assert (tmp_path / "one/first.jpg.txt").exists()
        assert glimpsed("run", home=tmp_path).returncode == 78  # a daemon that nobody can watch is none


@pytest.mark.parametrize("wrong", ["address", "extra"])
def test_once_tells_of_metrics_that_nobody_can_serve(tmp_path: Path, wrong: str) -> None:
    """Those of a port that a daemon has are served by that."""
    (tmp_path / "one").mkdir()
    host = {"address": "203.0.113.1", "extra": "127.0.0.1"}[wrong]  # of documentation: no machine's
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking/prometheus_client.py").write_text("raise ModuleNotFoundError(__name__)")
    text = CONFIG.format(
        url="http://127.0.0.1:9/v1",
        folders="  one: {path: one, model: good}",
        price=PRICE,
        top=f"metrics: {host}:9",
    )
    (tmp_path / "glimpsed.yaml").write_text(text)
    ended = glimpsed(
        "once", home=tmp_path, env={"PYTHONPATH": str(tmp_path / "lacking")} if wrong == "extra" else None
    )
    assert ended.returncode == 78
    assert {"address": "cannot listen on 203.0.113.1:9", "extra": "metrics: needs an extra"}[
        wrong
    ] in ended.stderr
