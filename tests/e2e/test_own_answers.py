"""`reuse: false` is about copies: a file's own answer stays its own, whatever the clock or a rename made of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, watch: {watch}, settle: 50ms, poll: 200ms, rescan: 1s, reuse: false, outputs: {outputs}}}
log: {{target: json, level: debug}}
"""
HOUR = 3600 * 10**9


def shift(inbox: Path, by: int) -> None:
    """What a file system that keeps local time shows after the clocks change."""
    for path in inbox.iterdir():
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + by))


@pytest.mark.parametrize("watch", ["inotify", "poll"])
@pytest.mark.parametrize("outputs", ["[txt, json]", "[txt]"])
def test_when_all_times_shift_by_an_hour_nothing_is_paid_and_nothing_counts_as_edited(
    tmp_path: Path, inbox: Path, watch: str, outputs: str
) -> None:
    names = [f"{number}.png" for number in range(3)]
    with Gateway() as gateway:
        config = CONFIG.format(url=gateway.base_url, inbox=inbox, watch=watch, outputs=outputs)
        with Daemon(config, tmp_path) as daemon:
            for number, name in enumerate(names):
                drop(inbox, name, picture(seed=number))
            daemon.wait_event("file.done", count=3)
            there = sorted(path.name for path in inbox.iterdir())
            for back, by in enumerate((-HOUR, HOUR), 1):
                shift(inbox, by)
                for name in names:
                    daemon.wait_event("file.reused", file=name, count=back)
        shift(inbox, -HOUR)  # while nobody looks
        with Daemon(config, tmp_path) as daemon:
            for name in names:
                daemon.wait_event("file.reused", file=name)
        assert len(gateway.requests) == 3
        assert sorted(path.name for path in inbox.iterdir()) == there


def test_a_rename_a_swap_and_a_shift_are_no_copies_and_a_copy_is(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        config = CONFIG.format(url=gateway.base_url, inbox=inbox, watch="inotify", outputs="[txt, json]")
        with Daemon(config, tmp_path) as daemon:
            for number, name in enumerate(("a.png", "b.png")):
                drop(inbox, name, picture(seed=number))
            daemon.wait_event("file.done", count=2)
            (inbox / "a.png").rename(inbox / "c.png")
            daemon.wait_event("file.reused", file="c.png")
            (inbox / "b.png").rename(tmp_path / "b.png")
            (inbox / "c.png").rename(inbox / "b.png")
            (tmp_path / "b.png").rename(inbox / "c.png")
            daemon.wait_event("file.reused", file="b.png")
            daemon.wait_event("file.reused", file="c.png", count=2)
            assert len(gateway.requests) == 2
            shutil.copy2(inbox / "c.png", inbox / "d.png")
            daemon.wait_event("file.done", file="d.png")
            wait_until(lambda: len(gateway.requests) == 3, "the copy was not asked about")
            daemon.wait_event("file.done", count=3)
        assert len(gateway.requests) == 3


def test_an_edited_text_is_kept_also_when_its_time_is_as_it_was(tmp_path: Path, inbox: Path) -> None:
    """Its size and its digest tell, not its time."""
    with Gateway() as gateway:
        config = CONFIG.format(url=gateway.base_url, inbox=inbox, watch="inotify", outputs="[txt, json]")
        with Daemon(config, tmp_path) as daemon:
            image = drop(inbox, "a.png", picture())
            daemon.wait_event("file.done")
            text = inbox / "a.png.txt"
            edited = text.read_text().replace("quick", "quiet")
            text.write_text(edited)
            os.utime(image, ns=(HOUR, HOUR))
            daemon.wait_event("file.reused")
        assert (inbox / "a.png.txt~").read_text() == edited
        assert len(gateway.requests) == 1


@pytest.mark.parametrize("why", ["model", "budget"])
def test_what_is_known_is_served_while_nobody_may_be_asked(tmp_path: Path, inbox: Path, why: str) -> None:
    """Copies and renamed files cost nothing: neither a model that pauses nor a used-up budget holds them up."""
    config = f"""
models:
  m: {{{{api: chat, base_url: "{{url}}", api_key_env: GLIMPSED_API_KEY, price: {{{{input: 1, output: 1}}}}}}}}
defaults: {{{{settle: 50ms, rescan: 1s}}}}
folders:
  inbox: {{{{path: {inbox}}}}}
log: {{{{target: json}}}}
{"budget: {{per_day: 0.001, currency: USD}}" if why == "budget" else ""}
"""
    with Gateway() as gateway, Daemon(config.format(url=gateway.base_url), tmp_path) as daemon:
        drop(inbox, "a.png", picture(seed=1))
        daemon.wait_event("file.done", file="a.png")
        gateway.default = Scripted(status=401)
        drop(inbox, "new.png", picture(seed=2))
        daemon.wait_event("model.paused" if why == "model" else "budget.reached")
        requests = len(gateway.requests)
        shutil.copy(inbox / "a.png", inbox / "copy.png")
        daemon.wait_event("file.reused", file="copy.png", seconds=40)  # a probe comes after a minute
        (inbox / "a.png").rename(inbox / "b.png")
        daemon.wait_event("file.reused", file="b.png", seconds=40)
        os.utime(inbox / "b.png")
        daemon.wait_event("file.reused", file="b.png", count=2, seconds=40)
        assert (inbox / "copy.png.txt").read_text() == (inbox / "b.png.txt").read_text()
        assert not (inbox / "new.png.txt").exists()
        assert len(gateway.requests) == requests


def test_once_serves_what_is_known_before_it_says_that_the_budget_is_used_up(
    tmp_path: Path, inbox: Path
) -> None:
    file = tmp_path / "glimpsed.yaml"
    with Gateway() as gateway:
        file.write_text(f"""
models: {{m: {{api: chat, base_url: "{gateway.base_url}", price: {{input: 1, output: 1}}}}}}
folders: {{inbox: {{path: {inbox}, settle: 0}}}}
budget: {{per_day: 0.001, currency: USD}}
""")
        drop(inbox, "a.png", picture(seed=1))
        assert glimpsed("once", "-c", file, home=tmp_path).returncode == 0
        shutil.copy(inbox / "a.png", inbox / "copy.png")
        drop(inbox, "new.png", picture(seed=2))
        said = glimpsed("once", "-c", file, home=tmp_path)
        assert (inbox / "copy.png.txt").exists(), said.stdout + said.stderr
        assert not (inbox / "new.png.txt").exists()
        assert len(gateway.requests) == 1
