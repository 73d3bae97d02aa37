"""Opening a ledger: created, brought forward, refused; and what the database's errors turn into."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from glimpsed.errors import LedgerError, LedgerUnavailable
from glimpsed.ledger import Ledger, engine, open_ledger, schema
from glimpsed.ledger.engine import Database, parsed
from glimpsed.ledger.look import look
from glimpsed.model import FileKey, Offer, Version
from ledger_fixtures import OpenLedger, Postgres

TESTS = Path(__file__).parents[1]
OFFER = Offer(FileKey("in", "a"), Version(1, 2))


def version(url: str) -> str:
    database = Database(url, "test:1:1")
    with database.read() as c:
        found = c.scalar(sa.select(schema.about.c.value).where(schema.about.c.name == "version"))
    database.close()
    return str(found)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(LedgerUnavailable):
            if holds():
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


NOW = 1 + len(schema.STEPS)  # the version of a new ledger


def prepare(url: str, *steps: schema.Step) -> None:
    database = Database(url, "test:1:1")
    try:
        with database.write() as c:
            schema.prepare(c, database.where, steps)
    finally:
        database.close()


def test_a_new_ledger_is_for_our_eyes_only(tmp_path: Path) -> None:
    open_ledger(f"sqlite:///{tmp_path}/state/ledger.db").close()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state/ledger.db").stat().st_mode) == 0o600


def test_opened_twice_in_one_process_its_log_outlives_the_commands_of_others(tmp_path: Path) -> None:
    """The daemon and its page each open it: the second may not drop the locks that the first one holds."""
    path = tmp_path / "ledger.db"
    look = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM sqlite_master').fetchall()"
    )
    with contextlib.closing(open_ledger(f"sqlite:///{path}")) as first:
        first.offer([OFFER], time.time())
        with contextlib.closing(open_ledger(f"sqlite:///{path}")):
            subprocess.run([sys.executable, "-c", look, path], check=True)
            assert Path(f"{path}-wal").exists()  # the last one to close it deletes it


@contextlib.contextmanager
def encoded(postgres: Postgres, encoding: str) -> Iterator[str]:
    """The URL of a database in this encoding, and its end."""
    import psycopg

    url = sa.make_url(postgres.url)
    with psycopg.connect(host=url.host, port=url.port, user=url.username, autocommit=True) as c:
        c.execute(
            f"CREATE DATABASE plain ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
        try:
            yield url.set(database="plain").render_as_string(hide_password=False)
        finally:
            c.execute("DROP DATABASE plain WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "WIN1252"])
def test_a_database_that_cannot_hold_every_name_is_refused_with_the_way_to_make_one(
    postgres: Postgres, encoding: str
) -> None:
    """SQL_ASCII is what Debian makes where no language is set: psycopg reads bytes from it."""
    with encoded(postgres, encoding) as url:
        for opens in (look, open_ledger):
            with pytest.raises(LedgerError, match=rf"encoding is {encoding}.*--encoding=UTF8"):
                opens(url)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
def test_a_ledger_that_is_in_another_encoding_goes_on(postgres: Postgres, encoding: str) -> None:
    """As older versions made them there; what needs no other character works."""
    with encoded(postgres, encoding) as url:
        old = sa.create_engine(url)
        with old.begin() as c:
            made = (TESTS / "upgrade/version-1.postgresql.sql").read_text()
            made = made.replace("发", "ß").replace("票", "é")
            c.exec_driver_sql(made.replace("%", "%%"))
        old.dispose()
        look(url)
        for _ in range(2):  # brought forward, and as this version left it
            with contextlib.closing(open_ledger(url)) as ledger:
                assert ledger.find(FileKey("invoices", "done.png")) is not None
                ledger.offer([Offer(FileKey("Belege für März", "Größe.png"), Version(1, 2))], time.time())
                row = ledger.find(FileKey("Belege für März", "Größe.png"))
                assert row is not None
                assert row.state == "queued"


@pytest.mark.parametrize(
    "password", ["secret@word", "@secretword", "secret@9:word", "secret@1/w#ord", "a@secret?@word"]
)
@pytest.mark.parametrize("name", ["anna", "anna@server", "", "anna/b"])
def test_a_password_that_ends_before_its_end_is_told_without_showing_any_of_it(
    name: str, password: str
) -> None:
    with pytest.raises(LedgerError, match="write @ as %40") as told:
        open_ledger(f"postgresql+psycopg://{name}:{password}@127.0.0.1:1/glimpsed")
    assert "secret" not in str(told.value)
    assert "word@" not in str(told.value)


@pytest.mark.parametrize(
    "options", ["", "?application_name=glimpsed@nas", "?sslmode=require&application_name=a@b@c"]
)
def test_an_at_sign_in_an_option_is_none_of_the_password(options: str) -> None:
    place = parsed(f"postgresql://anna:secret@127.0.0.1/glimpsed{options}")
    assert (place.password, place.host) == ("secret", "127.0.0.1")


@pytest.mark.parametrize("password", [None, "secret"])
def test_a_name_may_have_an_at_sign(password: str | None) -> None:
    """Some hosters' do."""
    place = parsed(f"postgresql://anna@server{f':{password}' if password else ''}@127.0.0.1:5432/glimpsed")
    assert (place.username, place.password, place.host) == ("anna@server", password, "127.0.0.1")


@pytest.mark.parametrize(
    "url", ["postgresql://anna:secret@127.0.0.1:secret/glimpsed", "anna:secret@127.0.0.1/x"]
)
def test_what_is_no_url_is_told_without_showing_any_of_it(url: str) -> None:
    with pytest.raises(LedgerError, match="no database URL like") as told:
        open_ledger(url)
    assert "secret" not in str(told.value)
    assert told.value.__cause__ is None


@pytest.mark.parametrize("target", ["new.db", "old.db"])
def test_a_ledger_behind_a_link_is_opened_and_a_new_one_is_for_our_eyes_only(
    tmp_path: Path, target: str
) -> None:
    open_ledger(f"sqlite:///{tmp_path}/old.db").close()
    (tmp_path / "ledger.db").symlink_to(target)
    open_ledger(f"sqlite:///{tmp_path}/ledger.db").close()
    assert stat.S_IMODE((tmp_path / target).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ledger.db", "100%#1 & ä.db", "a:b.db"])
def test_a_ledger_that_was_deleted_is_away_and_nobody_begins_it_anew(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with contextlib.closing(open_ledger(f"sqlite:///{path}")) as ledger:
        ledger.offer([OFFER], time.time())
        for file in tmp_path.glob("*"):
            file.unlink()
        ledger._database._reader.dispose()  # what is open goes on: another thread would connect anew
        with pytest.raises(LedgerUnavailable, match="unable to open"):
            ledger.find(OFFER.key)
        assert not path.exists()


def test_a_directory_in_the_ledgers_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be written: Is a directory"):
        open_ledger(f"sqlite:///{tmp_path}")


def test_an_older_ledger_is_brought_forward_step_by_step(ledger: Ledger, ledger_url: str) -> None:
    ledger.offer([OFFER], 1)
    done: list[int] = []
    prepare(ledger_url, *schema.STEPS, lambda _: done.append(1))
    again = [lambda _: done.append(-1)] * NOW  # were done already
    prepare(ledger_url, *again, lambda _: done.append(2), lambda _: done.append(3))
    assert (done, version(ledger_url)) == ([1, 2, 3], str(NOW + 3))
    assert ledger.offer([OFFER], 2) == []


def test_a_step_that_fails_changes_nothing(ledger: Ledger, ledger_url: str) -> None:
    def half(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE half (x integer)")
        raise ValueError

    with pytest.raises(ValueError):
        prepare(ledger_url, *schema.STEPS, half)
    assert version(ledger_url) == str(NOW)
    prepare(ledger_url, *schema.STEPS, lambda c: c.exec_driver_sql("CREATE TABLE half (x integer)"))


def test_a_newer_ledger_is_refused(ledger: Ledger, ledger_url: str, opened: OpenLedger) -> None:
    prepare(ledger_url, *schema.STEPS, lambda _: None)
    with pytest.raises(LedgerError, match=rf"newer glimpsed made this ledger \(version {NOW + 1}"):
        opened()


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as c:
        c.execute("CREATE TABLE photos (x)")
    c.close()
    with pytest.raises(LedgerError, match=r"another program.*photos"):
        open_ledger(f"sqlite:///{file}")


def test_a_file_that_is_no_database_is_a_lasting_error(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database at all " * 100)
    with pytest.raises(LedgerError, match="not a database"):
        open_ledger(f"sqlite:///{tmp_path}/x.db")


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "nonsense", "mysql://x/y", "sqlite:////proc/none/x.db"]
)
def test_what_cannot_be_a_ledger_is_refused(url: str) -> None:
    with pytest.raises(LedgerError):
        open_ledger(url)


def test_a_locked_ledger_is_only_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY", 0.05)
    ledger = open_ledger(f"sqlite:///{tmp_path}/x.db")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked"):
        ledger.offer([OFFER], 1)
    other.close()
    assert ledger.offer([OFFER], 1) == [OFFER]
    ledger.close()


def test_a_paid_answer_is_committed_with_full_synchronous(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.db", "test:1:1")
    seen = []
    for durable in (False, True, False):
        with database.write(durable=durable) as c:
            seen.append(c.exec_driver_sql("PRAGMA synchronous").scalar())
    database.close()
    assert seen == [1, 2, 1]  # NORMAL, FULL, NORMAL


def test_its_one_writing_connection_is_closed_while_nobody_can_be_waiting_for_it(tmp_path: Path) -> None:
    """Who waits while the pool is disposed of waits for the pool's time limit of 30 s."""
    database = Database(f"sqlite:///{tmp_path}/x.db", "test:1:1")
    with database.write():
        pass
    lock, held = database._write_lock, []
    assert not isinstance(lock, contextlib.nullcontext)
    sa.event.listen(database._writer, "engine_disposed", lambda _: held.append(lock.locked()))
    database.close()
    assert held == [True]
    assert not lock.locked()


def test_a_postgresql_that_died_is_away_and_comes_back_with_everything(postgres: Postgres) -> None:
    postgres.wipe()
    ledger = open_ledger(postgres.url)
    ledger.offer([OFFER], 1)
    before = ledger.changes()
    postgres.stop()
    try:
        for call in (lambda: ledger.offer([OFFER], 2), ledger.folders):
            with pytest.raises(LedgerUnavailable):
                call()
    finally:
        postgres.start()
    assert len(ledger.claim(folders=["in"], limit=1, now=3)) == 1
    wait_until(lambda: ledger.changes() != before)  # something may have been told meanwhile
    ledger.close()


def test_no_password_is_shown() -> None:
    with pytest.raises(LedgerUnavailable) as raised:
        open_ledger("postgresql://glimpsed:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(raised.value)
