"""A folder whose file system hangs, looked at on the live page: it holds up its own files, and no others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glimpsed.blocking import MOST_HANGING, within
from glimpsed.disk.files import Root, find_root
from glimpsed.errors import ShareTrouble
from glimpsed.ledger import Ledger
from glimpsed.web import file, pictures, site
from history import History
from webpage import Reader, history, served


@pytest.fixture
def told(tmp_path: Path) -> Iterator[History]:
    made = history(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def hangs(told: History, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`invoices` does."""
    end = threading.Event()

    def find(path: Any) -> Root:
        if str(path) == str(told.config.folders["invoices"].path):
            end.wait()
        return find_root(path)

    for module in (file, pictures):
        monkeypatch.setattr(module, "find_root", find)
    yield
    end.set()


@pytest.mark.usefixtures("hangs")
def test_one_that_hangs_costs_the_others_nothing(
    told: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, pages = threading.active_count(), {}
    for folder in ("invoices", "archive"):
        row = told.ledger.find(told.done(folder, "a.png", ("text",)))
        assert row is not None
        pages[folder] = f"/files/{row.id}"
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        with monkeypatch.context() as impatient:
            impatient.setattr(site, "SLOW_PATIENCE", 0.1)
            impatient.setattr(pictures, "PATIENCE", 0.1)
            for _ in range(12):  # as somebody who tries again and again
                assert reader.get(pages["invoices"]).status_code == 503
                assert reader.get(f"{pages['invoices']}/pages/1").status_code == 503
        assert reader.get(pages["archive"]).status_code == 200
        assert reader.get(f"{pages['archive']}/pages/1").headers["content-type"] == "image/jpeg"
        assert reader.get("/").status_code == 200
        assert reader.get("/files").status_code == 200
    assert threading.active_count() < before + 40


def test_very_many_that_are_retried_are_no_error(
    told: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.failed("invoices", "a.png")
    end, retried = threading.Event(), threading.Event()
    requeue = Ledger.requeue

    def slow(*args: Any, **how: Any) -> int:
        end.wait()
        count = requeue(*args, **how)
        retried.set()
        return count

    with served(told.config, tmp_path) as port, Reader(port) as reader:
        with monkeypatch.context() as impatient:
            impatient.setattr(site, "SLOW_PATIENCE", 0.1)
            impatient.setattr(Ledger, "requeue", slow)
            try:
                pressed = reader.press("/failures", "Retry", do="retry")
            finally:
                end.set()
            assert pressed.status_code == 200
            assert "one after the other goes back into the queue" in pressed.text
            assert retried.wait(60)
        assert told.ledger.counts(["invoices"])["invoices"]["queued"] == 1


def test_calls_that_hang_outside_of_an_event_loop_are_so_many_at_most() -> None:
    end = threading.Event()
    try:
        for _ in range(2 * MOST_HANGING):
            with pytest.raises(ShareTrouble):
                within(0.001, end.wait)
        assert sum(thread.name == "within" for thread in threading.enumerate()) == MOST_HANGING
    finally:
        end.set()
    for thread in threading.enumerate():
        if thread.name == "within":
            thread.join(10)
    assert within(5, lambda: "works") == "works"
