"""`burst_confirm`: what arrives all at once for a model that costs money waits to be approved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, {price}}}
folders:
  inbox: {{path: {inbox}, watch: {watch}, settle: {settle}, poll: 200ms, rescan: 1s}}
burst_confirm: 5
log: {{target: json, level: info}}
"""
PRICE = "price: {input: 2.5, output: 10}"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def config(
    gateway: Gateway, inbox: Path, watch: str = "inotify", settle: str = "100ms", price: str = PRICE
) -> str:
    return CONFIG.format(url=gateway.base_url, inbox=inbox, watch=watch, settle=settle, price=price)


def arrive(inbox: Path, numbers: range) -> None:
    """All at once, as a folder that is moved in."""
    made = inbox.parent / f"made {numbers.start}"
    for number in numbers:
        drop(made, f"{number}.png", picture(seed=number))
    made.rename(inbox / f"in {numbers.start}")


def status(daemon: Daemon) -> dict[str, object]:
    found = json.loads(glimpsed("status", "--json", "-c", daemon.config, home=daemon.home).stdout)
    return dict(found["folders"]["inbox"])


@pytest.mark.parametrize("watch", ["inotify", "poll"])
def test_many_arrivals_wait_and_a_few_do_not(tmp_path: Path, inbox: Path, watch: str) -> None:
    with Gateway() as gateway:
        with Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
            daemon.wait_event("scan.finished")
            drop(inbox, "first.png", picture(seed=100))
            daemon.wait_event("file.done")
            arrive(inbox, range(21))
            told = daemon.wait_event("backlog.waiting")
            assert (told["folder"], told["waiting"], told["level"]) == ("inbox", 21, "warning")
            assert "glimpsed approve" in told["reason"]
            drop(inbox, "late.png", picture(seed=101))
            daemon.wait_event("file.queued", file="late.png")
            seen = status(daemon)
            assert (seen["queued"], seen["done"]) == (22, 1)
            assert seen["waits_since"] is not None
            shown = glimpsed("estimate", "--json", "-c", daemon.config, home=tmp_path)
            assert json.loads(shown.stdout)["folders"]["inbox"]["files"] == 22
        assert len(gateway.requests) == 1
        with Daemon(config(gateway, inbox, watch), tmp_path) as daemon:  # it waits over a restart, too
            daemon.wait_event("scan.finished")
            drop(inbox, "alone.png", picture(seed=102))
            daemon.wait_event("file.done", file="alone.png")
            assert len(gateway.requests) == 2
            assert glimpsed("approve", "-c", daemon.config, home=tmp_path).returncode == 0
            daemon.wait_event("file.done", count=23)
            assert status(daemon)["waits_since"] is None
        assert len(gateway.requests) == 24


def test_of_a_trickle_no_more_go_out_unasked_than_the_config_says(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox, settle="0"), tmp_path) as daemon:
        daemon.wait_event("scan.finished")
        for number in range(12):
            drop(inbox, f"{number}.png", picture(seed=number))
            daemon.wait_event("file.queued", file=f"{number}.png")
        daemon.wait_event("backlog.waiting")
        wait_until(lambda: status(daemon)["done"] == len(gateway.requests), "some are in hand")
        assert len(gateway.requests) <= 5
        assert glimpsed("approve", "-c", daemon.config, home=tmp_path).returncode == 0
        daemon.wait_event("file.done", count=12)
        drop(inbox, "next.png", picture(seed=100))  # the question has been answered: counted anew
        daemon.wait_event("file.done", file="next.png")


def test_what_arrived_while_nobody_looked_is_a_burst_and_a_first_backlog_is_not(
    tmp_path: Path, inbox: Path
) -> None:
    arrive(inbox, range(8))
    with Gateway() as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            daemon.wait_event("file.done", count=8)  # a new folder's backlog has `backlog_confirm`
        arrive(inbox, range(10, 18))
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            assert daemon.wait_event("backlog.waiting")["waiting"] == 8
        assert len(gateway.requests) == 8


def test_what_costs_nothing_never_waits(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox, price="concurrency: 2"), tmp_path) as daemon:
        daemon.wait_event("scan.finished")
        arrive(inbox, range(9))
        daemon.wait_event("file.done", count=9)
        assert not daemon.seen("backlog.waiting")
