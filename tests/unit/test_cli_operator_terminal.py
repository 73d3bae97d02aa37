"""The operator's commands on a terminal: colour, the live view, the question before money is spent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import GLIMPSED, environment, glimpsed
from glimpsed import config
from glimpsed.ledger import open_ledger
from history import CONFIG, History
from terminal import Terminal


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    (tmp_path / "glimpsed.yaml").write_text(CONFIG)
    for name in ("invoices", "archive"):
        (tmp_path / name).mkdir()
    loaded = config.load(tmp_path / "glimpsed.yaml", keys=False)
    with contextlib.closing(open_ledger(config.state_url(loaded))) as ledger:
        yield History(loaded, ledger)


def test_status_has_colour_on_a_terminal_and_none_in_a_pipe(history: History, tmp_path: Path) -> None:
    history.failed("invoices", "a.png", "It is torn.")
    with Terminal(tmp_path, "status") as terminal:
        terminal.see(r"\x1b\[3\dm.*It is torn")
        assert terminal.end() == 0
    piped = glimpsed("status", home=tmp_path)
    assert piped.returncode == 0
    assert "It is torn." in piped.stdout
    assert "\x1b" not in piped.stdout


def test_the_live_view_follows_the_ledger_and_ends_on_ctrl_c(history: History, tmp_path: Path) -> None:
    with Terminal(tmp_path, "status", "--watch") as terminal:
        terminal.see(r"invoices")
        terminal.see(r"A minute|archive")
        history.failed("invoices", "later.png", "Seen while watching.")
        terminal.see(r"Seen while watching\.")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 0
        assert "Traceback" not in terminal.raw


@pytest.mark.parametrize(("answer", "state"), [("n", "done"), ("", "done"), ("y", "queued")])
def test_redo_tells_the_cost_and_asks(history: History, tmp_path: Path, answer: str, state: str) -> None:
    key = history.done("invoices", "a.png")
    with Terminal(tmp_path, "redo", "invoices/a.png") as terminal:
        terminal.see(r"1 file, 1 page, [\d,]+ \+ [\d,]+ tokens, about 0\.\d+ USD")
        terminal.see(r"Ask again about them\? \[y/N\]")
        terminal.press(f"{answer}\n")
        assert terminal.end() == 0
    row = history.ledger.find(key)
    assert row is not None
    assert row.state == state


def test_what_was_searched_for_is_marked_however_it_was_typed(history: History, tmp_path: Path) -> None:
    history.done("invoices", "a.png", ("A letter\nTwelve oak planks",))
    with Terminal(tmp_path, "search", "(planks,") as terminal:
        terminal.see(r"Twelve oak .*\x1b\[[\d;]*31mplanks")
        assert terminal.end() == 0


def test_a_report_goes_to_a_file_and_not_onto_the_screen(history: History, tmp_path: Path) -> None:
    history.done("invoices", "a.png")
    with Terminal(tmp_path, "report", "invoices") as terminal:
        assert terminal.end() == 0
        assert "invoices.html: 1 file" in terminal.raw
        assert "<!doctype" not in terminal.raw
    assert (tmp_path / "invoices.html").read_text().startswith("<!doctype html>")


def test_a_reader_that_goes_away_is_no_error(history: History, tmp_path: Path) -> None:
    for n in range(3):
        history.failed("invoices", f"{n}.png", "x" * 40_000)
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [*GLIMPSED, "failures", "--json"], cwd=tmp_path, env=environment(tmp_path), stdout=writing,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert "Traceback" not in process.stderr
    assert process.stderr == ""
