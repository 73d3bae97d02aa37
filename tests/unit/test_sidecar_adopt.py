from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from glimpsed import sidecar
from glimpsed.errors import ShareTrouble
from glimpsed.model import Answer, PageAnswer
from sidecar_samples import Inbox, inbox


def set_time(path: Path, ns: int) -> None:
    os.utime(path, ns=(ns, ns))


def edit_json(box: Inbox, **source: Any) -> None:
    path = box.beside("scan.jpg.json")
    content = json.loads(path.read_text())
    content["source"] |= source
    path.write_text(json.dumps(content))


def test_own_json_about_this_version_and_every_output_there_is_adopted(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    written = box.write()
    found = box.found()
    assert found.verdict == "adopt"
    assert set(found.written) == set(written)
    assert found.sha256 == box.content.sha256
    assert found.answer == Answer.model_validate_json(box.beside("scan.jpg.json").read_text())


@pytest.mark.parametrize(
    ("changes", "pages"),
    [
        ({"text": "one\ftwo", "pages": [{"page": 1, "text": "one"}, {"page": 2, "text": "two"}]}, 2),
        ({"text": 5, "pages": "many"}, None),
        ({"text": "whole", "pages": [7, {"page": 1}]}, None),
    ],
)
def test_what_an_adopted_json_says_is_an_answer_unless_it_is_damaged(
    tmp_path: Path, changes: dict[str, Any], pages: int | None
) -> None:
    box = inbox(tmp_path)
    box.write()
    path = box.beside("scan.jpg.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    found = box.found()
    assert found.verdict == "adopt"
    assert (found.answer and len(found.answer.pages or ())) == pages


def test_no_sidecar_costs_no_look_at_the_disk(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    root, version = box.root, box.version
    for path in (box.image, box.image.parent, box.path):
        path.unlink() if path.is_file() else path.rmdir()
    found = sidecar.adoptable(root, "a", "scan.jpg", version, box.folder, {"scan.jpg", "scan.jpg.json"})
    assert found.verdict == "none"


@pytest.mark.parametrize("missing", ["txt", "json"])
def test_a_missing_output_means_asking(tmp_path: Path, missing: str) -> None:
    box = inbox(tmp_path)
    box.write()
    box.beside(f"scan.jpg.{missing}").unlink()
    assert box.found().verdict == "none"


def test_the_time_counts_to_the_microsecond(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    set_time(box.image, 1_700_000_000_123_456_789)
    box.write()
    edit_json(box, sha256="0" * 64)
    set_time(box.image, 1_700_000_000_123_456_000)  # what a copy over SMB leaves of it
    assert box.found().verdict == "adopt"
    set_time(box.image, 1_700_000_000_123_457_000)
    assert box.found().verdict == "outdated"


def test_another_time_but_the_same_content_is_adopted(tmp_path: Path) -> None:
    """A restored backup."""
    box = inbox(tmp_path)
    box.write()
    set_time(box.image, 1_700_000_000_000_000_000)
    assert box.found().verdict == "adopt"


def test_another_content_is_outdated_whether_or_not_its_size_changed(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.write()
    content = box.image.read_bytes()
    box.image.write_bytes(content[::-1])
    assert box.found().verdict == "outdated"
    box.image.write_bytes(content + b"more")
    assert box.found().verdict == "outdated"
    box.check()  # so it is asked, and replaced
    box.write(box.answer("new"))
    assert box.found().verdict == "adopt"


@pytest.mark.parametrize(
    "source",
    [
        {"bytes": "22"},
        {"bytes": None, "modified": 5, "sha256": []},
        {"sha256": "zz"},
        {"sha256": 5},
        {"sha256": "0" * 63 + "\n"},
        {"sha256": "\ud800" * 64},
        {"bytes": float("nan")},
    ],
)
def test_a_json_with_nonsense_in_it_is_outdated_not_a_crash(tmp_path: Path, source: dict[str, Any]) -> None:
    box = inbox(tmp_path)
    box.write()
    edit_json(box, **source)
    assert box.found().verdict == "outdated"


@pytest.mark.parametrize("data", [b"{}", b"not json", b"\xff", b'{"glimpsed": 1, "source": "x"}'])
def test_a_json_that_is_not_ours_is_foreign(tmp_path: Path, data: bytes) -> None:
    box = inbox(tmp_path)
    box.write()
    box.beside("scan.jpg.json").write_bytes(data)
    assert box.found().verdict == "foreign"


def test_a_link_is_foreign(tmp_path: Path) -> None:
    box = inbox(tmp_path / "inbox")
    box.write()
    for name in ("scan.jpg.txt", "scan.jpg.json"):
        target = tmp_path / name
        box.beside(name).rename(target)
        box.beside(name).symlink_to(target)
        assert box.found().verdict == "foreign"
        box.beside(name).unlink()
        target.rename(box.beside(name))
    assert box.found().verdict == "adopt"


def test_without_json_all_must_be_newer_than_the_image(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt", "md"))
    box.write()
    assert box.found().verdict == "adopt"
    assert box.found().sha256 is None
    set_time(box.beside("scan.jpg.md"), box.version.mtime_ns)
    assert box.found().verdict == "foreign"


def test_an_image_from_the_future_has_newer_sidecars_all_the_same(tmp_path: Path) -> None:
    """A camera whose clock is wrong: else a lost ledger would fail its pictures."""
    box = inbox(tmp_path, outputs=("txt",))
    set_time(box.image, 4_000_000_000_000_000_000)
    written = box.write()
    assert box.found().verdict == "adopt"
    assert box.found().written == written


def test_an_image_renamed_together_with_its_sidecars_is_adopted(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.write()
    for name in box.names():
        box.beside(name).rename(box.beside(name.replace("scan", "renamed")))
    box.file = "a/renamed.jpg"
    assert box.found().verdict == "adopt"
    box.check()


def test_another_directory_in_the_roots_place_is_share_trouble(tmp_path: Path) -> None:
    box = inbox(tmp_path / "share")
    box.write()
    root = box.root
    box.path.rename(tmp_path / "away")
    inbox(tmp_path / "share")
    with pytest.raises(ShareTrouble):
        sidecar.adoptable(root, "a", "scan.jpg", box.version, box.folder, {"scan.jpg.txt", "scan.jpg.json"})


def test_the_answer_can_be_loaded_for_the_same_content_elsewhere(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("json",))
    answer = box.answer("the text", pages=(PageAnswer(page=1, text="the text", data={"a": [1, None]}),))
    box.write(answer)
    loaded = sidecar.load(box.root, box.file, box.folder)
    assert loaded is not None
    assert (loaded.text, loaded.pages, loaded.source) == (answer.text, answer.pages, answer.source)


@pytest.mark.parametrize("data", [None, b"{}", b'{"glimpsed": 1, "source": {}}', b"\x00"])
def test_what_cannot_be_loaded_is_no_error(tmp_path: Path, data: bytes | None) -> None:
    box = inbox(tmp_path)
    if data is not None:
        box.beside("scan.jpg.json").write_bytes(data)
    assert sidecar.load(box.root, box.file, box.folder) is None
    assert sidecar.load(box.root, "gone/scan.jpg", box.folder) is None


def test_the_text_of_a_folder_without_json_can_be_loaded_until_somebody_edits_it(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("md",))
    written = box.write(box.answer("é\n\nmore"))
    assert sidecar.load_text(box.root, box.file, box.folder, written) == "é\n\nmore"
    assert sidecar.load_text(box.root, box.file, box.folder, ()) is None
    box.beside("scan.jpg.md").write_text("edited")
    assert sidecar.load_text(box.root, box.file, box.folder, written) is None


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.jpg",
        "café.jpg".encode(),
        b"two\nlines.jpg",
        "turned\u202egpj.jpg".encode(),
        b'a"b\\c.jpg',
        b"\xff\x00"[:1] + b".jpg",
    ],
)
def test_the_json_tells_the_exact_name_of_its_image(tmp_path: Path, name: bytes) -> None:
    file = os.fsdecode(name)
    box = inbox(tmp_path, file)
    written = box.write()
    path = box.beside(f"{file}.json")
    assert json.loads(path.read_bytes())["source"]["name"] == file
    path.read_bytes().decode()  # it is UTF-8 all the same
    assert box.found().verdict == "adopt"
    box.check(written)
    loaded = sidecar.load(box.root, file, box.folder)
    assert loaded is not None
    assert loaded.model_dump_json()  # as the ledger keeps it
    box.write(written=written)
    assert {n for n in box.names() if n.endswith("~")} == set()


@pytest.mark.parametrize(
    "change",
    [
        {"reused_from": "in/other.jpg"},
        {"finished": "yesterday"},
        {"finished": 7},
        {"finished": "9999-12-31T23:59:59.999999+00:00"},
        {"usage": None},
        {"usage": {"cost": "much"}},
        {"usage": {"cost": float("inf")}},
        {"usage": {"cost": -1}},
        {"usage": {"input_tokens": -5}},
        {"usage": {"input_tokens": 10**30}},
        {"model": {"entry": ["m"]}},
        {"model": {"entry": "m" * 1000}},
        {"model": 3},
        {"verified": {"by": 3, "usage": {}}},
        {"verified": 7},
    ],
)
def test_what_cost_nothing_or_cannot_be_is_not_counted(tmp_path: Path, change: dict[str, object]) -> None:
    box = inbox(tmp_path)
    box.write()
    path = box.beside("scan.jpg.json")
    assert [paid.usage.cost for paid in box.found().paid] == [0.004875]
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    found = box.found()
    assert found.verdict == "adopt"
    assert all(-62135596800 < paid.at <= 253402300800 for paid in found.paid)
    assert found.paid == () or "9999" in str(change)


@pytest.mark.parametrize("edited", ["scan.jpg.txt", "scan.jpg.json", "scan.jpg.xmp"])
def test_what_was_edited_goes_on_counting_as_edited_when_it_is_adopted(tmp_path: Path, edited: str) -> None:
    """The ledger was lost, so the own JSON and the texts beside it are all that can tell."""
    box = inbox(tmp_path, outputs=("txt", "json", "xmp"))
    box.write()
    path = box.beside(edited)
    mine = path.read_text().replace("Zürich", "Geneva")
    path.write_text(mine)
    found = box.found()
    assert found.verdict == "adopt"
    box.write(box.answer("another answer"), found.known)
    assert box.beside(f"{edited}~").read_text() == mine
    assert "another answer" in path.read_text()


def test_what_nobody_edited_is_replaced_when_it_was_adopted(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt", "json", "xmp", "md"))
    before = {w.name for w in box.write()}
    known = box.found().known
    box.write(box.answer("another answer"), known)
    assert box.names() == {"scan.jpg", *before}
