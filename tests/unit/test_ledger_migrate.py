"""A ledger that an older glimpsed made goes on: nothing is asked twice, nothing that was paid for is lost."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from glimpsed.ledger import Ledger, open_ledger
from glimpsed.model import FileKey, Job, State
from ledger_fixtures import Postgres

OLD = Path(__file__).parents[1] / "ledgers"
T = 1.79e9  # when it was made
STATES: dict[str, State] = {
    "queued.png": "queued", "running.png": "running", "answered.png": "answered", "done.png": "done",
    "failed.png": "failed", "refused.png": "failed", "gone.png": "gone", "redo.png": "queued", "retry.png": "queued",
    "pages.pdf": "running", "2024/ü.png": "done", "adopted.png": "done",
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger of version 1, as the program of that version made it."""
    if request.param == "sqlite":
        (tmp_path / "ledger.db").write_bytes(gzip.decompress((OLD / "version-1.sqlite.gz").read_bytes()))
        return f"sqlite:///{tmp_path}/ledger.db"
    postgres: Postgres = request.getfixturevalue("postgres")
    postgres.wipe()
    engine = sa.create_engine(postgres.url)
    with engine.begin() as c:
        c.exec_driver_sql((OLD / "version-1.postgresql.sql").read_text().replace("%", "%%"))
    engine.dispose()
    return postgres.url


@pytest.fixture
def ledger(old: str) -> Iterator[Ledger]:
    open_ledger(old).close()
    ledger = open_ledger(old)
    yield ledger
    ledger.close()


def columns(url: str) -> dict[str, Any]:
    engine = sa.create_engine(url)
    try:
        look = sa.inspect(engine)
        return {
            table: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(table)),
                sorted(str(i["name"]) for i in look.get_indexes(table)),
            )
            for table in look.get_table_names()
            if not table.startswith("words")
        }
    finally:
        engine.dispose()


def test_every_file_is_what_it_was(ledger: Ledger) -> None:
    for name, state in STATES.items():
        row = ledger.find(FileKey("invoices", name))
        assert row is not None
        assert row.state == state, name
    done = ledger.find(FileKey("invoices", "done.png"))
    assert done is not None
    assert (done.sha256, done.question, [w.name for w in done.written]) == ("bb" * 32, "q1", ["done.png.txt"])
    assert [hit.key.path for hit in ledger.search("12.50")] == ["done.png"]
    assert [hit.key.path for hit in ledger.search("发票")] == ["2024/ü.png"]
    assert ledger.pauses()["m"].reason == "HTTP 402"
    assert sum(day.cost for day in ledger.spend_between("0000", "9999")) == 2.5


def test_what_was_asked_for_anew_is_asked_anew_and_what_was_paid_is_there(ledger: Ledger) -> None:
    ledger.approve()
    jobs: dict[str, Job] = {
        job.key.path: job for job in ledger.claim(folders=["invoices"], limit=50, now=T + 500)
    }
    again = {name: (job.round, job.again) for name, job in jobs.items() if job.round}
    assert again == {"redo.png": (int(T + 30), True), "retry.png": (int(T + 31), False)}
    answered, pages = jobs["answered.png"].answer, jobs["pages.pdf"].pages
    assert answered is not None
    assert answered.text == "paid for, not written"
    assert [page.answer.text for page in pages] == ["first page"]
    assert jobs.keys() == {"queued.png", "running.png", "answered.png", "redo.png", "retry.png", "pages.pdf"}


def test_it_has_the_tables_of_a_new_one(old: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    open_ledger(old).close()
    forward = columns(old)
    if old.startswith("sqlite"):
        new = f"sqlite:///{tmp_path}/new.db"
    else:
        request.getfixturevalue("postgres").wipe()
        new = old
    with contextlib.closing(open_ledger(new)):
        assert columns(new) == forward
