"""Files found by what their answers hold, page by page, and what else was answered about one; on both databases."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from glimpsed.ledger import search
from glimpsed.ledger.spending import Bill
from glimpsed.ledger.values import Among
from glimpsed.model import Usage
from history import CONFIG, History
from webpage import history

NOW = time.time()


@pytest.fixture
def told(tmp_path: Path, ledger_url: str) -> History:
    made = history(tmp_path, CONFIG.replace("sqlite:///ledger.sqlite", ledger_url))
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


def test_files_of_a_time_are_counted_as_far_as_that_is_wanted(told: History) -> None:
    where = ["invoices", "archive"], ["done"]
    assert told.ledger.count_between(*where, NOW - 20.5, NOW - 10.5) == 10
    assert told.ledger.count_between(*where, 0, 1e18, most=7) == 7
    told.ledger.close()


def test_an_answer_that_was_tried_is_nobodys_paid_for_and_can_be_thrown_away(told: History) -> None:
    row = told.ledger.numbered(1)
    assert row is not None
    assert row.sha256 is not None
    (stands,) = told.ledger.answers_about(row.sha256)
    other = stands.answer.model_copy(update={"text": "zebra"})
    bill = Bill("invoices", "m", Usage(cost=3.0, currency="USD"))
    before = sum(s.cost for s in told.ledger.spend_this_month(NOW))
    number = told.ledger.tried(row.id, other, "some question", [bill], NOW)
    assert sum(s.cost for s in told.ledger.spend_this_month(NOW)) == pytest.approx(before + 3)
    assert told.ledger.found("zebra", all_files()).count == 0
    assert {one.answer.text for one in told.ledger.answers_about(row.sha256)} == {stands.answer.text, "zebra"}
    kept = told.ledger.answer_numbered(number, row.sha256)
    assert kept is not None
    assert kept.tried
    assert told.ledger.answer_numbered(number, "00" * 32) is None
    assert not told.ledger.throw_away(stands.id, row.sha256)  # that is the file's own
    assert not told.ledger.throw_away(number, "00" * 32)
    assert told.ledger.throw_away(number, row.sha256)
    assert told.ledger.answers_about(row.sha256) == [stands]
    told.ledger.close()
