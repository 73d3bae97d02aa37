"""What the daemon tells of a backlog that waits to be approved, and what it lets go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import structlog

from glimpsed import config
from glimpsed.config.schema import ModelEntry
from glimpsed.disk import files
from glimpsed.estimate import Estimate
from glimpsed.images.prepare import Images
from glimpsed.ledger import Books, open_ledger
from glimpsed.pipeline.costless import Costless
from glimpsed.service import backlog
from glimpsed.service.backlog import Backlogs
from glimpsed.vision import Model
from history import CONFIG, History

pytestmark = pytest.mark.anyio


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glimpsed.yaml").write_text(CONFIG + "backlog_confirm: 2\n")
    for name in ("invoices", "archive"):
        (tmp_path / name).mkdir()
    loaded = config.load(tmp_path / "glimpsed.yaml", keys=False)
    ledger = open_ledger(config.state_url(loaded))
    yield History(loaded, ledger)
    ledger.close()


@pytest.fixture
async def backlogs(history: History) -> AsyncIterator[Backlogs]:
    books, images = Books(history.ledger), Images(1)
    costless = Costless(books, find_place=lambda _: None, model=lambda _: cast("Model", None))
    yield Backlogs(books, history.config, images, costless, wake=lambda: None)
    await images.close()


async def test_a_backlog_is_told_with_what_it_will_cost(history: History, backlogs: Backlogs) -> None:
    folder = history.config.folders["invoices"]
    await backlogs.before_listing(folder)
    for number in range(3):
        history.queued("invoices", f"{number}.png")
    with structlog.testing.capture_logs() as logs:
        await backlogs.after_listing(folder, 3, files.find_root(folder.path))
    (line,) = logs
    assert (line["event"], line["waiting"]) == ("backlog.waiting", 3)
    assert line["input_tokens"] > 3 * 85
    assert line["cost"] == pytest.approx(
        (2.5 * line["input_tokens"] + 10 * line["output_tokens"]) / 1e6, abs=1e-6
    )
    assert "3 pages" in line["reason"]
    assert "approve" in line["reason"]
    assert history.ledger.held().keys() == {"invoices"}


async def test_files_that_are_still_settling_are_reckoned_from_those_that_are_not(
    history: History, backlogs: Backlogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "SAMPLE", 2)
    folder = history.config.folders["invoices"]
    await backlogs.before_listing(folder)

    async def settle_later() -> None:
        await asyncio.to_thread(history.queued, "invoices", "1.png")
        await asyncio.to_thread(history.queued, "invoices", "2.png")

    with structlog.testing.capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            group.create_task(settle_later())
            await backlogs.after_listing(folder, 1000, files.find_root(folder.path))
    (line,) = logs
    assert line["output_tokens"] == 1000 * 500
    assert "1,000 pages" in backlogs.expected["invoices"]


async def test_without_anything_to_look_at_it_says_how_to_find_out(
    history: History, backlogs: Backlogs
) -> None:
    folder = history.config.folders["invoices"]
    await backlogs.before_listing(folder)
    with structlog.testing.capture_logs() as logs:
        await backlogs.after_listing(folder, 3, None)
    assert "glimpsed estimate" in logs[0]["reason"]
    assert "cost" not in logs[0]


async def test_a_small_backlog_goes_at_once(history: History, backlogs: Backlogs) -> None:
    folder = history.config.folders["invoices"]
    await backlogs.before_listing(folder)
    assert history.ledger.held()
    await backlogs.after_listing(folder, 2, files.find_root(folder.path))
    assert not history.ledger.held()


async def test_a_second_reader_that_costs_money_is_asked_about_as_the_first(
    history: History, backlogs: Backlogs
) -> None:
    folder = history.config.folders["invoices"]
    free, priced = ModelEntry(name="free", api="local"), history.config.models[folder.model]
    alone = folder.model_copy(update={"model": "free"})
    read_twice = alone.model_copy(update={"verify_with": folder.model})
    models = {"free": free, folder.model: priced}
    for one, held in ((alone, False), (read_twice, True)):
        changed = {"models": models, "folders": {"invoices": one}, "burst_confirm": 5}
        backlogs.config = history.config.model_copy(update=changed)
        await backlogs.before_listing(one)
        assert ("invoices" in history.ledger.held()) is held
        assert backlogs.burst_confirm("invoices") == (5 if held else None)


def test_what_a_local_model_will_take_is_told_without_a_currency() -> None:
    local = Estimate(files=2, pages=3, cost=0.0, currency=None)
    assert backlog._in_words(local) == "3 pages, 0 + 0 tokens"
    assert backlog._in_words(replace(local, pages=1)) == "1 page, 0 + 0 tokens"
    assert backlog._in_words(replace(local, cost=1.5, currency="EUR")).endswith("about 1.50 EUR")
