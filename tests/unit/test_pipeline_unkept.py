"""Answers that the ledger does not take are in files until it does, whatever ends the process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glimpsed.ledger import Books, Ledger
from glimpsed.model import FileKey, Job, Offer, PageAnswer, PageRecord, Version
from glimpsed.pipeline import unkept
from glimpsed.pipeline.unkept import Unkept
from ledger_fixtures import OpenLedger, kept_answer

pytestmark = pytest.mark.anyio

KEY = FileKey("in", "a/\udcff.png")
ANSWER = kept_answer("paid for")
PAGE = PageRecord(
    answer=PageAnswer(page=2, text="two"),
    sent=(),
    model=ANSWER.model,
    usage=ANSWER.usage,
    finish="stop",
    source=ANSWER.source,
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unkept, "AFTER", 0.01)


@pytest.fixture
def books(opened: OpenLedger) -> Books:
    return Books(opened())


def claimed(ledger: Ledger, key: FileKey = KEY) -> Job:
    ledger.offer([Offer(key, Version(1, 1))], 1)
    (job,) = ledger.claim(folders=["in"], limit=1, now=ledger.clock())
    return job


def back(ledger: Ledger, job: Job) -> None:
    """As `take_back` has it at the next start."""
    assert ledger.release(job)
    ledger.owner = "host:2:2"


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*.json"))


async def never() -> bool:
    await asyncio.Event().wait()
    return True


async def given_up(aside: Unkept, job: Job, **what: Any) -> None:
    """The process ends while the database is away."""
    task = asyncio.create_task(aside.until_kept(never(), job, **what))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def let_go(aside: Unkept) -> None:
    """What the end of a process does to its lock."""
    assert aside._own is not None
    os.close(aside._own[1])


async def test_nothing_is_written_while_the_ledger_answers(tmp_path: Path, opened: OpenLedger) -> None:
    job = claimed(opened())

    async def at_once() -> bool:
        return True

    assert await Unkept(tmp_path / "aside", "db").until_kept(at_once(), job, answer=ANSWER)
    assert not (tmp_path / "aside").exists()


async def test_it_is_in_a_file_while_the_ledger_is_away_and_no_longer(
    tmp_path: Path, opened: OpenLedger
) -> None:
    aside, back_again = Unkept(tmp_path / "aside", "db"), asyncio.Event()

    async def later() -> bool:
        await back_again.wait()
        return True

    waiting = asyncio.create_task(aside.until_kept(later(), claimed(opened()), answer=ANSWER))
    while not files(tmp_path / "aside"):  # noqa: ASYNC110 - a thread writes it
        await asyncio.sleep(0.001)
    (file,) = (tmp_path / "aside").rglob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    back_again.set()
    assert await waiting
    assert not list((tmp_path / "aside").iterdir())


async def test_the_next_start_writes_it_without_asking(
    tmp_path: Path, opened: OpenLedger, books: Books
) -> None:
    ledger = opened()
    job, aside = claimed(ledger), Unkept(tmp_path / "aside", "db")
    await given_up(aside, job, question="q", answer=ANSWER)
    back(ledger, job)
    after = Unkept(tmp_path / "aside", "db")
    await after.take_up(books)
    assert files(tmp_path / "aside"), "the process that has put it aside lives"
    let_go(aside)
    await Unkept(tmp_path / "aside", "another db").take_up(books)
    await after.take_up(books)
    assert files(tmp_path / "aside") == []
    (again,) = ledger.claim(folders=["in"], limit=1, now=ledger.clock())
    assert again.answer == ANSWER
    assert again.key == KEY
    assert [s.output_tokens for s in ledger.spend_today(ledger.clock.wall())] == [1]
    (kept,) = ledger.all_kept([(ANSWER.source.sha256, "q")])
    assert kept is not None


async def test_a_page_is_taken_up_as_well(tmp_path: Path, opened: OpenLedger, books: Books) -> None:
    ledger = opened()
    job, aside = claimed(ledger), Unkept(tmp_path / "aside", "db")
    await given_up(aside, job, page=PAGE)
    back(ledger, job)
    let_go(aside)
    for _ in range(2):
        await Unkept(tmp_path / "aside", "db").take_up(books)
    (again,) = ledger.claim(folders=["in"], limit=1, now=ledger.clock())
    assert again.pages == (PAGE,)


def _kept_after_all(ledger: Ledger, job: Job) -> None:
    """The commit went through, and the process ended before it knew."""
    assert ledger.answered(job, ANSWER, question="q", now=ledger.clock.wall())


def _claimed_by_another(ledger: Ledger, job: Job) -> None:
    back(ledger, job)
    claimed(ledger)


def _changed(ledger: Ledger, job: Job) -> None:
    """Another version of the file is there."""
    back(ledger, job)
    ledger.offer([Offer(KEY, Version(2, 2))], 1)


@pytest.mark.parametrize("meanwhile", [_kept_after_all, _claimed_by_another, _changed])
async def test_it_is_paid_for_and_kept_once_whatever_came_meanwhile(
    tmp_path: Path, opened: OpenLedger, books: Books, meanwhile: Callable[[Ledger, Job], None]
) -> None:
    ledger = opened()
    job, aside = claimed(ledger), Unkept(tmp_path / "aside", "db")
    await given_up(aside, job, question="q", answer=ANSWER)
    let_go(aside)
    meanwhile(ledger, job)
    await Unkept(tmp_path / "aside", "db").take_up(books)
    assert files(tmp_path / "aside") == []
    assert [s.output_tokens for s in ledger.spend_today(ledger.clock.wall())] == [1]
    (kept,) = ledger.all_kept([(ANSWER.source.sha256, "q")])
    assert kept is not None
    row = ledger.find(KEY)
    assert row is not None
    assert (
        row.state
        == {_kept_after_all: "answered", _claimed_by_another: "running", _changed: "queued"}[meanwhile]
    )


async def test_another_file_that_has_its_number_by_now_does_not_get_it(
    tmp_path: Path, opened: OpenLedger, books: Books
) -> None:
    ledger = opened()
    job, aside = claimed(ledger), Unkept(tmp_path / "aside", "db")
    await given_up(aside, job, question="q", answer=ANSWER)
    let_go(aside)
    ledger.forget_files([KEY])
    other = claimed(
        ledger, FileKey("in", "b.png")
    )  # in SQLite it has, in a ledger that is begun anew as well
    await Unkept(tmp_path / "aside", "db").take_up(books)
    assert files(tmp_path / "aside") == []
    assert ledger.release(other)
    row = ledger.find(other.key)
    assert row is not None
    assert row.state == "queued"


async def test_what_is_no_answer_there_stays_and_ends_nothing(tmp_path: Path, books: Books) -> None:
    (tmp_path / "aside" / "x").mkdir(parents=True)
    (tmp_path / "aside" / "x" / "1-1-0.json").write_text("{")
    (tmp_path / "aside" / "file").write_text("")
    await Unkept(tmp_path / "aside", "db").take_up(books)
    assert (tmp_path / "aside" / "x" / "1-1-0.json").exists()
