"""Which files count as waiting, and `glimpsed estimate` as a command: looked at, nothing sent, nothing changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from glimpsed import cli, config
from glimpsed.disk import files
from glimpsed.estimate import survey
from glimpsed.ledger import open_ledger
from history import CONFIG, History
from pictures import picture


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glimpsed.yaml").write_text(CONFIG)
    for name in ("invoices", "archive"):
        (tmp_path / name).mkdir()
    loaded = config.load(tmp_path / "glimpsed.yaml", keys=False)
    ledger = open_ledger(config.state_url(loaded))
    yield History(loaded, ledger)
    ledger.close()


def waiting(history: History, name: str = "invoices", **changes: object) -> set[str]:
    folder = history.config.folders[name].model_copy(update=changes)
    kinds = survey.waiting(folder, files.find_root(folder.path), history.ledger)
    assert sum(kind.files for kind in kinds.values()) == sum(len(kind.some) for kind in kinds.values())
    return {path for kind in kinds.values() for path, _ in kind.some}


def test_new_and_queued_files_wait_and_those_done_or_failed_do_not(history: History) -> None:
    history.done("invoices", "done.png")
    history.failed("invoices", "failed.png")
    history.queued("invoices", "queued.png")
    history.image("invoices", "sub/new.png")
    assert waiting(history) == {"queued.png", "sub/new.png"}
    assert waiting(history, recursive=False) == {"queued.png"}


def test_another_version_of_a_done_file_waits(history: History) -> None:
    history.done("invoices", "a.png")
    assert waiting(history) == set()
    path = Path(history.config.folders["invoices"].path) / "a.png"
    path.write_bytes(picture("PNG", (640, 480)))
    assert waiting(history) == {"a.png"}


def test_a_lost_ledger_does_not_make_answered_files_wait(history: History, tmp_path: Path) -> None:
    history.done("invoices", "a.png")
    history.image("invoices", "b.png")
    empty = open_ledger(f"sqlite:///{tmp_path}/empty.sqlite")
    try:
        assert waiting(History(history.config, empty)) == {"b.png"}
    finally:
        empty.close()


def test_a_foreign_file_in_the_way_costs_nothing(history: History) -> None:
    key = history.image("invoices", "a.png")
    folder = Path(history.config.folders[key.folder].path)
    (folder / "a.png.txt").write_text("mine")
    (folder / "a.png.json").write_text("{}")
    assert waiting(history) == set()


def test_what_is_excluded_linked_or_no_image_does_not_wait(history: History, tmp_path: Path) -> None:
    history.image("invoices", "a.png")
    folder = Path(history.config.folders["invoices"].path)
    (folder / ".hidden.png").write_bytes(picture())
    (folder / "notes.txt").write_text("x")
    (tmp_path / "outside.png").write_bytes(picture())
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    os.mkfifo(folder / "pipe.png")
    history.image("invoices", "drafts/b.png")
    assert waiting(history, exclude=("drafts/",)) == {"a.png"}


def test_existing_files_that_are_to_be_ignored_do_not_wait_until_the_folder_was_seen(
    history: History,
) -> None:
    history.image("invoices", "a.png")
    assert waiting(history, existing="ignore") == set()
    history.ledger.first_seen("invoices", 1.0)
    assert waiting(history, existing="ignore") == {"a.png"}


def test_looking_changes_nothing(history: History) -> None:
    history.image("invoices", "a.png")
    waiting(history)
    assert history.ledger.counts(["invoices"])["invoices"]["queued"] == 0
    assert history.ledger.seen("invoices") is None


def test_of_many_files_some_are_looked_at(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "PER_KIND", 5)
    first = history.image("invoices", "0.png")
    folder = Path(history.config.folders[first.folder].path)
    for n in range(1, 40):
        shutil.copy(folder / "0.png", folder / f"{n}.png")
    kinds = survey.waiting(history.config.folders["invoices"], files.find_root(folder), history.ledger)
    assert kinds["png"].files == 40
    chosen = {path for path, _ in kinds["png"].some}
    assert len(chosen) == 5
    assert chosen != {f"{n}.png" for n in range(5)}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as e:
        cli.main(list(arguments))
    captured = capsys.readouterr()
    return int(e.value.code or 0), captured.out, captured.err


def test_estimate_has_the_documented_shape(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(history.config.folders["invoices"].path)
    (folder / "photo.jpg").write_bytes(picture("JPEG", (1024, 768)))
    pages = [Image.new("L", (200, 300), 40 * n) for n in range(3)]
    pages[0].save(folder / "three.tif", save_all=True, append_images=pages[1:])
    code, out, _ = run(capsys, "estimate", "--json")
    assert code == 0
    found = json.loads(out)
    keys = {"files", "pages", "input_tokens", "output_tokens", "cost", "currency", "seconds"}
    assert set(found) == {"folders", "total"}
    assert set(found["folders"]) == {"invoices", "archive"}
    assert keys <= set(found["folders"]["invoices"])
    assert keys <= set(found["total"])
    invoices = found["folders"]["invoices"]
    assert (invoices["files"], invoices["pages"], invoices["currency"]) == (2, 4, "USD")
    assert invoices["types"] == {"jpg": 1, "tif": 1}
    assert invoices["cost"] == pytest.approx(
        (invoices["input_tokens"] * 2.5 + invoices["output_tokens"] * 10) / 1e6, abs=1e-6
    )
    assert found["folders"]["archive"]["files"] == 0
    assert {k: found["total"][k] for k in keys} == {k: invoices[k] for k in keys}


def test_estimate_for_people_names_kinds_money_and_what_it_rests_on(
    history: History, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "PER_KIND", 2)
    for n in range(3):
        history.image("invoices", f"{n}.png")
    code, out, err = run(capsys, "estimate")
    assert code == 0
    assert "3 png" in out
    assert "USD" in out
    assert "2 of the 3 files, chosen by chance" in err


def test_a_folder_that_is_not_there_is_a_failed_check(
    history: History, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "archive").rmdir()
    code, out, err = run(capsys, "estimate", "--json")
    assert code == 1
    assert json.loads(out)["folders"]["archive"]["problem"]
    assert "archive: " in err


def test_some_rows_stand_for_all_in_proportion(history: History) -> None:
    for n in range(3):
        history.done("invoices", f"{n}.png")
    history.done("invoices", "photo.PNG.jpg")
    kinds = survey.of_rows(history.ledger.browse(["invoices"], ["done"], limit=10), 1000)
    assert {ending: kind.files for ending, kind in kinds.items()} == {"png": 750, "jpg": 250}
