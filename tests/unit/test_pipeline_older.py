"""Answers from before the ledger kept them are found and kept: from JSON sidecars, or the texts of version 1."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from glimpsed import config
from glimpsed.blocking import Blocking
from glimpsed.disk.files import find_root
from glimpsed.ledger import Books, FileRow, Ledger, open_ledger
from glimpsed.ledger.schema import files, kept, texts
from glimpsed.model import Answer, FileKey
from glimpsed.pipeline import Place, older
from history import CONFIG, History

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older, "PAUSE", 0.0)
    monkeypatch.setattr(older, "LOOK_AGAIN", 0.01)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glimpsed.yaml").write_text(CONFIG)
    for name in ("invoices", "archive"):
        (tmp_path / name).mkdir()
    loaded = config.load(tmp_path / "glimpsed.yaml", keys=False)
    history = History(loaded, open_ledger(config.state_url(loaded)))
    yield history
    history.ledger.close()


class Filling:
    """The pass, on folders that are there or not."""

    def __init__(self, history: History, *there: str) -> None:
        self.history = history
        self.there = set(there or history.config.folders)
        self.books = Books(history.ledger)
        self._io = Blocking("test")
        self._in_vain = 0
        self.looked_again = asyncio.Event()

    def place(self, name: str) -> Place | None:
        if name not in self.there:
            self._in_vain += 1
            if self._in_vain > 3:
                self.looked_again.set()
            return None
        folder = self.history.config.folders[name]
        return Place(folder, find_root(folder.path), self._io, ())

    async def run(self, *, never: bool = False) -> None:
        models = self.history.config.models
        await asyncio.wait_for(older.keep_older(self.books, self.place, lambda: models, never=never), 20)


def forget_that_it_was_kept(history: History, texts_of: dict[FileKey, str] | None = None) -> None:
    """As in a ledger of version 1: no answers, but perhaps texts."""
    database = history.ledger._database
    with database.write() as c:
        c.execute(sa.delete(kept))
        c.exec_driver_sql("INSERT INTO said(said) VALUES ('delete-all')")
        for key, text in (texts_of or {}).items():
            file = c.scalar(
                sa.select(files.c.id).where(files.c.folder == key.folder, files.c.name == key.name)
            )
            c.execute(sa.insert(texts), {"file": file, "page": 1, "body": text})


def row_of(ledger: Ledger, key: FileKey) -> FileRow:
    row = ledger.find(key)
    assert row is not None
    return row


def kept_of(history: History, key: FileKey) -> Answer | None:
    found = history.ledger.kept_for(row_of(history.ledger, key))
    return found and found.answer


async def test_what_json_sidecars_and_old_texts_say_is_kept_and_found(history: History) -> None:
    told = history.done("invoices", "told.png", ["Oak planks", "Pine"])
    bare = history.done("archive", "bare.png", ["a paid text"])
    lost = history.done("archive", "lost.png", ["nobody knows"])
    forget_that_it_was_kept(history, {bare: "a paid text", told: "an older text"})
    assert history.ledger.search("oak") == []
    await Filling(history).run()
    whole = kept_of(history, told)
    assert whole is not None
    assert (whole.text, whole.usage.cost, len(whole.pages or ())) == ("Oak planks\fPine", 0.25, 2)
    text = kept_of(history, bare)
    assert text is not None
    assert (text.text, text.model.asked, text.source.name) == ("a paid text", "gpt-4o", "bare.png")
    assert kept_of(history, lost) is None
    assert [(hit.key, hit.page) for hit in history.ledger.search("pine")] == [(told, 2)]
    with history.ledger._database.read() as c:
        assert c.scalar(sa.select(sa.func.count()).select_from(texts)) == 0
    assert history.ledger.noted(older.NOTE) == older.ALL


async def test_a_folder_that_is_not_there_is_waited_for(history: History) -> None:
    here, away = history.done("archive", "here.png"), history.done("invoices", "away.png", ["Oak"])
    forget_that_it_was_kept(history, {here: "An answer."})
    filling = Filling(history, "archive")
    task = asyncio.create_task(filling.run())
    await asyncio.wait_for(filling.looked_again.wait(), 20)
    assert not task.done()
    assert kept_of(history, here) is not None
    assert history.ledger.noted(older.NOTE) != older.ALL
    filling.there.add("invoices")
    await task
    assert kept_of(history, away) is not None


async def test_it_is_done_once_and_again_when_answers_were_not_to_be_kept_for_a_while(
    history: History,
) -> None:
    key = history.done("invoices", "a.png")
    await Filling(history).run()
    forget_that_it_was_kept(history)
    await Filling(history).run()
    assert kept_of(history, key) is None
    await Filling(history).run(never=True)
    assert kept_of(history, key) is None
    await Filling(history).run()
    assert kept_of(history, key) is not None


async def test_a_json_that_is_about_another_content_is_not_this_files(history: History) -> None:
    key, other = history.done("invoices", "a.png"), history.done("invoices", "b.png", ["of b"])
    folder = Path(history.config.folders["invoices"].path)
    (folder / "b.png.json").replace(folder / "a.png.json")
    forget_that_it_was_kept(history)
    await Filling(history).run()
    assert (kept_of(history, key), kept_of(history, other)) == (None, None)


async def test_answers_that_came_while_there_was_no_search_are_found_once_there_is(history: History) -> None:
    history.ledger._search = False
    key = history.done("invoices", "a.png", ["Oak planks"])
    assert history.ledger.search("oak") == []
    history.ledger._search = True
    await Filling(history).run()
    assert [hit.key for hit in history.ledger.search("oak")] == [key]
    assert history.ledger.forget_files([key]) == 1
    assert history.ledger.search("oak") == []
