"""Files found by what their answers hold, page by page."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from glimpsed.ledger import search
from glimpsed.ledger.values import Among
from history import History
from webpage import history

NOW = time.time()


@pytest.fixture
def told(tmp_path: Path) -> History:
    made = history(tmp_path)
    for number in range(30):
        folder = ("invoices", "archive")[number % 2]
        made.done(folder, f"{number:02}.png", (f"oak planks {number}", "more oak oak"), NOW - number)
    made.done("invoices", "pine.png", ("pine",), NOW)
    return made


def through(told: History, text: str, among: Among, limit: int = 4) -> list[str]:
    names: list[str] = []
    after = None
    for _ in range(100):
        found = told.ledger.found(text, among, after=after, limit=limit)
        assert len(found.hits) <= limit
        names += [hit.key.path for hit in found.hits]
        after = found.on
        if after is None:
            return names
    raise AssertionError("the pages do not end")


def all_files(**among: object) -> Among:
    return Among(**{"folders": ["invoices", "archive"], "states": ["done", "failed"], **among})  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [1, 3, 7, 2000])
def test_every_file_is_on_exactly_one_page_however_few_are_looked_at(
    told: History, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_AT_ONCE", most)
    names = through(told, "oak", all_files())
    assert sorted(names) == [f"{number:02}.png" for number in range(30)]
    assert names[0] == "29.png"  # what was answered last
    only = all_files(folders=["archive"], name="1", since=NOW - 20.5, until=NOW - 10.5)
    assert sorted(through(told, "oak plan*", only)) == ["11.png", "13.png", "15.png", "17.png", "19.png"]
    assert through(told, "oak", all_files(states=["failed"])) == through(told, "", all_files()) == []
    assert through(told, "oak", all_files(doubtful=True)) == []
    told.ledger.close()


def test_so_many_are_counted_and_more_is_said(told: History, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told.ledger.found("oak", all_files(), limit=5)
    assert (found.count, found.every, len(found.hits)) == (30, True, 5)
    assert found.hits[0].page == 2  # that has most of it
    assert told.ledger.found("plan", all_files()).count == 30  # tried as a beginning
    monkeypatch.setattr(search, "MOST_AT_ONCE", 10)
    found = told.ledger.found("oak", all_files(), limit=5)
    assert not found.every
    assert 10 <= found.count < 30
    told.ledger.close()
