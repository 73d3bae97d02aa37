"""`burst_confirm`: what arrives all at once for a model that costs money waits to be approved."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
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
            assert daemon.wait_event("backlog.waiting")["waiting"]  # as many as have settled by then
            wait_until(lambda: status(daemon)["queued"] == 8, "all of them wait")
        assert len(gateway.requests) == 8


def test_what_costs_nothing_never_waits(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox, price="concurrency: 2"), tmp_path) as daemon:
        daemon.wait_event("scan.finished")
        arrive(inbox, range(9))
        daemon.wait_event("file.done", count=9)
        assert not daemon.seen("backlog.waiting")


@pytest.mark.parametrize("watch", ["inotify", "poll"])
@pytest.mark.parametrize("how", ["renamed", "copied", "touched", "moved away and back"])
def test_what_was_answered_before_does_not_wait(tmp_path: Path, inbox: Path, watch: str, how: str) -> None:
    """Whether a file costs is what counts, and how many of those there are."""
    with Gateway() as gateway:
        gateway.default = Scripted()
        for number in range(12):
            drop(inbox / "old", f"{number}.png", picture(seed=number))
        with Daemon(config(gateway, inbox, watch), tmp_path) as daemon:
            daemon.wait_event("file.done", count=12)
            if how == "renamed":
                (inbox / "old").rename(inbox / "new")
            elif how == "copied":
                shutil.copytree(
                    inbox / "old", inbox / "new", ignore=shutil.ignore_patterns("*.txt", "*.json")
                )
            elif how == "touched":
                for number in range(12):
                    os.utime(inbox / "old" / f"{number}.png")
            else:
                shutil.move(inbox / "old", tmp_path / "away")
                wait_until(lambda: status(daemon)["gone"] == 12, "they are gone")
                for sidecar in [*(tmp_path / "away").glob("*.txt"), *(tmp_path / "away").glob("*.json")]:
                    sidecar.unlink()
                shutil.move(tmp_path / "away", inbox / "new")
            if how == "renamed":  # with their sidecars
                wait_until(lambda: (status(daemon)["gone"], status(daemon)["done"]) == (12, 12), "")
            else:
                daemon.wait_event("file.reused", count=12)
            drop(inbox, "one more.png", picture(seed=100))  # nor do they count for others
            daemon.wait_event("file.done", file="one more.png")
            assert status(daemon)["waits_since"] is None
            assert not daemon.seen("backlog.waiting")
        assert len(gateway.requests) == 13


def test_of_known_and_new_arrivals_only_the_new_wait_and_only_if_they_are_many(
    tmp_path: Path, inbox: Path
) -> None:
    for number in range(9):
        drop(inbox, f"{number}.png", picture(seed=number))
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        daemon.wait_event("file.done", count=9)
        made = tmp_path / "some"
        for number in range(12):  # nine are known, three are not
            drop(made, f"{number}.png", picture(seed=number))
        made.rename(inbox / "some")
        daemon.wait_event("file.reused", count=9)
        daemon.wait_event("file.done", count=12)
        many = tmp_path / "many"
        for number in range(4, 30):  # eight are known, eighteen are not
            drop(many, f"{number}.png", picture(seed=number))
        many.rename(inbox / "many")
        daemon.wait_event("file.reused", count=17)
        told = daemon.wait_event("backlog.waiting")
        assert told["waiting"] == 18
        seen = status(daemon)
        assert (seen["queued"], seen["done"]) == (18, 29)
        assert len(gateway.requests) == 12


@pytest.mark.parametrize("watch", ["inotify", "poll"])
def test_a_backlog_waits_on_whatever_its_directory_is_called(tmp_path: Path, inbox: Path, watch: str) -> None:
    """Renamed under the daemon, taken away and brought back, renamed while nobody looked."""
    arrive(inbox, range(6))
    with Gateway() as gateway:
        text = config(gateway, inbox, watch).replace("burst_confirm: 5", "backlog_confirm: 3")
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("backlog.waiting")
            wait_until(lambda: status(daemon)["queued"] == 6, "they settle")
            (inbox / "in 0").rename(inbox / "b")
            wait_until(lambda: (status(daemon)["queued"], status(daemon)["gone"]) == (6, 6), "renamed")
            (inbox / "b").rename(tmp_path / "b")
            wait_until(lambda: (status(daemon)["queued"], status(daemon)["gone"]) == (0, 12), "away")
            (tmp_path / "b").rename(inbox / "b")
            wait_until(lambda: (status(daemon)["queued"], status(daemon)["gone"]) == (6, 6), "and back")
        (inbox / "b").rename(inbox / "c")
        with Daemon(text, tmp_path) as daemon:
            wait_until(lambda: (status(daemon)["queued"], status(daemon)["gone"]) == (6, 12), "renamed again")
            drop(inbox, "new.png", picture(seed=100))
            daemon.wait_event("file.done", file="new.png")
            assert len(gateway.requests) == 1
            assert glimpsed("approve", "-c", daemon.config, home=tmp_path).returncode == 0
            daemon.wait_event("file.done", count=7)


@pytest.mark.parametrize("new", [3, 8])
def test_of_a_backlog_counts_what_costs_something(tmp_path: Path, inbox: Path, new: int) -> None:
    """Another folder with the same question: most of its files have been answered in the first."""
    other = tmp_path / "other"
    text = "\nbacklog_confirm: 5"
    with Gateway() as gateway:
        for number in range(12):
            drop(inbox, f"{number}.png", picture(seed=number))
        first = config(gateway, inbox).replace("burst_confirm: 5", "")
        with Daemon(first, tmp_path) as daemon:
            daemon.wait_event("file.done", count=12)
        for number in range(12 + new):
            drop(other, f"{number}.png", picture(seed=number))
        folder = f"  other: {{path: {other}, settle: 100ms, rescan: 1s}}\n"
        both = first.replace("log: {", f"{folder}log: {{") + text
        with Daemon(both, tmp_path) as daemon:
            daemon.wait_event("file.reused", count=12)
            if new <= 5:
                daemon.wait_event("file.done", count=new)
                assert not daemon.seen("backlog.waiting")
            else:
                assert daemon.wait_event("backlog.waiting")["waiting"] == new
        assert len(gateway.requests) == 12 + (new if new <= 5 else 0)
