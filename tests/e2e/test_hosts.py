"""Several daemons on one ledger: they share the queue, the pauses, the budget and the rates.

All of them run on this machine, but that is nothing they make use of, except where a dead one is found.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

CONFIG = """
models:
  {entry}: {{api: chat, base_url: "{url}", api_key_file: {home}/key, headers: {{x-daemon: {name}}}, {model}}}
folders:
  inbox: {{path: {inbox}, settle: 20ms, prompt: "{{relpath}}", {folder}}}
log: {{target: json, level: debug}}
state: "{state}"
{top}
"""


class Host:
    """Where one daemon lives: its home, its key, its config."""

    def __init__(self, name: str, tmp_path: Path, gateway: Gateway, state: str) -> None:
        self.name = name
        self.home = tmp_path / name
        self.home.mkdir()
        self.inbox = tmp_path / "inbox"
        self.inbox.mkdir(exist_ok=True)
        self.gateway = gateway
        self.state = state
        self.set_key("sk-0123456789-right")

    def set_key(self, key: str) -> None:
        (self.home / "key").write_text(key)

    def daemon(self, *, entry: str = "m", model: str = "", folder: str = "", top: str = "") -> Daemon:
        text = CONFIG.format(
            entry=entry, url=self.gateway.base_url, home=self.home, name=self.name, model=model,
            inbox=self.inbox, folder=folder, state=self.state, top=top,
        )  # fmt: skip
        return Daemon(text, self.home)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False) as gateway:
        yield gateway


@pytest.fixture
def hosts(tmp_path: Path, gateway: Gateway, ledger_url: str) -> tuple[Host, Host]:
    return Host("a", tmp_path, gateway, ledger_url), Host("b", tmp_path, gateway, ledger_url)


def asked(gateway: Gateway, name: str | None = None) -> list[str]:
    """The files that were asked about, by this daemon or by all."""
    return [r.prompt for r in gateway.requests if name is None or r.headers["x-daemon"] == name]


def wait_queued(name: str, *daemons: Daemon) -> None:
    """Whoever found it first."""
    wait_until(lambda: any(d.seen("file.queued", file=name) for d in daemons), f"{name} is not in the queue")


def test_a_file_that_one_daemon_finds_starts_on_another_within_a_second(
    hosts: tuple[Host, Host], gateway: Gateway
) -> None:
    a, b = hosts
    times: dict[str, float] = {}

    def reply(seen: Seen) -> Scripted:
        if seen.headers["x-daemon"] == "a":
            return Scripted(status=401, body={"error": {"code": "invalid_api_key", "message": "no"}})
        times[seen.prompt] = time.monotonic()
        return Scripted()

    gateway.default = reply
    # Another entry, so that it is a's alone that pauses; b looks at the folder by itself once an hour.
    with a.daemon(entry="mine") as finder, b.daemon(folder="watch: poll, poll: 1h, rescan: 1h") as worker:
        worker.wait_event("scan.finished")
        drop(a.inbox, "first.png", picture(seed=0))
        finder.wait_event("model.paused", model="mine")
        worker.wait_event("file.done", file="first.png")
        latencies = []
        for number in range(1, 6):
            name = f"{number}.png"
            drop(a.inbox, name, picture(seed=number))
            finder.wait_event("file.queued", file=name)
            offered = time.monotonic()
            worker.wait_event("file.done", file=name)
            latencies.append(times[name] - offered)
        assert worker.seen("file.queued") == []
    # The machine of the test may be busy now and then; the next look without any news is after 30 s.
    assert sorted(latencies)[1] < 1.0, latencies
    assert max(latencies) < 15.0, latencies


def test_a_pause_holds_for_all_and_ends_for_all(hosts: tuple[Host, Host], gateway: Gateway) -> None:
    a, b = hosts
    quota = Scripted(status=429, body={"error": {"code": "insufficient_quota", "message": "pay first"}})
    gateway.default = quota
    with a.daemon() as first, b.daemon() as second:
        for daemon in (first, second):
            daemon.wait_event("scan.finished")
        drop(a.inbox, "0.png", picture(seed=0))
        for daemon in (first, second):
            assert "pay first" in daemon.wait_event("model.paused", model="m")["reason"]
        sent = len(gateway.requests)
        assert sent <= 2  # on a busy machine the other one may have claimed it before it heard
        for number in range(1, 4):
            drop(a.inbox, f"{number}.png", picture(seed=number))
            wait_queued(f"{number}.png", first, second)
        status = json.loads(glimpsed("status", "--json", "-c", first.config, home=a.home).stdout)
        assert status["models"]["m"]["state"] == "paused"
        assert len(gateway.requests) == sent

        gateway.default = Scripted()
        a.set_key("sk-0123456789-paid")
        first.process.send_signal(signal.SIGHUP)
        second.wait_event("model.resumed", model="m")
        wait_until(lambda: len(list(a.inbox.glob("*.txt"))) == 4, "not all were done")
        assert len(first.seen("model.paused")) == 1
        assert len(second.seen("model.paused")) == 1
    assert len(gateway.requests) == sent + 4


def test_a_daemon_that_starts_does_not_end_the_pause_of_the_others(
    hosts: tuple[Host, Host], gateway: Gateway
) -> None:
    a, b = hosts
    gateway.default = Scripted(status=401, body={"error": {"code": "invalid_api_key", "message": "no"}})
    with a.daemon() as first:
        drop(a.inbox, "0.png", picture(seed=0))
        first.wait_event("model.paused", model="m")
        first.wait_event("service.ready")
        gateway.default = Scripted()  # b's key is a better one
        with b.daemon() as second:
            second.wait_event("file.done", file="0.png")
        assert first.seen("model.resumed") == []


def test_the_budget_is_everybodys(hosts: tuple[Host, Host], gateway: Gateway) -> None:
    a, b = hosts
    options = {"model": "price: {input: 1000, output: 1000}, concurrency: 1", "top": "budget: {per_day: 2}"}
    with a.daemon(**options) as first, contextlib.ExitStack() as stack:
        for number in range(6):
            drop(a.inbox, f"{number}.png", picture(seed=number))
        first.wait_event("budget.reached")
        second = stack.enter_context(b.daemon(**options))
        second.wait_event("budget.reached")
        drop(a.inbox, "late.png", picture(seed=100))
        wait_queued("late.png", first, second)
        assert asked(gateway, "b") == []
    # 1.126 an answer: two reach it.
    assert len(gateway.requests) == 2


def test_requests_per_minute_are_everybodys(hosts: tuple[Host, Host], gateway: Gateway) -> None:
    a, b = hosts
    gateway.default = Scripted(delay=6)  # so that neither can be quick enough to use up all of the minute
    model = "requests_per_minute: 6, concurrency: 5"
    with a.daemon(model=model) as first, b.daemon(model=model) as second:
        for daemon in (first, second):
            daemon.wait_event("scan.finished")
        for number in range(20):
            drop(a.inbox, f"{number}.png", picture(seed=number))
        gateway.wait_for(6, 60)
        wait_queued("19.png", first, second)
        began = gateway.requests[0].at
        wait_until(lambda: time.monotonic() - began > 4, "time stands still")
        assert len(gateway.requests) == 6
        assert asked(gateway, "a")
        assert asked(gateway, "b")
        for daemon in (first, second):
            assert daemon.stop() == 0  # jobs that wait for their turn are not waited for


def test_what_a_dead_daemon_had_in_hand_is_taken_over_long_before_its_leases_end(
    hosts: tuple[Host, Host], gateway: Gateway
) -> None:
    a, b = hosts
    gateway.default = Scripted(fault="hang")
    with a.daemon(model="concurrency: 3") as first:
        for number in range(3):
            drop(a.inbox, f"{number}.png", picture(seed=number))
        gateway.wait_for(3, 60)
        gateway.default = Scripted()
        with b.daemon() as second:
            second.wait_event("ledger.shared")
            first.stop(signal.SIGKILL)
            died = time.monotonic()
            wait_until(lambda: len(list(a.inbox.glob("*.txt"))) == 3, "not taken over")
            assert time.monotonic() - died < 45
    assert sorted(asked(gateway)) == sorted([f"{n}.png" for n in range(3)] * 2)
