"""An output that is added later is written by itself, from what is known."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import picture


def config(gateway: Gateway, outputs: str) -> str:
    return (
        f"models: {{m: {{api: chat, base_url: '{gateway.base_url}'}}}}\n"
        f"folders: {{bills: {{path: in, model: m, settle: 0, outputs: {outputs}}}}}\n"
    )


def test_what_outputs_newly_names_is_written_after_a_reload_and_after_a_start(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with Gateway() as gateway:
        with Daemon(config(gateway, "[txt, json]"), tmp_path) as daemon:
            for number in range(3):
                (tmp_path / "in" / f"{number}.png").write_bytes(picture(seed=number))
            daemon.wait_event("file.done", count=3)
            daemon.config.write_text(config(gateway, "[txt, json, xmp]"))
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(list((tmp_path / "in").glob("*.xmp"))) == 3, "no xmp after the reload")
        with Daemon(config(gateway, "[txt, json, xmp, md]"), tmp_path) as daemon:
            wait_until(lambda: len(list((tmp_path / "in").glob("*.md"))) == 3, "no md after the start")
            daemon.wait_event("sidecars completed")
        assert len(gateway.requests) == 3
    assert "quick brown fox" in (tmp_path / "in" / "0.png.xmp").read_text()


def test_a_lost_ledger_and_more_outputs_or_sidecars_that_are_gone_cost_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with Gateway() as gateway:
        with Daemon(config(gateway, "[txt, json]"), tmp_path) as daemon:
            for number in range(3):
                (tmp_path / "in" / f"{number}.png").write_bytes(picture(seed=number))
            daemon.wait_event("file.done", count=3)
        for path in [*tmp_path.rglob("ledger.sqlite*"), tmp_path / "in" / "1.png.txt"]:
            path.unlink()
        with Daemon(config(gateway, "[txt, json, xmp]"), tmp_path):
            wait_until(lambda: len(list((tmp_path / "in").glob("*.xmp"))) == 3, "no xmp after the start")
            wait_until((tmp_path / "in" / "1.png.txt").exists, "the text is not written again")
        assert len(gateway.requests) == 3
    assert "quick brown fox" in (tmp_path / "in" / "1.png.txt").read_text()


@pytest.mark.parametrize("then", ["", "on_done: {move_to: filed}"], ids=["stays", "is moved"])
def test_what_is_in_flight_at_the_reload_gets_the_new_outputs_too(tmp_path: Path, then: str) -> None:
    def asks(outputs: str) -> str:
        return config(gateway, f"{outputs}, {then}" if then else outputs)

    (tmp_path / "in").mkdir()
    with Gateway(Scripted(delay=3)) as gateway, Daemon(asks("[txt]"), tmp_path) as daemon:
        (tmp_path / "in" / "scan.png").write_bytes(picture())
        gateway.wait_for(1)
        daemon.config.write_text(asks("[txt, json]"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("service.reloaded")
        daemon.wait_event("file.done")
        beside = tmp_path / "in" / ("filed" if then else "")
        wait_until((beside / "scan.png.json").exists, f"no JSON: {daemon.tail()}")
        assert (beside / "scan.png.txt").exists()
        assert len(gateway.requests) == 1


def test_what_outputs_name_no_more_stays_until_it_says_something_else_than_the_image(tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    (inbox / "a.png").write_bytes(picture())
    (inbox / "b.png").write_bytes(picture(seed=1))
    with Gateway() as gateway:
        with Daemon(config(gateway, "[txt, json, md, pdf]"), tmp_path) as daemon:
            daemon.wait_event("file.done", count=2)
        everything = sorted(path.name for path in inbox.iterdir())
        assert "a.png.pdf" in everything
        (inbox / "b.png.md").write_text("a note\n")
        with Daemon(config(gateway, "[json]"), tmp_path) as daemon:
            daemon.wait_event("service.ready")
            assert glimpsed("rewrite", "--all", home=tmp_path).returncode == 0
            assert sorted(path.name for path in inbox.iterdir()) == everything
            gateway.default = Scripted(text="Another page.")
            for number, name in enumerate(("a.png", "b.png")):
                (inbox / name).write_bytes(picture(seed=5 + number))
            daemon.wait_event("file.done", count=2)
            wait_until(lambda: not (inbox / "a.png.txt").exists(), "an outdated text stands there")
            left = ["a.png", "a.png.json", "b.png", "b.png.json", "b.png.md"]
            assert sorted(path.name for path in inbox.iterdir()) == left
        assert len(gateway.requests) == 4
    assert (inbox / "b.png.md").read_text() == "a note\n"
