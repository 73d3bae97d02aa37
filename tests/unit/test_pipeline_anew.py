"""What `outputs` newly name is written beside what stands: that is left as it is, whoever edits or corrects it meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from glimpsed.blocking import Blocking
from glimpsed.config.schema import Folder
from glimpsed.desk import Desk, deeds
from glimpsed.disk import files
from glimpsed.images.prepare import Images
from glimpsed.ledger import Books, Ledger
from glimpsed.model import Doubt, FileKey, Verified
from glimpsed.pipeline import anew, review
from glimpsed.pipeline.place import Place
from glimpsed.searchable.maker import Made, Maker
from history import History
from webpage import history

pytestmark = pytest.mark.anyio
P = ParamSpec("P")
T = TypeVar("T")


class Interrupted(Blocking):
    """Somebody is quicker: right before, or right after, the sidecars are written for the first time."""

    def __init__(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        super().__init__("test")
        self._before: list[Callable[[], None]] = [before]
        self._after: list[Callable[[], None]] = [after]

    async def run_within(
        self, seconds: float, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        writes = call is anew.write
        if writes and self._before:
            self._before.pop()()
        found = await super().run_within(seconds, call, *args, **kwargs)
        if writes and self._after:
            self._after.pop()()
        return found


@pytest.fixture
async def maker() -> AsyncIterator[Maker]:
    images = Images(workers=1)
    made = Maker(images)
    yield made
    await made.close()
    await images.close()


def nothing() -> None:
    """Nobody comes in between."""


async def completed(told: History, maker: Maker, io: Blocking) -> int:
    """With `xmp` among the outputs from now on."""
    folder = told.config.folders["invoices"]
    now = folder.model_copy(update={"outputs": (*folder.outputs, "xmp")})
    place = Place(now, files.find_root(folder.path), io, ())
    told.ledger.note("outputs of invoices", json.dumps(["before"]))
    return await anew.complete(Books(told.ledger), place, maker)


def correct(told: History, key: FileKey, text: str) -> None:
    """As somebody does at the live page."""
    folder = told.config.folders["invoices"]
    root = files.find_root(folder.path)
    row, answer = review.current(told.ledger, root, folder, key)
    review.correct(told.ledger, root, folder, key, seen=review.token(row, answer), by="page", text=text)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_correction_made_at_the_very_moment_stands_in_every_sidecar(
    tmp_path: Path, maker: Maker, when: str
) -> None:
    told = history(tmp_path)
    key = told.done("invoices", "a.png", ("Total 10",))

    def somebody() -> None:
        correct(told, key, "Total 11")

    io = Interrupted(*((somebody, nothing) if when == "before" else (nothing, somebody)))
    assert await completed(told, maker, io) == 1
    inbox = tmp_path / "invoices"
    assert (inbox / "a.png.txt").read_text() == "Total 11\n"
    assert json.loads((inbox / "a.png.json").read_text())["text"] == "Total 11"
    assert "Total 11" in (inbox / "a.png.xmp").read_text()
    assert not list(inbox.glob("*~"))
    row: Any = told.ledger.find(key)
    assert {one.name for one in row.written} == {"a.png.txt", "a.png.json", "a.png.xmp"}
    told.ledger.close()


async def test_a_text_that_somebody_edited_is_not_touched_when_more_is_written(
    tmp_path: Path, maker: Maker
) -> None:
    told = history(tmp_path)
    told.done("invoices", "a.png", ("Total 10",))
    text = tmp_path / "invoices" / "a.png.txt"
    text.write_text("Total 12, says the paper\n")
    assert await completed(told, maker, Interrupted(nothing, nothing)) == 1
    assert text.read_text() == "Total 12, says the paper\n"
    assert not list(text.parent.glob("*~"))
    assert (text.parent / "a.png.xmp").exists()
    told.ledger.close()


@pytest.mark.parametrize("way", ["rewrite", "outputs"])
async def test_what_a_second_reader_tells_meanwhile_is_in_the_sidecars(
    tmp_path: Path, maker: Maker, way: str
) -> None:
    """It found no JSON that it could be told in: that is being written."""
    told = history(tmp_path)
    key = told.done("invoices", "a.png", ("Total 10",))
    inbox, row = tmp_path / "invoices", told.ledger.find(key)
    assert row is not None
    (inbox / "a.png.json").unlink()

    def read() -> None:
        (found,) = told.ledger.all_kept([(row.sha256 or "", row.question)])
        assert found is not None
        doubt, verified = Doubt(by="second", agreement=0.5), Verified(by="second", usage=found.answer.usage)
        doubtful = found.answer.model_copy(update={"doubt": doubt, "verified": verified})
        with told.ledger._database.write() as c:
            told.ledger._replace_answer(c, row, doubtful)

    if way == "outputs":
        left = tuple(one for one in row.written if one.name != "a.png.json")
        assert told.ledger.rewritten(row, left)
        assert await completed(told, maker, Interrupted(nothing, read)) == 1
    else:

        class Making(deeds.Making):
            def __call__(self, *args: Any) -> Made:
                if args[1].doubt is None:
                    read()
                return super().__call__(*args)

        folder = told.config.folders["invoices"]
        with Making(told.config) as making:
            assert deeds.rewrite(Desk(told.config, told.ledger), folder, row, making)
    assert json.loads((inbox / "a.png.json").read_text())["doubt"]["by"] == "second"
    assert not list(inbox.glob("*~"))
    told.ledger.close()


def test_what_was_written_is_noted_only_of_the_row_that_was_looked_at(tmp_path: Path) -> None:
    told = history(tmp_path)
    key = told.done("invoices", "a.png", ("Total 10",))
    row = told.ledger.find(key)
    assert row is not None
    correct(told, key, "Total 11")
    assert not told.ledger.rewritten(row, ())
    now = told.ledger.find(key)
    assert now is not None
    assert now.written
    assert Ledger.rewritten(told.ledger, now, now.written)
    told.ledger.close()


def test_of_a_file_whose_directory_is_gone_nothing_is_known_and_others_are_told_of(tmp_path: Path) -> None:
    """It was moved out of its folder, and whoever had it there has cleared up: an export goes on without it."""
    assert (
        anew.beside(files.find_root(tmp_path), "../filed/scan.png", Folder(path=tmp_path, model="m")) is None
    )
