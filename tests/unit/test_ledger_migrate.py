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
from glimpsed.ledger.kept import ToKeep
from glimpsed.model import FileKey, Job, State
from ledger_fixtures import Postgres, kept_answer

OLD = Path(__file__).parents[1] / "upgrade"
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
            if not table.startswith(("words", "said"))
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
    assert ledger.pauses()["m"].reason == "HTTP 402"
    assert sum(day.cost for day in ledger.spend_between("0000", "9999")) == 2.5


def test_the_texts_that_it_had_are_kept_and_found_and_their_old_index_goes(
    ledger: Ledger, old: str, tmp_path: Path
) -> None:
    unkept, last = ledger.unkept(0, 5)
    assert last == 5
    assert ledger.unkept(last)[1] is not None
    more, end = ledger.unkept(last)
    assert ledger.unkept(end or 0) == ([], None)
    found = {one.row.key.path: one for one in (*unkept, *more)}
    assert {path: one.texts for path, one in found.items() if one.texts}.keys() == {
        "done.png",
        "2024/ü.png",
        "adopted.png",
    }
    given = [
        ToKeep(one.id, kept_answer("\f".join(one.texts), one.row.sha256 or ""), one.row.question)
        for one in found.values()
        if one.texts
    ]
    assert ledger.keep_found(given) == 3
    assert not any(one.texts for one in ledger.unkept(0)[0])
    assert [hit.key.path for hit in ledger.search("12.50")] == ["done.png"]
    assert [hit.key.path for hit in ledger.search("发票")] == ["2024/ü.png"]
    while ledger.drop_old_texts(1):
        pass
    if old.startswith("sqlite"):
        tables = sa.inspect(sa.create_engine(old)).get_table_names()
        assert not [name for name in tables if name.startswith("words")]
    assert [hit.key.path for hit in ledger.search("12.50")] == ["done.png"]


def test_what_is_forgotten_meanwhile_is_in_no_old_index_either(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(gzip.decompress((OLD / "version-1.sqlite.gz").read_bytes()))
    ledger = open_ledger(f"sqlite:///{path}")
    assert ledger.forget_files([FileKey("invoices", "2024/ü.png")]) == 1
    ledger.close()
    assert "发票".encode() not in path.read_bytes()


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
