"""The real daemon, killed with SIGKILL at random points while files arrive and the gateway is slow and faulty.

Nothing is lost, nothing is torn, and nothing that was answered is asked again. "Answered" is what the ledger
of the dead daemon holds: a copy of it is read after every kill. What it does not hold was in flight, and may
be asked once more for each time that its daemon was killed.

CHAOS_KILLS says how often (`make chaos`: 200), CHAOS_SEED picks other moments.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, wait_until
from gateway import Gateway, Scripted, Seen
from glimpsed.disk import temporary
from ledger_fixtures import Postgres
from pictures import drop, picture

KILLS = int(os.environ.get("CHAOS_KILLS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "5"))
FILES_PER_KILL = 6
LONG = " ".join(f"line {n} of {n * n}" for n in range(1200))  # so long that a torn file would show

CONFIG = """
models:
  m:
    {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, concurrency: 4, headers: {{x-daemon: "{name} ${{RUN}}"}}}}
folders:
  inbox: {{path: {inbox}, settle: 20ms, settle_limit: 30s, prompt: "{{relpath}}"}}
log: {{target: json, level: info}}
drain: 60s
{top}
"""
# What may go wrong with a request. Never so often in a row that the model would be paused.
EVERY = 7
FAULTS: list[dict[str, Any]] = [
    {"status": 500, "body": {"error": {"message": "oops"}}},
    {"fault": "drop"},
    {"status": 429, "body": {"error": {"message": "slower"}}, "headers": {"retry-after": "0.2"}},
    {"fault": "half"},
    {"status": 503, "body": {"error": {"message": "overloaded"}}},
]


@dataclass
class Request:
    at: float
    daemon: str  # and which run of it
    fault: bool


@dataclass
class Witness:
    """What is known for certain: requests as the gateway saw them, kills, and what was committed by then."""

    inbox: Path
    random: random.Random
    requests: dict[str, list[Request]] = field(default_factory=dict)
    kills: dict[str, float] = field(default_factory=dict)  # of which run of a daemon, and when
    answered: dict[str, float] = field(default_factory=dict)  # in the ledger, and since when that is known
    names: list[str] = field(default_factory=list)
    leftovers: int = 0  # temporary files found after kills
    count: int = 0

    def reply(self, seen: Seen) -> Scripted:
        """The gateway's: an answer that tells the file's name, after a while, or a fault."""
        self.count += 1
        fault = FAULTS[self.count // EVERY % len(FAULTS)] if self.count % EVERY == 0 else {}
        asked = Request(time.monotonic(), seen.headers["x-daemon"], bool(fault))
        self.requests.setdefault(seen.prompt, []).append(asked)
        return Scripted(**{"text": text_of(seen.prompt), "delay": self.random.uniform(0, 0.1), **fault})

    def add(self, number: int) -> None:
        """A file arrives: in one piece, by a rename, or slowly."""
        kind = "BMP" if number % 5 == 4 else "PNG"
        name = f"{('', 'a/', 'b/c/')[number % 3]}{number}.{kind.lower()}"
        self.names.append(name)
        data = picture(kind, (120, 60), seed=number)
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 4 == 1:
            drop(self.inbox, f"{name}.part", data).rename(path)
        elif number % 4 == 2:
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                time.sleep(0.1)
                file.write(data[len(data) // 2 :])
        else:
            path.write_bytes(data)

    def sidecars(self) -> int:
        return sum(1 for _ in self.inbox.rglob("*.json"))

    def look(self) -> None:
        """After a kill: whatever stands there is whole."""
        for path in self.inbox.rglob("*.json"):
            name = str(path.relative_to(self.inbox)).removesuffix(".json")
            assert json.loads(path.read_text())["text"] == text_of(name), path
        for path in self.inbox.rglob("*.txt"):
            name = str(path.relative_to(self.inbox)).removesuffix(".txt")
            assert path.read_text() == text_of(name) + "\n", path
        self.leftovers += len(self.temporary())

    def temporary(self) -> list[Path]:
        return list(self.inbox.rglob(".glimpsed-*"))

    def judge(self) -> None:
        """At the end."""
        self.look()
        for name in self.names:
            for suffix in (".txt", ".json"):
                assert (self.inbox / (name + suffix)).exists(), f"{name} was lost"
            asked = self.requests[name]
            assert not asked[-1].fault
            for earlier, later in itertools.pairwise(asked):
                # Not by the time of the first: one that was sent before the kill may be read after it.
                killed = (
                    self.kills.get(earlier.daemon, math.inf) <= later.at and earlier.daemon != later.daemon
                )
                assert earlier.fault or killed, f"{name} was asked twice: {asked}, kills {self.kills}"
            if name in self.answered:
                assert asked[-1].at < self.answered[name], f"{name} was answered, and asked again"
        assert set(self.requests) == set(self.names)
        assert self.temporary() == []


def text_of(name: str) -> str:
    return f"{name}: {LONG}"


def moment(daemon: Daemon, witness: Witness, dice: random.Random) -> None:
    """Wait for a moment to kill: while it starts, while requests are in flight, while sidecars are written."""
    kind = dice.choice(["start", "request", "request", "sidecar", "sidecar"])
    if kind == "start":
        time.sleep(dice.uniform(0.0, 1.0))
        return
    watched: Callable[[], int] = witness.sidecars if kind == "sidecar" else lambda: witness.count
    enough = watched() + dice.randint(1, 5)
    deadline = time.monotonic() + 15
    while watched() < enough and time.monotonic() < deadline:
        assert daemon.process.poll() is None, daemon.tail()  # it is for us to end it
        time.sleep(0.002)
    time.sleep(dice.uniform(0.0, 0.03))


def plant(inbox: Path, pid: int) -> None:
    """What a kill between write and rename leaves, for when chance leaves none."""
    for directory in (inbox, inbox / "a"):
        directory.mkdir(exist_ok=True)
        (directory / f".glimpsed-{temporary._host()}-{pid}-1-0123abcd.tmp").write_text("half a sid")


def kill(daemon: Daemon, name: str, witness: Witness) -> set[int]:
    """SIGKILL; the processes that it had started."""
    children = set(
        map(
            int,
            Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split(),
        )
    )
    witness.kills[f"{name} {daemon.run}"] = time.monotonic()
    daemon.stop(signal.SIGKILL)
    return children


def committed(state: Path, copy: Path) -> set[str]:
    """The files whose answer a dead daemon's ledger holds, read from a copy: its log stays to be recovered."""
    copy.mkdir(exist_ok=True)
    for part in state.glob("ledger*"):
        shutil.copy(part, copy / part.name)
    found: set[str] = set()
    for database in copy.glob("ledger.sqlite"):
        connection = sqlite3.connect(database)
        try:
            rows = connection.execute(
                "SELECT directory, name FROM files WHERE state IN ('answered', 'done')"
            ).fetchall()
            found = {os.fsdecode(os.path.join(directory, name)) for directory, name in rows}
        except sqlite3.OperationalError as e:
            if "no such table" not in str(e):  # killed before it had made its tables
                raise
        finally:
            connection.close()
    shutil.rmtree(copy)
    return found


def feed(witness: Witness, first: int, count: int) -> threading.Thread:
    """Files that arrive meanwhile."""

    def run() -> None:
        for number in range(first, first + count):
            witness.add(number)
            time.sleep(0.03)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def all_done(witness: Witness) -> Callable[[], bool]:
    return lambda: all((witness.inbox / f"{n}{s}").exists() for n in witness.names for s in (".txt", ".json"))


def gone(children: set[int]) -> bool:
    def runs(pid: int) -> bool:
        try:
            return b"glimpsed" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return not any(map(runs, children))


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return Witness(inbox, random.Random(SEED))


def test_killed_again_and_again_nothing_is_lost_torn_or_paid_twice(tmp_path: Path, witness: Witness) -> None:
    dice = random.Random(SEED)
    children: set[int] = set()
    with Gateway(default=witness.reply, decode=False) as gateway:
        config = CONFIG.format(url=gateway.base_url, name="one", inbox=witness.inbox, top="")
        daemon = Daemon(config, tmp_path)
        for number in range(KILLS):
            arrivals = feed(witness, number * FILES_PER_KILL, FILES_PER_KILL)
            daemon.start()
            moment(daemon, witness, dice)
            children |= kill(daemon, "one", witness)
            arrivals.join()
            witness.look()
            if number == 0:
                plant(witness.inbox, daemon.process.pid)
            now = time.monotonic()
            for name in committed(tmp_path / "state" / "glimpsed", tmp_path / "copy"):
                witness.answered.setdefault(name, now)
            on_disk = {str(p.relative_to(witness.inbox))[:-5] for p in witness.inbox.rglob("*.json")}
            assert on_disk <= witness.answered.keys()  # into the ledger before anything else
        with daemon:
            # Of a machine that is busy with others, the kills leave most files to the last start.
            wait_until(all_done(witness), "files were lost", 120 + 6 * KILLS)
            wait_until(lambda: not witness.temporary(), "temporary files stay")
            assert daemon.stop() == 0
        assert daemon.noise == []
        assert daemon.seen("file.failed") == []
        wait_until(lambda: gone(children), "image workers outlive their daemon", 10)
        witness.judge()
        assert not gateway.problems


def test_three_daemons_on_postgresql_are_killed_and_one_of_them_dies_for_good(
    tmp_path: Path, witness: Witness, postgres: Postgres
) -> None:
    postgres.wipe()
    dice = random.Random(SEED)
    kills = max(2, KILLS // 4)
    daemons: dict[str, Daemon] = {}
    with Gateway(default=witness.reply, decode=False) as gateway:
        for name in ("a", "b", "c"):
            (tmp_path / name).mkdir()
            top = f'state: "{postgres.url}"'
            config = CONFIG.format(url=gateway.base_url, name=name, inbox=witness.inbox, top=top)
            daemons[name] = Daemon(config, tmp_path / name).start()
        try:
            for number in range(kills):
                arrivals = feed(witness, number * FILES_PER_KILL, FILES_PER_KILL)
                name = "bc"[number % 2]
                moment(daemons[name], witness, dice)
                kill(daemons[name], name, witness)
                arrivals.join()
                witness.look()
                daemons[name].start()
            first = kills * FILES_PER_KILL
            arrivals = feed(witness, first, 2 * FILES_PER_KILL)
            theirs = len([r for rs in witness.requests.values() for r in rs if r.daemon.startswith("a ")])
            wait_until(
                lambda: (
                    len(
                        [r for rs in list(witness.requests.values()) for r in rs if r.daemon.startswith("a ")]
                    )
                    > theirs
                ),
                "daemon a has nothing to do",
            )
            kill(daemons["a"], "a", witness)
            arrivals.join()
            # Not after the minute of its leases: it is seen to be dead, being of this host.
            wait_until(all_done(witness), f"files were lost: {daemons['b'].tail()}", 45)
            for name in ("b", "c"):
                assert daemons[name].stop() == 0
                assert daemons[name].seen("file.failed") == []
        finally:
            for daemon in daemons.values():
                if daemon.process.poll() is None:
                    daemon.stop(signal.SIGKILL)
        witness.judge()
